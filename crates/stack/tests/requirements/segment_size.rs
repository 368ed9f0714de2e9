//! How large segments are: the MSS option, its default, and what is sent.

use portolan_stack::*;
use portolan_wire::tcp::Flags;
use portolan_wire::{Endpoint, Family, SeqNumber};

use crate::common::{A, B, Pair, address, ethernet_caps, pattern, v4};
use crate::raw::{ack, deliver, impersonate_a, packet, sent, syn};

// RFC 9293 MUST-14, MUST-67, SHLD-5, MAY-3: always, and what IP can receive less the fixed headers.
// RFC 1122 §3.3.2, INET-115
#[test]
fn every_syn_says_what_the_link_can_receive() {
    for mtu in [1280, 1500, 9000] {
        for (family, headers) in [(Family::V4, 40), (Family::V6, 60)] {
            let mut pair = Pair::with(Config::default(), ethernet_caps(mtu), 1);
            pair.connected(family, 80);
            for host in [A, B] {
                let seen = sent(&pair, host, 0);
                let mss: Vec<_> =
                    seen.iter().map(|seen| seen.header.options.mss.map(|mss| mss.get())).collect();
                assert_eq!(mss[0], Some(mtu - headers), "{family:?}, {mtu}");
                // RFC 9293 MUST-65
                assert!(mss[1..].iter().all(Option::is_none));
            }
        }
    }
}

/// Sets what is known of the paths to the peer of host A.
fn limit_route(pair: &mut Pair, limits: RouteLimits) {
    let to_peer = |route: &&Route| route.destination.contains(v4(B));
    let route = *pair.hosts[A].routes().find(to_peer).unwrap();
    pair.hosts[A].set_route_limits(pair.now, &route, limits).unwrap();
}

// RFC 9293 §3.7.1, MAY-3; RFC 6691 §2: what is announced and what is sent are two things.
#[test]
fn a_route_limits_what_is_sent_and_what_is_announced() {
    let longest_and_mss = |limits, clamp: Option<u16>| {
        let mut pair = Pair::new();
        limit_route(&mut pair, limits);
        let listener = pair.listen(B, Family::V4, 80, 4);
        let client = pair.hosts[A].tcp_socket(Family::V4).unwrap();
        if let Some(octets) = clamp {
            pair.hosts[A].set_option(pair.now, client, SocketOption::MaxSegment(octets)).unwrap();
        }
        pair.hosts[A].connect(pair.now, client, Endpoint::new(v4(B), 80)).unwrap();
        pair.settle();
        let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
        let mss = sent(&pair, A, 0)[0].header.options.mss.map(|mss| mss.get());
        let mut longest = |from, id| {
            let since = pair.wire.len();
            pair.write(from, id, &pattern(9000)).unwrap();
            pair.settle();
            sent(&pair, from, since).iter().map(|seen| seen.text.len() + 12).max()
        };
        (mss, longest(A, client), longest(B, server))
    };
    let limits = |mtu, advertised_mss| RouteLimits { mtu, advertised_mss };
    for ((limits, clamp), expected) in [
        ((limits(None, None), None), (1460, 1460, 1460)),
        ((limits(Some(1000), None), None), (960, 960, 960)),
        ((limits(Some(9000), None), None), (1460, 1460, 1460)),
        ((limits(None, Some(600)), None), (600, 1460, 600)),
        ((limits(Some(1000), Some(1200)), None), (1200, 960, 1200)),
        ((limits(None, Some(8960)), None), (1460, 1460, 1460)),
        // TCP_MAXSEG, as on Linux: the least counts.
        ((limits(None, Some(600)), Some(500)), (500, 500, 500)),
        ((limits(Some(1000), Some(600)), Some(1400)), (600, 960, 600)),
    ] {
        let (announced, there, back) = expected;
        let expected = (Some(announced), Some(there), Some(back));
        assert_eq!(longest_and_mss(limits, clamp), expected, "{limits:?} {clamp:?}");
    }
}

#[test]
fn a_changed_route_counts_for_connections_that_are_open() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    limit_route(&mut pair, RouteLimits { mtu: Some(700), ..RouteLimits::default() });
    let since = pair.wire.len();
    pair.transfer(A, client, server, &pattern(20_000));
    let longest = sent(&pair, A, since).iter().map(|seen| seen.text.len()).max();
    assert_eq!(longest, Some(700 - 40 - 12));
    let gone = Route { metric: 77, ..*pair.hosts[A].routes().next().unwrap() };
    let refused = pair.hosts[A].set_route_limits(pair.now, &gone, RouteLimits::default());
    assert_eq!(refused, Err(SettingError::NoSuchRoute));
}

// RFC 9293 MUST-15
#[test]
fn a_peer_without_the_option_gets_the_default_of_its_family() {
    for (family, default) in [(Family::V4, 536), (Family::V6, 1220)] {
        let mut pair = Pair::new();
        let listener = pair.listen(B, family, 80, 4);
        impersonate_a(&mut pair);
        let (peer, host) = (Endpoint::new(address(A, family), 4000), Endpoint::new(address(B, family), 80));
        deliver(&mut pair, B, &packet(peer, host, &syn(100), &[], b""));
        let syn_ack = sent(&pair, B, 0).pop().unwrap();
        deliver(&mut pair, B, &packet(peer, host, &ack(101, syn_ack.header.seq + 1), &[], b""));
        let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
        let since = pair.wire.len();
        pair.write(B, server, &pattern(5000)).unwrap();
        pair.settle();
        let longest = sent(&pair, B, since).iter().map(|seen| seen.text.len()).max();
        assert_eq!(longest, Some(default), "{family:?}, passive");

        let since = pair.wire.len();
        let client = pair.connect(B, Endpoint::new(address(A, family), 4001));
        pair.settle();
        let seen = sent(&pair, B, since).pop().unwrap();
        let mut syn_ack = ack(700, seen.header.seq + 1);
        syn_ack.flags = Flags::SYN | Flags::ACK;
        deliver(&mut pair, B, &packet(seen.dst, seen.src, &syn_ack, &[], b""));
        let since = pair.wire.len();
        pair.write(B, client, &pattern(5000)).unwrap();
        pair.settle();
        let longest = sent(&pair, B, since).iter().map(|seen| seen.text.len()).max();
        assert_eq!(longest, Some(default), "{family:?}, active");
    }
}

// RFC 9293 MUST-16, SHLD-28: the option counts text and options of TCP; IP options of ours would come off, too.
// RFC 1122 §3.3.3, INET-118, INET-120
#[test]
fn a_full_segment_has_as_much_text_as_options_leave() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let since = pair.wire.len();
    pair.transfer(A, client, server, &pattern(20_000));
    let longest = sent(&pair, A, since).iter().map(|seen| seen.text.len()).max();
    assert_eq!(longest, Some(1500 - 20 - 20 - 12));
}

// RFC 9293 MUST-1, REC-1: a window field of more than 32,767 is no negative number, and a scaled one needs 32 bits.
#[test]
fn windows_are_unsigned_and_scaled_ones_wide() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, Family::V4, 80, 4);
    impersonate_a(&mut pair);
    let (peer, host) = (Endpoint::new(v4(A), 4000), Endpoint::new(v4(B), 80));
    let mut opening = syn(u32::MAX);
    opening.options.window_scale = Some(14);
    deliver(&mut pair, B, &packet(peer, host, &opening, &[], b""));
    let iss: SeqNumber = sent(&pair, B, 0).pop().unwrap().header.seq;
    let mut segment = ack(0, iss + 1);
    segment.window = u16::MAX;
    deliver(&mut pair, B, &packet(peer, host, &segment, &[], b""));
    pair.hosts[B].accept(pair.now, listener).unwrap();
    let window = |pair: &mut Pair| pair.hosts[B].flows()[0].info.unwrap().snd_wnd;
    assert_eq!(window(&mut pair), 65_535 << 14);
    segment.window = 40_000;
    deliver(&mut pair, B, &packet(peer, host, &segment, &[], b""));
    assert_eq!(window(&mut pair), 40_000 << 14);
}
