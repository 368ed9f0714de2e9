//! Source routes: chosen by the application, or the way back of the peer's (RFC 9293 §3.9.2.1).

use portolan_stack::*;
use portolan_wire::{Address, Endpoint, Family, tcp};

use crate::common::{A, B, Pair, ethernet_caps, pattern, v4};
use crate::raw::{Seen, ack, deliver, impersonate_a, packet, packet_for, sent, syn};

const LOOSE: u8 = 131;

/// A host B that takes packets with a source route.
fn pair() -> Pair {
    let config = Config { accept_source_route: true, ..Config::default() };
    Pair::with(config, ethernet_caps(1500), 1)
}

/// A station on the link; nobody is there, and its neighbour entry is A's.
fn station(pair: &mut Pair, last: u8) -> Address {
    let address = Address::v4(10, 0, 0, last);
    let link = pair.links[B];
    pair.hosts[B].set_neighbour(link, address, crate::common::station(A)).unwrap();
    address
}

/// The option of a packet that has passed `stations`.
fn passed(stations: &[Address]) -> Vec<u8> {
    let len = 3 + 4 * stations.len() as u8;
    let mut option = vec![1, LOOSE, len, len + 1];
    for station in stations {
        option.extend(station.v4_octets().unwrap());
    }
    option
}

/// Whether a segment of B's goes by way of `stations` to `last`.
fn goes_by(seen: &Seen, stations: &[Address], last: Address) -> bool {
    let mut wanted = vec![1, LOOSE, 3 + 4 * stations.len() as u8, 4];
    for station in stations[1..].iter().chain([&last]) {
        wanted.extend(station.v4_octets().unwrap());
    }
    seen.dst.address == stations[0]
        && seen.ip_options() == wanted
        && tcp::checksum_ok(seen.src.address, last, &seen.packet[20 + wanted.len()..])
}

// RFC 9293 MUST-51, MUST-52
// RFC 1122 §3.2.1.8, INET-25; §3.2.1.8c, INET-33, INET-36
#[test]
fn a_route_of_the_applications_holds_whatever_the_peer_does() {
    let mut pair = pair();
    impersonate_a(&mut pair);
    let stations = [station(&mut pair, 11), station(&mut pair, 12)];
    let peer = Endpoint::new(Address::v4(192, 0, 2, 7), 80);
    let client = pair.hosts[B].tcp_socket(Family::V4).unwrap();
    let route = SourceRoute::new(false, &stations);
    let since = pair.wire.len();
    pair.hosts[B].connect_by(pair.now, client, peer, route).unwrap();
    pair.settle();
    let first = sent(&pair, B, since).pop().unwrap();
    assert!(goes_by(&first, &stations, peer.address), "{first:?}");
    assert_eq!(first.header.options.mss.unwrap().get(), 1460 - 12, "the IP option takes its room");

    // The peer's segments have come by another way, which counts for nothing.
    let mut syn_ack = ack(900, first.header.seq + 1);
    syn_ack.flags = tcp::Flags::SYN | tcp::Flags::ACK;
    let other = passed(&[station(&mut pair, 13)]);
    deliver(&mut pair, B, &packet(peer, first.src, &syn_ack, &other, b""));
    assert_eq!(pair.hosts[B].state(client), Ok(State::Established));
    pair.write(B, client, &pattern(4000)).unwrap();
    pair.settle();
    pair.hosts[B].abort(pair.now, client).unwrap();
    pair.settle();
    let seen = sent(&pair, B, since);
    assert!(seen.len() >= 5 && seen.iter().all(|seen| goes_by(seen, &stations, peer.address)));
    assert!(seen.iter().all(|seen| seen.packet.len() <= 1500));
}

// RFC 9293 MUST-53, SHLD-24
// RFC 1122 §3.2.1.8c, INET-33 to INET-36
#[test]
fn the_peers_route_is_the_way_back_and_a_later_one_overrides_it() {
    let mut pair = pair();
    let listener = pair.listen(B, Family::V4, 80, 4);
    impersonate_a(&mut pair);
    let [first, second, third] = [11, 12, 13].map(|last| station(&mut pair, last));
    let (peer, host) = (Endpoint::new(Address::v4(192, 0, 2, 7), 4000), Endpoint::new(v4(B), 80));
    let since = pair.wire.len();
    deliver(&mut pair, B, &packet(peer, host, &syn(1), &passed(&[first, second]), b""));
    let syn_ack = sent(&pair, B, since).pop().unwrap();
    let back = [second, first];
    assert!(goes_by(&syn_ack, &back, peer.address), "{syn_ack:?}");
    let iss = syn_ack.header.seq;
    deliver(&mut pair, B, &packet(peer, host, &ack(2, iss + 1), &passed(&[first, second]), b""));
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    pair.write(B, server, b"text").unwrap();
    pair.settle();
    let seen = sent(&pair, B, since);
    assert!(seen.len() == 2 && seen.iter().all(|seen| goes_by(seen, &back, peer.address)));

    let since = pair.wire.len();
    // A segment that is not good changes nothing,
    deliver(&mut pair, B, &packet(peer, host, &ack(2 + (1 << 30), iss + 1), &passed(&[third]), b"x"));
    assert!(sent(&pair, B, since).iter().all(|seen| goes_by(seen, &back, peer.address)));
    // and one that is does.
    let since = pair.wire.len();
    deliver(&mut pair, B, &packet(peer, host, &ack(2, iss + 5), &passed(&[third]), b"good"));
    pair.write(B, server, b"more").unwrap();
    pair.pass(100_000);
    let seen = sent(&pair, B, since);
    assert!(!seen.is_empty() && seen.iter().all(|seen| goes_by(seen, &[third], peer.address)), "{seen:?}");
}

// RFC 7126 §4.3, §4.4
// RFC 1122 §3.3.5, INET-134
#[test]
fn b3_source_routes_are_refused_unless_the_host_is_told_to_take_them() {
    let (peer, host) = (Endpoint::new(v4(A), 4000), Endpoint::new(v4(B), 80));
    let station = Address::v4(10, 0, 0, 11);
    for (mut pair, refused) in [(Pair::new(), 1), (pair(), 0)] {
        pair.listen(B, Family::V4, 80, 4);
        deliver(&mut pair, B, &packet(peer, host, &syn(1), &passed(&[station]), b""));
        assert_eq!(pair.hosts[B].stats().drops.count(DropReason::IpOptions), refused);
        assert_eq!(pair.hosts[B].counts().embryos as u64, 1 - refused);
    }
    // One that has not been completed is for another station, and this host forwards nothing.
    let mut willing = pair();
    willing.listen(B, Family::V4, 80, 4);
    let mut unfinished = passed(&[station]);
    unfinished[3] = 4;
    let since = willing.wire.len();
    deliver(&mut willing, B, &packet_for(peer, host, station, &syn(1), &unfinished, b""));
    assert_eq!(willing.hosts[B].stats().drops.count(DropReason::IpOptions), 1);
    assert_eq!(willing.wire.len(), since);
}

// RFC 9293 MUST-51
#[test]
fn a_route_that_makes_no_sense_is_refused() {
    let mut pair = pair();
    let station = station(&mut pair, 11);
    let id = pair.hosts[B].tcp_socket(Family::V6).unwrap();
    let route = SourceRoute::new(true, &[station]);
    let to = Endpoint::new(crate::common::v6(A), 80);
    assert_eq!(pair.hosts[B].connect_by(pair.now, id, to, route), Err(SocketError::FamilyNotSupported));
    let routes: Vec<_> = (0..65_u16)
        .map(|port| {
            let id = pair.hosts[B].tcp_socket(Family::V4).unwrap();
            pair.hosts[B].connect_by(pair.now, id, Endpoint::new(v4(A), 1000 + port), route)
        })
        .collect();
    assert!(routes[..64].iter().all(Result::is_ok));
    assert_eq!(routes[64], Err(SocketError::NoBuffers), "the list of routes is bounded");
}
