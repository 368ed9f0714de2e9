//! What single steps of a host cost: segments in and out, holes, selective acknowledgements, timers, connections.
//!
//! Each line is one run; ratios between lines of one run are what to look at.

use std::time::{Duration, Instant as Clock};

use portolan_stack::{Config, SocketId};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::{Flags, Options, SackBlocks};

use crate::peer::{BATCH, Bench, Peer, TEXT};

/// Octets of a buffer that holds every case's text.
const BUFFER: u32 = 16 << 20;

/// Runs every case. `short` is for a test: fewer rounds.
pub(crate) fn run(short: bool) -> Result<bool, String> {
    let rounds = if short { 2_000 } else { 50_000 };
    line("segments in, in order", bulk_in(rounds)?);
    line("segments out", bulk_out(rounds)?);
    line("acknowledgements in, each of two segments", pure_ack(rounds)?);
    let few = out_of_order(10, rounds)?;
    let many = out_of_order(1000, rounds)?;
    line("segments in, out of order, 10 holes", few);
    line("segments in, out of order, 1000 holes", many);
    let few_sacks = sack(10, rounds)?;
    let many_sacks = sack(1000, rounds)?;
    line("SACKs in, 10 holes in flight", few_sacks);
    line("SACKs in, 1000 holes in flight", many_sacks);
    let connections = if short { 20_000 } else { 1_000_000 };
    line(&format!("timers that fire, {connections} connections"), timers(connections)?);
    line("connections opened and closed", churn(rounds)?);
    // Flat: a hundred times as many holes may not cost ten times as much.
    Ok(many.each() < 10.0 * few.each() && many_sacks.each() < 10.0 * few_sacks.each())
}

/// How long so many steps took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    steps: u64,
    spent: Duration,
}

impl Cost {
    /// Nanoseconds of a step.
    fn each(&self) -> f64 {
        self.spent.as_nanos() as f64 / self.steps.max(1) as f64
    }
}

fn line(what: &str, cost: Cost) {
    println!("{what:<44} {:>9.1} ns {:>9.2} million/s", cost.each(), 1000.0 / cost.each());
}

fn config() -> Config {
    let mut config = Config::default();
    config.tcp.recv_buffer.initial = BUFFER;
    config.tcp.recv_buffer.max = BUFFER;
    config.tcp.send_buffer.initial = BUFFER;
    config.tcp.send_buffer.max = BUFFER;
    config.tcp.initial_window = 255;
    config.tcp.memory_max = 256 << 20;
    config.connections_max = 2_000_000;
    config.sockets_max = 2_000_000;
    config.flow_summaries = false;
    config
}

/// Sends text in small pieces until the window of the host has opened.
fn open_window(bench: &mut Bench, peer: &mut Peer, socket: SocketId) {
    let text = [7; TEXT];
    let mut out = vec![0; 1 << 20];
    for _ in 0..400 {
        for _ in 0..32 {
            bench.send(peer, Flags::ACK, Options::NONE, &text);
            peer.seq += TEXT as u32;
        }
        bench.hand_in();
        while bench.host.read(bench.now, socket, &mut out).is_ok() {}
        bench.take(|_| {});
        bench.now = bench.now.plus_micros(1000);
        bench.drain_events();
    }
}

/// Full segments in order; the application reads every batch.
fn bulk_in(rounds: u32) -> Result<Cost, String> {
    let mut bench = Bench::new(config())?;
    let (mut peer, socket) = bench.connect(1)?;
    open_window(&mut bench, &mut peer, socket);
    let text = [7; TEXT];
    let mut out = vec![0; BATCH * TEXT];
    bench.spent = Duration::ZERO;
    for _ in 0..rounds / 8 {
        for _ in 0..BATCH {
            bench.send(&peer, Flags::ACK, Options::NONE, &text);
            peer.seq += TEXT as u32;
        }
        bench.take(|_| {});
        let mut got = 0;
        while let Ok(len) = bench.timed(|host, now| host.read(now, socket, &mut out)) {
            got += len;
        }
        if got != BATCH * TEXT {
            return Err(format!("{got} octets arrived of {}", BATCH * TEXT));
        }
        bench.now = bench.now.plus_micros(100);
        bench.drain_events();
    }
    Ok(Cost { steps: u64::from(rounds / 8) * BATCH as u64, spent: bench.spent })
}

/// Full segments out; acknowledgements come between, outside of the time.
fn bulk_out(rounds: u32) -> Result<Cost, String> {
    let (sent, spent, _) = send_and_acknowledge(rounds)?;
    Ok(Cost { steps: sent, spent })
}

/// Acknowledgements of two segments each.
fn pure_ack(rounds: u32) -> Result<Cost, String> {
    let (sent, _, spent) = send_and_acknowledge(rounds)?;
    Ok(Cost { steps: sent / 2, spent })
}

/// Segments sent, the time that sending took, and the time that acknowledgements took.
fn send_and_acknowledge(rounds: u32) -> Result<(u64, Duration, Duration), String> {
    let mut bench = Bench::new(config())?;
    let (mut peer, socket) = bench.connect(1)?;
    let text = vec![7; 4 * BATCH * TEXT];
    let (mut segments, mut sending, mut acknowledging) = (0, Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds / 8 {
        bench.spent = Duration::ZERO;
        let _ = bench.timed(|host, now| host.write(now, socket, &text));
        let mut ends = Vec::new();
        bench.take(|seen| ends.push(seen.seq + seen.text as u32));
        sending += bench.spent;
        segments += ends.len() as u64;
        bench.now = bench.now.plus_micros(100);
        bench.spent = Duration::ZERO;
        for end in ends.chunks(2).filter_map(|pair| pair.last()) {
            peer.ack = *end;
            bench.send(&peer, Flags::ACK, Options::NONE, &[]);
        }
        bench.hand_in();
        acknowledging += bench.spent;
        bench.drain_events();
    }
    if segments < u64::from(rounds) {
        return Err(format!("only {segments} segments were sent"));
    }
    Ok((segments, sending, acknowledging))
}

/// Every second segment of a window with `holes` holes, then the holes from the far end.
fn out_of_order(holes: u32, rounds: u32) -> Result<Cost, String> {
    let mut bench = Bench::new(config())?;
    let (mut peer, socket) = bench.connect(1)?;
    open_window(&mut bench, &mut peer, socket);
    let text = [7; TEXT];
    let mut out = vec![0; 1 << 20];
    let mut steps = 0;
    bench.spent = Duration::ZERO;
    while steps < u64::from(rounds) {
        let start = peer.seq;
        let odd = (0..holes).map(|hole| 2 * hole + 1);
        let even = (0..holes).rev().map(|hole| 2 * hole);
        for place in odd.chain(even) {
            peer.seq = start + place * TEXT as u32;
            bench.send(&peer, Flags::ACK, Options::NONE, &text);
            steps += 1;
        }
        bench.hand_in();
        bench.take(|_| {});
        peer.seq = start + 2 * holes * TEXT as u32;
        let mut got = 0;
        while let Ok(len) = bench.timed(|host, now| host.read(now, socket, &mut out)) {
            got += len;
        }
        if got != 2 * holes as usize * TEXT {
            return Err(format!("{got} octets arrived of {holes} holes"));
        }
        bench.now = bench.now.plus_micros(1000);
        bench.drain_events();
    }
    Ok(Cost { steps, spent: bench.spent })
}

/// Acknowledgements that each report one more segment, while every second segment of a window is missing.
fn sack(holes: u32, rounds: u32) -> Result<Cost, String> {
    let mut bench = Bench::new(config())?;
    let (mut peer, socket) = bench.connect(1)?;
    let text = vec![7; 4 * BATCH * TEXT];
    // The window grows until it holds every hole.
    let mut in_flight = Vec::new();
    for _ in 0..200 {
        while bench.host.write(bench.now, socket, &text).is_ok() {}
        in_flight.clear();
        bench.take(|seen| in_flight.push((seen.seq, seen.seq + seen.text as u32)));
        if in_flight.len() as u32 >= 2 * holes + 2 {
            break;
        }
        for (_, end) in &in_flight {
            peer.ack = *end;
            bench.send(&peer, Flags::ACK, Options::NONE, &[]);
        }
        bench.hand_in();
        bench.now = bench.now.plus_micros(20_000);
        bench.drain_events();
    }
    if (in_flight.len() as u32) < 2 * holes + 2 {
        return Err(format!("only {} segments are in flight", in_flight.len()));
    }
    let reported: Vec<(SeqNumber, SeqNumber)> =
        in_flight.iter().skip(1).step_by(2).take(holes as usize).copied().collect();
    for range in &reported {
        bench.send(&peer, Flags::ACK, with_sack(*range), &[]);
    }
    bench.hand_in();
    // From here on each acknowledgement names three ranges that are known, wherever they are: the commonest kind.
    let mut steps = 0;
    bench.spent = Duration::ZERO;
    while steps < u64::from(rounds) {
        for range in &reported {
            bench.send(&peer, Flags::ACK, with_sack(*range), &[]);
            steps += 1;
        }
        bench.hand_in();
    }
    Ok(Cost { steps, spent: bench.spent })
}

fn with_sack(range: (SeqNumber, SeqNumber)) -> Options {
    let mut sack = SackBlocks::new();
    sack.push(range);
    Options { sack, ..Options::NONE }
}

/// Retransmission timers of connections that all sent one octet and hear nothing.
fn timers(connections: u32) -> Result<Cost, String> {
    let mut bench = Bench::new(config())?;
    let mut sockets = Vec::with_capacity(connections as usize);
    for number in 0..connections {
        sockets.push(bench.connect(number)?.1);
    }
    for socket in sockets {
        bench.host.write(bench.now, socket, b"x").map_err(|error| error.to_string())?;
    }
    bench.take(|_| {});
    bench.now = bench.now.plus_micros(10_000_000);
    bench.spent = Duration::ZERO;
    let mut sent_again = 0;
    while bench.host.next_deadline().is_some_and(|deadline| deadline <= bench.now) {
        bench.timed(|host, now| host.handle_timeout(now));
        let spent = bench.spent;
        bench.take(|_| sent_again += 1);
        bench.spent = spent;
    }
    if sent_again < u64::from(connections) {
        return Err(format!("{sent_again} of {connections} timers fired"));
    }
    Ok(Cost { steps: sent_again, spent: bench.spent })
}

/// Connections that the peer opens and closes.
fn churn(rounds: u32) -> Result<Cost, String> {
    let mut bench = Bench::new(config())?;
    let began = Clock::now();
    bench.spent = Duration::ZERO;
    for number in 0..rounds {
        let (mut peer, socket) = bench.connect(number)?;
        close(&mut bench, &mut peer, socket)?;
        bench.now = bench.now.plus_micros(10);
    }
    debug_assert!(bench.spent <= began.elapsed());
    let left = bench.host.counts().connections;
    if left > 0 {
        return Err(format!("{left} connections were not closed"));
    }
    Ok(Cost { steps: u64::from(rounds), spent: bench.spent })
}

/// The peer closes first, so that no TIME-WAIT is left.
fn close(bench: &mut Bench, peer: &mut Peer, socket: SocketId) -> Result<(), String> {
    bench.send(peer, Flags::FIN | Flags::ACK, Options::NONE, &[]);
    bench.hand_in();
    bench.timed(|host, now| host.close(now, socket)).map_err(|error| error.to_string())?;
    let mut next = peer.ack;
    bench.take(|seen| {
        if seen.flags.contains(Flags::FIN) {
            next = seen.seq + 1;
        }
    });
    peer.seq += 1;
    peer.ack = next;
    bench.send(peer, Flags::ACK, Options::NONE, &[]);
    bench.hand_in();
    bench.drain_events();
    Ok(())
}
