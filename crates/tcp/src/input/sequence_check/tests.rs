use crate::testing::{Rig, plain};
use crate::{Config, DropReason, Signals, State};

#[test]
fn text_outside_the_window_is_acknowledged_and_dropped() {
    let mut rig = Rig::established();
    for line in ["P. 8000000:8000010(10) ack 1", "P. -10:0(10) ack 1"] {
        assert!(rig.gets(line).contains(Signals::DROPPED));
        assert_eq!(rig.tcb.last_drop(), Some(DropReason::OutOfWindow));
        rig.expect(". 1:1(0) ack 1");
    }
    rig.expect_nothing();
}

// F12: two hosts that find each other's ACKs wrong must fall silent.
#[test]
fn acks_outside_the_window_are_answered_once_in_a_while() {
    let mut rig = Rig::established();
    let mut answers = 0;
    for _ in 0..100 {
        rig.gets(". 8000000:8000000(0) ack 1");
        answers += rig.drain().len();
    }
    assert_eq!(answers, 1);
    rig.pass_ms(750);
    rig.gets(". 8000000:8000000(0) ack 1");
    assert_eq!(rig.drain().len(), 1);
}

#[test]
fn a_segment_that_reaches_into_the_window_is_trimmed() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.gets("P. 51:201(150) ack 1");
    rig.read(200);
}

// RFC 9293 MUST-66
#[test]
fn a_shut_window_still_takes_acks_and_resets() {
    let mut rig = Rig::established_with(
        plain(),
        |options| options.common.recv_buffer_max = 3000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000>",
    );
    rig.gets(". 1:1501(1500) ack 1");
    rig.gets(". 1501:3001(1500) ack 1");
    rig.write(100);
    rig.expect("P. 1:101(100) ack 3001");
    assert_eq!(rig.window, 0);
    rig.gets("P. 3001:3101(100) ack 101");
    assert_eq!(rig.info().unacked, 0, "its ACK counts");
    rig.expect(". 101:101(0) ack 3001");
    rig.gets("R 3001:3001(0)");
    rig.expect_state(State::Closed);
}

fn with_timestamps() -> Rig {
    let config = Config { quick_acks: 0, ..Config::default() };
    let mut rig = Rig::connecting(config);
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 1000 ecr 1000077,wscale 0>");
    rig.drain();
    rig
}

// RFC 7323 §5.3
#[test]
fn an_old_timestamp_is_acknowledged_and_dropped() {
    let mut rig = with_timestamps();
    rig.gets("P. 1:11(10) ack 1 <TS val 1010 ecr 1>");
    assert!(rig.gets("P. 11:21(10) ack 1 <TS val 999 ecr 1>").contains(Signals::DROPPED));
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::OldTimestamp));
    assert_eq!(rig.host.stats.paws_rejected, 1);
    assert_eq!(rig.drain().len(), 1);
    rig.read(10);
}

// RFC 7323 §3.2, E13
#[test]
fn a_missing_timestamp_is_dropped_without_an_answer() {
    let mut rig = with_timestamps();
    rig.gets("P. 1:11(10) ack 1");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::NoTimestamp));
    rig.expect_nothing();
    rig.gets("P. 1:11(10) ack 1 <TS val 1001 ecr 1>");
    rig.read(10);
}

// CVE-2005-0356, E12
#[test]
fn who_cannot_see_the_connection_cannot_poison_the_timestamp() {
    let mut rig = with_timestamps();
    for line in [
        "P. 8000000:8000010(10) ack 1 <TS val 900000 ecr 1>",
        "P. 500:510(10) ack 1 <TS val 900000 ecr 1>",
        "P. 1:11(10) ack 100000 <TS val 900000 ecr 1>",
        "P. 1:11(10) ack -2000000 <TS val 900000 ecr 1>",
    ] {
        rig.gets(line);
        assert_eq!(rig.tcb.ts.recent, 1000, "{line}");
    }
    rig.gets("P. 1:11(10) ack 1 <TS val 1001 ecr 1>");
    rig.read(10);
}

#[test]
fn a_reset_needs_no_timestamp() {
    let mut rig = with_timestamps();
    rig.gets("R 1:1(0)");
    rig.expect_state(State::Closed);
}

#[test]
fn a_host_may_take_segments_that_lack_the_timestamp() {
    let mut rig = Rig::connecting(Config { timestamps_required: false, ..Config::default() });
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,TS val 5 ecr 0>");
    rig.gets("P. 1:11(10) ack 1");
    assert_eq!(rig.info().bytes_received, 10);
}

// RFC 9293 §3.4, table 6: RCV.NXT =< SEG.SEQ < RCV.NXT + RCV.WND; without length also at the edge.
#[test]
fn an_ack_at_the_windows_edge_counts_and_one_beyond_does_not() {
    let mut rig = Rig::established();
    rig.write(1_000);
    rig.drain();
    let edge = 1 + rig.tcb.rcv.wnd();
    rig.gets(&std::format!(". {}:{}(0) ack 1001", edge + 1, edge + 1));
    assert_eq!((rig.tcb.last_drop(), rig.info().unacked), (Some(DropReason::OutOfWindow), 1_000));
    rig.gets(&std::format!("P. {edge}:{}(1) ack 1001", edge + 1));
    assert_eq!((rig.tcb.last_drop(), rig.info().unacked), (Some(DropReason::OutOfWindow), 1_000));
    rig.gets(&std::format!(". {edge}:{edge}(0) ack 1001"));
    assert_eq!(rig.info().unacked, 0);
}

// RFC 7323 §5.3: R1 comes before the window is looked at.
#[test]
fn a_segment_that_is_old_and_out_of_the_window_counts_as_old() {
    let mut rig = with_timestamps();
    rig.gets("P. -10:0(10) ack 1 <TS val 999 ecr 1>");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::OldTimestamp));
    assert_eq!(rig.host.stats.paws_rejected, 1);
    rig.expect(". 1:1(0) ack 1 <TS val 1000077 ecr 1000>");
}
