//! Many datagrams in one call: UDP_SEGMENT and UDP_GRO.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_link::{LinkCaps, Medium};
use portolan_stack::*;
use portolan_wire::{Endpoint, Family};

const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;
const OFFLOADS: LinkCaps = LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true };

/// What a socket has received: the text of each call, and the length of each datagram in it.
fn received(pair: &mut Pair, host: usize, id: SocketId) -> Vec<(Vec<u8>, u16)> {
    let mut all = Vec::new();
    let mut out = vec![0; 65_536];
    while let Ok(datagram) = pair.hosts[host].recv_from(pair.now, id, &mut out) {
        assert_eq!(datagram.len, datagram.full_len);
        all.push((out[..datagram.len].to_vec(), datagram.segment));
    }
    all
}

fn set(pair: &mut Pair, host: usize, id: SocketId, name: i32, value: i32) -> Result<(), SocketError> {
    pair.hosts[host].setsockopt(pair.now, id, IPPROTO_UDP, name, &value.to_ne_bytes())
}

/// A pair of hosts, a server on B at port 53, and a client on A that is connected to it.
fn joined(caps: LinkCaps, family: Family) -> (Pair, SocketId, SocketId) {
    let mut pair = Pair::with(Config::default(), caps, 7);
    let server = pair.hosts[B].udp_socket(family).unwrap();
    let at = Endpoint::new(address(B, family), 53);
    pair.hosts[B].bind(pair.now, server, at).unwrap();
    let client = pair.hosts[A].udp_socket(family).unwrap();
    pair.hosts[A].connect(pair.now, client, at).unwrap();
    (pair, client, server)
}

#[test]
fn one_call_sends_many_datagrams_over_every_link() {
    for caps in [ethernet_caps(1500), OFFLOADS] {
        for family in [Family::V4, Family::V6] {
            let (mut pair, client, server) = joined(caps, family);
            // Who is asked for is known before the long frame is.
            pair.hosts[A].send_to(pair.now, client, b"hello", None, None).unwrap();
            pair.settle();
            pair.wire.clear();
            set(&mut pair, A, client, UDP_SEGMENT, 1000).unwrap();
            let text = pattern(3500);
            assert_eq!(pair.hosts[A].send_to(pair.now, client, &text, None, None), Ok(3500));
            pair.settle();
            let frames = pair.wire.iter().filter(|(from, _)| *from == A).count();
            assert_eq!(frames, if caps.gso_max == 0 { 4 } else { 1 });
            let pieces: Vec<_> = text.chunks(1000).map(|piece| (piece.to_vec(), 0)).collect();
            assert_eq!(received(&mut pair, B, server)[1..], pieces);
            // The wish for one call goes before the socket's.
            for (segment, count) in [(Some(0), 1), (Some(500), 2), (None, 1)] {
                let outgoing = Outgoing { segment, ..Outgoing::default() };
                pair.hosts[A].send_message(pair.now, client, &text[..1000], &outgoing).unwrap();
                pair.settle();
                assert_eq!(received(&mut pair, B, server).len(), count);
            }
            pair.hosts[A].send_to(pair.now, client, &[], None, None).unwrap();
            pair.settle();
            assert_eq!(received(&mut pair, B, server), [(Vec::new(), 0)]);
            assert_eq!(pair.dropped(A) + pair.dropped(B), 0);
        }
    }
}

#[test]
fn what_came_together_is_received_together_by_who_wants_it() {
    for caps in [ethernet_caps(1500), OFFLOADS] {
        let (mut pair, client, server) = joined(caps, Family::V4);
        pair.hosts[A].send_to(pair.now, client, b"hello", None, None).unwrap();
        pair.settle();
        set(&mut pair, B, server, UDP_GRO, 1).unwrap();
        set(&mut pair, A, client, UDP_SEGMENT, 1000).unwrap();
        let text = pattern(3500);
        pair.hosts[A].send_to(pair.now, client, &text, None, None).unwrap();
        pair.settle();
        // What waits is given as it came; a short datagram ends what is given together.
        for (len, segment) in [(700, Some(0)), (900, Some(0)), (900, Some(0)), (0, Some(0))] {
            let outgoing = Outgoing { segment, ..Outgoing::default() };
            pair.hosts[A].send_message(pair.now, client, &text[..len], &outgoing).unwrap();
        }
        pair.settle();
        let all = received(&mut pair, B, server);
        let lens: Vec<_> = all.iter().map(|(text, segment)| (text.len(), *segment)).collect();
        assert_eq!(lens, [(5, 0), (3500, 1000), (700, 0), (1800, 900), (0, 0)]);
        assert_eq!(all[1].0, text);
    }
}

#[test]
fn a_host_hears_its_own_as_linux_does() {
    let mut pair = Pair::new();
    let server = pair.hosts[A].udp_socket(Family::V4).unwrap();
    pair.hosts[A].bind(pair.now, server, endpoint("127.0.0.1:53")).unwrap();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let to = Some(endpoint("127.0.0.1:53"));
    let outgoing = Outgoing { to, segment: Some(700), ..Outgoing::default() };
    let text = pattern(1500);
    for wish in [0, 1] {
        set(&mut pair, A, server, UDP_GRO, wish).unwrap();
        pair.hosts[A].send_message(pair.now, client, &text, &outgoing).unwrap();
        // Sent one by one they are not put together.
        pair.hosts[A].send_to(pair.now, client, &text[..700], to, None).unwrap();
        pair.hosts[A].send_to(pair.now, client, &text[..700], to, None).unwrap();
        pair.settle();
        let lens: Vec<_> =
            received(&mut pair, A, server).iter().map(|(text, segment)| (text.len(), *segment)).collect();
        let expected: &[(usize, u16)] = if wish == 1 {
            &[(1500, 700), (700, 0), (700, 0)]
        } else {
            &[(700, 0), (700, 0), (100, 0), (700, 0), (700, 0)]
        };
        assert_eq!(lens, expected);
    }
}

#[test]
fn what_linux_refuses_is_refused() {
    for (family, most) in [(Family::V4, 1472), (Family::V6, 1452)] {
        let (mut pair, client, _) = joined(ethernet_caps(1500), family);
        let mut send = |len: usize, segment: u16| {
            let outgoing = Outgoing { segment: Some(segment), ..Outgoing::default() };
            pair.hosts[A].send_message(pair.now, client, &pattern(len), &outgoing)
        };
        assert_eq!(send(3000, most), Ok(3000));
        assert_eq!(send(3000, most + 1), Err(SocketError::MessageTooLong), "no fragments of them");
        assert_eq!(send(100, 9000), Ok(100));
        assert_eq!(send(1280, 10), Ok(1280));
        assert_eq!(send(1281, 10), Err(SocketError::InvalidArgument));
        for value in [-1, 65_536] {
            assert_eq!(set(&mut pair, A, client, UDP_SEGMENT, value), Err(SocketError::InvalidArgument));
        }
        set(&mut pair, A, client, UDP_SEGMENT, 65_535).unwrap();
        let kept = pair.hosts[A].getsockopt(pair.now, client, IPPROTO_UDP, UDP_SEGMENT).unwrap();
        assert_eq!(kept, 65_535_i32.to_ne_bytes());
        let lite = pair.hosts[A].udp_lite_socket(family).unwrap();
        set(&mut pair, A, lite, UDP_SEGMENT, 100).unwrap();
        let to = Some(Endpoint::new(address(B, family), 53));
        let sent = pair.hosts[A].send_to(pair.now, lite, &[0; 300], to, None);
        assert_eq!(sent, Err(SocketError::NotSupported));
    }
}

/// A link that says of a frame that it is very many datagrams is not believed.
#[test]
fn absurd_super_segments_are_dropped() {
    use portolan_link::{Gso, PacketBuf, RxBatch};
    let (mut pair, client, server) = joined(OFFLOADS, Family::V4);
    pair.hosts[A].send_to(pair.now, client, &pattern(1400), None, None).unwrap();
    pair.settle();
    let frame = pair.wire.iter().rev().find(|(from, _)| *from == A).unwrap().1.clone();
    received(&mut pair, B, server);
    for (size, count) in [(0, 0), (1, 0), (10, 0), (11, 128), (1400, 1), (u16::MAX, 1)] {
        let mut packet = PacketBuf::copy(pair.hosts[B].pool(), &frame);
        packet.offload.gso = Gso::Udp { size };
        packet.offload.checksum = portolan_link::Checksum::Valid;
        let mut batch = RxBatch::new(1);
        assert!(batch.push(packet).is_ok());
        pair.hosts[B].receive(pair.now, pair.links[B], &mut batch);
        let got = received(&mut pair, B, server).len();
        assert_eq!(got > 0, count > 0, "{size}: {got}");
    }
}
