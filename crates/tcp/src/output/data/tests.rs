use crate::testing::{Rig, plain};
use crate::{OptionFlags, WriteFlags};

// RFC 9293 SHLD-7, MUST-60, SHLD-27, MAY-16
#[test]
fn nagle_holds_a_small_segment_while_one_is_under_way() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.expect("P. 1:11(10) ack 1");
    rig.write(10);
    rig.write(20);
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 11");
    rig.expect("P. 11:41(30) ack 1");
}

// RFC 9293 MUST-17
#[test]
fn nagle_can_be_turned_off() {
    let mut rig = Rig::established_with(
        plain(),
        |options| options.common.flags |= OptionFlags::NODELAY,
        "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>",
    );
    rig.write(10);
    rig.expect("P. 1:11(10) ack 1");
    rig.write(10);
    rig.expect("P. 11:21(10) ack 1");
}

// RFC 9293 SHLD-28
#[test]
fn full_segments_go_and_the_rest_waits_for_the_last_small_one() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.drain();
    rig.write(2500);
    assert_eq!(rig.drain(), [". 11:1011(1000) ack 1", ". 1011:2011(1000) ack 1"]);
    // Minshall: full segments under way do not hold the tail back.
    rig.gets(". 1:1(0) ack 11");
    rig.expect("P. 2011:2511(500) ack 1");
    rig.write(5);
    rig.gets(". 1:1(0) ack 2011");
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 2511");
    rig.expect("P. 2511:2516(5) ack 1");
}

#[test]
fn text_with_more_to_come_waits_for_it_or_for_the_peer_or_for_an_rto() {
    let mut rig = Rig::established();
    rig.write_with(40, WriteFlags::MORE);
    rig.expect_nothing();
    rig.write_with(40, WriteFlags::empty());
    rig.expect("P. 1:81(80) ack 1");
    // Full segments go, and an acknowledgement lets the tail go too, without PSH.
    rig.write_with(2_100, WriteFlags::MORE);
    assert_eq!(rig.drain(), [". 81:1081(1000) ack 1", ". 1081:2081(1000) ack 1"]);
    rig.gets(". 1:1(0) ack 2081");
    rig.expect(". 2081:2181(100) ack 1");
    rig.gets(". 1:1(0) ack 2181");
    rig.write_with(7, WriteFlags::MORE);
    rig.expect_nothing();
    let (waited_ms, _) = rig.wait();
    assert!((200..300).contains(&waited_ms), "{waited_ms} ms");
    rig.expect("P. 2181:2188(7) ack 1");
}

#[test]
fn a_cork_holds_small_segments_until_it_is_pulled() {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.flags |= OptionFlags::CORK;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.write(40);
    rig.write(40);
    rig.expect_nothing();
    options.common.flags -= OptionFlags::CORK;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.tcb.push(&rig.host.cx());
    rig.expect("P. 1:81(80) ack 1");
}

#[test]
fn no_segment_holds_text_of_two_records() {
    let mut rig = Rig::established();
    for len in [1_400, 400, 400] {
        rig.write_with(len, WriteFlags::END_OF_RECORD);
    }
    rig.write(1_000);
    let sent = [
        ". 1:1001(1000) ack 1",
        "P. 1001:1401(400) ack 1",
        "P. 1401:1801(400) ack 1",
        "P. 1801:2201(400) ack 1",
        "P. 2201:3201(1000) ack 1",
    ];
    assert_eq!(rig.drain(), sent);
    // Nor when it is sent again.
    rig.gets(". 1:1(0) ack 1001 <sack 2201:3201>");
    let mut again = std::vec::Vec::new();
    rig.wait_until(|rig| {
        again = rig.drain();
        !again.is_empty()
    });
    assert_eq!(again[0], sent[1]);
}

#[test]
fn the_last_small_segment_goes_with_the_fin() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.drain();
    rig.write(10);
    rig.shutdown();
    rig.expect("FP. 11:21(10) ack 1");
    rig.expect_nothing();
}

#[test]
fn the_congestion_window_is_ten_segments_at_first() {
    let mut rig = Rig::established();
    rig.write(30_000);
    assert_eq!(rig.drain().len(), 10);
    rig.gets(". 1:1(0) ack 2001");
    assert_eq!(rig.drain().len(), 4, "two are acknowledged and the window grows by two");
}

#[test]
fn the_peers_window_is_never_exceeded() {
    let mut rig = Rig::established();
    rig.gets(". 1:1(0) ack 1 win 2500");
    rig.write(30_000);
    assert_eq!(rig.drain(), [". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1"]);
}

// RFC 9293 MUST-38
#[test]
fn a_small_window_is_not_worth_a_segment_unless_it_is_half_of_the_largest() {
    let mut rig = Rig::established();
    rig.write(30_000);
    rig.drain();
    rig.gets(". 1:1(0) ack 10001 win 700");
    rig.expect_nothing();
    let mut small = Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 800 <mss 1000>");
    small.write(30_000);
    small.expect(". 1:801(800) ack 1");
}

#[test]
fn super_segments_are_whole_multiples_and_the_budget_counts() {
    let mut rig = Rig::established();
    rig.host.gso_max = 65_535;
    rig.host.config.super_segment_min = 64;
    rig.write(9_500);
    let (plan, text) = rig.poll(3_500).unwrap();
    assert_eq!((plan.text_len, plan.gso_size, text.len()), (3_000, 1_000, 3_000));
    let (plan, _) = rig.poll(100).unwrap();
    assert_eq!((plan.text_len, plan.gso_size), (1_000, 0), "a whole segment at least");
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!((plan.text_len, plan.gso_size), (5_000, 1_000));
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!((plan.text_len, plan.gso_size), (500, 0), "the tail, since no small segment is under way");
    assert_eq!(rig.info().segs_out, 2 + 3 + 1 + 5 + 1);
}

// RFC 9293 MUST-16
#[test]
fn text_leaves_room_for_sack_blocks() {
    let mut rig = Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK>");
    rig.gets(". 101:201(100) ack 1");
    rig.write(3000);
    rig.expect(". 1:989(988) ack 1 <sack 101:201>");
}

// RFC 5681 §4.1
#[test]
fn an_idle_connection_starts_again_with_a_small_window() {
    let mut rig = Rig::established();
    for round in 0..6_u32 {
        rig.write(30_000);
        while !rig.drain().is_empty() {
            let nxt = rig.tcb.snd.nxt.0.wrapping_sub(crate::testing::ISS);
            rig.gets(&std::format!(". 1:1(0) ack {nxt}"));
        }
        assert!(round < 2 || rig.info().cwnd > 20_000);
    }
    rig.pass_ms(5_000);
    rig.write(30_000);
    assert_eq!(rig.drain().len(), 10);
}

// RFC 9293 MUST-61
#[test]
fn the_segment_that_empties_the_queue_is_pushed() {
    let mut rig = Rig::established();
    rig.write(2000);
    assert_eq!(rig.drain(), [". 1:1001(1000) ack 1", "P. 1001:2001(1000) ack 1"]);
}
