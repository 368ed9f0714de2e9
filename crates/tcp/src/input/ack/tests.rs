use crate::testing::{Rig, plain};
use crate::{DropReason, Signals, State};

#[test]
fn an_ack_frees_the_queue_and_measures_the_round_trip() {
    let mut rig = Rig::established();
    rig.write(500);
    rig.expect("P. 1:501(500) ack 1");
    rig.pass_ms(30);
    rig.gets(". 1:1(0) ack 501");
    assert_eq!(rig.tcb.send_queued(&rig.host.cx()), 0);
    let info = rig.info();
    assert_eq!((info.bytes_acked, info.unacked), (500, 0));
    assert_eq!(info.rtt_us, 12_500, "7/8 of 10 ms and 1/8 of 30 ms");
}

#[test]
fn an_ack_of_what_was_not_sent_is_challenged() {
    let mut rig = Rig::established();
    rig.write(500);
    rig.drain();
    assert!(rig.gets("P. 1:11(10) ack 502").contains(Signals::DROPPED));
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::BadAck));
    rig.expect(". 501:501(0) ack 1");
    assert_eq!(rig.tcb.receive_queued(&rig.host.cx()), 0);
}

#[test]
fn a_host_may_be_silent_about_acks_of_what_was_not_sent() {
    let mut rig = Rig::established();
    rig.host.config.answer_unsent_acks = false;
    assert!(rig.gets("P. 1:11(10) ack 502").contains(Signals::DROPPED));
    rig.expect_nothing();
}

// CVE-2023-52881, F6: with a scaled window, old numbers that were never sent used to pass.
#[test]
fn an_ack_from_before_the_connection_is_challenged() {
    let syn_ack = "S. 0:0(0) ack 1 win 65535 <mss 1000,wscale 14>";
    let mut rig = Rig::established_with(plain(), |_| {}, syn_ack);
    rig.gets(". 1:1(0) ack 1 win 65535");
    rig.gets("P. 1:11(10) ack -1073676288");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::BadAck));
    rig.gets("P. 1:11(10) ack -1");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::BadAck));
    assert_eq!(rig.tcb.receive_queued(&rig.host.cx()), 0);
}

#[test]
fn an_old_ack_within_what_was_sent_is_harmless() {
    let mut rig = Rig::established();
    rig.write(3000);
    rig.drain();
    rig.gets(". 1:1(0) ack 3001");
    rig.gets("P. 1:11(10) ack 1001");
    rig.read(10);
}

#[test]
fn a_segment_without_ack_is_dropped() {
    let mut rig = Rig::established();
    rig.gets("P 1:11(10)");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::NoAck));
    rig.expect_nothing();
}

#[test]
fn an_older_segment_does_not_change_the_window() {
    let mut rig = Rig::established();
    rig.gets("P. 1:11(10) ack 1 win 5000");
    assert_eq!(rig.info().snd_wnd, 5000);
    rig.gets("P. 11:21(10) ack 1 win 6000");
    rig.gets("P. 1:11(10) ack 1 win 100");
    assert_eq!(rig.info().snd_wnd, 6000);
}

// E5: blocks that cannot be true change nothing.
#[test]
fn impossible_sack_blocks_are_ignored() {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.drain();
    for block in [
        "1:2001",
        "0:2001",
        "-500:2001",
        "3001:2001",
        "2001:2001",
        "2001:10002",
        "11001:12001",
        "-2147483648:2001",
        "2001:2147485649",
    ] {
        rig.gets(&std::format!(". 1:1(0) ack 1 <sack {block}>"));
        assert_eq!(rig.info().sacked, 0, "{block}");
    }
    rig.gets(". 1:1(0) ack 1 <sack 9001:10001>");
    assert_eq!(rig.info().sacked, 1000);
}

// H6, RFC 9293 MUST-34
// RFC 9293 SHLD-15, SHLD-16, MAY-7
#[test]
fn a_window_taken_back_holds_new_text_and_loses_none() {
    let mut rig = Rig::established();
    rig.write(20_000);
    assert_eq!(rig.drain().len(), 10);
    rig.gets(". 1:1(0) ack 1001 win 0");
    rig.expect_nothing();
    rig.wait();
    rig.expect(". 1001:2001(1000) ack 1");
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 10001 win 0");
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 10001 win 60000");
    assert!(!rig.drain().is_empty());
}

#[test]
fn the_ack_of_our_fin_moves_every_closing_state_on() {
    for (before, after) in [
        (State::FinWait1, State::FinWait2),
        (State::Closing, State::TimeWait),
        (State::LastAck, State::Closed),
    ] {
        let mut rig = Rig::in_state(before);
        let seq = if before == State::FinWait1 { 1 } else { 2 };
        rig.gets(&std::format!(". {seq}:{seq}(0) ack 2"));
        rig.expect_state(after);
    }
}

#[test]
fn a_writer_that_found_no_room_is_told_of_it() {
    let mut rig = Rig::established_with(
        plain(),
        |options| options.common.send_buffer_max = 4000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>",
    );
    // A unit of text is half of the peer's window, and the first is filled whatever the buffer says.
    assert_eq!(rig.write_some(50_000), 40_000);
    assert_eq!(rig.tcb.write(&mut rig.host.cx(), &[0]), Err(crate::Error::WouldBlock));
    rig.drain();
    assert!(!rig.gets(". 1:1(0) ack 10001").contains(Signals::WRITABLE));
    rig.drain();
    assert!(!rig.gets(". 1:1(0) ack 30001").contains(Signals::WRITABLE));
    rig.drain();
    assert!(rig.gets(". 1:1(0) ack 40001").contains(Signals::WRITABLE));
}

#[test]
fn syn_received_wants_exactly_the_ack_of_its_syn() {
    let mut rig = Rig::in_state(State::SynReceived);
    rig.gets(". 1:1(0) ack 2");
    rig.expect("R 2:2(0)");
    rig.expect_state(State::SynReceived);
    rig.gets(". 1:1(0) ack 1");
    rig.expect_state(State::Established);
}

// RFC 5961 §5.2: SND.UNA - MAX.SND.WND is reckoned from where the connection is, not from its ISS.
#[test]
fn far_from_the_initial_number_old_acks_within_the_largest_window_are_harmless() {
    let mut rig = Rig::established().far_along();
    rig.gets("P. 1:11(10) ack -50000");
    rig.read(10);
    rig.gets("P. 11:21(10) ack -60001");
    assert_eq!(rig.tcb.last_drop(), Some(DropReason::BadAck));
    assert_eq!(rig.tcb.receive_queued(&rig.host.cx()), 0);
    // The window that the old ACK told does not count (RFC 9293 §3.10.7.4).
    rig.gets("P. 11:21(10) ack -50000 win 100");
    rig.read(10);
    assert_eq!(rig.info().snd_wnd, 60_000);
    rig.write(20_000);
    assert_eq!(rig.drain().len(), 10, "an initial window");
    rig.gets(". 21:21(0) ack 10001 win 15000");
    assert_eq!(rig.drain().len(), 10);
    assert_eq!((rig.info().unacked, rig.info().snd_wnd), (10_000, 15_000));
}
