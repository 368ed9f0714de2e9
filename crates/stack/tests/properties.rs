//! What holds whatever comes: from a link, from an application, in any order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use common::*;
use portolan_link::{Chunk, Gso, Instant, LinkCaps, Medium, Offload, PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family};
use proptest::prelude::*;

/// Reasons for which the host did not send something; they are no fate of a received frame.
fn is_output(reason: DropReason) -> bool {
    reason.name().starts_with("out.")
        || matches!(reason, DropReason::FragmentTimeout | DropReason::FragmentLimit)
}

/// Frames whose every field was good once: a handshake, text, datagrams, echo, fragments, ARP, neighbours.
fn good_frames() -> Vec<Vec<u8>> {
    let mut pair = Pair::new();
    for family in [Family::V4, Family::V6] {
        let (client, server) = pair.connected(family, 80);
        pair.transfer(A, client, server, &pattern(3000));
        let udp = pair.hosts[A].udp_socket(family).unwrap();
        let to = Some(Endpoint::new(address(B, family), 9));
        pair.hosts[A].send_to(pair.now, udp, &pattern(4000), to, None).unwrap();
        pair.hosts[A].close(pair.now, client).unwrap();
        pair.hosts[B].abort(pair.now, server).unwrap();
        pair.settle();
    }
    pair.wire.iter().filter(|(from, _)| *from == A).map(|(_, frame)| frame.clone()).collect()
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let good = good_frames();
    let bent = (
        0..good.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<u16>(),
    );
    let bent = bent.prop_map(move |(which, changes, cut)| {
        let mut frame = good[which].clone();
        for (at, octet) in changes {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        // Most frames keep their length, so that they get past the first checks.
        if cut % 4 == 0 {
            frame.truncate(usize::from(cut / 4) % (frame.len() + 1));
        }
        frame
    });
    let noise = prop::collection::vec(any::<u8>(), 0..200).prop_map(|octets| {
        let ethertype: [u8; 2] = match octets.len() % 4 {
            0 => [8, 0],
            1 => [0x86, 0xdd],
            2 => [8, 6],
            _ => [0x81, 0],
        };
        [&station(B).0[..], &station(A).0, &ethertype, &octets].concat()
    });
    prop_oneof![4 => bent, 1 => noise, 1 => prop::collection::vec(any::<u8>(), 0..120)]
}

fn any_offload() -> impl Strategy<Value = Offload> {
    let checksum = prop_oneof![
        4 => Just(portolan_link::Checksum::None),
        1 => Just(portolan_link::Checksum::Valid),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(start, offset)| portolan_link::Checksum::Partial { start, offset }),
    ];
    let gso = prop_oneof![4 => Just(Gso::None), 1 => any::<u16>().prop_map(|size| Gso::Tcp { size, ecn: size % 2 == 0 })];
    (checksum, gso, any::<u16>()).prop_map(|(checksum, gso, header_len)| Offload {
        checksum,
        gso,
        header_len,
        hash: 0,
    })
}

fn frame_buffer(stack: &mut Stack, frame: &[u8], split: usize) -> PacketBuf {
    // A buffer of two parts has its second part only beyond 2 KiB.
    if split == 0 {
        return PacketBuf::copy(stack.pool(), frame);
    }
    let mut packet = PacketBuf::in_two_parts(stack.pool(), 2048, 65_536);
    let [head, tail] = packet.room_mut();
    let in_head = frame.len().min(head.len());
    head[..in_head].copy_from_slice(&frame[..in_head]);
    tail[..frame.len() - in_head].copy_from_slice(&frame[in_head..]);
    packet.set_filled(stack.pool(), frame.len());
    packet
}

proptest! {
    /// Any octets on a link: no panic, no hang, and each frame has exactly one fate.
    // RFC 1122 §3.1, INET-9
    #[test]
    fn every_frame_is_delivered_once_or_dropped_once(
        frames in prop::collection::vec((any_frame(), any_offload(), 0..2usize, 0..400u64), 1..40),
        intercept in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let link = pair.links[B];
        if intercept {
            for all in ["0.0.0.0/0", "::/0"] {
                let route = Route { destination: cidr(all), via: None, link, kind: RouteKind::Local, metric: 0 };
                pair.hosts[B].add_route(pair.now, route).unwrap();
            }
            pair.hosts[B].set_intercept(link, Intercept { tcp: true, udp: true, echo: true }).unwrap();
        }
        pair.listen(B, Family::V6, 80, 2);
        let mut batch = RxBatch::new(1);
        let mut out = TxBatch::new(64);
        let host = &mut pair.hosts[B];
        for (frame, offload, split, millis) in frames {
            let before = host.stats().clone();
            let mut packet = frame_buffer(host, &frame, split);
            packet.offload = offload;
            prop_assert!(batch.push(packet).is_ok());
            host.receive(pair.now, link, &mut batch);
            let after = host.stats();
            let dropped = |stats: &Stats| stats.drops.iter().filter(|(reason, _)| !is_output(*reason)).map(|(_, count)| count).sum::<u64>();
            let limit = |stats: &Stats| stats.drops.count(DropReason::FragmentLimit);
            prop_assert_eq!(after.frames_in, before.frames_in + 1);
            let fates = after.frames_delivered - before.frames_delivered + dropped(after) - dropped(&before)
                + limit(after) - limit(&before);
            prop_assert_eq!(fates, 1);
            host.poll_transmit(pair.now, link, &mut out);
            for entry in out.iter() {
                let octets: Vec<u8> = entry.slices().flatten().copied().collect();
                let line = portolan_wire::display::frame(&octets).to_string();
                prop_assert!(!line.contains("[|"), "malformed output: {}", line);
            }
            out.clear();
            while host.poll_event().is_some() {}
            pair.now = pair.now.plus_micros(millis * 1000);
            host.handle_timeout(pair.now);
            if let Err(broken) = host.check() {
                prop_assert!(false, "{}", broken);
            }
        }
    }
}

/// One call of an application or a worker, with whatever arguments.
#[derive(Clone, Debug)]
enum Call {
    TcpSocket(bool),
    UdpSocket(bool),
    Bind(usize, u8, u16),
    Listen(usize, u32),
    Connect(usize, u8, u16),
    Accept(usize),
    Write(usize, u16),
    WriteChunk(usize, u16),
    Read(usize, u16),
    ReadChunk(usize, u16),
    Peek(usize),
    SendTo(usize, u8, u16, u16),
    RecvFrom(usize),
    Shutdown(usize, u8),
    Close(usize),
    Abort(usize),
    Option(usize, u8, u16),
    Look(usize),
    Pass(u32),
    Back(u32),
    Settle,
    Answer(u8),
    Links(u8),
    Stop,
}

fn call() -> impl Strategy<Value = Call> {
    let id = 0..12usize;
    prop_oneof![
        4 => any::<bool>().prop_map(Call::TcpSocket),
        2 => any::<bool>().prop_map(Call::UdpSocket),
        4 => (id.clone(), any::<u8>(), 1..6u16).prop_map(|(id, address, port)| Call::Bind(id, address, port)),
        4 => (id.clone(), 0..4u32).prop_map(|(id, backlog)| Call::Listen(id, backlog)),
        6 => (id.clone(), any::<u8>(), 0..6u16).prop_map(|(id, address, port)| Call::Connect(id, address, port)),
        4 => id.clone().prop_map(Call::Accept),
        4 => (id.clone(), any::<u16>()).prop_map(|(id, len)| Call::Write(id, len)),
        2 => (id.clone(), any::<u16>()).prop_map(|(id, len)| Call::WriteChunk(id, len)),
        4 => (id.clone(), any::<u16>()).prop_map(|(id, len)| Call::Read(id, len)),
        2 => (id.clone(), any::<u16>()).prop_map(|(id, len)| Call::ReadChunk(id, len)),
        1 => id.clone().prop_map(Call::Peek),
        3 => (id.clone(), any::<u8>(), 0..6u16, any::<u16>()).prop_map(|(id, to, port, len)| Call::SendTo(id, to, port, len)),
        2 => id.clone().prop_map(Call::RecvFrom),
        2 => (id.clone(), 0..3u8).prop_map(|(id, how)| Call::Shutdown(id, how)),
        2 => id.clone().prop_map(Call::Close),
        1 => id.clone().prop_map(Call::Abort),
        2 => (id.clone(), any::<u8>(), any::<u16>()).prop_map(|(id, which, value)| Call::Option(id, which, value)),
        2 => id.prop_map(Call::Look),
        4 => (0..3_000_000u32).prop_map(Call::Pass),
        1 => any::<u32>().prop_map(Call::Back),
        8 => Just(Call::Settle),
        3 => any::<u8>().prop_map(Call::Answer),
        1 => any::<u8>().prop_map(Call::Links),
        1 => Just(Call::Stop),
    ]
}

fn some_address(which: u8) -> Address {
    let all = [
        v4(A),
        v4(B),
        v6(A),
        v6(B),
        Address::LOOPBACK_V4,
        Address::LOOPBACK_V6,
        Address::V4_UNSPECIFIED,
        Address::UNSPECIFIED,
        Address::BROADCAST,
        Address::v4(10, 0, 0, 99),
        Address::v4(93, 184, 216, 34),
        Address::v4(224, 0, 0, 1),
        Address::ALL_NODES,
        Address::v4(10, 0, 0, 255),
    ];
    all[usize::from(which) % all.len()]
}

/// Runs calls against host A, with B behind it, and returns all that crossed the wire.
fn run(calls: &[Call]) -> Vec<(usize, Vec<u8>)> {
    let config =
        Config { sockets_max: 10, embryos_max: 5, time_wait_max: 3, requests_max: 2, ..Config::default() };
    let mut pair = Pair::with(config, ethernet_caps(1500), 7);
    let link = pair.links[A];
    let route = Route { destination: cidr("0.0.0.0/0"), via: None, link, kind: RouteKind::Local, metric: 0 };
    pair.hosts[A].add_route(pair.now, route).unwrap();
    let listener = pair.listen(B, Family::V6, 1, 3);
    let mut ids: Vec<SocketId> = vec![SocketId::from_bits(77)];
    let mut octets = vec![0u8; 65_536];
    for call in calls {
        let now = pair.now;
        let id = |n: &usize| ids[n % ids.len()];
        let host = &mut pair.hosts[A];
        match call {
            Call::TcpSocket(v4) => ids.extend(host.tcp_socket(if *v4 { Family::V4 } else { Family::V6 })),
            Call::UdpSocket(v4) => ids.extend(host.udp_socket(if *v4 { Family::V4 } else { Family::V6 })),
            Call::Bind(n, address, port) => {
                let _ = host.bind(now, id(n), Endpoint::new(some_address(*address), *port));
            }
            Call::Listen(n, backlog) => {
                let _ = host.listen(now, id(n), *backlog);
            }
            Call::Connect(n, to, port) => {
                // Half of all connects go where somebody listens.
                let to = match to {
                    0..64 => Endpoint::new(v4(B), 1),
                    64..128 => Endpoint::new(v6(B), 1),
                    to => Endpoint::new(some_address(*to), *port),
                };
                let _ = host.connect(now, id(n), to);
            }
            Call::Accept(n) => {
                let accepted = host.accept(now, id(n));
                ids.extend(accepted.map(|(id, ..)| id));
            }
            Call::Write(n, len) => {
                let _ = host.write(now, id(n), &octets[..usize::from(*len)]);
            }
            Call::WriteChunk(n, len) => {
                let _ = host.write_chunk(now, id(n), &mut Chunk::from(vec![1; usize::from(*len)]));
            }
            Call::Read(n, len) => {
                let _ = host.read(now, id(n), &mut octets[..usize::from(*len)]);
            }
            Call::ReadChunk(n, len) => {
                let _ = host.read_chunk(now, id(n), usize::from(*len));
            }
            Call::Peek(n) => {
                let _ = host.peek(now, id(n), &mut octets);
            }
            Call::SendTo(n, to, port, len) => {
                let to = Endpoint::new(some_address(*to), *port);
                let _ = host.send_to(now, id(n), &vec![2; usize::from(*len)], Some(to), None);
            }
            Call::RecvFrom(n) => {
                let _ = host.recv_from(now, id(n), &mut octets);
            }
            Call::Shutdown(n, how) => {
                let how = [How::Read, How::Write, How::Both][usize::from(*how)];
                let _ = host.shutdown_socket(now, id(n), how);
            }
            Call::Close(n) => {
                let _ = host.close(now, id(n));
            }
            Call::Abort(n) => {
                let _ = host.abort(now, id(n));
            }
            Call::Option(n, which, value) => {
                let _ = host.set_option(now, id(n), some_option(*which, *value));
            }
            Call::Look(n) => {
                let id = id(n);
                let _ = (
                    host.local(id),
                    host.remote(id),
                    host.state(id),
                    host.readiness(id),
                    host.info(id).is_ok(),
                );
                let _ =
                    (host.take_error(id), host.send_room(id), host.receive_queued(id), host.flows().len());
            }
            Call::Pass(micros) => pair.pass(u64::from(*micros)),
            // A clock that goes back counts as one that stands still.
            Call::Back(nanos) => host.handle_timeout(Instant::from_nanos(u64::from(*nanos))),
            Call::Settle => pair.settle(),
            Call::Answer(which) => answer(&mut pair, *which, &mut ids),
            Call::Links(which) => links(&mut pair, *which),
            Call::Stop => {
                if calls.len().is_multiple_of(5) {
                    host.shutdown(now);
                }
            }
        }
        let _ = pair.hosts[B].accept(pair.now, listener);
        pair.hosts[A].check().unwrap();
        assert!(pair.hosts[A].counts().sockets <= 10);
        if ids.len() > 40 {
            ids.drain(..20);
        }
    }
    pair.pass(1_000);
    pair.wire
}

fn some_option(which: u8, value: u16) -> SocketOption {
    let on = value.is_multiple_of(2);
    match which % 14 {
        0 => SocketOption::ReuseAddress(on),
        1 => SocketOption::ReusePort(on),
        2 => SocketOption::V6Only(on),
        3 => SocketOption::Broadcast(on),
        4 => SocketOption::Linger(on.then_some(0)),
        5 => SocketOption::ReceiveBuffer(u32::from(value)),
        6 => SocketOption::SendBuffer(u32::from(value)),
        7 => SocketOption::NoDelay(on),
        8 => SocketOption::KeepAlive(on),
        9 => SocketOption::KeepIdle(value),
        10 => SocketOption::UserTimeout(u32::from(value)),
        11 => SocketOption::MaxSegment(value),
        12 => SocketOption::Ttl(value as u8),
        _ => SocketOption::BindToLink(Some(LinkId::LOOPBACK)),
    }
}

/// Answers the events that a gateway would get.
fn answer(pair: &mut Pair, which: u8, ids: &mut Vec<SocketId>) {
    let refusal = match which % 5 {
        0 => Refusal::Reset,
        1 => Refusal::Unreachable(UnreachableCode::Host),
        2 => Refusal::PacketTooBig(u16::from(which) * 8),
        3 => Refusal::Unreachable(UnreachableCode::Port),
        _ => Refusal::Silent,
    };
    let link = pair.links[A];
    let _ =
        pair.hosts[A].set_intercept(link, Intercept { tcp: true, udp: which.is_multiple_of(2), echo: true });
    // B asks for what is beyond A.
    let beyond = Endpoint::new(v4(A), 5);
    let id = pair.hosts[B].tcp_socket(Family::V4);
    if let Ok(id) = id {
        let _ = pair.hosts[B].connect(pair.now, id, beyond);
    }
    pair.settle();
    for event in core::mem::take(&mut pair.events[A]) {
        let (now, host) = (pair.now, &mut pair.hosts[A]);
        match event {
            Event::Request(id, ..) if which.is_multiple_of(3) => host.refuse_request(now, id, refusal),
            Event::Request(id, ..) => ids.extend(host.accept_request(now, id)),
            Event::Datagram(datagram) if which.is_multiple_of(3) => host.udp_refuse(now, &datagram, refusal),
            Event::Datagram(datagram) => {
                let _ = host.udp_reply(now, datagram.link, &datagram.flow, &[3; 100]);
            }
            _ => {}
        }
    }
}

fn links(pair: &mut Pair, which: u8) {
    let (now, link) = (pair.now, pair.links[A]);
    let host = &mut pair.hosts[A];
    let caps =
        LinkCaps { medium: Medium::Ethernet, mtu: 600 + u16::from(which) * 4, gso_max: 0, checksum: false };
    if which < 240 {
        let _ = host.set_link_caps(now, link, caps);
    } else {
        let _ = host.remove_link(now, link);
    }
}

proptest! {
    /// Any calls in any order: no panic, no broken invariant, and the same again gives the same octets.
    #[test]
    fn any_order_of_calls_is_correct_and_repeatable(calls in prop::collection::vec(call(), 1..60)) {
        let first = run(&calls);
        let second = run(&calls);
        prop_assert!(first == second, "equal calls gave different frames");
    }
}

#[test]
fn seeds_decide_what_is_secret_and_nothing_else_differs() {
    let trace = |seed| {
        let mut pair = Pair::with(Config::default(), ethernet_caps(1500), seed);
        let (client, server) = pair.connected(Family::V4, 80);
        pair.transfer(A, client, server, &pattern(100_000));
        pair.wire
    };
    assert!(trace(1) == trace(1));
    let (one, two) = (trace(1), trace(2));
    assert!(one != two);
    assert_eq!(one.len(), two.len());
}
