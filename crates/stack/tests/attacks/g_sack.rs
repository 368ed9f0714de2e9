//! Class G, reports of holes that are to cost the host memory or time.

use std::time::Instant as Clock;

use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options, SackBlocks};
use portolan_wire::{Endpoint, Mss};

use crate::arena::*;
use crate::common::*;

/// G5, G8: acknowledgements that report every second segment of a large flight, and so make thousands of holes, cost no
/// more with many holes than with few, and all of them count.
#[test]
fn g5_a_long_list_of_holes_costs_no_more_per_acknowledgement() {
    const MEASURED: usize = 100;
    let cost = |late: bool| {
        let (mut arena, peer, socket, flight) = large_flight();
        let edges: Vec<_> = flight.iter().map(|heard| (heard.seq, heard.end())).collect();
        let holes: Vec<_> = edges.iter().copied().skip(1).step_by(2).collect();
        let reports: Vec<Options> = (1..=holes.len())
            .map(|last| {
                let sack = holes[last.saturating_sub(3)..last].iter().rev().copied().collect();
                Options { sack, ..Options::NONE }
            })
            .collect();
        let (skipped, measured) = match late {
            false => (&[][..], &reports[..MEASURED]),
            true => reports.split_at(reports.len() - MEASURED),
        };
        skipped.iter().for_each(|options| arena.say(&peer, Flags::ACK, *options, &[]));
        let start = Clock::now();
        measured.iter().for_each(|options| arena.say(&peer, Flags::ACK, *options, &[]));
        let spent = start.elapsed();
        let sacked = arena.victim().info(socket).unwrap().sacked_segments as usize;
        assert_eq!(sacked, skipped.len() + measured.len(), "all reports count");
        arena.victim().check().unwrap();
        spent
    };
    assert_cost(10, || cost(true), || cost(false));
}

/// A victim whose window has grown until some four thousand small segments are out to a peer that has SACK.
fn large_flight() -> (Arena, Peer, SocketId, Vec<Heard>) {
    let mut config = Config::default();
    config.tcp.initial_window = 200;
    config.tcp.loss_probes = false;
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 16);
    let options = Options { mss: Mss::new(536), window_scale: Some(8), ..sack_options() };
    let (mut peer, socket) = arena.accepted(listener, Endpoint::new(Arena::stranger(1), 4000), 80, options);
    let text = pattern(64 * 1024);
    loop {
        let mut flight = Vec::new();
        while arena.pair.write(B, socket, &text).is_ok_and(|len| len > 0) {
            flight.extend(arena.hear());
        }
        if flight.len() > 4_000 {
            return (arena, peer, socket, flight);
        }
        // Two segments to an ACK, as an honest peer would.
        arena.pass(1_000);
        for heard in flight.iter().skip(1).step_by(2).chain(flight.last()) {
            peer.ack = heard.end();
            arena.ack(&peer);
        }
    }
}

/// G8: the records of what is in flight are bounded, whatever is reported.
#[test]
fn g8_reports_do_not_split_the_records_without_end() {
    let (mut arena, peer, socket) = sack_target();
    let flight = arena.hear();
    for options in sack_reports(&flight, 20_000) {
        arena.say(&peer, Flags::ACK, options, &[]);
    }
    arena.turn();
    let info = arena.victim().info(socket).unwrap();
    assert_eq!(info.sacked, 0, "octets are no segments");
    arena.victim().check().unwrap();
}

/// A victim with a large flight out to a peer that has SACK.
fn sack_target() -> (Arena, Peer, SocketId) {
    let mut config = Config::default();
    config.tcp.initial_window = 200;
    let mut arena = Arena::with(config);
    let listener = arena.listen(80, 16);
    let options = Options { window_scale: Some(8), ..sack_options() };
    let (peer, socket) = arena.accepted(listener, Endpoint::new(Arena::stranger(1), 4000), 80, options);
    while arena.pair.write(B, socket, &pattern(64 * 1024)).is_ok_and(|len| len > 0) {}
    (arena, peer, socket)
}

/// Reports of single octets, every second one of the flight, three to an ACK.
fn sack_reports(flight: &[Heard], holes: u32) -> Vec<Options> {
    let (start, end) = (flight[0].seq, flight.last().unwrap().end());
    let octets: Vec<u32> =
        (0..holes).map(|hole| 2 * hole + 1).take_while(|&at| (start + at + 1).before(end)).collect();
    octets
        .chunks(3)
        .map(|chunk| {
            let mut sack = SackBlocks::new();
            for at in chunk {
                sack.push((start + *at, start + *at + 1));
            }
            Options { sack, ..Options::NONE }
        })
        .collect()
}
