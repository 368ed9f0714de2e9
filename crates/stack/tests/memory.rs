//! What a host costs: no allocation per packet, and less than 512 octets for an idle connection.
//!
//! One test, because the allocator counts for the whole process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use std::alloc::System;

use common::*;
use portolan_link::{LinkCaps, Medium};
use portolan_stack::*;
use portolan_wire::{Endpoint, Family};
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
