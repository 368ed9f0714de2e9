//! Class E, what whole transfers show: numbers that cross the end of their space (E7), and segments that come merged or
//! as super-segments (E14).

use portolan_link::{Checksum, Gso, PacketBuf, RxBatch};
use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, Options, fill_checksum};
use portolan_wire::{Family, SeqNumber, ipv4, protocol};

use crate::arena::*;
use crate::common::*;

/// The number of the first SYN on the wire.
fn first_number(pair: &Pair) -> SeqNumber {
    let syn = pair.wire.iter().find(|(from, frame)| *from == A && frame[12..14] == [8, 0]).unwrap();
    tcp::parse(&syn.1[34..]).unwrap().0.seq()
}

/// E7: the initial number lies anywhere up to 70,000 below 2^32, so that it wraps at any octet of the transfer.
///
/// A host's initial number counts every four microseconds, so that the time of the SYN chooses it.
#[test]
fn e7_numbers_wrap_at_any_place_of_a_transfer() {
    let config = || Config { ephemeral_ports: (40_000, 40_000), ..Config::default() };
    let open = |at: portolan_link::Instant| {
        let mut pair = Pair::with(config(), ethernet_caps(1500), 3);
        pair.now = at;
        let (client, server) = pair.connected(Family::V4, 80);
        (pair, client, server)
    };
    let start = portolan_link::Instant::from_millis(2_000);
    let number = first_number(&open(start).0).0;
    let text = pattern(75_000);
    let step = if full() { 7 } else { 1_459 };
    for below in (0..=20).chain((21..=70_000).step_by(step)) {
        let ticks = 0_u32.wrapping_sub(below).wrapping_sub(number);
        let (mut pair, client, server) = open(start.plus_micros(u64::from(ticks) * 4));
        assert_eq!(first_number(&pair), SeqNumber(0_u32.wrapping_sub(below)));
        assert!(pair.transfer(A, client, server, &text) == text, "{below} below");
        assert!(pair.transfer(B, server, client, &text) == text, "{below} below, backwards");
    }
}

/// A segment of text as the peer may send it, and whether it arrives damaged.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    len: u32,
    flags: Flags,
    window: u16,
    damaged: bool,
}

/// How pieces reach the victim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Delivery {
    OneByOne,
    /// All pieces of a burst in one batch, where those that follow one another may be merged.
    InBatches,
    /// As a link with offloads has them: runs of full segments in one frame.
    AsSuperSegments,
}

/// Bursts of segments: mostly in order, with gaps, repetitions, small ones and damaged ones.
fn bursts(random: &mut Random, octets: u32) -> Vec<Vec<Piece>> {
    let mut bursts = Vec::new();
    let mut at = 0;
    while at < octets {
        let mut burst: Vec<Piece> = Vec::new();
        for _ in 0..1 + random.below(30) {
            let len = if random.below(5) == 0 { 1 + random.below(1459) as u32 } else { MSS };
            let len = len.min(octets - at);
            if len == 0 {
                break;
            }
            let flags = if random.below(4) == 0 { Flags::ACK | Flags::PSH } else { Flags::ACK };
            let window = if random.below(6) == 0 { 50_000 } else { 60_000 };
            let damaged = random.below(20) == 0;
            burst.push(Piece { start: at, len, flags, window, damaged });
            at += len;
        }
        for _ in 0..random.below(3) {
            let (one, other) = (random.below(burst.len() as u64), random.below(burst.len() as u64));
            burst.swap(one as usize, other as usize);
            let again = burst[one as usize];
            burst.push(again);
        }
        // What was damaged comes again, whole.
        let damaged = burst.iter().filter(|piece| piece.damaged);
        let again: Vec<Piece> = damaged.map(|piece| Piece { damaged: false, ..*piece }).collect();
        bursts.extend([burst, again]);
    }
    bursts
}

/// The frame of a run of text.
fn frame(arena: &mut Arena, peer: &Peer, piece: &Piece, text: &[u8], super_segment: bool) -> PacketBuf {
    let header = tcp::Emit {
        src_port: peer.at.port,
        dst_port: peer.port,
        seq: peer.seq + piece.start,
        ack: peer.ack,
        flags: piece.flags,
        window: piece.window,
        urgent: 0,
        options: Options::NONE,
    };
    let mut segment = vec![0; header.len()];
    header.emit(&mut segment).unwrap();
    segment.extend_from_slice(text);
    fill_checksum(peer.at.address, v4(B), &mut segment).unwrap();
    if piece.damaged
        && let Some(last) = segment.last_mut()
    {
        *last ^= 0x10;
    }
    let (src, dst, payload_len) = (peer.at.address, v4(B), segment.len() as u16);
    let ip = ipv4::Emit { src, dst, protocol: protocol::TCP, ttl: 64, payload_len, ..ipv4::Emit::default() };
    let mut packet = vec![0; 20];
    ip.emit(&mut packet).unwrap();
    let octets = [&station(B).0[..], &station(A).0, &[8, 0], &packet, &segment].concat();
    let mut frame = PacketBuf::copy(arena.victim().pool(), &octets);
    if super_segment {
        frame.offload.gso = Gso::Tcp { size: MSS as u16, ecn: false };
        frame.offload.checksum = Checksum::Valid;
    }
    frame
}

/// Joins full pieces that follow one another, as a link that merges would.
fn joined(burst: &[Piece]) -> Vec<Piece> {
    let mut runs: Vec<Piece> = Vec::new();
    for piece in burst {
        match runs.last_mut() {
            Some(run)
                if !run.damaged
                    && !piece.damaged
                    && run.start + run.len == piece.start
                    && run.len % MSS == 0
                    && run.window == piece.window
                    && run.len + piece.len <= 60_000 =>
            {
                run.len += piece.len;
                run.flags |= piece.flags;
            }
            _ => runs.push(*piece),
        }
    }
    runs
}

/// What the application read after each burst, and the last acknowledgement number then.
fn deliver(delivery: Delivery, bursts: &[Vec<Piece>], text: &[u8]) -> Vec<(Vec<u8>, SeqNumber)> {
    let mut arena = Arena::new();
    let (peer, socket) = arena.plain_peer();
    let mut acknowledged = peer.seq;
    let mut seen = Vec::new();
    for burst in bursts {
        let pieces = if delivery == Delivery::AsSuperSegments { joined(burst) } else { burst.clone() };
        let mut frames = RxBatch::new(64);
        let (link, now) = (arena.pair.links[B], arena.pair.now);
        for piece in &pieces {
            let octets = &text[piece.start as usize..(piece.start + piece.len) as usize];
            let super_segment = delivery == Delivery::AsSuperSegments && piece.len > MSS;
            let frame = frame(&mut arena, &peer, piece, octets, super_segment);
            assert!(frames.push(frame).is_ok());
            if delivery == Delivery::OneByOne {
                arena.victim().receive(now, link, &mut frames);
            }
        }
        arena.victim().receive(now, link, &mut frames);
        let mut got = Vec::new();
        while let Ok(some) = arena.pair.read(B, socket) {
            got.extend(some);
        }
        arena.pass(50_000);
        for heard in arena.hear() {
            acknowledged = heard.ack;
        }
        seen.push((got, acknowledged));
    }
    seen
}

/// E14: however a link delivers a burst, the application reads the same, and the peer is told the same.
#[test]
fn e14_merged_and_super_segments_mean_what_single_ones_do() {
    for seed in 1..=count(2_000, 30).into() {
        let mut random = Random(seed);
        let text = pattern(200_000);
        let bursts = bursts(&mut random, text.len() as u32);
        let wanted = deliver(Delivery::OneByOne, &bursts, &text);
        let whole: Vec<u8> = wanted.iter().flat_map(|(got, _)| got.clone()).collect();
        assert!(whole == text, "seed {seed}: {} octets", whole.len());
        for delivery in [Delivery::InBatches, Delivery::AsSuperSegments] {
            let seen = deliver(delivery, &bursts, &text);
            for (burst, (seen, wanted)) in seen.iter().zip(&wanted).enumerate() {
                assert!(seen.0 == wanted.0, "seed {seed}, {delivery:?}, burst {burst}: other text");
                assert_eq!(seen.1, wanted.1, "seed {seed}, {delivery:?}, burst {burst}");
            }
        }
    }
}
