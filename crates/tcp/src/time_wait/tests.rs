use portolan_link::Instant;

use super::{TICK_BITS, TimeWait, TimeWaitVerdict};
use crate::testing::notation::parse;
use crate::testing::{ISS, Rig};
use crate::{Config, State};

fn record() -> (TimeWait, Instant) {
    let mut rig = Rig::in_state(State::TimeWait);
    (rig.tcb.time_wait_record(&rig.host.cx()), rig.host.now)
}

fn judge(record: &mut TimeWait, now: Instant, line: &str) -> TimeWaitVerdict {
    record.on_segment(now, &Config::default(), &parse(line).0)
}

fn deadline(record: &TimeWait, now: Instant) -> Instant {
    record.deadline(now, &Config::default())
}

/// The record keeps 32 bits of its deadline.
#[test]
fn a_clock_that_jumps_by_anything_ends_it() {
    let (record, now) = record();
    for jump_s in [61, 3_600, 25 * 24 * 3_600, 400 * 24 * 3_600, 10 * 365 * 24 * 3_600, 1 << 33] {
        let later = now.plus_micros(jump_s * 1_000_000);
        assert!(record.is_over(later, &Config::default()), "{jump_s} s");
        assert_eq!(deadline(&record, later), later, "{jump_s} s");
    }
    // Even where the lower 32 bits say that nothing has happened, it lasts no longer than from then.
    let turned = Instant::from_nanos(now.as_nanos() + (1 << (32 + TICK_BITS)));
    assert!(deadline(&record, turned).micros_since(turned) < 60_002_000);
}

// RFC 9293 MUST-13
#[test]
fn the_fin_again_is_acknowledged_and_the_wait_begins_again() {
    let (mut record, now) = record();
    let later = now.plus_micros(30_000_000);
    let TimeWaitVerdict::Ack(plan) = judge(&mut record, later, "F. 1:1(0) ack 2") else { panic!() };
    assert_eq!((plan.seq, plan.ack), (record.snd_nxt, record.rcv_nxt));
    let deadline = deadline(&record, later).micros_since(later);
    assert!((60_000_000..60_002_000).contains(&deadline), "{deadline}");
}

// RFC 1337, F13
#[test]
fn nothing_old_ends_it() {
    let (mut record, now) = record();
    let end = deadline(&record, now);
    for line in
        ["R 2:2(0)", "R. 2:2(0) ack 2", "P. 1:1(0) ack 2", ". 2:2(0) ack 2", "S 0:0(0)", "S. 0:0(0) ack 1"]
    {
        let verdict = judge(&mut record, now, line);
        assert!(
            matches!(verdict, TimeWaitVerdict::Challenge(_) | TimeWaitVerdict::Ignore),
            "{line} {verdict:?}"
        );
    }
    assert_eq!(deadline(&record, now), end);
    let before = Instant::from_nanos(end.as_nanos() - 1);
    assert!(matches!(judge(&mut record, before, "R 2:2(0)"), TimeWaitVerdict::Ignore));
    assert!(matches!(judge(&mut record, end, "R 2:2(0)"), TimeWaitVerdict::Delete));
}

// RFC 9293 MAY-2; RFC 6191
#[test]
fn a_newer_syn_opens_a_new_connection() {
    let (mut record, now) = record();
    let TimeWaitVerdict::Reopen { min_iss } = judge(&mut record, now, "S 3:3(0)") else { panic!() };
    assert_eq!(min_iss.0, ISS.wrapping_add(2 + 65_537));
    assert!(matches!(judge(&mut record, now, "S. 3:3(0) ack 2"), TimeWaitVerdict::Challenge(_)));
}

// RFC 9293 SHLD-4; RFC 6191
#[test]
fn a_newer_timestamp_counts_more_than_the_number() {
    let (mut record, now) = record();
    record.timestamps = true;
    record.ts.recent = 1000;
    assert!(matches!(
        judge(&mut record, now, "S -900:-900(0) <TS val 1001 ecr 0>"),
        TimeWaitVerdict::Reopen { .. }
    ));
    assert!(!matches!(
        judge(&mut record, now, "S 900:900(0) <TS val 999 ecr 0>"),
        TimeWaitVerdict::Reopen { .. }
    ));
    assert!(matches!(
        judge(&mut record, now, "S 900:900(0) <TS val 1000 ecr 0>"),
        TimeWaitVerdict::Reopen { .. }
    ));
}

#[test]
fn old_text_is_answered_once_in_a_while() {
    let (mut record, now) = record();
    assert!(matches!(judge(&mut record, now, "P. 1:11(10) ack 2"), TimeWaitVerdict::Challenge(_)));
    assert!(matches!(judge(&mut record, now, "P. 1:11(10) ack 2"), TimeWaitVerdict::Ignore));
}
