//! Connections whose segments are signed (RFC 2385, RFC 5925), between two hosts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};

use common::*;
use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, RawOptions, kind};
use portolan_wire::{Cidr, Endpoint, Family};

/// TCP_MD5SIG and TCP_MD5SIG_EXT.
const MD5SIG: i32 = 14;
const MD5SIG_EXT: i32 = 32;

fn md5(key: &[u8]) -> Option<Md5Key> {
    Md5Key::new(key)
}

fn ao_key(send_id: u8, recv_id: u8, algorithm: AoAlgorithm) -> AoKey {
    AoKey { send_id, recv_id, algorithm, covers_options: true, master: b"a master key".to_vec() }
}

fn network(host: usize, family: Family) -> Cidr {
    Cidr::new(address(host, family), if family == Family::V4 { 24 } else { 64 }).unwrap()
}

/// A listener of B and a client of A, before any segment, each made ready by `prepare`.
fn prepared(
    pair: &mut Pair,
    family: Family,
    prepare: impl Fn(&mut Stack, usize, SocketId),
) -> (SocketId, SocketId) {
    let listener = pair.listen(B, family, 179, 16);
    prepare(&mut pair.hosts[B], B, listener);
    let client = pair.hosts[A].tcp_socket(family).unwrap();
    prepare(&mut pair.hosts[A], A, client);
    pair.hosts[A].connect(pair.now, client, Endpoint::new(address(B, family), 179)).unwrap();
    pair.settle();
    (listener, client)
}

/// Whether all segments on the wire have this option, by its kind and length.
fn all_signed(pair: &Pair, family: Family, wanted: (u8, usize)) -> bool {
    let ip = if family == Family::V4 { 20 } else { 40 };
    let segments = pair.wire.iter().map(|(_, frame)| &frame[14..]).filter(|packet| {
        let protocol = if family == Family::V4 { packet[9] } else { packet[6] };
        packet[0] >> 4 == if family == Family::V4 { 4 } else { 6 } && protocol == 6
    });
    let mut count = 0;
    let all = segments.map(|packet| &packet[ip..]).all(|segment| {
        count += 1;
        let options = &segment[20..usize::from(segment[12] >> 4) * 4];
        let mut options = RawOptions::new(options);
        options.any(|option| option.is_ok_and(|raw| (raw.kind, raw.data.len()) == wanted))
    });
    all && count > 0
}

fn drops(pair: &Pair, host: usize, reason: DropReason) -> u64 {
    pair.hosts[host].stats().drops.count(reason)
}

/// RFC 2385, RFC 5925: text goes both ways, every segment is signed, and TIME-WAIT signs as well.
#[test]
fn signed_connections_carry_text_and_end() {
    static FRAMES: AtomicU32 = AtomicU32::new(0);
    let losing: fn(usize, &[u8]) -> bool = |_, _| FRAMES.fetch_add(1, Ordering::Relaxed) % 23 == 22;
    for family in [Family::V4, Family::V6] {
        for (wanted, algorithm) in [
            ((kind::MD5, 16), None),
            ((kind::AO, 14), Some(AoAlgorithm::HmacSha1)),
            ((kind::AO, 14), Some(AoAlgorithm::Aes128Cmac)),
        ] {
            let mut pair = Pair::new();
            let now = pair.now;
            let (listener, client) = prepared(&mut pair, family, |host, n, id| match algorithm {
                None => host.set_md5_key(now, id, network(1 - n, family), md5(b"secret")).unwrap(),
                Some(algorithm) => {
                    let (send, recv) = if n == A { (7, 9) } else { (9, 7) };
                    host.add_ao_key(now, id, network(1 - n, family), ao_key(send, recv, algorithm)).unwrap();
                }
            });
            assert!(pair.saw(A, |event| matches!(event, Event::Connected(_))));
            let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
            let text = pattern(200_000);
            pair.lose = losing;
            assert!(pair.transfer(A, client, server, &text) == text);
            assert!(pair.transfer(B, server, client, &text) == text);
            pair.lose = |_, _| false;
            // The option's room comes from the text.
            let timestamps = if algorithm.is_some() { 12 } else { 0 };
            let option = if algorithm.is_some() { 16 } else { 20 };
            let mss = if family == Family::V4 { 1460 } else { 1440 };
            assert_eq!(pair.hosts[A].info(client).unwrap().snd_mss, mss - option - timestamps);
            pair.hosts[A].close(pair.now, client).unwrap();
            pair.settle();
            pair.hosts[B].close(pair.now, server).unwrap();
            pair.settle();
            assert_eq!(pair.hosts[A].counts().time_waits, 1);
            assert!(all_signed(&pair, family, wanted), "{family:?} {algorithm:?}");
            pair.pass(130_000_000);
            assert_eq!((pair.hosts[A].counts().connections, pair.hosts[B].counts().connections), (0, 0));
            assert_eq!(drops(&pair, A, DropReason::TcpForged) + drops(&pair, B, DropReason::TcpForged), 0);
        }
    }
}

/// A key that comes when the connection is open and has timestamps leaves no room for SACK.
#[test]
fn a_key_may_come_late() {
    let mut pair = Pair::new();
    let (listener, client) = prepared(&mut pair, Family::V4, |_, _, _| {});
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    let now = pair.now;
    for (host, id) in [(A, client), (B, server)] {
        pair.hosts[host].set_md5_key(now, id, network(1 - host, Family::V4), md5(b"secret")).unwrap();
    }
    assert!(pair.hosts[A].info(client).unwrap().timestamps);
    // Every other ACK is lost, so that text comes twice; and some text, so that there are gaps.
    static FRAMES: AtomicU32 = AtomicU32::new(0);
    pair.lose = |_, _| FRAMES.fetch_add(1, Ordering::Relaxed) % 5 == 4;
    let text = pattern(100_000);
    assert!(pair.transfer(A, client, server, &text) == text);
    pair.lose = |from, _| from == B && FRAMES.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    assert!(pair.transfer(A, client, server, &text) == text);
    assert!(pair.hosts[B].info(server).unwrap().sack);
}

/// RFC 2385 §4.1: who has no key, or another, gets no answer, and nothing is left of him.
#[test]
fn without_the_key_there_is_no_connection_and_no_answer() {
    let cases: [(&[u8], &[u8], DropReason); 3] = [
        (b"", b"secret", DropReason::TcpUnsigned),
        (b"Secret", b"secret", DropReason::TcpForged),
        (b"secret", b"", DropReason::TcpNotKeyed),
    ];
    for (of_a, of_b, reason) in cases {
        let mut pair = Pair::new();
        let now = pair.now;
        let (_, client) = prepared(&mut pair, Family::V4, |host, n, id| {
            if let Some(key) = md5([of_a, of_b][n]) {
                host.set_md5_key(now, id, network(1 - n, Family::V4), Some(key)).unwrap();
            }
        });
        pair.pass(3_500_000);
        assert_eq!(pair.hosts[A].state(client), Ok(State::SynSent));
        assert_eq!(drops(&pair, B, reason), 3, "{reason:?}");
        assert_eq!(pair.hosts[B].counts().embryos, 0);
        assert!(
            pair.wire.iter().all(|(from, frame)| *from == A || frame[12..14] != [8, 0]),
            "B says nothing"
        );
    }
}

/// RFC 2385 §1: a reset from who does not know the key ends nothing, though its numbers are right; nor does text.
#[test]
fn forged_resets_and_text_change_nothing() {
    let mut pair = Pair::new();
    let now = pair.now;
    let (listener, client) = prepared(&mut pair, Family::V4, |host, n, id| {
        host.set_md5_key(now, id, network(1 - n, Family::V4), md5(b"secret")).unwrap();
    });
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert_eq!(pair.transfer(A, client, server, b"hello"), b"hello");
    let (_, last) = pair.wire.iter().rev().find(|(from, _)| *from == A).unwrap().clone();
    let (header, ..) = tcp::parse(&last[34..]).unwrap();
    for (flags, text) in [(Flags::RST, &b""[..]), (Flags::ACK | Flags::PSH, b"evil"), (Flags::SYN, b"")] {
        for signed in [false, true] {
            let emit = tcp::Emit {
                src_port: header.src_port(),
                dst_port: 179,
                seq: header.seq() + 5,
                ack: header.ack(),
                flags,
                window: 1000,
                urgent: 0,
                options: tcp::Options {
                    signature: signed.then_some(tcp::Signature::Md5),
                    ..tcp::Options::NONE
                },
            };
            let mut segment = vec![0; emit.len()];
            emit.emit(&mut segment).unwrap();
            segment.extend(text);
            tcp::fill_checksum(v4(A), v4(B), &mut segment).unwrap();
            let ip = portolan_wire::ipv4::Emit {
                src: v4(A),
                dst: v4(B),
                protocol: 6,
                ttl: 64,
                payload_len: segment.len() as u16,
                ..Default::default()
            };
            let mut packet = vec![0; 20];
            ip.emit(&mut packet).unwrap();
            let frame = [&last[..14], &packet, &segment].concat();
            let mut batch = portolan_link::RxBatch::new(1);
            let packet = portolan_link::PacketBuf::copy(pair.hosts[B].pool(), &frame);
            assert!(batch.push(packet).is_ok());
            let before = pair.wire.len();
            pair.hosts[B].receive(pair.now, pair.links[B], &mut batch);
            pair.settle();
            assert_eq!(pair.wire.len(), before, "no answer");
        }
    }
    assert_eq!((drops(&pair, B, DropReason::TcpUnsigned), drops(&pair, B, DropReason::TcpForged)), (3, 3));
    assert_eq!(pair.read(B, server), Err(SocketError::WouldBlock));
    assert_eq!(pair.transfer(A, client, server, b"and on"), b"and on");
    // The true reset is signed.
    pair.hosts[A].abort(pair.now, client).unwrap();
    pair.settle();
    assert_eq!(pair.hosts[B].take_error(server), Some(SocketError::ConnectionReset));
}

/// RFC 5925 §7.5: both ends change to another key while text flows.
#[test]
fn keys_change_without_a_break() {
    let mut pair = Pair::new();
    let now = pair.now;
    let (listener, client) = prepared(&mut pair, Family::V4, |host, n, id| {
        let (send, recv) = if n == A { (1, 2) } else { (2, 1) };
        host.add_ao_key(now, id, network(1 - n, Family::V4), ao_key(send, recv, AoAlgorithm::HmacSha1))
            .unwrap();
    });
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    let text = pattern(50_000);
    assert!(pair.transfer(A, client, server, &text) == text);
    let any = network(A, Family::V4);
    assert_eq!(pair.hosts[A].ask_for_ao_key(now, client, 4), Err(SocketError::NoSuchName));
    pair.hosts[B].add_ao_key(now, server, any, ao_key(4, 3, AoAlgorithm::Aes128Cmac)).unwrap();
    pair.hosts[A].add_ao_key(now, client, any, ao_key(3, 4, AoAlgorithm::Aes128Cmac)).unwrap();
    pair.hosts[A].ask_for_ao_key(now, client, 4).unwrap();
    assert!(pair.transfer(A, client, server, &text) == text);
    assert_eq!(pair.hosts[B].ao_keys_in_use(server), Ok((4, 1)));
    pair.hosts[B].ask_for_ao_key(now, server, 3).unwrap();
    assert!(pair.transfer(B, server, client, &text) == text);
    assert_eq!(pair.hosts[A].ao_keys_in_use(client), Ok((3, 4)));
    pair.hosts[A].remove_ao_key(now, client, 1, 2).unwrap();
    assert_eq!(pair.hosts[A].remove_ao_key(now, client, 3, 4), Err(SocketError::NoSuchName), "it is in use");
    assert!(pair.transfer(A, client, server, &text) == text);
    assert_eq!(drops(&pair, A, DropReason::TcpForged) + drops(&pair, B, DropReason::TcpKeyUnknown), 0);
}

/// TCP_MD5SIG in Linux's layout.
#[test]
fn the_socket_option_is_linuxs() {
    let value = |family: u16, octets: &[u8], flags: u8, prefix_len: u8, key: &[u8]| {
        let mut value = vec![0; 216];
        value[..2].copy_from_slice(&family.to_ne_bytes());
        let at = if family == 2 { 4 } else { 8 };
        value[at..at + octets.len()].copy_from_slice(octets);
        (value[128], value[129]) = (flags, prefix_len);
        value[130..132].copy_from_slice(&(key.len() as u16).to_ne_bytes());
        value[136..136 + key.len().min(80)].copy_from_slice(&key[..key.len().min(80)]);
        value
    };
    let mut pair = Pair::new();
    let now = pair.now;
    let (listener, client) = prepared(&mut pair, Family::V4, |host, n, id| {
        let own = value(2, &[10, 0, 0, 2 - n as u8], 0, 0, b"bgp");
        host.setsockopt(now, id, IPPROTO_TCP, MD5SIG, &own).unwrap();
        // A network's key counts where there is none for the very peer.
        let wide = value(2, &[10, 0, 0, 0], 1, 8, b"other");
        host.setsockopt(now, id, IPPROTO_TCP, MD5SIG_EXT, &wide).unwrap();
        let mut set = |value: &[u8]| host.setsockopt(now, id, IPPROTO_TCP, MD5SIG, value);
        assert_eq!(set(&own[..215]), Err(SocketError::InvalidArgument));
        assert_eq!(set(&value(10, &[0; 16], 0, 0, b"k")), Err(SocketError::InvalidArgument));
        assert_eq!(set(&value(2, &[10, 0, 0, 9], 0, 0, &[1; 81])), Err(SocketError::InvalidArgument));
        assert_eq!(set(&value(2, &[10, 0, 0, 9], 0, 0, b"")), Err(SocketError::NoSuchName));
        assert_eq!(SocketError::NoSuchName.errno(), 2);
    });
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert_eq!(pair.transfer(A, client, server, b"signed"), b"signed");
    assert!(all_signed(&pair, Family::V4, (kind::MD5, 16)));
    let datagrams = pair.hosts[A].udp_socket(Family::V4).unwrap();
    let set =
        pair.hosts[A].setsockopt(now, datagrams, IPPROTO_TCP, MD5SIG, &value(2, &[10, 0, 0, 2], 0, 0, b"k"));
    assert_eq!(set, Err(SocketError::NoSuchOption));
    // Keys are kept, and not written down.
    assert_eq!(pair.hosts[A].freeze(now, client), Err(SocketError::NotSupported));
    assert_eq!(pair.transfer(A, client, server, b"still here"), b"still here");
}

/// TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO and TCP_AO_GET_KEYS.
const AO_ADD_KEY: i32 = 38;
const AO_DEL_KEY: i32 = 39;
const AO_INFO: i32 = 40;
const AO_GET_KEYS: i32 = 41;

/// `struct tcp_ao_add` for an IPv4 peer.
fn ao_add(peer: [u8; 4], (send_id, recv_id): (u8, u8), algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 288];
    value[..2].copy_from_slice(&2_u16.to_ne_bytes());
    value[4..8].copy_from_slice(&peer);
    value[128..128 + algorithm.len()].copy_from_slice(algorithm);
    (value[202], value[203], value[204], value[207]) = (32, send_id, recv_id, key.len() as u8);
    value[208..208 + key.len()].copy_from_slice(key);
    value
}

/// `struct tcp_ao_del` for an IPv4 peer.
fn ao_del(peer: [u8; 4], (send_id, recv_id): (u8, u8)) -> Vec<u8> {
    let mut value = vec![0; 144];
    value[..2].copy_from_slice(&2_u16.to_ne_bytes());
    value[4..8].copy_from_slice(&peer);
    (value[138], value[139], value[140]) = (32, send_id, recv_id);
    value
}

/// `struct tcp_ao_info_opt`: which key is to sign, and which the peer is asked for.
fn ao_info(current: Option<u8>, next: Option<u8>) -> Vec<u8> {
    let mut value = vec![0; 48];
    let bits = u32::from(current.is_some()) | u32::from(next.is_some()) << 1;
    value[..4].copy_from_slice(&bits.to_ne_bytes());
    (value[6], value[7]) = (current.unwrap_or(0), next.unwrap_or(0));
    value
}

/// RFC 5925 §3.1, §3.3: keys by socket options in Linux's layouts, a change of keys, and what is read back.
#[test]
fn authentication_keys_are_linuxs_socket_options() {
    let mut pair = Pair::new();
    let now = pair.now;
    let peer_of = |n: usize| [10, 0, 0, 2 - n as u8];
    let (listener, client) = prepared(&mut pair, Family::V4, |host, n, id| {
        // What one calls send_id, the other calls recv_id.
        let names = [(100, 200), (200, 100)][n];
        host.setsockopt(now, id, IPPROTO_TCP, AO_ADD_KEY, &ao_add(peer_of(n), names, b"hmac(sha1)", b"one"))
            .unwrap();
        let names = [(101, 201), (201, 101)][n];
        host.setsockopt(
            now,
            id,
            IPPROTO_TCP,
            AO_ADD_KEY,
            &ao_add(peer_of(n), names, b"cmac(aes128)", b"two"),
        )
        .unwrap();
    });
    let (server, ..) = pair.hosts[B].accept(pair.now, listener).unwrap();
    assert_eq!(pair.transfer(A, client, server, b"signed"), b"signed");
    assert!(all_signed(&pair, Family::V4, (kind::AO, 14)));
    let info = |pair: &mut Pair, host: usize, id| {
        let value = pair.hosts[host].getsockopt(now, id, IPPROTO_TCP, AO_INFO).unwrap();
        assert_eq!((value.len(), value[0]), (48, 3));
        (value[6], value[7])
    };
    assert_eq!((info(&mut pair, A, client), info(&mut pair, B, server)), ((100, 200), (200, 100)));
    // Each asks the other for the second key, and signs with what it is asked for.
    pair.hosts[A].setsockopt(now, client, IPPROTO_TCP, AO_INFO, &ao_info(Some(101), Some(201))).unwrap();
    pair.hosts[B].setsockopt(now, server, IPPROTO_TCP, AO_INFO, &ao_info(None, Some(101))).unwrap();
    assert_eq!(pair.transfer(A, client, server, b"with another key"), b"with another key");
    assert_eq!(pair.transfer(B, server, client, b"and back"), b"and back");
    assert_eq!((info(&mut pair, A, client), info(&mut pair, B, server)), ((101, 201), (201, 101)));
    // The first one is in use no more, the second one is.
    let delete = |pair: &mut Pair, names| {
        pair.hosts[A].setsockopt(now, client, IPPROTO_TCP, AO_DEL_KEY, &ao_del([10, 0, 0, 2], names))
    };
    assert_eq!(delete(&mut pair, (101, 201)), Err(SocketError::Busy));
    assert_eq!(delete(&mut pair, (100, 200)), Ok(()));
    assert_eq!(delete(&mut pair, (100, 200)), Err(SocketError::NoSuchName));
    let keys = pair.hosts[A].getsockopt(now, client, IPPROTO_TCP, AO_GET_KEYS).unwrap();
    assert_eq!(keys.len(), 304);
    assert_eq!(
        (&keys[..8], &keys[128..138], &keys[192..196]),
        (&[2, 0, 0, 0, 10, 0, 0, 2][..], &b"cmac(aes)\0"[..], &b"two\0"[..])
    );
    assert_eq!((keys[272], keys[276], &keys[278..284]), (1, 3, &[101, 201, 32, 12, 0, 3][..]));
    assert_eq!(pair.transfer(A, client, server, b"still signed"), b"still signed");
}

/// The errno that Linux gives for what makes no sense.
#[test]
fn wrong_authentication_options_are_refused() {
    let mut pair = Pair::new();
    let now = pair.now;
    let listener = pair.listen(B, Family::V4, 179, 16);
    let host = &mut pair.hosts[B];
    let peer = [10, 0, 0, 1];
    let good = ao_add(peer, (1, 2), b"hmac(sha1)", b"key");
    let mut set = |name, value: &[u8]| {
        host.setsockopt(now, listener, IPPROTO_TCP, name, value).map_err(SocketError::errno)
    };
    let changed = |at: usize, to: u8| {
        let mut value = good.clone();
        value[at] = to;
        value
    };
    // Too short, another family, a port, a link, reserved bits, a prefix of 33, a MAC of 16, an empty key and one that
    // is too long, and a listener that chooses.
    assert_eq!(set(AO_ADD_KEY, &good[..287]), Err(22));
    for (at, to) in [
        (0, 10),
        (3, 80),
        (192, 1),
        (196, 4),
        (196, 1),
        (196, 2),
        (200, 1),
        (202, 33),
        (205, 16),
        (206, 4),
        (207, 0),
        (207, 81),
    ] {
        assert_eq!(set(AO_ADD_KEY, &changed(at, to)), Err(22), "octet {at}");
    }
    assert_eq!(set(AO_ADD_KEY, &changed(133, b'x')), Err(2), "no such algorithm");
    assert_eq!(set(AO_ADD_KEY, &good), Ok(()));
    for names in [(1, 2), (1, 3), (3, 2)] {
        assert_eq!(set(AO_ADD_KEY, &ao_add(peer, names, b"", b"key")), Err(17), "{names:?}");
    }
    assert_eq!(set(AO_ADD_KEY, &ao_add([10, 0, 0, 9], (1, 2), b"", b"key")), Ok(()), "other peers");
    assert_eq!(set(AO_INFO, &ao_info(Some(1), None)), Err(22), "nothing is signed by who listens");
    assert_eq!(set(AO_DEL_KEY, &ao_del(peer, (1, 9))), Err(2));
    let mut md5 = vec![0; 216];
    (md5[0], md5[130], md5[136]) = (2, 1, b'k');
    md5[4..8].copy_from_slice(&peer);
    assert_eq!(set(MD5SIG, &md5), Err(129), "keys of the other kind");
    assert_eq!(set(AO_DEL_KEY, &ao_del(peer, (1, 2))), Ok(()));
    assert_eq!(set(MD5SIG, &md5), Ok(()));
    assert_eq!(set(AO_ADD_KEY, &good), Err(129));
    let (client, _server) = pair.connected(Family::V4, 80);
    let host = &mut pair.hosts[A];
    let late =
        host.setsockopt(now, client, IPPROTO_TCP, AO_ADD_KEY, &ao_add([10, 0, 0, 2], (1, 2), b"", b"key"));
    assert_eq!(late.map_err(SocketError::errno), Err(106));
    let none = host.getsockopt(now, client, IPPROTO_TCP, AO_GET_KEYS);
    assert_eq!(none.map_err(SocketError::errno), Err(2));
}
