//! Class F: attackers who see nothing of a connection and guess.

use std::time::Instant as Clock;

use chacha20::ChaCha12Rng;
use portolan_link::{LinkCaps, Medium, TxBatch};
use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, Options};
use portolan_wire::{Cidr, Endpoint, Family, FlowKey, SeqNumber, protocol};
use rand_core::{Rng, SeedableRng};

use crate::arena::*;
use crate::common::*;

/// F3: what is written for another process to go on with holds no secret of the host, and who goes on draws new ones.
#[test]
fn f3_a_frozen_connection_tells_no_secret() {
    let secrets = [4_u64, 5].map(|seed| Seeds::fixed(seed).secret);
    // All keys of a host are drawn from its secret stream, one after the other, when it is made.
    let streams = secrets.map(|secret| {
        let mut stream = vec![0; 1024];
        ChaCha12Rng::from_seed(secret).fill_bytes(&mut stream);
        stream
    });
    let mut pair = Pair::with(Config::default(), ethernet_caps(1500), 2);
    let (client, server) = pair.connected(Family::V4, 80);
    pair.write(A, client, &pattern(3_000)).unwrap();
    pair.settle();
    pair.write(B, server, b"not yet acknowledged").unwrap();
    let key = |pair: &Pair, host: usize, id| FlowKey {
        local: pair.hosts[host].local(id).unwrap(),
        remote: pair.hosts[host].remote(id).unwrap(),
        protocol: protocol::TCP,
        zone: 0,
    };
    for (host, id) in [(A, client), (B, server)] {
        let flow = key(&pair, host, id);
        let frozen = pair.hosts[host].freeze(pair.now, id).unwrap();
        let tells = |secret: &[u8]| frozen.windows(secret.len()).any(|octets| octets == secret);
        assert!(tells(&flow.local.address.octets()), "the search finds what is there");
        for secret in streams[host].windows(6).chain(secrets[host].windows(6)) {
            assert!(!tells(secret), "host {host}: six octets of a secret");
        }
        let isn_key: &[u8; 16] = streams[host][16..32].try_into().unwrap();
        let offset = portolan_tcp::isn::timestamp_offset(isn_key, &flow);
        assert!(!tells(&offset.to_be_bytes()) && !tells(&offset.to_le_bytes()));
        // The same host again: with the same secrets its numbers would be the same, after a restart they are not.
        let numbers = [4 + host as u64, 4 + host as u64, 77].map(|seed| {
            let mut restarted = Stack::new(Config::default(), Seeds::fixed(seed));
            let caps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: false };
            let settings = LinkConfig { name: "tun0".into(), ethernet: station(host) };
            let link = restarted.add_link(pair.now, caps, settings);
            restarted.add_address(pair.now, link, Cidr::new(v4(host), 24).unwrap()).unwrap();
            restarted.thaw(pair.now, &frozen).unwrap();
            first_numbers(&mut restarted, pair.now, link, host)
        });
        assert_eq!(numbers[0].len(), 10);
        assert_eq!(numbers[0], numbers[1]);
        assert!(numbers[0].iter().zip(&numbers[2]).all(|(a, b)| a != b), "{numbers:?}");
    }
}

/// The initial sequence numbers of connections to one port, from local ports of the test's choice.
fn first_numbers(host: &mut Stack, now: portolan_link::Instant, link: LinkId, n: usize) -> Vec<SeqNumber> {
    for port in 40_000..40_010 {
        let id = host.tcp_socket(Family::V4).unwrap();
        host.bind(now, id, Endpoint::new(v4(n), port)).unwrap();
        host.connect(now, id, Endpoint::new(v4(1 - n), 99)).unwrap();
    }
    let mut batch = TxBatch::new(64);
    host.poll_transmit(now, link, &mut batch);
    let mut numbers = Vec::new();
    while let Some(entry) = batch.front() {
        let frame: Vec<u8> = entry.slices().flatten().copied().collect();
        let (header, ..) = tcp::parse(&frame[20..]).unwrap();
        if header.flags().contains(Flags::SYN) {
            numbers.push(header.seq());
        }
        batch.advance(1);
    }
    numbers
}

/// What a router quotes of a victim's segment to `peer`: the IP header and eight octets.
fn quote(peer: &Peer, quoted: &Heard) -> Vec<u8> {
    let mut quote = vec![0; 28];
    let ip = portolan_wire::ipv4::Emit {
        src: v4(B),
        dst: peer.at.address,
        protocol: portolan_wire::protocol::TCP,
        ttl: 60,
        payload_len: 1_480,
        dont_fragment: true,
        ..Default::default()
    };
    ip.emit(&mut quote).unwrap();
    quote[20..22].copy_from_slice(&peer.port.to_be_bytes());
    quote[22..24].copy_from_slice(&peer.at.port.to_be_bytes());
    quote[24..28].copy_from_slice(&quoted.seq.0.to_be_bytes());
    quote
}

/// F9: a report that comes beside text is believed as any other, and the second of its kind makes nobody send anything.
#[test]
fn f9_reports_beside_text_are_believed_once() {
    let mut arena = Arena::new();
    let (mut peer, socket) = arena.plain_peer();
    arena.pair.write(B, socket, &pattern(10_000)).unwrap();
    let flight = arena.hear();
    let mut sent = 0;
    for _ in 0..50 {
        // An ACK is owed when the report comes.
        arena.say(&peer, Flags::ACK, Options::NONE, b"text");
        peer.seq += 4;
        arena.fragmentation_needed(1000, &quote(&peer, &flight[0]));
        let heard = arena.hear();
        assert!(heard.iter().all(|heard| heard.text.len() <= 960), "as large as before");
        sent += heard.iter().map(|heard| heard.text.len()).sum::<usize>();
    }
    assert!((960..=10_000).contains(&sent), "{sent} octets went again");
}

/// F9: TCP is never sent without Don't Fragment, whatever ICMP says of the path.
#[test]
fn f9_tcp_always_forbids_fragments() {
    let mut arena = Arena::new();
    let (mut peer, socket) = arena.plain_peer();
    arena.pair.write(B, socket, &pattern(20_000)).unwrap();
    let flight = arena.hear();
    assert!(!flight.is_empty() && flight.iter().all(|heard| heard.dont_fragment));
    // Fragmentation needed, forged and perfect: it quotes a segment in flight.
    for mtu in [68_u16, 296, 576, 1280] {
        let quoted = &flight[0];
        let quote = quote(&peer, quoted);
        arena.fragmentation_needed(mtu, &quote);
        arena.pass(2_000_000);
        let heard = arena.hear();
        assert!(heard.iter().all(|heard| heard.dont_fragment), "after an MTU of {mtu}");
    }
    peer.ack = flight.last().unwrap().end();
    arena.ack(&peer);
    assert!(arena.hear().iter().all(|heard| heard.dont_fragment));
}

/// F10: what a guess is answered with is limited for each connection, so that the size or the number of answers on
/// some link tells little.
#[test]
fn f10_challenges_of_one_connection_are_limited_in_time() {
    let mut arena = Arena::new();
    let (peer, _) = arena.plain_peer();
    let period = u64::from(arena.victim().config().tcp.challenge_ack_us);
    arena.pass(10 * period);
    arena.heard.clear();
    let mut answers = 0;
    for n in 0..2_000_u32 {
        let mut forged = peer;
        forged.seq = peer.seq + 1 + n;
        arena.say(&forged, Flags::RST, Options::NONE, &[]);
        forged.seq = peer.seq.back(10_000);
        arena.ack(&forged);
        answers += arena.hear().len() as u64;
        arena.pair.now = arena.pair.now.plus_micros(5_000);
    }
    let allowed = 2_000 * 5_000 / period * 2 + 2;
    assert!(answers > 0 && answers <= allowed, "{answers} answers in 10 s, and not {allowed}");
}

/// F12: two ends that each got a forged segment do not answer one another for ever.
#[test]
fn f12_an_ack_storm_dies_at_once() {
    for family in [Family::V4] {
        let mut pair = Pair::new();
        let (client, server) = pair.connected(family, 80);
        let ports = pair.hosts[A].local(client).unwrap().port;
        let text = pattern(5_000);
        assert_eq!(pair.transfer(A, client, server, &text), text);
        let (una, nxt) = last_numbers(&pair);
        pair.wire.clear();
        for (to, seq, ack, ports) in [(B, nxt, una, (ports, 80)), (A, una, nxt, (80, ports))] {
            let header = tcp::Emit {
                src_port: ports.0,
                dst_port: ports.1,
                seq: seq + 200_000_000,
                ack,
                flags: Flags::ACK | Flags::PSH,
                window: 1000,
                ..Default::default()
            };
            inject(&mut pair, to, &header, b"forged text");
        }
        pair.pass(10_000_000);
        let acks = pair.wire.len();
        assert!(acks <= 10, "{acks} segments after two forged ones");
        assert_eq!(pair.transfer(B, server, client, &text), text);
    }
}

/// What A sent last, and what it expected: (next of B's, next of A's).
fn last_numbers(pair: &Pair) -> (SeqNumber, SeqNumber) {
    let (_, frame) = pair.wire.iter().rev().find(|(from, _)| *from == A).unwrap();
    let (header, _, text) = tcp::parse(&frame[34..]).unwrap();
    (header.ack(), header.seq() + text.len() as u32)
}

/// Puts a forged segment into a host.
fn inject(pair: &mut Pair, to: usize, header: &tcp::Emit, text: &[u8]) {
    let (src, dst) = (v4(1 - to), v4(to));
    let mut segment = vec![0; header.len()];
    header.emit(&mut segment).unwrap();
    segment.extend_from_slice(text);
    tcp::fill_checksum(src, dst, &mut segment).unwrap();
    let ip = portolan_wire::ipv4::Emit {
        src,
        dst,
        protocol: portolan_wire::protocol::TCP,
        ttl: 64,
        payload_len: segment.len() as u16,
        ..Default::default()
    };
    let mut packet = vec![0; 20];
    ip.emit(&mut packet).unwrap();
    let frame = [&station(to).0[..], &station(1 - to).0, &[8, 0], &packet, &segment].concat();
    let mut batch = portolan_link::RxBatch::new(1);
    let packet = portolan_link::PacketBuf::copy(pair.hosts[to].pool(), &frame);
    assert!(batch.push(packet).is_ok());
    let (now, link) = (pair.now, pair.links[to]);
    pair.hosts[to].receive(now, link, &mut batch);
}

/// F15: a SYN-ACK that nobody waits for is answered alike wherever it goes, and the answer tells no state.
#[test]
fn f15_answers_to_stray_segments_tell_nothing() {
    let mut arena = Arena::new();
    let (_, _) = arena.plain_peer();
    let stranger = Endpoint::new(Arena::stranger(77), 443);
    let mut answers: Vec<Heard> = Vec::new();
    for port in (1_024..=65_535).step_by(if full() { 1 } else { 37 }) {
        let header = tcp::Emit {
            src_port: 443,
            dst_port: port,
            seq: SeqNumber(1_000),
            ack: SeqNumber(555),
            flags: Flags::SYN | Flags::ACK,
            window: 1000,
            ..Default::default()
        };
        arena.segment(stranger, &header, &[]);
        let heard = arena.hear();
        answers.extend(heard.into_iter().filter(|heard| heard.to == stranger));
        arena.pair.now = arena.pair.now.plus_micros(100);
    }
    assert!(!answers.is_empty());
    // RFC 9293 §3.5.2, group 1: the number is the one that was acknowledged, and nothing else is in it.
    assert!(answers.iter().all(|answer| {
        answer.flags == Flags::RST
            && answer.seq == SeqNumber(555)
            && answer.window == 0
            && answer.options.is_empty()
            && answer.text.is_empty()
    }));
}

/// F16: tuples that are chosen to collide, in a table without a secret, are looked up as fast as others.
#[test]
fn f16_chosen_tuples_do_not_make_lookups_slow() {
    let cost = |tuple: fn(u32) -> Endpoint| {
        let mut arena = Arena::with(Config { embryos_max: 1 << 20, somaxconn: 1 << 20, ..Config::default() });
        arena.listen(80, 1 << 20);
        let total = count(300_000, 20_000);
        for n in 0..total {
            let at = tuple(n);
            let peer = Peer { at, port: 80, seq: SeqNumber(n), ack: SeqNumber(0), window: 1000 };
            arena.say(&peer, Flags::SYN, plain_options(), &[]);
            if n % 64 == 0 {
                arena.turn();
                arena.heard.clear();
            }
        }
        let began = Clock::now();
        for n in 0..total {
            let peer = Peer { at: tuple(n), port: 80, seq: SeqNumber(n), ack: SeqNumber(0), window: 1000 };
            arena.say(&peer, Flags::SYN, plain_options(), &[]);
            if n % 64 == 0 {
                arena.turn();
                arena.heard.clear();
            }
        }
        began.elapsed() / total
    };
    // The sum and the exclusive-or of address and port are always the same.
    let colliding = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        let port = u16::from_be_bytes([c, d]);
        Endpoint::new(portolan_wire::Address::v4(100 + a, b, c, d), port ^ 0x5555)
    };
    let spread = |n: u32| {
        let mixed = n.wrapping_mul(0x9e37_79b1);
        Endpoint::new(Arena::stranger(mixed >> 8), (n % 60_000) as u16 + 1)
    };
    // In a table without a secret, one look-up would pass thousands of entries.
    assert_cost(10, || cost(colliding), || cost(spread));
}
