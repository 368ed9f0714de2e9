use crate::testing::Rig;
use crate::{Signals, State};

#[test]
fn a_fin_ends_the_text() {
    let mut rig = Rig::established();
    let signals = rig.gets("FP. 1:11(10) ack 1");
    assert!(signals.contains(Signals::FIN_RECEIVED | Signals::READABLE));
    rig.expect(". 1:1(0) ack 12");
    rig.expect_state(State::CloseWait);
    rig.read(10);
    assert_eq!(rig.try_read(), Ok(0));
    assert_eq!(rig.try_read(), Ok(0));
}

#[test]
fn a_fin_beyond_a_gap_waits_for_its_turn() {
    let mut rig = Rig::established();
    assert!(!rig.gets("F. 101:201(100) ack 1").contains(Signals::FIN_RECEIVED));
    rig.expect(". 1:1(0) ack 1 <sack 101:201>");
    rig.expect_state(State::Established);
    let signals = rig.gets(". 1:101(100) ack 1");
    assert!(signals.contains(Signals::FIN_RECEIVED));
    rig.expect(". 1:1(0) ack 202");
    rig.read(200);
    assert_eq!(rig.try_read(), Ok(0));
}

#[test]
fn a_fin_behind_text_that_came_before_counts() {
    let mut rig = Rig::established();
    rig.gets("P. 1:11(10) ack 1");
    assert!(rig.gets("FP. 1:11(10) ack 1").contains(Signals::FIN_RECEIVED));
    rig.expect_state(State::CloseWait);
}

#[test]
fn a_second_fin_elsewhere_is_ignored() {
    let mut rig = Rig::established();
    rig.gets("F. 101:201(100) ack 1");
    rig.gets("F. 301:401(100) ack 1");
    rig.gets("F. 51:61(10) ack 1");
    rig.gets(". 1:101(100) ack 1");
    rig.expect_state(State::CloseWait);
    rig.read(200);
}

#[test]
fn a_fin_before_text_that_has_arrived_is_ignored() {
    let mut rig = Rig::established();
    rig.gets(". 101:201(100) ack 1");
    rig.gets("F. 151:151(0) ack 1");
    rig.gets(". 1:101(100) ack 1");
    rig.expect_state(State::Established);
    rig.read(200);
}

#[test]
fn a_fin_again_is_acknowledged_again() {
    let mut rig = Rig::in_state(State::CloseWait);
    rig.gets("F. 1:1(0) ack 1");
    rig.expect(". 1:1(0) ack 2 <sack 1:2>");
    rig.expect_state(State::CloseWait);
}

#[test]
fn all_ways_to_close() {
    for (before, after) in [
        (State::Established, State::CloseWait),
        (State::FinWait1, State::Closing),
        (State::FinWait2, State::TimeWait),
    ] {
        let mut rig = Rig::in_state(before);
        let ack = if before == State::FinWait2 { 2 } else { 1 };
        rig.gets(&std::format!("F. 1:1(0) ack {ack}"));
        rig.expect_state(after);
    }
}

#[test]
fn a_fin_and_the_ack_of_ours_in_one_segment() {
    let mut rig = Rig::in_state(State::FinWait1);
    let signals = rig.gets("F. 1:1(0) ack 2");
    assert!(signals.contains(Signals::TIME_WAIT | Signals::TRANSMIT));
    rig.expect_state(State::TimeWait);
    rig.expect(". 2:2(0) ack 2");
}

// RFC 9293 §3.10.7.4: what lies beyond the window has not arrived, a FIN no more than text.
#[test]
fn a_fin_beyond_the_window_is_not_remembered() {
    let mut rig = Rig::established_with(
        crate::testing::plain(),
        |options| options.common.recv_buffer_max = 3_000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000>",
    );
    rig.gets("F. 1:4001(4000) ack 1");
    rig.read(3_000);
    rig.drain();
    rig.gets("P. 3001:4001(1000) ack 1");
    rig.expect_state(State::Established);
    rig.read(1_000);
    rig.drain();
    rig.gets("F. 4001:4001(0) ack 1");
    rig.expect_state(State::CloseWait);
}
