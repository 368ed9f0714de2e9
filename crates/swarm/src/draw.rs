//! Plans from seeds, in swarm mode: every fault, knob and habit is off, mild or wild by a draw of its own, because a story
//! with everything at once hides what one thing alone brings out.

use portolan_sim::Random;
use portolan_tcp::{Config, CongestionAlgorithm};

use crate::clock;
use crate::plan::{ConnectionPlan, EndPlan, Fault, FaultKind, HostPlan, Plan, SidePlan, Way, WirePlan};

/// Octets of all connections of a story, about.
const OCTETS_MAX: u64 = 1_500_000;
/// When a fault starts at the latest, and how long it lasts at most, in microseconds.
const FAULT_START_MAX_US: u64 = 5_000_000;
const FAULT_LENGTH_MAX_US: u64 = 20_000_000;
/// A year in milliseconds, and how far a clock may go back.
const YEAR_MS: u64 = 365 * 86_400_000;
const BACKWARD_MAX_MS: u64 = 10_000;
/// What a NAT regards as a client's port begins here.
const CLIENT_PORT_FIRST: u16 = 1024;

impl Plan {
    /// The story of a seed.
    pub fn draw(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let random = &mut random;
        let count = match random.between(0, 9) {
            0..6 => 2,
            6..9 => 3,
            _ => between(random, 4, 5),
        };
        let mut plan = Plan { seed: random.bits() >> 11, ..Plan::default() };
        plan.hosts = (0..count).map(|_| host(random)).collect();
        for second in 1..count {
            let first = between(random, 0, second as u64 - 1);
            plan.wires.push(wire(random, [first, second]));
        }
        if random.one_in(8) {
            let ends = plan.wires.first().map_or([0, 1], |wire| wire.ends);
            plan.wires.push(wire(random, ends));
        }
        plan.connections = connections(random, &plan);
        plan.faults = faults(random, &plan);
        clock::draw(random, &mut plan);
        plan
    }
}

fn host(random: &mut Random) -> HostPlan {
    let [sack, timestamps, scaling] = [(); 3].map(|()| random.one_in(4));
    HostPlan {
        salt: random.bits() >> 11,
        no_sack: sack,
        no_timestamps: timestamps,
        no_scaling: scaling,
        congestion: algorithm(random),
        recv_buffer: rarely(random, 4, |random| exponential(random, 2304, 1 << 20)),
        send_buffer: rarely(random, 4, |random| exponential(random, 4608, 1 << 20)),
        memory: rarely(random, 12, |random| exponential(random, 512 << 10, 4 << 20)),
        initial_window: rarely(random, 6, |random| random.between(1, 64)),
        rto_min_us: rarely(random, 6, |random| exponential(random, 1000, 1_000_000)),
        delayed_ack_us: rarely(random, 6, |random| exponential(random, 1000, 400_000)),
        time_wait_us: rarely(random, 4, |random| exponential(random, 1000, 10_000_000)),
        queues_idle_us: rarely(random, 4, |random| exponential(random, 200_000, 20_000_000)),
        backlog: rarely(random, 6, |random| random.between(1, 3)),
        accept_pause_us: rarely(random, 6, |random| exponential(random, 1000, 500_000)),
        ..HostPlan::default()
    }
}

/// The name of any congestion controller that there is.
fn algorithm(random: &mut Random) -> String {
    let config = Config::default();
    let names: Vec<&str> =
        CongestionAlgorithm::all(&config).map(|algorithm| algorithm.name(&config)).collect();
    names.get(between(random, 0, names.len() as u64 - 1)).copied().unwrap_or_default().to_owned()
}

fn wire(random: &mut Random, ends: [usize; 2]) -> WirePlan {
    let v6 = random.one_in(2);
    let mtu_min = if v6 { 1280 } else { 576 };
    let whole = random.one_in(16);
    let delay_us = rarely(random, 1, |random| exponential(random, 10, 150_000));
    let mut wire = WirePlan {
        salt: random.bits() >> 11,
        ends,
        v6,
        mtu: rarely(random, 3, |random| random.between(mtu_min, 9000)),
        offload: whole || random.one_in(2),
        whole,
        lookup: random.one_in(2),
        nat: false,
        delay_us: if random.one_in(8) { 0 } else { delay_us },
        jitter_us: rarely(random, 3, |random| random.between(0, delay_us / 2)),
        kbit: rarely(random, 3, |random| exponential(random, 1000, 1_000_000)),
        limit: rarely(random, 4, |random| random.between(5, 200)),
    };
    if whole {
        (wire.delay_us, wire.jitter_us, wire.kbit, wire.limit) = (0, 0, 0, 0);
    } else {
        wire.nat = random.one_in(8);
    }
    wire
}

fn connections(random: &mut Random, plan: &Plan) -> Vec<ConnectionPlan> {
    let count = match random.between(0, 9) {
        0..5 => 1,
        5..8 => random.between(2, 4),
        _ => random.between(5, 12),
    };
    let share = OCTETS_MAX / count;
    let connection = |index: u64| {
        let wire = between(random, 0, plan.wires.len() as u64 - 1);
        let is_nat = plan.wires.get(wire).is_some_and(|wire| wire.nat);
        let mut out = ConnectionPlan {
            wire,
            // From outside nobody gets in through a NAT.
            backward: !is_nat && random.one_in(2),
            at_us: if random.one_in(2) { 0 } else { random.between(0, 200_000) },
            // Ports of their own, so that the initial sequence numbers are known beforehand.
            port: if random.one_in(2) { 0 } else { CLIENT_PORT_FIRST + u16::try_from(index).unwrap_or(0) },
            rounds: rarely(random, 4, |random| random.between(1, 20)),
            keepalive: random.one_in(2),
            mss_clamp: rarely(random, 8, |random| random.between(88, 1460)),
            sides: [side(random, share / 2), side(random, share / 2)],
        };
        // Nobody reads a long text in tiny steps.
        let lens = out.sides.map(|side| side.octets);
        for (side, len) in
            out.sides.iter_mut().zip(lens.into_iter().rev()).filter(|(side, _)| side.read_max > 0)
        {
            side.read_max = side.read_max.max(len / 2000 + 1);
        }
        // Two who wait for each other's end wait for ever.
        if let [SidePlan { end: Some(EndPlan::Waits), .. }, second] = &mut out.sides
            && second.end == Some(EndPlan::Waits)
        {
            second.end = None;
        }
        let least = out.sides.iter().map(|side| side.octets).min().unwrap_or(0);
        out.rounds = out.rounds.min(least);
        out
    };
    (0..count).map(connection).collect()
}

fn side(random: &mut Random, octets_max: u64) -> SidePlan {
    let octets: u32 = match random.between(0, 7) {
        0 => 0,
        1 => narrow(random.between(0, octets_max)),
        _ => exponential(random, 1, octets_max),
    };
    // Small steps only for small texts, so that no story takes long.
    let least = u64::from(octets / 500 + 1);
    let mut side = SidePlan {
        octets,
        write_max: rarely(random, 4, |random| exponential(random, least, 65_536)),
        read_max: rarely(random, 4, |random| exponential(random, least, 65_536)),
        read_delay_us: rarely(random, 8, |random| exponential(random, 1000, 5_000_000)),
        nodelay: random.one_in(2),
        end: match random.between(0, 15) {
            0..3 => Some(EndPlan::Waits),
            3 => Some(EndPlan::Closes),
            4 => Some(EndPlan::Aborts(narrow(random.between(0, octets.into())))),
            _ => None,
        },
        ..SidePlan::default()
    };
    side.write_pause_us = rarely(random, 6, |random| exponential(random, 10, 20_000));
    side.read_pause_us = rarely(random, 6, |random| exponential(random, 10, 50_000));
    side
}

/// Of every kind of fault none, or one to three.
fn faults(random: &mut Random, plan: &Plan) -> Vec<Fault> {
    let rarity = random.between(2, 12);
    let mut faults = Vec::new();
    for draw_kind in KINDS {
        if random.one_in(rarity) {
            for _ in 0..random.between(1, 3) {
                faults.extend(fault(random, plan, draw_kind));
            }
        }
    }
    faults
}

fn fault(random: &mut Random, plan: &Plan, draw_kind: DrawKind) -> Option<Fault> {
    let wire = between(random, 0, plan.wires.len() as u64 - 1);
    let kind = draw_kind(random, plan.wires.get(wire)?);
    let from_us = fault_start_us(random, plan, wire);
    let length_us: u64 = exponential(random, 100, FAULT_LENGTH_MAX_US);
    let way = match random.between(0, 3) {
        0 => Some(Way::Forward),
        1 => Some(Way::Backward),
        _ => None,
    };
    let on = if kind.is_of_host() { between(random, 0, plan.hosts.len() as u64 - 1) } else { wire };
    if kind.is_momentary() {
        let is_possible = kind != FaultKind::NatRebind || plan.wires.get(wire)?.nat;
        return is_possible.then_some(Fault { kind, on, from_us, until_us: 0, way: None });
    }
    // What routers say gets a connection through a narrow path, and what it finds by itself (RFC 4821) through a black hole.
    let may_stay = matches!(kind, FaultKind::NarrowPath(_) | FaultKind::BlackHole(_));
    let until_us = if may_stay && random.one_in(2) { Fault::NEVER_US } else { from_us + length_us };
    let is_possible = !plan.wires.get(wire)?.whole;
    is_possible.then_some(Fault { kind, on, from_us, until_us, way })
}

/// When a fault starts: at any time, or, half of the time, within the first round trips of a connection.
fn fault_start_us(random: &mut Random, plan: &Plan, wire: usize) -> u64 {
    if random.one_in(2) {
        return exponential(random, 100, FAULT_START_MAX_US);
    }
    let connection = between(random, 0, plan.connections.len() as u64 - 1);
    let at_us = plan.connections.get(connection).map_or(0, |connection| connection.at_us);
    let delay_us = plan.wires.get(wire).map_or(0, |wire| wire.delay_us);
    at_us + random.between(0, 40 * delay_us + 100)
}

type DrawKind = fn(&mut Random, &WirePlan) -> FaultKind;

const KINDS: [DrawKind; 14] = [
    |random, _| FaultKind::Loss(share(random, 40_000)),
    |random, _| FaultKind::BurstLoss {
        begins: share(random, 10_000),
        ends: exponential(random, 2000, 60_000),
    },
    |random, _| FaultKind::Duplicate(share(random, 60_000)),
    |random, _| FaultKind::Reorder(share(random, 60_000)),
    |random, _| FaultKind::Corrupt(share(random, 20_000)),
    |random, _| FaultKind::Truncate(share(random, 20_000)),
    |random, _| FaultKind::DelaySpike(exponential(random, 1, 5000)),
    |_, _| FaultKind::Partition,
    |random, wire| FaultKind::NarrowPath(mtu(random, wire)),
    |random, wire| FaultKind::BlackHole(mtu(random, wire)),
    |random, _| FaultKind::RateChange(exponential(random, 100, 100_000)),
    |random, _| FaultKind::ClockJump(jump_ms(random)),
    |_, _| FaultKind::Restart,
    |_, _| FaultKind::NatRebind,
];

/// An MTU that the family allows (RFC 791: 68, but no less than 552 is believed; RFC 8200: 1280).
fn mtu(random: &mut Random, wire: &WirePlan) -> u16 {
    let full = if wire.mtu == 0 { 1500 } else { wire.mtu };
    narrow(random.between(if wire.v6 { 1280 } else { 552 }, full.into()))
}

/// How far a clock jumps: back a little, or forward by anything up to ten years.
fn jump_ms(random: &mut Random) -> i64 {
    if random.one_in(3) {
        let back: u64 = exponential(random, 1, BACKWARD_MAX_MS);
        return i64::try_from(back).map_or(0, |back| -back);
    }
    exponential(random, 1, 10 * YEAR_MS)
}

/// A share in thousandths of a percent: mild, or seldom wild.
fn share(random: &mut Random, wild: u64) -> u32 {
    let most = if random.one_in(4) { wild } else { wild / 10 };
    exponential(random, 100, most)
}

/// 0, or once in `of` draws what `draw` gives.
fn rarely<T: TryFrom<u64> + Default>(
    random: &mut Random,
    of: u64,
    draw: impl FnOnce(&mut Random) -> u64,
) -> T {
    if random.one_in(of) { narrow(draw(random)) } else { T::default() }
}

/// A draw from `low` to `high` in which all orders of magnitude are equally likely.
fn exponential<T: TryFrom<u64> + Default>(random: &mut Random, low: u64, high: u64) -> T {
    let (low, high) = (low.max(1), high.max(low.max(1)));
    let bits = random.between(u64::from(low.ilog2()), u64::from(high.ilog2()));
    let (from, to) = (low.max(1 << bits), high.min((2 << bits) - 1));
    narrow(random.between(from, to))
}

fn between(random: &mut Random, low: u64, high: u64) -> usize {
    narrow(random.between(low, high))
}

fn narrow<T: TryFrom<u64> + Default>(value: u64) -> T {
    T::try_from(value).unwrap_or_default()
}
