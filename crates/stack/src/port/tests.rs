use std::vec::Vec;

use portolan_link::Instant;

use super::*;
use crate::{LinkId, Seeds};

fn ports() -> (Ports, Random) {
    let random = Random::new(&Seeds::fixed(1));
    let tables = random.tables;
    (Ports::new(tables, (32_768, 32_799)), random)
}

fn binding(socket: u32, address: &str) -> Binding {
    Binding {
        socket,
        address: address.parse().unwrap(),
        v6_only: false,
        reuse_address: false,
        reuse_port: false,
        listening: false,
        link: 0,
    }
}

/// Whether two TCP sockets may bind to the same port.
fn both(first: Binding, second: Binding) -> bool {
    let (mut ports, _) = ports();
    ports.bind(protocol::TCP, 80, first).unwrap();
    ports.bind(protocol::TCP, 80, second).is_ok()
}

#[test]
fn wildcards_take_the_port_from_addresses_and_the_other_way_round() {
    let (any4, any6) = (binding(1, "0.0.0.0"), binding(1, "::"));
    assert!(!both(any4, binding(2, "0.0.0.0")));
    assert!(!both(any4, binding(2, "10.0.0.1")));
    assert!(!both(binding(2, "10.0.0.1"), any4));
    assert!(both(binding(1, "10.0.0.1"), binding(2, "10.0.0.2")));
    assert!(!both(binding(1, "10.0.0.1"), binding(2, "10.0.0.1")));
    assert!(!both(any6, binding(2, "0.0.0.0")), "dual stack has IPv4 too");
    assert!(!both(any6, binding(2, "10.0.0.1")));
    assert!(!both(any6, binding(2, "fd00::1")));
    let only = Binding { v6_only: true, ..any6 };
    assert!(both(only, binding(2, "0.0.0.0")));
    assert!(both(only, binding(2, "10.0.0.1")));
    assert!(!both(only, binding(2, "fd00::1")));
    assert!(both(binding(1, "fd00::1"), binding(2, "10.0.0.1")));
    assert!(both(binding(1, "fd00::1"), binding(2, "0.0.0.0")));
}

#[test]
fn links_keep_bindings_apart() {
    let on = |socket, link| Binding { link, ..binding(socket, "0.0.0.0") };
    assert!(both(on(1, 1), on(2, 2)));
    assert!(!both(on(1, 1), on(2, 1)));
    assert!(!both(on(1, 1), on(2, 0)));
}

#[test]
fn reuse_needs_both_and_for_tcp_no_listener() {
    let plain = |socket| binding(socket, "0.0.0.0");
    let reuse = |socket| Binding { reuse_address: true, ..plain(socket) };
    let listening = |socket| Binding { listening: true, ..reuse(socket) };
    let sharing = |socket| Binding { reuse_port: true, ..plain(socket) };
    assert!(both(reuse(1), reuse(2)));
    assert!(!both(plain(1), reuse(2)));
    assert!(!both(listening(1), reuse(2)));
    assert!(both(sharing(1), Binding { listening: true, ..sharing(2) }));
    let (mut ports, _) = ports();
    ports.bind(protocol::TCP, 80, reuse(1)).unwrap();
    ports.bind(protocol::TCP, 80, reuse(2)).unwrap();
    let listen = |binding: &mut Binding| binding.listening = true;
    assert_eq!(ports.update(protocol::TCP, 80, 1, listen), Ok(()));
    assert_eq!(ports.update(protocol::TCP, 80, 2, listen), Err(SocketError::AddressInUse));
    ports.bind(protocol::UDP, 80, listening(1)).unwrap();
    ports.bind(protocol::UDP, 80, listening(2)).unwrap();
}

#[test]
fn connections_hold_their_port_until_they_end() {
    let (mut ports, _) = ports();
    let flow = key("10.0.0.1:80", "10.0.0.9:5000");
    ports.hold_connection(&flow, false);
    assert_eq!(ports.bind(protocol::TCP, 80, binding(1, "0.0.0.0")), Err(SocketError::AddressInUse));
    ports.release_connection(&flow, false);
    ports.hold_connection(&flow, true);
    assert_eq!(ports.bind(protocol::TCP, 80, binding(1, "0.0.0.0")), Err(SocketError::AddressInUse));
    let reuse = Binding { reuse_address: true, ..binding(1, "0.0.0.0") };
    assert_eq!(ports.bind(protocol::TCP, 80, reuse), Ok(()));
    ports.release(protocol::TCP, 80, 1);
    ports.release_connection(&flow, true);
    assert_eq!(ports.len(), 0);
}

fn key(local: &str, remote: &str) -> FlowKey {
    FlowKey {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        protocol: protocol::TCP,
        zone: 0,
    }
}

// RFC 9293 MUST-42
#[test]
fn the_most_exact_listener_hears() {
    let (mut ports, _) = ports();
    let listen = |socket, address| Binding { listening: true, reuse_port: true, ..binding(socket, address) };
    for (socket, address) in [(1, "::"), (2, "0.0.0.0"), (3, "10.0.0.1")] {
        ports.bind(protocol::TCP, 80, listen(socket, address)).unwrap();
    }
    assert_eq!(ports.listener(&key("10.0.0.1:80", "10.0.0.9:1"), LinkId(1)), Some(3));
    assert_eq!(ports.listener(&key("10.0.0.2:80", "10.0.0.9:1"), LinkId(1)), Some(2));
    assert_eq!(ports.listener(&key("[fd00::1]:80", "[fd00::9]:1"), LinkId(1)), Some(1));
    ports.release(protocol::TCP, 80, 2);
    assert_eq!(ports.listener(&key("10.0.0.2:80", "10.0.0.9:1"), LinkId(1)), Some(1));
    assert_eq!(ports.listener(&key("10.0.0.2:81", "10.0.0.9:1"), LinkId(1)), None);
}

#[test]
fn ephemeral_ports_run_out_and_come_back() {
    let (mut ports, mut random) = ports();
    let mut given: Vec<u16> = (0..32)
        .map(|socket| ports.bind_ephemeral(protocol::TCP, binding(socket, "0.0.0.0"), &mut random).unwrap())
        .collect();
    let one_more = ports.bind_ephemeral(protocol::TCP, binding(99, "0.0.0.0"), &mut random);
    assert_eq!(one_more, Err(SocketError::AddressInUse));
    ports.release(protocol::TCP, given[5], 5);
    assert_eq!(ports.bind_ephemeral(protocol::TCP, binding(99, "0.0.0.0"), &mut random), Ok(given[5]));
    let in_order = given.is_sorted();
    given.sort_unstable();
    assert_eq!(given, (32_768..=32_799).collect::<Vec<u16>>());
    assert!(!in_order, "the choice is random");
}

#[test]
fn connections_choose_ports_by_destination_and_skip_those_in_use() {
    let (mut ports, mut random) = ports();
    let key = random.port_key(Instant::ZERO);
    let local: Address = "10.0.0.1".parse().unwrap();
    let mut choose = |remote: &str, used: &[u16]| {
        ports.choose(protocol::TCP, local, remote.parse().unwrap(), key, |port| !used.contains(&port))
    };
    let mut used = Vec::new();
    for _ in 0..32 {
        used.push(choose("10.0.0.2:80", &used).unwrap());
    }
    assert_eq!(choose("10.0.0.2:80", &used), None);
    // RFC 6056 §3.3.3: successive connections to one destination count upwards, and another one starts elsewhere.
    assert!(used.windows(2).all(|two| two[1] == two[0] + 1 || two[1] == 32_768));
    let starts: Vec<_> = (0..8).map(|n| choose(&std::format!("10.0.1.{n}:80"), &[]).unwrap()).collect();
    assert!(starts.iter().any(|start| *start != starts[0]));
}

/// RFC 6056 §3.4: the secret does not last for ever.
#[test]
fn where_the_ports_of_a_destination_begin_changes_with_the_key() {
    let (_, mut random) = ports();
    let mut starts = Vec::new();
    for hour in 0..8 {
        let mut ports = Ports::new(random.tables, (1, 60_000));
        let key = random.port_key(Instant::from_millis(hour * 3_600_000));
        let same = random.port_key(Instant::from_millis(hour * 3_600_000 + 3_599_999));
        let local: Address = "10.0.0.1".parse().unwrap();
        let remote = "10.0.0.2:80".parse().unwrap();
        let first = ports.choose(protocol::TCP, local, remote, key, |_| true).unwrap();
        assert_eq!(ports.choose(protocol::TCP, local, remote, same, |_| true), Some(first % 60_000 + 1));
        starts.push(first);
    }
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() > 4, "{starts:?}");
}
