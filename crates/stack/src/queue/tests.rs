use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::list::Links;
use crate::timer::Kind;

const OWNER: Owner = Owner { kind: Kind::TimeWait, index: 0 };
const WAIT_NS: u64 = 60_000_000_000;

struct Record {
    deadline: Instant,
    links: Links,
}

impl Linked for Record {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

struct Rig {
    now: u64,
    records: Slab<Record>,
    timers: Wheel,
    queue: Queue,
}

impl Rig {
    fn new() -> Rig {
        Rig { now: 0, records: Slab::new(), timers: Wheel::new(), queue: Queue::EMPTY }
    }

    fn push(&mut self) -> u32 {
        let deadline = Instant::from_nanos(self.now + WAIT_NS);
        let index = self.records.insert(Record { deadline, links: Links::NONE });
        self.queue.push(&mut self.records, &mut self.timers, index, deadline, OWNER);
        index
    }

    fn remove(&mut self, index: u32) {
        self.queue.remove(&mut self.records, &mut self.timers, index);
        self.records.remove(index);
    }

    /// The records that the timer finds due.
    fn fired(&mut self) -> Vec<u32> {
        let (now, mut due) = (Instant::from_nanos(self.now), Vec::new());
        while self.timers.pop(now).is_some() {
            self.queue.timer_fired();
            while let Some(index) = self.queue.front() {
                let deadline = self.records.get(index).unwrap().deadline;
                if deadline > now {
                    self.queue.keep_timer(&mut self.timers, deadline, OWNER);
                    break;
                }
                due.push(index);
                self.remove(index);
            }
        }
        due
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Remove(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Push),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => (0..2 * WAIT_NS).prop_map(Step::Pass),
    ]
}

proptest! {
    /// The queue against a plain one: what is due goes in order, no earlier and at most a tick late, and there is one
    /// timer at most.
    #[test]
    fn it_gives_what_a_plain_queue_would(steps in prop::collection::vec(step(), 1..100)) {
        let mut rig = Rig::new();
        let mut model: VecDeque<(u32, u64)> = VecDeque::new();
        for step in steps {
            match step {
                Step::Push => model.push_back((rig.push(), rig.now + WAIT_NS)),
                Step::Remove(which) => {
                    if !model.is_empty() {
                        rig.remove(model.remove(which % model.len()).unwrap().0);
                    }
                }
                Step::Pass(by) => {
                    rig.now = (rig.now + by) >> 14 << 14;
                    let mut due = Vec::new();
                    while let Some((index, _)) = model.pop_front_if(|(_, deadline)| *deadline <= rig.now) {
                        due.push(index);
                    }
                    prop_assert_eq!(rig.fired(), due);
                }
            }
            prop_assert_eq!(rig.queue.check(&rig.records, &rig.timers), Ok(model.len()));
            prop_assert_eq!(rig.timers.len(), usize::from(!model.is_empty()));
        }
    }
}

#[test]
fn a_broken_list_is_found() {
    let mut rig = Rig::new();
    let (first, second) = (rig.push(), rig.push());
    assert_eq!(rig.queue.check(&rig.records, &rig.timers), Ok(2));
    *rig.records.get_mut(second).unwrap().links_mut() = Links::NONE;
    assert!(rig.queue.check(&rig.records, &rig.timers).is_err());
    rig.records.remove(first);
    assert!(rig.queue.check(&rig.records, &rig.timers).is_err());
}
