//! Class F, second part: numbers that must not be guessed.

use std::collections::{HashMap, HashSet};

use portolan_link::Instant;
use portolan_tcp::isn;
use portolan_wire::tcp::{Flags, Options, Timestamps};
use portolan_wire::{Address, Endpoint, Family, FlowKey, SeqNumber, protocol};

use crate::arena::*;
use crate::common::*;

fn flow(n: u32) -> FlowKey {
    let remote = Endpoint::new(Arena::stranger(n), 1024 + (n % 50_000) as u16);
    FlowKey { local: Endpoint::new(v4(B), 80), remote, protocol: protocol::TCP, zone: 0 }
}

/// Whether the values fall evenly into 256 classes: chi-square with 255 degrees of freedom, p > 0.0001 both ways.
fn is_even(values: impl Iterator<Item = u32>) -> bool {
    let mut classes = [0_u32; 256];
    let mut total = 0;
    for value in values {
        classes[(value >> 24) as usize] += 1;
        total += 1;
    }
    let expected = f64::from(total) / 256.0;
    let chi = classes.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum::<f64>();
    (180.0..345.0).contains(&chi)
}

/// F1, RFC 6528 §3: numbers of one flow follow the clock, those of another say nothing of them.
#[test]
fn f1_initial_numbers_of_other_flows_are_of_no_use() {
    let key = [0x5a; 16];
    let now = Instant::from_millis(1_000_000);
    let number = |n, now| isn::initial_sequence(&key, &flow(n), now).0;
    for n in 0..100 {
        let later = now.plus_micros(4_000_000);
        assert_eq!(number(n, later).wrapping_sub(number(n, now)), 1_000_000, "4 us a number");
    }
    let samples = count(1_000_000, 100_000);
    let differences =
        |lag: u32| (lag..samples).map(move |n| number(n, now).wrapping_sub(number(n - lag, now)));
    assert!(is_even((0..samples).map(|n| number(n, now))));
    for lag in [1, 2, 256, 50_000] {
        assert!(is_even(differences(lag)), "lag {lag}");
    }
    // After a restart, all is different.
    let other = [0x5b; 16];
    let restarted = |n| isn::initial_sequence(&other, &flow(n), now).0.wrapping_sub(number(n, now));
    assert!(is_even((0..samples).map(restarted)));
    // A predictor that has seen all before: the most frequent difference between neighbours.
    let mut seen = HashMap::new();
    differences(1).for_each(|difference| *seen.entry(difference).or_insert(0_u32) += 1);
    let most = seen.values().max().unwrap();
    assert!(*most <= 4, "{most} of {samples} differences are the same");
}

/// F1, on the wire: a host's SYN-ACKs.
#[test]
fn f1_the_numbers_of_syn_acks_are_spread() {
    let mut arena = Arena::new();
    arena.listen(80, 4096);
    let mut numbers = Vec::new();
    for n in 0..4_000 {
        let at = flow(n).remote;
        let peer = Peer { at, port: 80, seq: SeqNumber(n), ack: SeqNumber(0), window: 1000 };
        arena.say(&peer, Flags::SYN, plain_options(), &[]);
        numbers.extend(arena.hear().iter().filter(|heard| heard.has(Flags::SYN)).map(|heard| heard.seq.0));
    }
    assert_eq!(numbers.len(), 4_000);
    assert!(is_even(numbers.iter().copied()));
    assert!(is_even(numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]))));
}

/// F2, RFC 6056 §3.3.4: the ports that a server sees tell it nothing of those that another one will see.
#[test]
fn f2_ports_to_one_destination_do_not_tell_those_to_another() {
    let rounds = count(100_000, 4_000);
    let destinations = 100;
    let mut pair = Pair::new();
    let mut last = None;
    let mut random = Random(99);
    let (mut same, mut next) = (0, 0);
    for _ in 0..rounds {
        let to = random.below(destinations);
        let remote = Endpoint::new(Address::v4(10, 0, 0, 100 + to as u8), 80);
        let id = pair.hosts[A].tcp_socket(Family::V4).unwrap();
        pair.hosts[A].connect(pair.now, id, remote).unwrap();
        let port = pair.hosts[A].local(id).unwrap().port;
        pair.hosts[A].close(pair.now, id).unwrap();
        // The attacker is destination 0: from what it saw last, it guesses the port to the others.
        if to == 0 {
            last = Some(port);
        } else if let Some(seen) = last {
            same += u32::from(seen == port);
            next += u32::from(seen + 1 == port);
        }
    }
    // 28,232 ports: about one hit in so many by chance.
    let by_chance = rounds / 28_232 * 2 + 4;
    assert!(same <= by_chance && next <= by_chance, "{same} {next} of {rounds}");
}

/// F11, RFC 7323 §7.1: timestamps tell no uptime, and one peer's offset tells nothing of another's.
#[test]
fn f11_timestamps_have_an_offset_of_their_own_for_each_peer() {
    let mut arena = Arena::new();
    arena.listen(80, 4096);
    let options = Options { timestamps: Some(Timestamps { value: 1, echo: 0 }), ..plain_options() };
    let stamp = |arena: &mut Arena, at: Endpoint| {
        let peer = Peer { at, port: 80, seq: arena.random.seq(), ack: SeqNumber(0), window: 1000 };
        arena.say(&peer, Flags::SYN, options, &[]);
        let heard = arena.hear();
        heard.iter().find_map(|heard| heard.options.timestamps).unwrap().value
    };
    let values: Vec<u32> =
        (0..2_000).map(|n| stamp(&mut arena, Endpoint::new(Arena::stranger(n), 4000))).collect();
    assert!(is_even(values.iter().copied()));
    assert!(values.iter().collect::<HashSet<_>>().len() > 1_990);
    let uptime_ms = arena.pair.now.as_millis() as u32;
    assert!(values.iter().filter(|value| value.abs_diff(uptime_ms) < 1 << 20).count() < 10);
    // The same pair of addresses: monotone from connection to connection (RFC 6191).
    let mut before = values[0];
    for port in 5000..5050 {
        arena.pair.now = arena.pair.now.plus_micros(10_000);
        let value = stamp(&mut arena, Endpoint::new(Arena::stranger(0), port));
        assert_eq!(value.wrapping_sub(before), 10);
        before = value;
    }
}
