//! Connections handed from one stack to another with the same address.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Cidr, Family};

/// A stack like host `n` of a pair, with secrets of its own.
fn successor(pair: &Pair, n: usize, seed: u64) -> (Stack, LinkId) {
    let mut host = Stack::new(Config::default(), Seeds::fixed(seed));
    let settings = LinkConfig { name: "eth0".into(), ethernet: station(n) };
    let link = host.add_link(pair.now, ethernet_caps(1500), settings);
    host.add_address(pair.now, link, Cidr::new(v4(n), 24).unwrap()).unwrap();
    host.add_address(pair.now, link, Cidr::new(v6(n), 64).unwrap()).unwrap();
    (host, link)
}

/// Replaces host `n`, which has one socket, by a successor.
fn replace(pair: &mut Pair, n: usize, socket: SocketId, seed: u64) -> SocketId {
    let frozen = pair.hosts[n].freeze(pair.now, socket).unwrap();
    pair.hosts[n].check().unwrap();
    let counts = pair.hosts[n].counts();
    assert_eq!((counts.sockets, counts.connections, counts.ports, counts.timers), (0, 0, 0, counts.timers));
    let (mut host, link) = successor(pair, n, seed);
    let thawed = host.thaw(pair.now, &frozen).unwrap();
    assert_eq!(host.thaw(pair.now, &frozen), Err(SocketError::AddressInUse));
    (pair.hosts[n], pair.links[n]) = (host, link);
    pair.hosts[n].check().unwrap();
    thawed
}

#[test]
fn a_socket_is_handed_to_another_stack_in_the_middle_of_a_transfer() {
    for family in [Family::V4, Family::V6] {
        let mut pair = Pair::new();
        let (mut client, mut server) = pair.connected(family, 80);
        let text = pattern(400_000);
        let (mut sent, mut got) = (0, Vec::new());
        for round in 0..100_000 {
            if sent < text.len() {
                match pair.write(A, client, &text[sent..text.len().min(sent + 30_000)]) {
                    Ok(len) => sent += len,
                    Err(error) => assert_eq!(error, SocketError::WouldBlock),
                }
            }
            pair.carry(A);
            if round % 7 == 3 {
                client = replace(&mut pair, A, client, 100 + round);
            }
            pair.carry(B);
            if round % 11 == 5 {
                server = replace(&mut pair, B, server, 500 + round);
            }
            if let Ok(more) = pair.read(B, server) {
                got.extend(more);
            }
            if got.len() == text.len() {
                break;
            }
            pair.pass(3_000);
        }
        assert!(got == text, "{} of {} octets", got.len(), text.len());
        assert_eq!(pair.transfer(B, server, client, &text[..5000]), &text[..5000]);
        pair.hosts[A].close(pair.now, client).unwrap();
        pair.settle();
        assert_eq!(pair.read(B, server).unwrap(), []);
    }
}

#[test]
fn what_waits_to_be_read_goes_along_and_is_told() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    pair.write(A, client, b"waiting").unwrap();
    pair.settle();
    let server = replace(&mut pair, B, server, 9);
    pair.settle();
    assert!(pair.saw(B, |event| matches!(event, Event::Readable(id) if *id == server)));
    assert_eq!(pair.read(B, server).unwrap(), b"waiting");
}

#[test]
fn who_cannot_take_a_connection_says_why() {
    let mut pair = Pair::new();
    let (client, _) = pair.connected(Family::V4, 80);
    let fresh = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    assert_eq!(pair.hosts[A].freeze(pair.now, fresh), Err(SocketError::NotConnected));
    let datagrams = pair.hosts[A].udp_socket(Family::V4).unwrap();
    assert_eq!(pair.hosts[A].freeze(pair.now, datagrams), Err(SocketError::NotSupported));
    let frozen = pair.hosts[A].freeze(pair.now, client).unwrap();
    assert_eq!(pair.hosts[A].freeze(pair.now, client), Err(SocketError::BadSocket));
    assert_eq!(pair.hosts[B].thaw(pair.now, &frozen), Err(SocketError::AddressNotAvailable));
    for len in 0..frozen.len() {
        assert!(pair.hosts[A].thaw(pair.now, &frozen[..len]).is_err(), "cut to {len} octets");
    }
    for at in 0..frozen.len() {
        for bit in 0..8 {
            let (mut host, _) = successor(&pair, A, 5);
            let mut flipped = frozen.clone();
            flipped[at] ^= 1 << bit;
            let thawed = host.thaw(pair.now, &flipped);
            host.check().unwrap();
            assert_eq!(host.counts().connections, usize::from(thawed.is_ok()));
        }
    }
    assert!(pair.hosts[A].thaw(pair.now, &frozen).is_ok());
}
