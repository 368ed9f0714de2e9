use portolan_wire::SeqNumber;

use super::Pushes;
use crate::testing::{Rig, plain};

const START: SeqNumber = SeqNumber(u32::MAX - 100);

#[test]
fn pushes_are_found_until_they_are_acknowledged_also_where_numbers_wrap() {
    let mut pushes = Pushes::default();
    pushes.begin(START);
    for end in [50, 100, 150, 200] {
        pushes.push(START + end);
    }
    assert!(pushes.contains(START + 150) && !pushes.contains(START + 151));
    pushes.acknowledge(START + 100);
    assert!(!pushes.contains(START + 100) && pushes.contains(START + 150));
    pushes.retract(START + 150);
    assert!(pushes.contains(START + 150), "only the last is taken back");
    pushes.retract(START + 200);
    assert!(!pushes.contains(START + 200));
}

#[test]
fn a_push_is_overdue_half_a_window_after_the_last() {
    let mut pushes = Pushes::default();
    pushes.begin(START);
    assert!(!pushes.is_overdue(START + 500, 1_000));
    assert!(pushes.is_overdue(START + 501, 1_000));
    pushes.ask(START + 501);
    assert!(!pushes.is_overdue(START + 1_001, 1_000));
}

/// RFC 9293 §3.9.1.2, MUST-61: within a long write each unit that ends beyond half of the peer's window is pushed, and
/// its end; units have 5,000 octets here.
#[test]
fn a_long_write_is_pushed_within() {
    let mut rig = Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 10000 <mss 1000>");
    rig.write_some(40_000);
    let send = &rig.host.slabs.queues(rig.tcb.queues).unwrap().send;
    let una = rig.tcb.snd.una;
    let ends: std::vec::Vec<u32> = (1..=40_000).filter(|at| send.pushes.contains(una + *at)).collect();
    assert_eq!(ends, [10_000, 20_000, 30_000, 40_000]);
}

/// RFC 9293 §3.9.1.2: a write that goes on where the one before it waits takes its push away, since both go together.
#[test]
fn a_write_that_joins_another_is_pushed_at_its_own_end() {
    let mut rig = Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 40000 <mss 1000>");
    rig.write_some(10_000);
    rig.drain();
    rig.write_some(300);
    rig.write_some(300);
    let send = &rig.host.slabs.queues(rig.tcb.queues).unwrap().send;
    let una = rig.tcb.snd.una;
    assert!(send.pushes.contains(una + 10_000), "what is sent keeps its push");
    assert!(!send.pushes.contains(una + 10_300) && send.pushes.contains(una + 10_600));
}
