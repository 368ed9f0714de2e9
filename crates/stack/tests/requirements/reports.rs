//! What the application hears of trouble, and what IP is told (RFC 9293 §3.8.3, §3.9.1.8, §3.9.2.2).

use portolan_stack::*;
use portolan_wire::{Address, Family, icmpv4, icmpv6, ipv4, ipv6, protocol};

use crate::common::{A, B, Pair, address};
use crate::raw::{deliver, sent};

/// A connection of A's with text under way that B never sees, and the packet that carries it.
fn with_text_under_way(family: Family, warnings: bool) -> (Pair, SocketId, Vec<u8>) {
    let mut pair = Pair::new();
    let (client, _) = pair.connected(family, 80);
    pair.hosts[A].set_option(pair.now, client, SocketOption::Warnings(warnings)).unwrap();
    pair.lose = |from, _| from == A;
    let since = pair.wire.len();
    pair.write(A, client, b"is anybody there?").unwrap();
    pair.settle();
    let lost = sent(&pair, A, since).pop().unwrap().packet;
    (pair, client, lost)
}

/// An ICMPv4 error of a router about `quote`.
fn icmp_v4(message: icmpv4::Message, quote: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20 + 8 + 28];
    let header = ipv4::Emit {
        src: Address::v4(10, 0, 0, 9),
        dst: address(A, Family::V4),
        protocol: protocol::ICMPV4,
        ttl: 64,
        payload_len: 36,
        ..ipv4::Emit::default()
    };
    header.emit(&mut packet).unwrap();
    message.emit(&quote[..28], &mut packet[20..]).unwrap();
    packet
}

/// An ICMPv6 error of a router about `quote`.
fn icmp_v6(message: icmpv6::Message, quote: &[u8]) -> Vec<u8> {
    let (src, dst) = ("fd00::9".parse().unwrap(), address(A, Family::V6));
    let mut packet = vec![0; 40 + 8 + 60];
    let header = ipv6::Emit {
        src,
        dst,
        next_header: protocol::ICMPV6,
        hop_limit: 64,
        traffic_class: 0,
        flow_label: 0,
        payload_len: 68,
    };
    header.emit(&mut packet).unwrap();
    message.emit(src, dst, &quote[..60], &mut packet[40..]).unwrap();
    packet
}

fn warnings(pair: &mut Pair, id: SocketId) -> Vec<Warning> {
    let mine = |event: &Event| match event {
        Event::Warned(warned, warning) if *warned == id => Some(*warning),
        _ => None,
    };
    let found = pair.events[A].iter().filter_map(mine).collect();
    pair.events[A].clear();
    found
}

// RFC 9293 MUST-47, MUST-54, MUST-56, SHLD-25
// RFC 1122 §3.2.2, INET-40; §3.2.2.1, INET-49 to INET-51; §3.2.2.4, INET-59; §3.2.2.5, INET-61, INET-62
#[test]
fn icmp_errors_end_no_open_connection_and_are_reported() {
    use icmpv4::Message::{ParameterProblem, TimeExceeded, Unreachable};
    let unreachable = |code| Unreachable { code, next_hop_mtu: 0 };
    let (mut pair, client, lost) = with_text_under_way(Family::V4, true);
    for (message, error) in [
        (unreachable(0), SocketError::NetworkUnreachable),
        (unreachable(1), SocketError::HostUnreachable),
        (unreachable(5), SocketError::HostUnreachable),
        (unreachable(2), SocketError::ConnectionRefused),
        (unreachable(3), SocketError::ConnectionRefused),
        (TimeExceeded { code: 0 }, SocketError::HostUnreachable),
        (ParameterProblem { pointer: 12 }, SocketError::ProtocolError),
    ] {
        deliver(&mut pair, A, &icmp_v4(message, &lost));
        assert_eq!(warnings(&mut pair, client), [Warning::Icmp(error)], "{message:?}");
        assert_eq!(pair.hosts[A].state(client), Ok(State::Established), "{message:?}");
    }
    let (mut pair, client, lost) = with_text_under_way(Family::V6, true);
    for message in [
        icmpv6::Message::Unreachable { code: 0 },
        icmpv6::Message::TimeExceeded { code: 0 },
        icmpv6::Message::ParameterProblem { code: 0, pointer: 6 },
    ] {
        deliver(&mut pair, A, &icmp_v6(message, &lost));
        assert_eq!(warnings(&mut pair, client).len(), 1, "{message:?}");
        assert_eq!(pair.hosts[A].state(client), Ok(State::Established), "{message:?}");
    }
}

// RFC 9293 SHLD-20; RFC 5927 §4.1
#[test]
fn nobody_is_warned_who_has_not_asked_or_by_a_forger() {
    let unreachable = icmpv4::Message::Unreachable { code: 1, next_hop_mtu: 0 };
    let (mut pair, client, lost) = with_text_under_way(Family::V4, false);
    deliver(&mut pair, A, &icmp_v4(unreachable, &lost));
    pair.pass(10_000_000);
    assert_eq!(warnings(&mut pair, client), []);
    let (mut pair, client, mut forged) = with_text_under_way(Family::V4, true);
    forged[24] ^= 0x40;
    deliver(&mut pair, A, &icmp_v4(unreachable, &forged));
    assert_eq!(warnings(&mut pair, client), []);
}

// RFC 9293 MUST-55; RFC 6633 §3
#[test]
fn source_quench_changes_nothing() {
    let (mut pair, client, lost) = with_text_under_way(Family::V4, true);
    let window = |pair: &mut Pair| pair.hosts[A].flows()[0].info.unwrap().cwnd;
    let (before, ignored) = (window(&mut pair), pair.hosts[A].stats().drops.count(DropReason::IcmpIgnored));
    let mut quench = icmp_v4(icmpv4::Message::Unreachable { code: 0, next_hop_mtu: 0 }, &lost);
    // Type 4 instead of 3, and the checksum that goes with it.
    quench[20] = 4;
    quench[22] = quench[22].wrapping_sub(1);
    deliver(&mut pair, A, &quench);
    assert_eq!(pair.hosts[A].stats().drops.count(DropReason::IcmpIgnored), ignored + 1);
    assert_eq!((window(&mut pair), warnings(&mut pair, client)), (before, vec![]));
}

// RFC 9293 MUST-20, SHLD-9, SHLD-10: at the third timeout in a row the neighbour is asked, and the application told.
// RFC 1122 §3.3.1.4, INET-107, INET-109
#[test]
fn retransmissions_make_the_path_doubtful() {
    let (mut pair, client, _) = with_text_under_way(Family::V4, true);
    let asked = |pair: &Pair| {
        // ARP requests to one station: type 0x0806, not to all.
        let is_probe = |frame: &[u8]| frame[12..14] == [8, 6] && frame[0] & 1 == 0 && frame[20..22] == [0, 1];
        pair.wire.iter().filter(|(from, frame)| *from == A && is_probe(frame)).count()
    };
    let before = asked(&pair);
    // A tail loss probe is none of these.
    let timeouts = |pair: &Pair| pair.hosts[A].stats().tcp.timeouts;
    while timeouts(&pair) < 2 {
        pair.pass(1_000);
    }
    assert_eq!((asked(&pair), warnings(&mut pair, client)), (before, vec![]));
    while timeouts(&pair) < 3 {
        pair.pass(1_000);
    }
    assert_eq!((asked(&pair), warnings(&mut pair, client)), (before + 1, vec![Warning::Retransmitting]));
    assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
}

// RFC 9293 MUST-20: what IP finds out then is another way.
#[test]
fn a_doubted_path_is_looked_up_anew_and_a_lost_neighbour_forgotten() {
    let (mut pair, client, _) = with_text_under_way(Family::V4, false);
    pair.pass(60_000_000);
    assert_eq!(pair.hosts[A].counts().neighbours, 1, "it is looked for again");
    pair.lose = |_, _| false;
    pair.pass(60_000_000);
    assert_eq!(pair.hosts[A].flows()[0].info.unwrap().unacked, 0);
    assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
    assert_eq!(pair.dropped(B), 0);
}
