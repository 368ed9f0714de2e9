//! What the wires do at each moment of a story: what they always do, with the faults of the time on top.

use portolan_sim::impair::{Impairment, Percent};
use portolan_sim::obstacle::{BurstLoss, NarrowPath, Obstacles};

use crate::plan::{Fault, FaultKind, Plan, Way, WirePlan};

/// Both directions of a wire: forward, then backward.
pub(crate) type Weather = ([Impairment; 2], [Obstacles; 2]);

/// What a wire does at a moment, in microseconds since the start.
pub(crate) fn at(plan: &Plan, wire: usize, now_us: u64) -> Weather {
    let ordinary = plan.wires.get(wire).map(ordinary).unwrap_or_default();
    let mut weather = ([ordinary; 2], [Obstacles::default(); 2]);
    let is_active = |fault: &&Fault| {
        !fault.kind.is_momentary() && fault.on == wire && (fault.from_us..fault.until_us).contains(&now_us)
    };
    for fault in plan.faults.iter().filter(is_active) {
        let (impairments, obstacles) = &mut weather;
        for (index, (impairment, obstacles)) in impairments.iter_mut().zip(obstacles).enumerate() {
            let is_meant = match fault.way {
                None => true,
                Some(Way::Forward) => index == 0,
                Some(Way::Backward) => index == 1,
            };
            if is_meant {
                apply(fault.kind, impairment, obstacles);
            }
        }
    }
    weather
}

/// What a wire does when nothing is wrong.
pub(crate) fn ordinary(wire: &WirePlan) -> Impairment {
    Impairment {
        delay_us: wire.delay_us,
        jitter_us: wire.jitter_us,
        rate: (wire.kbit > 0).then(|| u64::from(wire.kbit) * 1000),
        limit: if wire.limit > 0 { wire.limit } else { 1000 },
        ..Impairment::default()
    }
}

fn apply(kind: FaultKind, impairment: &mut Impairment, obstacles: &mut Obstacles) {
    match kind {
        FaultKind::Loss(parts) => impairment.loss = share(parts),
        FaultKind::BurstLoss { begins, ends } => {
            obstacles.burst = Some(BurstLoss { begins: share(begins), ends: share(ends) });
        }
        FaultKind::Duplicate(parts) => impairment.duplicate = share(parts),
        FaultKind::Reorder(parts) => {
            impairment.reorder = share(parts);
            // Only a packet that would have to wait can overtake.
            impairment.delay_us = impairment.delay_us.max(1000);
        }
        FaultKind::Corrupt(parts) => impairment.corrupt = share(parts),
        FaultKind::Truncate(parts) => obstacles.truncate = share(parts),
        FaultKind::DelaySpike(ms) => impairment.delay_us += u64::from(ms) * 1000,
        FaultKind::Partition => obstacles.is_cut = true,
        FaultKind::NarrowPath(mtu) => narrow(obstacles, NarrowPath { mtu, is_told: true }),
        FaultKind::BlackHole(mtu) => narrow(obstacles, NarrowPath { mtu, is_told: false }),
        FaultKind::RateChange(kbit) => impairment.rate = Some(u64::from(kbit.max(1)) * 1000),
        FaultKind::Lie => obstacles.lies = true,
        FaultKind::ClockJump(_) | FaultKind::Restart | FaultKind::NatRebind => {}
    }
}

/// Of two narrow places, the narrower one counts.
fn narrow(obstacles: &mut Obstacles, path: NarrowPath) {
    if obstacles.narrow.is_none_or(|present| path.mtu < present.mtu) {
        obstacles.narrow = Some(path);
    }
}

/// A share in thousandths of a percent.
fn share(parts: u32) -> Percent {
    Percent::new(f64::from(parts.min(100_000)) / 1000.0).unwrap_or_default()
}
