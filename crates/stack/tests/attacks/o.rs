//! Class O: clocks.

use portolan_link::Instant;
use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options, Timestamps};
use portolan_wire::{Endpoint, Family};

use crate::arena::*;
use crate::common::*;

/// Milliseconds at which a clock of some width ends, and the beginning.
const TURNS_MS: [u64; 6] =
    [0, 1 << 31, 1 << 32, (1 << 32) * 1000, (1 << 63) / 1_000_000, u64::MAX / 1_000_000 - 3_600_000];

/// O1: connections open, carry text, close, and leave TIME-WAIT while a clock of 31, 32 or 63 bits ends.
#[test]
fn o1_a_clock_that_turns_over_changes_nothing() {
    for turn in TURNS_MS {
        let mut pair = Pair::new();
        pair.now = Instant::from_millis(turn.saturating_sub(5_000).max(1_000));
        pair.settle();
        let text = pattern(300_000);
        for port in 1..=20 {
            let (client, server) = pair.connected(Family::V4, port);
            assert_eq!(pair.transfer(A, client, server, &text), text, "near {turn} ms");
            assert_eq!(pair.transfer(B, server, client, &text), text, "near {turn} ms");
            pair.hosts[A].close(pair.now, client).unwrap();
            pair.pass(500_000);
            pair.hosts[B].close(pair.now, server).unwrap();
            pair.pass(500_000);
        }
        assert!(pair.hosts[A].counts().time_waits > 0);
        pair.pass(130_000_000);
        let counts = pair.hosts[A].counts();
        assert_eq!((counts.time_waits, counts.flows, counts.timers), (0, 0, 0), "near {turn} ms: {counts:?}");
    }
}

/// O2: the clock jumps by an hour, by ten years, and back.
#[test]
fn o2_a_clock_that_jumps_makes_no_storm_and_ends_nothing_that_lives() {
    const YEAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;
    for jump_us in [3_600_000_000, 10 * YEAR_US] {
        let mut pair = Pair::new();
        let (client, server) = pair.connected(Family::V4, 80);
        let text = pattern(100_000);
        assert_eq!(pair.transfer(A, client, server, &text), text);
        let before = pair.now;
        // In the middle of a flight.
        let _ = pair.write(A, client, &text[..20_000]);
        pair.carry(A);
        let window = pair.hosts[A].info(client).unwrap().cwnd_segments;
        pair.wire.clear();
        pair.now = pair.now.plus_micros(jump_us);
        pair.settle();
        let sent = pair.wire.iter().filter(|(from, _)| *from == A).count() as u32;
        assert!(sent <= window.max(10) + 2, "{sent} frames at once after a jump");
        // Backward: such a time counts as the last one.
        pair.now = before;
        for host in [A, B] {
            pair.hosts[host].handle_timeout(before);
        }
        pair.settle();
        pair.now = before.plus_micros(jump_us);
        let mut got = 0;
        for _ in 0..100 {
            pair.pass(100_000);
            while let Ok(more) = pair.read(B, server) {
                got += more.len();
            }
        }
        assert_eq!(got, 20_000, "after a jump of {jump_us} us");
        assert_eq!(pair.transfer(A, client, server, &text), text);
    }
}

/// O3, RFC 7323 §5.5: after 25 days of silence the last timestamp says nothing any more.
#[test]
fn o3_text_is_taken_after_25_days_of_silence_whatever_the_timestamp() {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let stamped = |value, echo| Options { timestamps: Some(Timestamps { value, echo }), ..Options::NONE };
    let offer = Options { timestamps: Some(Timestamps { value: 1_000, echo: 0 }), ..plain_options() };
    let seq = arena.random.seq();
    let mut peer = Peer { at, port: 80, seq, ack: portolan_wire::SeqNumber(0), window: u16::MAX };
    arena.say(&peer, Flags::SYN, offer, &[]);
    let answer = arena.hear().pop().unwrap();
    let echo = answer.options.timestamps.unwrap().value;
    peer.seq = seq + 1;
    peer.ack = answer.seq + 1;
    arena.say(&peer, Flags::ACK, stamped(1_001, echo), &[]);
    arena.turn();
    let now = arena.pair.now;
    let (socket, ..) = arena.victim().accept(now, listener).unwrap();
    // The peer's clock of 32 bits in milliseconds is past its half: the value looks older than the last.
    let days = 25 * 24 * 3_600 * 1_000_000_u64;
    let late = 1_001_u32.wrapping_add((days / 1_000) as u32);
    arena.pass(days);
    arena.say(&peer, Flags::ACK | Flags::PSH, stamped(late, echo), b"still here");
    arena.turn();
    assert_eq!(arena.pair.read(B, socket), Ok(b"still here".to_vec()));
    // A day later a value older than the last is refused as ever.
    peer.seq += 10;
    arena.pass(days / 25);
    arena.say(&peer, Flags::ACK | Flags::PSH, stamped(late.wrapping_sub(5), echo), b"forged");
    arena.turn();
    assert_eq!(arena.pair.read(B, socket), Err(SocketError::WouldBlock));
}
