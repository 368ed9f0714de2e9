use crate::testing::{Rig, plain};
use crate::{Config, DropReason, Error, Signals, State};

#[test]
fn text_in_order_is_readable_at_once() {
    let mut rig = Rig::established();
    assert!(rig.gets("P. 1:101(100) ack 1").contains(Signals::READABLE));
    rig.read(100);
    assert_eq!(rig.try_read(), Err(Error::WouldBlock));
}

// RFC 9293 SHLD-31, MUST-59; RFC 5681 §4.2, MAY-13
#[test]
fn text_beyond_a_gap_waits_and_is_reported() {
    let mut rig = Rig::established();
    assert!(!rig.gets("P. 201:301(100) ack 1").contains(Signals::READABLE));
    rig.expect(". 1:1(0) ack 1 <sack 201:301>");
    rig.gets("P. 401:501(100) ack 1");
    rig.expect(". 1:1(0) ack 1 <sack 401:501 201:301>");
    rig.gets("P. 1:201(200) ack 1");
    rig.expect(". 1:1(0) ack 301 <sack 401:501>");
    rig.gets("P. 301:401(100) ack 1");
    rig.expect(". 1:1(0) ack 501");
    rig.read(500);
}

#[test]
fn without_sack_each_segment_beyond_a_gap_gets_its_own_ack() {
    let mut rig = Rig::without_sack();
    for at in [1001, 2001, 3001] {
        rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
    }
    assert_eq!(rig.drain(), [". 1:1(0) ack 1", ". 1:1(0) ack 1", ". 1:1(0) ack 1"]);
}

#[test]
fn text_that_came_before_is_acknowledged_again() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.wait();
    rig.drain();
    rig.gets("P. 1:101(100) ack 1");
    rig.expect(". 1:1(0) ack 101 <sack 1:101>");
    rig.read(100);
}

// RFC 9293 SHLD-18, MUST-40
#[test]
fn an_ack_waits_for_company_40_ms() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.expect_nothing();
    assert_eq!(rig.wait().0, 40);
    rig.expect(". 1:1(0) ack 101");
}

// RFC 9293 MUST-58
#[test]
fn an_ack_goes_with_text() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.write(10);
    rig.expect("P. 1:11(10) ack 101");
    rig.gets(". 101:101(0) ack 11");
    rig.expect_nothing();
}

// RFC 9293 SHLD-19
#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    let mut rig = Rig::established();
    rig.gets(". 1:1461(1460) ack 1");
    rig.expect_nothing();
    rig.gets(". 1461:2921(1460) ack 1");
    rig.expect(". 1:1(0) ack 2921");
}

/// RFC 8985 §7.2: a peer with two segments in flight probes after two round trips, and they may be shorter than the delay.
#[test]
fn what_follows_a_full_segment_is_acknowledged_at_once() {
    let mut rig = Rig::established();
    rig.gets(". 1:1461(1460) ack 1");
    rig.expect_nothing();
    rig.gets("P. 1461:1471(10) ack 1");
    rig.expect(". 1:1(0) ack 1471");
    rig.read(1470);
}

// RFC 9293 SHLD-19: a super-segment does not tell how long the segments in it were.
#[test]
fn a_super_segment_does_not_spoil_the_count_of_two() {
    let mut rig = Rig::established();
    rig.gets(". 1:4345(4344) ack 1");
    rig.expect(". 1:1(0) ack 4345");
    rig.gets(". 4345:5793(1448) ack 1");
    rig.drain();
    rig.gets(". 5793:7241(1448) ack 1");
    rig.drain();
    assert_eq!(rig.tcb.rcv.mss, 1448);
    rig.gets(". 7241:8689(1448) ack 1");
    rig.expect_nothing();
    rig.gets(". 8689:10137(1448) ack 1");
    rig.expect(". 1:1(0) ack 10137");
}

#[test]
fn the_first_segments_are_acknowledged_at_once() {
    let config = Config { quick_acks: 2, ..plain() };
    let mut rig = Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1000>");
    rig.gets("P. 1:11(10) ack 1");
    rig.expect(". 1:1(0) ack 11");
    rig.gets("P. 11:21(10) ack 1");
    rig.expect_nothing();
}

#[test]
fn text_beyond_the_window_is_cut_off() {
    let mut rig = Rig::established_with(
        plain(),
        |options| options.common.recv_buffer_max = 3000,
        "S. 0:0(0) ack 1 win 60000",
    );
    rig.gets(". 1:5001(5000) ack 1");
    rig.expect(". 1:1(0) ack 3001");
    rig.read(3000);
}

// RFC 9293 SHLD-3, MAY-1
#[test]
fn text_for_a_closed_socket_is_answered_with_a_reset() {
    let mut rig = Rig::established();
    rig.close();
    rig.expect("F. 1:1(0) ack 1");
    let signals = rig.gets("P. 1:11(10) ack 2");
    assert!(signals.contains(Signals::CLOSED | Signals::TRANSMIT));
    rig.expect("R 2:2(0)");
    assert!(rig.tcb.is_finished());
}

#[test]
fn text_after_the_fin_is_dropped() {
    let mut rig = Rig::in_state(State::CloseWait);
    rig.gets("P. 2:12(10) ack 1");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::UnwantedText));
    assert_eq!(rig.try_read(), Ok(0));
}

// E7: everything above starts just below 2^32; here the numbers of both sides cross it within the text.
#[test]
fn numbers_may_wrap_anywhere() {
    let mut rig = Rig::established();
    for at in (1..12_001).step_by(1000).rev() {
        rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
        rig.drain();
    }
    rig.read(12_000);
}

// G7, G11
#[test]
fn a_reader_that_never_reads_costs_a_bounded_amount() {
    let small = crate::BufferSize { initial: 20_000, max: 20_000 };
    let mut rig =
        Rig::established_with(Config { recv_buffer: small, ..plain() }, |_| {}, "S. 0:0(0) ack 1 win 60000");
    let mut at = 1_u32;
    for _ in 0..100_000 {
        rig.gets(&std::format!(". {at}:{}(1) ack 1", at + 1));
        rig.drain();
        at = rig.tcb.rcv.nxt.0.wrapping_sub(crate::testing::IRS);
    }
    assert!(rig.tcb.receive_queued(&rig.host.cx()) <= 20_000 + 2_000);
}

// RFC 5681 §4.2: within the time since the first segment that is not acknowledged.
#[test]
fn more_text_does_not_put_an_ack_off() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.pass_ms(30);
    rig.gets("P. 101:201(100) ack 1");
    rig.expect_nothing();
    assert_eq!(rig.wait().0, 10);
    rig.expect(". 1:1(0) ack 201");
}
