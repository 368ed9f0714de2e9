//! What a host says is open: every kind of socket, in every state.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod common;

use common::*;
use portolan_stack::*;
use portolan_wire::{Family, protocol};

/// State, queues, and whether a socket names it, of all TCP entries at a port of this host.
fn tcp(pair: &mut Pair, host: usize, port: u16) -> Vec<(State, u32, u32, bool)> {
    let entries = pair.hosts[host].inventory().into_iter();
    let at_port = entries.filter(|entry| entry.protocol == protocol::TCP && entry.local.port == port);
    at_port.map(|entry| (entry.state, entry.receive_queue, entry.send_queue, entry.id.is_some())).collect()
}

#[test]
fn a_connection_is_listed_from_its_syn_to_the_end_of_time_wait() {
    let mut pair = Pair::new();
    let listener = pair.listen(B, Family::V4, 80, 7);
    assert_eq!(tcp(&mut pair, B, 80), [(State::Listen, 0, 7, true)]);
    let client = pair.connect(A, endpoint(&format!("{}:80", v4(B))));
    let port = pair.hosts[A].local(client).unwrap().port;
    assert_eq!(tcp(&mut pair, A, port)[0].0, State::SynSent);
    // The neighbours find each other first.
    let is_half_open = (0..4).any(|_| {
        pair.carry(A);
        let is_seen = tcp(&mut pair, B, 80).contains(&(State::SynReceived, 0, 0, false));
        if !is_seen {
            pair.carry(B);
        }
        is_seen
    });
    assert!(is_half_open);
    pair.settle();
    // One waits to be accepted, and no socket names it yet.
    let waiting = tcp(&mut pair, B, 80);
    assert!(waiting.contains(&(State::Listen, 1, 7, true)), "{waiting:?}");
    assert!(waiting.contains(&(State::Established, 0, 0, false)), "{waiting:?}");
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert!(tcp(&mut pair, B, 80).contains(&(State::Established, 0, 0, true)));

    assert_eq!(pair.write(A, client, b"seven !"), Ok(7));
    assert_eq!(tcp(&mut pair, A, port), [(State::Established, 0, 7, true)]);
    pair.settle();
    assert!(tcp(&mut pair, B, 80).contains(&(State::Established, 7, 0, true)));
    let entry = pair.hosts[A].inventory().into_iter().find(|entry| entry.id == Some(client)).unwrap();
    assert_eq!(entry.info.unwrap().bytes_acked, 7);
    assert_eq!(entry.congestion, Some("cubic"));

    pair.hosts[A].close(pair.now, client).unwrap();
    pair.settle();
    assert_eq!(tcp(&mut pair, A, port), [(State::FinWait2, 0, 0, false)]);
    pair.read(B, server).unwrap();
    pair.hosts[B].close(pair.now, server).unwrap();
    pair.settle();
    assert_eq!(tcp(&mut pair, A, port), [(State::TimeWait, 0, 0, false)]);
    assert_eq!(tcp(&mut pair, B, 80), [(State::Listen, 0, 7, true)]);
    pair.pass(61_000_000);
    assert_eq!(tcp(&mut pair, A, port), []);
}

#[test]
fn a_datagram_socket_is_listed_once_it_has_a_port() {
    let mut pair = Pair::new();
    let now = pair.now;
    let host = &mut pair.hosts[A];
    let id = host.udp_socket(Family::V6).unwrap();
    let fresh = host.tcp_socket(Family::V4).unwrap();
    host.bind(now, fresh, endpoint("0.0.0.0:90")).unwrap();
    assert!(host.inventory().is_empty(), "neither a port nor a purpose");
    host.bind(now, id, endpoint("[::]:53")).unwrap();
    let entries = host.inventory();
    assert_eq!((entries.len(), entries[0].state, entries[0].remote), (1, State::Closed, None));
    assert_eq!((entries[0].id, entries[0].family, entries[0].local.port), (Some(id), Family::V6, 53));
    host.connect(now, id, endpoint(&format!("[{}]:9", v6(B)))).unwrap();
    let entries = host.inventory();
    assert_eq!(
        (entries[0].state, entries[0].remote.map(|remote| remote.port)),
        (State::Established, Some(9))
    );
}
