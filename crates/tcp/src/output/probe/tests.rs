use crate::testing::Rig;
use crate::{Keepalive, OptionFlags, Signals, State};

fn with_shut_window() -> Rig {
    let mut rig = Rig::established();
    rig.gets(". 1:1(0) ack 1 win 0");
    rig.write(5_000);
    rig.expect_nothing();
    rig
}

// RFC 9293 MUST-36, SHLD-29, SHLD-30, MUST-35
#[test]
fn a_shut_window_is_probed_less_and_less_often() {
    let mut rig = with_shut_window();
    let mut last = 0;
    for _ in 0..6 {
        let (waited, _) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        assert!(waited >= 2 * last || last == 0, "{waited} after {last}");
        last = waited;
        rig.expect(". 0:0(0) ack 1");
        rig.gets(". 1:1(0) ack 1 win 0");
    }
}

// RFC 9293 MUST-37
#[test]
fn a_peer_that_answers_may_keep_its_window_shut_for_ever() {
    let mut rig = with_shut_window();
    for _ in 0..200 {
        rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        rig.expect(". 0:0(0) ack 1");
        rig.gets(". 1:1(0) ack 1 win 0");
    }
    rig.expect_state(State::Established);
    rig.gets(". 1:1(0) ack 1 win 60000");
    assert_eq!(rig.drain().len(), 5);
    assert_eq!(rig.info().backoff, 0);
}

// G2
#[test]
fn an_orphan_does_not_wait_for_a_shut_window_for_ever() {
    let mut rig = with_shut_window();
    rig.close();
    let (waited, _) = rig.wait_until(|rig| {
        if !rig.drain().is_empty() {
            rig.gets(". 1:1(0) ack 1 win 0");
        }
        rig.tcb.is_finished()
    });
    assert!(waited < 300_000, "{waited} ms");
}

// RFC 6429 §3, RFC 9293 MUST-21: unless the application has set a limit, which answers do not move.
#[test]
fn the_user_timeout_counts_from_the_first_probe() {
    let mut rig = with_shut_window();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.user_timeout_ms = 4_000;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    let (waited, signals) = rig.wait_until(|rig| {
        if !rig.drain().is_empty() {
            rig.gets(". 1:1(0) ack 1 win 0");
        }
        rig.tcb.is_finished()
    });
    assert!(signals.contains(Signals::TIMED_OUT));
    assert!((4_000..16_000).contains(&waited), "{waited} ms");
}

// Waits are no longer than the longest RTO, so that probes are not twice as far apart each time for ever.
#[test]
fn a_long_user_timeout_is_waited_for() {
    let mut rig = with_shut_window();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.user_timeout_ms = 3_600_000;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    let (waited, _) = rig.wait_until(|rig| {
        if !rig.drain().is_empty() {
            rig.gets(". 1:1(0) ack 1 win 0");
        }
        rig.tcb.is_finished()
    });
    assert!((3_600_000..3_800_000).contains(&waited), "{waited} ms");
}

// What was lost before the window shut is no probe.
#[test]
fn the_user_timeout_does_not_count_timeouts_before_the_window_shut() {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.user_timeout_ms = 10_000;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.write(100);
    rig.drain();
    for _ in 0..4 {
        rig.wait();
        rig.drain();
    }
    rig.write(1_000);
    rig.gets(". 1:1(0) ack 101 win 0");
    let (waited, _) = rig.wait_until(|rig| !rig.drain().is_empty());
    assert!(waited <= 1_000, "the first probe after {waited} ms");
    assert!(!rig.tcb.is_finished());
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let mut rig = with_shut_window();
    let mut probes = 0;
    let (_, signals) = rig.wait_until(|rig| {
        probes += rig.drain().len();
        rig.tcb.is_finished()
    });
    assert!(signals.contains(Signals::TIMED_OUT));
    assert_eq!(probes, 15);
}

#[test]
fn a_small_window_gets_a_small_segment_in_the_end() {
    let mut rig = Rig::established();
    rig.write(5_000);
    rig.drain();
    rig.gets(". 1:1(0) ack 5001 win 700");
    rig.write(5_000);
    rig.expect_nothing();
    rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
    rig.expect(". 5001:5701(700) ack 1");
}

fn with_keepalive() -> Rig {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.flags |= OptionFlags::KEEPALIVE;
    options.seldom.keepalive = Keepalive { time_s: 100, interval_s: 10, probes: 3 };
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig
}

// RFC 9293 MUST-24, MUST-26, MUST-29, SHLD-12, MAY-5
#[test]
fn a_silent_peer_is_probed_and_then_given_up() {
    let mut rig = with_keepalive();
    for expected in [100_000, 10_000, 10_000] {
        let (waited, _) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        assert_eq!(waited, expected);
        rig.expect(". 0:0(0) ack 1");
    }
    let (waited, signals) = rig.wait_until(|rig| rig.tcb.state() == State::Closed);
    assert_eq!(waited, 10_000);
    assert!(signals.contains(Signals::TIMED_OUT | Signals::TRANSMIT));
    rig.expect("R. 1:1(0) ack 1");
}

#[test]
fn a_peer_that_answers_starts_the_count_again() {
    let mut rig = with_keepalive();
    for _ in 0..10 {
        let (waited, _) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        assert_eq!(waited, 100_000);
        rig.expect(". 0:0(0) ack 1");
        rig.gets(". 1:1(0) ack 1");
    }
    rig.expect_state(State::Established);
}

// RFC 9293 MUST-25
#[test]
fn nobody_is_probed_unless_asked_for() {
    let mut rig = Rig::established();
    while rig.tcb.next_deadline().is_some() {
        rig.wait();
        rig.expect_nothing();
    }
    rig.expect_state(State::Established);
}

#[test]
fn our_answer_to_a_probe_is_an_ack() {
    let mut rig = Rig::established();
    rig.gets(". 0:0(0) ack 1");
    rig.expect(". 1:1(0) ack 1");
}
