use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn owner(index: u32) -> Owner {
    Owner { kind: Kind::Connection, index }
}

#[test]
fn a_timer_never_fires_early_and_at_most_a_tick_late() {
    for nanos in [0, 1, 16_383, 16_384, 16_385, 1 << 30, (1 << 40) + 7, u64::MAX >> 1] {
        let mut wheel = Wheel::new();
        wheel.set(Instant::from_nanos(nanos), owner(1));
        if nanos > 0 {
            assert_eq!(wheel.pop(Instant::from_nanos(nanos - 1)), None, "{nanos} fired early");
        }
        assert_eq!(wheel.pop(Instant::from_nanos(nanos + (1 << TICK_BITS))), Some(owner(1)), "{nanos}");
        assert_eq!(wheel.len(), 0);
    }
}

#[test]
fn next_deadline_is_reached_in_few_steps() {
    let mut wheel = Wheel::new();
    wheel.set(Instant::from_millis(123_456_789), owner(1));
    let mut steps = 0;
    loop {
        let deadline = wheel.next_deadline().unwrap();
        if wheel.pop(deadline).is_some() {
            break;
        }
        steps += 1;
        assert!(steps < 2 * LEVELS, "a timer moves down at most once per level");
        assert!(wheel.next_deadline().unwrap() > deadline, "no progress at {deadline:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u64),
    Cancel(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let span = prop_oneof![0..100_000u64, 0..10_000_000_000u64, 0..100_000_000_000_000u64];
    prop_oneof![
        3 => span.clone().prop_map(Step::Set),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => span.prop_map(Step::Advance),
    ]
}

proptest! {
    /// The wheel against an ordered map from tick to timers.
    #[test]
    fn it_fires_what_an_ordered_map_would(steps in prop::collection::vec(step(), 1..200)) {
        let mut wheel = Wheel::new();
        let mut model: BTreeMap<u32, (u64, TimerId)> = BTreeMap::new();
        let mut now = 0u64;
        let mut fresh = 0;
        for step in steps {
            match step {
                Step::Set(after) => {
                    let deadline = Instant::from_nanos(now + after);
                    let id = wheel.set(deadline, owner(fresh));
                    prop_assert!(wheel.fires_by(id, deadline));
                    model.insert(fresh, (tick_at_or_after(deadline), id));
                    fresh += 1;
                }
                Step::Cancel(which) => {
                    if let Some(&index) = model.keys().nth(which % model.len().max(1)) {
                        wheel.cancel(model.remove(&index).unwrap().1);
                    }
                }
                Step::Advance(by) => {
                    now += by;
                    let mut fired = Vec::new();
                    while let Some(owner) = wheel.pop(Instant::from_nanos(now)) {
                        fired.push(owner.index);
                    }
                    fired.sort_unstable();
                    let due: Vec<u32> =
                        model.iter().filter(|(_, (tick, _))| *tick <= now >> TICK_BITS).map(|(&index, _)| index).collect();
                    prop_assert_eq!(&fired, &due);
                    for index in due {
                        model.remove(&index);
                    }
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            let first = model.values().map(|(tick, _)| *tick).min();
            match (wheel.next_deadline(), first) {
                (Some(deadline), Some(tick)) => prop_assert!(deadline.as_nanos() >> TICK_BITS <= tick.max(now >> TICK_BITS)),
                (deadline, tick) => prop_assert_eq!(deadline.is_some(), tick.is_some()),
            }
        }
    }
}
