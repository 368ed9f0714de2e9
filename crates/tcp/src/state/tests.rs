use std::fmt::Write as _;
use std::string::String;

use super::{State, Transition};

const STATES: [State; 11] = [
    State::Closed,
    State::Listen,
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

const TRANSITIONS: [Transition; 11] = [
    Transition::PassiveOpen,
    Transition::ActiveOpen,
    Transition::ReceiveSyn,
    Transition::ReceiveSynAck,
    Transition::SynAcked,
    Transition::Close,
    Transition::ReceiveFin,
    Transition::FinAcked,
    Transition::TimeWaitOver,
    Transition::ReturnToListen,
    Transition::Abort,
];

/// All 121 cells. A changed line is a changed protocol.
#[test]
fn the_transition_table_is_as_recorded() {
    let mut table = String::new();
    for state in STATES {
        writeln!(table, "{state:?}").unwrap();
        for event in TRANSITIONS {
            if let Some(next) = state.next(event) {
                writeln!(table, "    {event:?} -> {next:?}").unwrap();
            }
        }
    }
    assert_eq!(table, include_str!("snapshots/transitions.txt"), "{table}");
}

#[test]
fn every_state_but_listen_and_closed_is_left_and_reached() {
    for state in STATES {
        let reached = STATES.iter().any(|from| TRANSITIONS.iter().any(|on| from.next(*on) == Some(state)));
        let left = TRANSITIONS.iter().any(|on| state.next(*on).is_some());
        assert!(reached && left, "{state:?}");
    }
}

#[test]
fn no_transition_leads_back_to_its_own_state() {
    for state in STATES {
        for event in TRANSITIONS {
            assert_ne!(state.next(event), Some(state), "{state:?} on {event:?}");
        }
    }
}
