//! What stands in the headers: checksums, Diffserv, TTL, and IP options that TCP does not understand.

use portolan_stack::*;
use portolan_wire::{Endpoint, Family, tcp};

use crate::common::{A, B, Pair, address, v4};
use crate::raw::{deliver, packet, sent, syn};

// RFC 9293 MUST-2
#[test]
fn every_segment_has_its_checksum() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let (client, server) = pair.connected(family, 80);
        pair.transfer(A, client, server, &[7; 9001]);
        pair.hosts[A].abort(pair.now, client).unwrap();
        pair.settle();
        for host in [A, B] {
            let (local, remote) = (address(host, family), address(1 - host, family));
            let seen = sent(&pair, host, 0);
            assert!(seen.len() >= 2);
            let header_len = if family == Family::V4 { 20 } else { 40 };
            assert!(seen.iter().all(|seen| tcp::checksum_ok(local, remote, &seen.packet[header_len..])));
        }
    }
}

// RFC 9293 MUST-3
#[test]
fn b14_a_segment_with_one_flipped_bit_is_dropped() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    pair.lose = |from, _| from == A;
    let since = pair.wire.len();
    pair.write(A, client, b"sixteen octets..").unwrap();
    pair.settle();
    let good = sent(&pair, A, since).pop().unwrap().packet;
    let drops = |pair: &Pair| {
        let drops = &pair.hosts[B].stats().drops;
        drops.count(DropReason::TcpChecksum) + drops.count(DropReason::TcpMalformed)
    };
    for bit in 20 * 8..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let before = drops(&pair);
        deliver(&mut pair, B, &bad);
        assert_eq!(drops(&pair), before + 1, "bit {bit}");
    }
    assert_eq!(pair.read(B, server), Err(SocketError::WouldBlock));
    deliver(&mut pair, B, &good);
    assert_eq!(pair.read(B, server).unwrap(), b"sixteen octets..");
}

// RFC 9293 MUST-48, MUST-49, SHLD-21, SHLD-22
// RFC 1122 §3.2.1.6, INET-18; §3.2.1.7, INET-23
#[test]
fn diffserv_and_ttl_are_the_applications_and_may_change() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let listener = pair.listen(B, family, 80, 4);
        let client = pair.hosts[A].tcp_socket(family).unwrap();
        let set = |pair: &mut Pair, tos: u8, ttl: u8| {
            for option in [SocketOption::Tos(tos), SocketOption::Ttl(ttl)] {
                pair.hosts[A].set_option(pair.now, client, option).unwrap();
            }
        };
        set(&mut pair, 0xb8, 17);
        let since = pair.wire.len();
        pair.hosts[A].connect(pair.now, client, Endpoint::new(address(B, family), 80)).unwrap();
        pair.settle();
        let opening = sent(&pair, A, since);
        assert!(opening.len() >= 2 && opening.iter().all(|seen| (seen.tos() & !3, seen.ttl()) == (0xb8, 17)));
        set(&mut pair, 0x20, 99);
        let since = pair.wire.len();
        let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
        pair.transfer(A, client, server, b"other wishes");
        let later = sent(&pair, A, since);
        assert!(!later.is_empty() && later.iter().all(|seen| (seen.tos() & !3, seen.ttl()) == (0x20, 99)));
    }
}

// RFC 9293 MUST-50
// RFC 1122 §3.2.1.8, INET-27; §3.2.1.8b, INET-30
#[test]
fn ip_options_that_tcp_does_not_understand_are_ignored() {
    let mut pair = Pair::new();
    pair.listen(B, Family::V4, 80, 8);
    let options: [&[u8]; 5] = [
        &[1, 1, 1, 0],
        &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[222, 4, 1, 2],
    ];
    for (port, options) in (4000..).zip(options) {
        let since = pair.wire.len();
        let (src, dst) = (Endpoint::new(v4(A), port), Endpoint::new(v4(B), 80));
        deliver(&mut pair, B, &packet(src, dst, &syn(1), options, b""));
        let answer = &sent(&pair, B, since)[0];
        assert!(answer.header.flags.contains(tcp::Flags::SYN), "{options:?}");
        assert_eq!(answer.ip_options().len(), 0, "none of them comes back");
    }
}
