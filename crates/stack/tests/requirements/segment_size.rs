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
