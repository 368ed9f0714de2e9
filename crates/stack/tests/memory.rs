//! What a host costs: no allocation per packet, and less than 512 octets for an idle connection.
//!
//! One test, because the allocator counts for the whole process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use portolan_link::{LinkCaps, Medium};
use portolan_stack::*;
use portolan_wire::{Endpoint, Family, SeqNumber, ipv4, protocol, tcp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Idle connections, each with two ends in this process.
const CONNECTIONS: usize = 100_000;

#[test]
fn memory() {
    for gso_max in [0, 65_535] {
        packets_allocate_nothing(gso_max);
    }
    datagrams_allocate_nothing();
    idle_connections_are_small();
    idle_connections_with_a_past_are_small();
    connections_in_time_wait_are_small();
    half_open_connections_are_small();
}

fn caps(gso_max: u32) -> LinkCaps {
    LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max, checksum: gso_max > 0 }
}

fn packets_allocate_nothing(gso_max: u32) {
    let mut pair = Pair::with(Config::default(), caps(gso_max), 1);
    pair.record = false;
    let (client, server) = pair.connected(Family::V4, 80);
    let text = pattern(64 * 1024);
    let mut out = vec![0; 256 * 1024];
    let mut round = |pair: &mut Pair, octets: usize| {
        let (mut sent, mut got) = (0, 0);
        while got < octets {
            if let Ok(len) = pair.write(A, client, &text[..text.len().min(octets - sent)]) {
                sent += len;
            }
            pair.pass(50);
            while let Ok(len) = pair.hosts[B].read(pair.now, server, &mut out) {
                got += len;
            }
            pair.pass(50);
            pair.events.iter_mut().for_each(Vec::clear);
        }
    };
    round(&mut pair, 64 << 20);
    let frames = |pair: &Pair| pair.hosts.iter().map(|host| host.stats().frames_out).sum::<u64>();
    let before = frames(&pair);
    let region = Region::new(ALLOCATOR);
    round(&mut pair, 16 << 20);
    let change = region.change();
    let sent = frames(&pair) - before;
    println!("gso_max {gso_max}: {} allocations in {sent} frames", change.allocations + change.reallocations);
    assert_eq!(change.allocations + change.reallocations, 0, "gso_max {gso_max}, {sent} frames: {change:?}");
}

fn datagrams_allocate_nothing() {
    let mut pair = Pair::new();
    pair.record = false;
    let server = pair.hosts[B].udp_socket(Family::V6).unwrap();
    pair.hosts[B].bind(pair.now, server, endpoint("[::]:53")).unwrap();
    let client = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let mut out = [0; 2000];
    let mut round = |pair: &mut Pair| {
        for _ in 0..1000 {
            for _ in 0..8 {
                pair.hosts[A]
                    .send_to(pair.now, client, &[1; 1000], Some(Endpoint::new(v4(B), 53)), None)
                    .unwrap();
            }
            pair.settle();
            while pair.hosts[B].recv_from(pair.now, server, &mut out).is_ok() {}
            pair.events.iter_mut().for_each(Vec::clear);
        }
    };
    round(&mut pair);
    let region = Region::new(ALLOCATOR);
    round(&mut pair);
    let change = region.change();
    assert_eq!(change.allocations + change.reallocations, 0, "{change:?}");
}

fn idle_connections_are_small() {
    let mut pair = Pair::new();
    pair.record = false;
    let listeners: Vec<SocketId> = (1..=5).map(|port| pair.listen(B, Family::V4, port, 128)).collect();
    let mut ids = Vec::with_capacity(2 * CONNECTIONS);
    pair.events.iter_mut().for_each(|events| events.reserve(1000));
    let region = Region::new(ALLOCATOR);
    while ids.len() < 2 * CONNECTIONS {
        for (n, listener) in listeners.iter().enumerate() {
            for _ in 0..50 {
                ids.push(pair.connect(A, Endpoint::new(v4(B), n as u16 + 1)));
            }
            // `settle` would check every table each time.
            while pair.carry(A) | pair.carry(B) {}
            while let Ok((id, ..)) = pair.hosts[B].accept(pair.now, *listener) {
                ids.push(id);
            }
        }
        for host in &mut pair.hosts {
            while host.poll_event().is_some() {}
        }
    }
    // Empty queues and flight records are given back after a while.
    pair.now = pair.now.plus_micros(30_000_000);
    for host in [A, B] {
        for _ in 0..20 {
            pair.hosts[host].handle_timeout(pair.now);
        }
    }
    while pair.carry(A) | pair.carry(B) {}
    let change = region.change();
    let octets = change.bytes_allocated - change.bytes_deallocated;
    let mut slack = 0;
    for host in &pair.hosts {
        let counts = host.counts();
        assert_eq!((counts.connections, counts.flows), (CONNECTIONS, CONNECTIONS));
        slack += counts.flow_table_octets - counts.flows * 9;
        host.check().unwrap();
    }
    let endpoints = 2 * CONNECTIONS;
    let (each, slack_each) = ((octets - slack) / endpoints, slack / endpoints);
    println!("{each} octets per idle endpoint, and {slack_each} of slack in the flow table");
    assert!(each < 512, "{each} octets per idle endpoint, and {slack_each} of slack in the flow table");
}

/// Loss, timeouts, reordering and duplicates leave totals behind, and nothing that only a busy connection needs.
fn idle_connections_with_a_past_are_small() {
    const OPENED: usize = 20_000;
    const BATCH: usize = 50;
    let mut pair = Pair::new();
    pair.record = false;
    pair.lose = |_, frame| is_unlucky(frame, 7);
    pair.delay = |_, frame| is_unlucky(frame, 5);
    let listener = pair.listen(B, Family::V4, 80, BATCH as u32);
    let mut ids = [Vec::with_capacity(OPENED), Vec::with_capacity(OPENED)];
    let text = pattern(20_000);
    let mut out = vec![0; 64 * 1024];
    let region = Region::new(ALLOCATOR);
    while ids[A].len() < OPENED {
        let first = ids[A].len();
        ids[A].extend((0..BATCH).map(|_| pair.connect(A, Endpoint::new(v4(B), 80))));
        pass_quietly(&mut pair, 5_000_000);
        while let Ok((id, ..)) = pair.hosts[B].accept(pair.now, listener) {
            ids[B].push(id);
        }
        assert_eq!(ids[B].len(), ids[A].len());
        for (host, ids) in ids.iter().enumerate() {
            for &id in &ids[first..] {
                assert_eq!(pair.write(host, id, &text), Ok(text.len()));
            }
        }
        pass_quietly(&mut pair, 30_000_000);
        for (host, ids) in ids.iter().enumerate() {
            for &id in &ids[first..] {
                assert_eq!(pair.hosts[host].read(pair.now, id, &mut out), Ok(text.len()));
            }
        }
        pass_quietly(&mut pair, 30_000_000);
    }
    // What the hosts keep for the next packets is not the connections'.
    pair.hosts.iter_mut().for_each(|host| host.pool().trim());
    let change = region.change();
    let octets = change.bytes_allocated - change.bytes_deallocated;
    let counts = pair.hosts.each_ref().map(Stack::counts);
    let slack: usize = counts.iter().map(|counts| slack(counts) + counts.port_table_octets).sum();
    let each = (octets - slack) / (2 * OPENED);
    let mut past = [0; 4];
    for (host, ids) in ids.iter().enumerate() {
        for &id in ids {
            let info = pair.hosts[host].info(id).unwrap();
            assert_eq!((info.bytes_acked, info.bytes_received), (text.len() as u64, text.len() as u64));
            let figures = [info.total_retransmits, info.out_of_order, info.reord_seen, info.timeouts.into()];
            past.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += u32::from(figure > 0));
        }
    }
    println!("{each} octets per idle endpoint; of {} had {past:?}", 2 * OPENED);
    assert!(past.iter().all(|count| *count as usize > OPENED / 10), "the wire was bad to many: {past:?}");
    assert!(each <= 512, "{each} octets per idle endpoint that had losses");
}

/// One in `odds` of the frames with text, one after the other.
fn is_unlucky(frame: &[u8], odds: usize) -> bool {
    static FRAMES: AtomicUsize = AtomicUsize::new(0);
    frame.len() > 100 && FRAMES.fetch_add(1, Ordering::Relaxed).is_multiple_of(odds)
}

/// Lets `us` pass, in steps in which timers fire, without the checks of `Pair::pass`.
fn pass_quietly(pair: &mut Pair, us: u64) {
    let end = pair.now.plus_micros(us);
    loop {
        while pair.carry(A) | pair.carry(B) {}
        pair.hosts.iter_mut().for_each(|host| while host.poll_event().is_some() {});
        let next = pair.hosts.iter().filter_map(|host| host.next_deadline()).min().unwrap_or(end);
        if next > end || pair.now >= end {
            pair.now = end;
            return;
        }
        pair.now = next.max(pair.now.plus_micros(5_000));
        pair.hosts.iter_mut().for_each(|host| host.handle_timeout(pair.now));
    }
}

/// What a record, its flow entry and its timer take, in octets, from what was allocated for `count` of them.
fn each(what: &str, change: &stats_alloc::Stats, slack: usize, count: usize) -> usize {
    let octets = change.bytes_allocated - change.bytes_deallocated;
    let each = (octets - slack) / count;
    println!("{each} octets per connection in {what}, and {} of slack in the flow table", slack / count);
    each
}

fn slack(counts: &Counts) -> usize {
    counts.flow_table_octets - counts.flows * 9
}

/// TIME-WAIT: connections that the host closed first, a few at a time.
fn connections_in_time_wait_are_small() {
    const CLOSED: usize = 60_000;
    let mut pair = Pair::new();
    pair.record = false;
    let listeners: Vec<SocketId> = (1..=5).map(|port| pair.listen(B, Family::V4, port, 128)).collect();
    let round = |pair: &mut Pair| {
        for (n, listener) in listeners.iter().enumerate() {
            let clients: Vec<SocketId> =
                (0..50).map(|_| pair.connect(A, Endpoint::new(v4(B), n as u16 + 1))).collect();
            while pair.carry(A) | pair.carry(B) {}
            clients.into_iter().for_each(|client| pair.hosts[A].close(pair.now, client).unwrap());
            while pair.carry(A) | pair.carry(B) {}
            while let Ok((id, ..)) = pair.hosts[B].accept(pair.now, *listener) {
                pair.hosts[B].close(pair.now, id).unwrap();
            }
            while pair.carry(A) | pair.carry(B) {}
        }
        pair.hosts.iter_mut().for_each(|host| while host.poll_event().is_some() {});
    };
    // What the first connections leave behind for those after them is not counted.
    round(&mut pair);
    let before = pair.hosts[A].counts();
    let region = Region::new(ALLOCATOR);
    while pair.hosts[A].counts().time_waits < CLOSED {
        round(&mut pair);
    }
    let change = region.change();
    let counts = pair.hosts[A].counts();
    assert_eq!((counts.connections, pair.hosts[B].counts().flows), (0, 0));
    let ports = counts.port_table_octets - before.port_table_octets;
    let slack = slack(&counts) - slack(&before) + ports;
    let each = each("TIME-WAIT", &change, slack, counts.time_waits - before.time_waits);
    assert!(each <= 96, "{each} octets");
}

/// SYN-RECEIVED: SYNs of a peer that never answers.
fn half_open_connections_are_small() {
    const HALF_OPEN: usize = 30_000;
    let config = Config { somaxconn: HALF_OPEN as u32, ..Config::default() };
    let mut pair = Pair::with(config, caps(0), 1);
    pair.record = false;
    pair.listen(B, Family::V4, 80, HALF_OPEN as u32);
    // The neighbour is known before.
    let known = pair.connect(A, Endpoint::new(v4(B), 80));
    pair.settle();
    pair.hosts[A].abort(pair.now, known).unwrap();
    pair.settle();
    let mut frames = portolan_link::RxBatch::new(1);
    let mut out = portolan_link::TxBatch::new(64);
    let before = pair.hosts[B].counts();
    let region = Region::new(ALLOCATOR);
    for n in 0..HALF_OPEN as u32 {
        let frame = syn_frame(Endpoint::new(v4(A), 1024 + n as u16), Endpoint::new(v4(B), 80), n);
        let mut packet = portolan_link::PacketBuf::copy(pair.hosts[B].pool(), &frame);
        packet.offload.checksum = portolan_link::Checksum::Valid;
        assert!(frames.push(packet).is_ok());
        let (now, link) = (pair.now, pair.links[B]);
        pair.hosts[B].receive(now, link, &mut frames);
        pair.hosts[B].poll_transmit(now, link, &mut out);
        out.clear();
    }
    let change = region.change();
    let counts = pair.hosts[B].counts();
    assert_eq!(counts.embryos, HALF_OPEN);
    let each = each("SYN-RECEIVED", &change, slack(&counts) - slack(&before), HALF_OPEN);
    assert!(each <= 128, "{each} octets");
}

/// An Ethernet frame with a SYN from A to B.
fn syn_frame(from: Endpoint, to: Endpoint, seq: u32) -> Vec<u8> {
    let header = tcp::Emit {
        src_port: from.port,
        dst_port: to.port,
        seq: SeqNumber(seq),
        flags: tcp::Flags::SYN,
        window: u16::MAX,
        ..tcp::Emit::default()
    };
    let ip = ipv4::Emit {
        src: from.address,
        dst: to.address,
        protocol: protocol::TCP,
        ttl: 64,
        payload_len: header.len() as u16,
        ..ipv4::Emit::default()
    };
    let mut frame = [&station(B).0[..], &station(A).0, &[8, 0], &[0; 64]].concat();
    let len = 14 + ip.emit(&mut frame[14..]).unwrap();
    let len = len + header.emit(&mut frame[len..]).unwrap();
    frame.truncate(len);
    frame
}
