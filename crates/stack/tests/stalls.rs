//! Connections that cannot send: they end in time and leave nothing behind. And what a stranger can make one send.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use common::*;
use portolan_link::{PacketBuf, RxBatch};
use portolan_stack::*;
use portolan_wire::tcp::{Flags, fill_checksum};
use portolan_wire::{Address, Endpoint, Family, SeqNumber, icmpv4, ipv4, protocol, tcp};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

fn is_tcp(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[23] == protocol::TCP
}

/// The TCP headers of the frames that a host has sent since `from`.
fn sent(pair: &Pair, host: usize, from: usize) -> Vec<(SeqNumber, Flags, usize)> {
    let frames = pair.wire[from..].iter().filter(|(sender, frame)| *sender == host && is_tcp(frame));
    frames
        .map(|(_, frame)| {
            let packet = ipv4::parse(&frame[14..]).unwrap();
            let (header, _, text) = tcp::parse(packet.payload).unwrap();
            (header.seq(), header.flags(), text.len())
        })
        .collect()
}

/// Gives a host a packet.
fn inject(pair: &mut Pair, host: usize, src: Address, protocol: u8, payload: &[u8]) {
    let mut packet = vec![0; 20 + payload.len()];
    let header = ipv4::Emit {
        src,
        dst: v4(host),
        protocol,
        ttl: 64,
        payload_len: payload.len() as u16,
        ..Default::default()
    };
    header.emit(&mut packet).unwrap();
    packet[20..].copy_from_slice(payload);
    let frame = [&station(host).0[..], &station(1 - host).0, &[8, 0], &packet].concat();
    let mut batch = RxBatch::new(1);
    batch.push(PacketBuf::copy(pair.hosts[host].pool(), &frame)).unwrap();
    let link = pair.links[host];
    pair.hosts[host].receive(pair.now, link, &mut batch);
}

/// Counts of a host that has no TCP left.
fn is_clean(pair: &Pair, host: usize) -> bool {
    let counts = pair.hosts[host].counts();
    (counts.connections, counts.flows, counts.timers) == (0, 0, 0)
}

#[test]
fn connections_over_a_removed_link_can_be_aborted_and_closed() {
    type End = fn(&mut Stack, portolan_link::Instant, SocketId) -> Result<(), SocketError>;
    for end in [Stack::abort as End, Stack::close as End] {
        let mut pair = Pair::new();
        let (_, server) = pair.connected(Family::V4, 80);
        let link = pair.links[B];
        pair.hosts[B].remove_link(pair.now, link).unwrap();
        pair.write(B, server, b"nobody will see this").unwrap();
        end(&mut pair.hosts[B], pair.now, server).unwrap();
        pair.pass(HOUR);
        assert!(is_clean(&pair, B), "{:?}", pair.hosts[B].counts());
    }
}

#[test]
fn a_connect_whose_link_goes_before_its_syn_fails() {
    let mut pair = Pair::new();
    let client = pair.connect(A, Endpoint::new(v4(B), 80));
    let link = pair.links[A];
    pair.hosts[A].remove_link(pair.now, link).unwrap();
    pair.pass(HOUR);
    assert_eq!(pair.hosts[A].state(client), Ok(State::Closed));
    assert!(pair.hosts[A].take_error(client).is_some());
}

#[test]
fn text_for_a_neighbour_that_has_gone_is_given_up() {
    let mut pair = Pair::new();
    let (client, _server) = pair.connected(Family::V4, 80);
    pair.lose = |_, _| true;
    // Long enough for the neighbour to be forgotten: the next text finds no station.
    let filler = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let nobody = Endpoint::new(v4(B), 9);
    for _ in 0..20 {
        pair.hosts[A].send_to(pair.now, filler, b"?", Some(nobody), None).unwrap();
        pair.pass(10 * SECOND);
    }
    assert_eq!(pair.write(A, client, b"anybody?"), Ok(8));
    pair.pass(HOUR);
    assert_eq!(pair.read(A, client), Err(SocketError::TimedOut));
}

#[test]
fn the_user_timeout_counts_from_when_text_could_not_be_sent() {
    let mut pair = Pair::new();
    let (client, _server) = pair.connected(Family::V4, 80);
    pair.hosts[A].set_option(pair.now, client, SocketOption::UserTimeout(10_000)).unwrap();
    pair.pass(300 * SECOND);
    let link = pair.links[A];
    pair.hosts[A].remove_link(pair.now, link).unwrap();
    pair.write(A, client, b"when there is a way again").unwrap();
    pair.pass(4 * SECOND);
    assert_eq!(pair.read(A, client), Err(SocketError::WouldBlock), "too early to give up");
    pair.pass(40 * SECOND);
    assert_eq!(pair.read(A, client), Err(SocketError::TimedOut));
}

#[test]
fn a_connection_finds_its_neighbour_once_the_table_has_room() {
    let config = Config { neighbours_max: 1, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 1);
    pair.listen(B, Family::V4, 80, 4);
    // A stranger of the same network is known, and was heard of just now.
    let other = pair.hosts[A].udp_socket(Family::V4).unwrap();
    pair.hosts[A].send_to(pair.now, other, b"?", Some(endpoint("10.0.0.77:9")), None).unwrap();
    pair.settle();
    let client = pair.connect(A, Endpoint::new(v4(B), 80));
    pair.settle();
    assert_eq!(pair.hosts[A].state(client), Ok(State::SynSent));
    let answer = portolan_wire::arp::Packet {
        op: portolan_wire::arp::Op::Reply,
        sender_mac: portolan_wire::EthernetAddress([2, 0, 0, 0, 0, 77]),
        sender_ip: Address::v4(10, 0, 0, 77),
        target_mac: station(A),
        target_ip: v4(A),
    };
    let frame = [&station(A).0[..], &[2, 0, 0, 0, 0, 77], &[8, 6], &answer.emit()].concat();
    let mut batch = RxBatch::new(1);
    batch.push(PacketBuf::copy(pair.hosts[A].pool(), &frame)).unwrap();
    let link = pair.links[A];
    pair.hosts[A].receive(pair.now, link, &mut batch);
    // It is reachable for less than a minute; then its place is free.
    pair.pass(100 * SECOND);
    assert_eq!(pair.hosts[A].state(client), Ok(State::Established));
}

#[test]
fn a_report_of_an_mtu_that_is_known_makes_nothing_be_sent_again() {
    let mut pair = Pair::new();
    let (client, _server) = pair.connected(Family::V4, 80);
    let (local, remote) = (pair.hosts[A].local(client).unwrap(), Endpoint::new(v4(B), 80));
    // Everything is lost on the way, so that all of it stays under way.
    pair.lose = |sender, frame| sender == A && is_tcp(frame);
    let begin = pair.wire.len();
    pair.write(A, client, &pattern(14_000)).unwrap();
    pair.settle();
    let first = sent(&pair, A, begin)[0].0;
    let report = |pair: &mut Pair| {
        let inner =
            tcp::Emit { src_port: local.port, dst_port: remote.port, seq: first, ..Default::default() };
        let mut segment = vec![0; 20];
        inner.emit(&mut segment).unwrap();
        let mut quote = vec![0; 40];
        let header = ipv4::Emit {
            src: local.address,
            dst: remote.address,
            protocol: protocol::TCP,
            ttl: 60,
            payload_len: 20,
            ..Default::default()
        };
        header.emit(&mut quote).unwrap();
        quote[20..].copy_from_slice(&segment);
        let mut out = vec![0; 48];
        let message = icmpv4::Message::Unreachable { code: 4, next_hop_mtu: 1000 };
        message.emit(&quote, &mut out).unwrap();
        let before = pair.wire.len();
        inject(pair, A, Address::v4(10, 0, 0, 99), protocol::ICMPV4, &out);
        pair.settle();
        sent(pair, A, before)
    };
    let again = report(&mut pair);
    assert!(!again.is_empty() && again.iter().all(|(.., len)| *len <= 960), "{again:?}");
    for _ in 0..100 {
        assert_eq!(report(&mut pair), [], "a report of what is known");
    }
}

#[test]
fn a_syn_that_nobody_wants_does_not_end_time_wait() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let local = pair.hosts[A].local(client).unwrap();
    pair.hosts[A].close(pair.now, client).unwrap();
    pair.settle();
    pair.hosts[B].close(pair.now, server).unwrap();
    pair.settle();
    assert_eq!(pair.hosts[A].counts().time_waits, 1);
    let mut segment = vec![0; 20];
    // A SYN far ahead of what was sent, from somebody who knows the ports.
    let theirs = sent(&pair, B, 0).last().unwrap().0;
    let syn = tcp::Emit {
        src_port: 80,
        dst_port: local.port,
        seq: theirs + 1_000_000,
        flags: Flags::SYN,
        window: 1000,
        ..Default::default()
    };
    syn.emit(&mut segment).unwrap();
    fill_checksum(v4(B), v4(A), &mut segment).unwrap();
    let before = pair.wire.len();
    inject(&mut pair, A, v4(B), protocol::TCP, &segment);
    pair.settle();
    assert_eq!(pair.hosts[A].counts().time_waits, 1, "RFC 9293 §3.10.7.4: an ACK at most");
    assert!(sent(&pair, A, before).iter().all(|(_, flags, _)| !flags.contains(Flags::RST)));
}
