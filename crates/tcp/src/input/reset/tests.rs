use crate::testing::Rig;
use crate::{DropReason, Error, Signals, State};

// RFC 9293 MUST-12
#[test]
fn the_exact_number_ends_the_connection() {
    let mut rig = Rig::established();
    let signals = rig.gets("R 1:1(0)");
    assert!(signals.contains(Signals::RESET_RECEIVED | Signals::CLOSED));
    rig.expect_state(State::Closed);
    assert!(rig.tcb.is_finished());
    assert_eq!(rig.try_read(), Err(Error::Reset));
    assert_eq!(rig.try_read(), Ok(0), "the error is told once");
    assert_eq!(rig.host.stats.estab_resets, 1);
    assert_eq!(rig.host.stats.curr_estab, 0);
}

// RFC 5961 §3.2, F4
#[test]
fn a_guess_in_the_window_gets_a_challenge_and_ends_nothing() {
    let mut rig = Rig::established();
    for step in 1..2000 {
        let seq = 1 + step * 64;
        rig.gets(&std::format!("R {seq}:{seq}(0)"));
    }
    rig.expect_state(State::Established);
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::BadReset));
    assert_eq!(rig.drain(), [". 1:1(0) ack 1"], "and one challenge for all of them");
}

#[test]
fn a_guess_outside_the_window_gets_nothing() {
    let mut rig = Rig::established();
    rig.gets("R 8000000:8000000(0)");
    rig.gets("R 0:0(0)");
    rig.expect_nothing();
    rig.expect_state(State::Established);
}

#[test]
fn text_that_came_before_can_still_be_read() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.gets("R 101:101(0)");
    rig.read(100);
    assert_eq!(rig.try_read(), Err(Error::Reset));
}

#[test]
fn every_state_ends_by_a_reset() {
    for state in [
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
    ] {
        let mut rig = Rig::in_state(state);
        let seq = if rig.tcb.fin_received() { 2 } else { 1 };
        rig.gets(&std::format!("R {seq}:{seq}(0)"));
        rig.expect_state(State::Closed);
        rig.expect_nothing();
    }
}

#[test]
fn a_refused_connection_says_so() {
    let mut rig = Rig::in_state(State::SynSent);
    rig.gets("R. 0:0(0) ack 1");
    rig.expect_state(State::Closed);
    assert_eq!(rig.tcb.error(), Some(Error::Refused));
}
