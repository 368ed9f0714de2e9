use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::Undo;
use crate::congestion::Prior;
use crate::flight::AckClock;
use crate::testing::{Rig, plain};
use crate::{CaState, Config};

const UNA: SeqNumber = SeqNumber(u32::MAX - 500);
const PRIOR: Prior = Prior { cwnd: 10_000, ssthresh: u32::MAX };

fn clock(echo_ms: Option<u64>) -> AckClock {
    AckClock { now: Instant::from_millis(500), min_rtt_us: 0, echo_ms }
}

/// An episode in which two segments were sent again, at 100 ms.
fn episode() -> Undo {
    let mut undo = Undo::default();
    undo.begin(UNA, 0);
    undo.remember(PRIOR);
    undo.on_resent(Instant::from_millis(100), 1);
    undo.on_resent(Instant::from_millis(110), 1);
    undo
}

// RFC 3708 §3, H4: all that was sent again has to be reported, and once is enough for one undo.
#[test]
fn every_retransmission_has_to_be_reported() {
    let mut undo = episode();
    undo.on_duplicate(UNA + 100, 1);
    assert!(!undo.is_proved_by_duplicates());
    undo.on_duplicate(UNA, 1);
    assert!(!undo.is_proved_by_duplicates(), "that is before the episode");
    undo.on_duplicate(UNA + 200, 1);
    assert!(undo.is_proved_by_duplicates());
    assert_eq!((undo.take(), undo.take()), (Some(PRIOR), None));
    undo.on_duplicate(UNA + 300, 1);
    assert!(!undo.is_proved(&clock(None)));
}

// RFC 3522 §3.2
#[test]
fn an_echo_of_before_the_first_retransmission_proves_it() {
    assert!(episode().is_proved_by_echo(&clock(Some(99))));
    assert!(!episode().is_proved_by_echo(&clock(Some(100))));
    assert!(!episode().is_proved_by_echo(&clock(None)));
}

#[test]
fn an_episode_half_the_number_space_ago_is_forgotten() {
    let mut undo = episode();
    undo.forget_before(UNA + (1 << 30));
    assert!(undo.is_proved_by_echo(&clock(Some(0))));
    undo.forget_before(UNA + (1 << 30) + 1);
    assert!(!undo.is_proved_by_echo(&clock(Some(0))));
}

fn with_timestamps() -> Rig {
    let config = Config { timestamps: true, ..plain() };
    let mut rig = Rig::connecting(config);
    rig.drain();
    rig.pass_ms(10);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1012,sackOK,TS val 5 ecr 1000077,wscale 0>");
    rig.drain();
    rig.write(10_000);
    assert_eq!(rig.drain().len(), 10);
    rig.pass_ms(10);
    rig
}

// RFC 3522 §3.2, RFC 4015 §3.2
#[test]
fn eifel_takes_a_fast_recovery_back() {
    let mut rig = with_timestamps();
    rig.gets(". 1:1(0) ack 1 <TS val 6 ecr 1000087,sack 1001:4001>");
    assert_eq!((rig.drain().len(), rig.info().ca_state), (1, CaState::Recovery));
    rig.pass_ms(3);
    rig.gets(". 1:1(0) ack 5001 <TS val 7 ecr 1000087>");
    assert_eq!(rig.info().retrans_out, 0);
    let info = rig.info();
    assert_eq!((info.ca_state, info.ssthresh), (CaState::Open, u32::MAX));
    assert!(info.cwnd >= 10_000);
    assert_eq!(rig.host.stats.reductions_undone, 1);
}

// RFC 4015 §3.2: without proof the reduction stays.
#[test]
fn an_echo_of_the_retransmission_takes_nothing_back() {
    let mut rig = with_timestamps();
    rig.gets(". 1:1(0) ack 1 <TS val 6 ecr 1000087,sack 1001:10001>");
    assert_eq!(rig.drain().len(), 1);
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 10001 <TS val 7 ecr 1000097>");
    assert_eq!((rig.info().ca_state, rig.info().cwnd), (CaState::Open, 5_000));
    assert_eq!(rig.host.stats.reductions_undone, 0);
}

// RFC 3708 §3
#[test]
fn reported_duplicates_take_a_fast_recovery_back_even_after_its_end() {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.drain();
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 1 <sack 2001:8001>");
    assert_eq!(rig.drain().len(), 2);
    rig.pass_ms(2);
    rig.gets(". 1:1(0) ack 10001");
    assert_eq!((rig.info().ca_state, rig.info().cwnd), (CaState::Open, 5000));
    rig.gets(". 1:1(0) ack 10001 <sack 1:1001>");
    assert_eq!(rig.info().cwnd, 5000, "one of two");
    rig.write(1000);
    rig.drain();
    rig.gets(". 1:1(0) ack 10001 <sack 1001:2001>");
    assert_eq!((rig.info().cwnd, rig.info().ssthresh), (10_000, u32::MAX));
    assert_eq!((rig.info().dsack_dups, rig.host.stats.dsacks_received), (2, 2));
}

// H4: duplicates that were never sent again buy nothing.
#[test]
fn forged_duplicates_take_nothing_back() {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.drain();
    for forged in ["1:1001", "1:2001", "-2000:1"] {
        rig.gets(&std::format!(". 1:1(0) ack 5001 <sack {forged}>"));
    }
    assert_eq!(rig.host.stats.dsacks_received, 0);
    rig.gets(". 1:1(0) ack 5001 <sack 6001:10001>");
    assert_eq!(rig.drain().len(), 1);
    let reduced = rig.info().ssthresh;
    for _ in 0..100 {
        rig.gets(". 1:1(0) ack 5001 <sack 1:1001 6001:10001>");
    }
    assert_eq!((rig.info().ca_state, rig.info().ssthresh), (CaState::Recovery, reduced));
}
