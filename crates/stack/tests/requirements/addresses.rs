//! Which addresses a connection uses, and which it must not.

use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family};

use crate::common::{A, B, Pair, cidr, endpoint, v4, v6};
use crate::raw::{deliver, packet, sent, syn};

// RFC 9293 MUST-44
#[test]
fn without_a_choice_the_route_gives_the_source_address() {
    let mut pair = Pair::new();
    for (to, source) in [(v4(B), v4(A)), (v6(B), v6(A))] {
        let since = pair.wire.len();
        pair.connect(A, Endpoint::new(to, 80));
        pair.settle();
        assert_eq!(sent(&pair, A, since)[0].src.address, source);
    }
}

// RFC 9293 MUST-43, MUST-45
#[test]
fn a_chosen_local_address_is_used_for_every_segment() {
    let mut pair = Pair::new();
    let (now, link) = (pair.now, pair.links[A]);
    pair.hosts[A].add_address(now, link, cidr("10.0.0.77/24")).unwrap();
    pair.listen(B, Family::V4, 80, 4);
    let client = pair.hosts[A].tcp_socket(Family::V4).unwrap();
    pair.hosts[A].bind(now, client, endpoint("10.0.0.77:0")).unwrap();
    let since = pair.wire.len();
    pair.hosts[A].connect(now, client, Endpoint::new(v4(B), 80)).unwrap();
    pair.settle();
    pair.write(A, client, b"from another address").unwrap();
    pair.settle();
    pair.hosts[A].close(pair.now, client).unwrap();
    pair.settle();
    let seen = sent(&pair, A, since);
    assert!(seen.len() >= 4 && seen.iter().all(|seen| seen.src.address == Address::v4(10, 0, 0, 77)));
}

// RFC 9293 MUST-45: also where another address would be chosen today.
#[test]
fn a_connection_keeps_the_address_that_it_began_with() {
    let mut pair = Pair::new();
    let (client, server) = pair.connected(Family::V4, 80);
    let (now, link) = (pair.now, pair.links[A]);
    pair.hosts[A].add_address(now, link, cidr("10.0.0.78/30")).unwrap();
    let since = pair.wire.len();
    assert!(pair.transfer(A, client, server, b"still me") == b"still me");
    assert!(sent(&pair, A, since).iter().all(|seen| seen.src.address == v4(A)));
}

// RFC 9293 MUST-46
#[test]
fn no_connection_is_opened_to_a_group() {
    let mut pair = Pair::new();
    let since = pair.wire.len();
    for (to, error) in [
        ("224.0.0.1:80", SocketError::NetworkUnreachable),
        ("255.255.255.255:80", SocketError::NetworkUnreachable),
        ("10.0.0.255:80", SocketError::NetworkUnreachable),
        ("[ff02::1]:80", SocketError::NetworkUnreachable),
        // Nobody can listen there.
        ("10.0.0.2:0", SocketError::ConnectionRefused),
    ] {
        let to = endpoint(to);
        let id = pair.hosts[A].tcp_socket(to.address.family()).unwrap();
        let result = pair.hosts[A].connect(pair.now, id, to);
        assert_eq!(result, Err(error), "{to}");
    }
    pair.settle();
    assert_eq!(sent(&pair, A, since).len(), 0);
}

// RFC 9293 MUST-57, MUST-63
#[test]
fn b9_a_syn_from_or_to_a_group_is_dropped_in_silence() {
    let mut pair = Pair::new();
    pair.listen(B, Family::V6, 80, 4);
    let group = |text: &str| text.parse::<Address>().unwrap();
    let cases = [
        ("0.0.0.0", v4(B)),
        ("224.0.0.9", v4(B)),
        ("255.255.255.255", v4(B)),
        ("10.0.0.255", v4(B)),
        ("10.0.0.2", v4(B)),
        ("127.0.0.1", v4(B)),
        ("10.0.0.1", group("224.0.0.1")),
        ("10.0.0.1", group("10.0.0.255")),
        ("10.0.0.1", Address::BROADCAST),
        ("::", v6(B)),
        ("ff02::1", v6(B)),
        ("::1", v6(B)),
        ("fd00::1", group("ff02::1")),
    ];
    for (src, dst) in cases {
        let (since, before) = (pair.wire.len(), pair.hosts[B].stats().drops.total());
        let (src, dst) = (Endpoint::new(group(src), 4000), Endpoint::new(dst, 80));
        deliver(&mut pair, B, &packet(src, dst, &syn(1), &[], b""));
        assert_eq!(pair.wire.len(), since, "{src} > {dst} is answered");
        assert_eq!(pair.hosts[B].stats().drops.total(), before + 1, "{src} > {dst}");
        assert_eq!(pair.hosts[B].counts().embryos, 0);
    }
}

// RFC 9293 MUST-41, MUST-42
#[test]
fn listeners_on_one_port_disturb_neither_each_other_nor_connections() {
    let mut pair = Pair::new();
    let (now, link) = (pair.now, pair.links[B]);
    pair.hosts[B].add_address(now, link, cidr("10.0.0.99/24")).unwrap();
    let listen = |pair: &mut Pair, at: &str| {
        let id = pair.hosts[B].tcp_socket(Family::V4).unwrap();
        pair.hosts[B].set_option(now, id, SocketOption::ReuseAddress(true)).unwrap();
        pair.hosts[B].bind(now, id, endpoint(at)).unwrap();
        pair.hosts[B].listen(now, id, 4).unwrap();
        id
    };
    let first = listen(&mut pair, "10.0.0.2:80");
    let client = pair.connect(A, endpoint("10.0.0.2:80"));
    pair.settle();
    let (server, ..) = pair.hosts[B].accept(now, first).unwrap();
    let second = listen(&mut pair, "10.0.0.99:80");
    assert!(pair.transfer(A, client, server, b"as before") == b"as before");
    for (listener, to) in [(first, "10.0.0.2:80"), (second, "10.0.0.99:80"), (first, "10.0.0.2:80")] {
        let client = pair.connect(A, endpoint(to));
        pair.settle();
        let (server, local, _) = pair.hosts[B].accept(pair.now, listener).unwrap();
        assert_eq!(local, endpoint(to));
        assert!(pair.transfer(A, client, server, b"each its own") == b"each its own");
    }
    assert!(pair.transfer(B, server, client, b"and still") == b"and still");
}
