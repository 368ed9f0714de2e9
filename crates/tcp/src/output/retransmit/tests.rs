use std::string::String;
use std::vec::Vec;

use crate::testing::Rig;
use crate::{Error, Signals};

#[test]
fn a_fin_is_sent_again_with_its_text() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.shutdown();
    rig.expect("FP. 1:11(10) ack 1");
    rig.wait();
    rig.expect("FP. 1:11(10) ack 1");
    rig.gets(". 1:1(0) ack 11");
    rig.wait();
    rig.expect("F. 11:11(0) ack 1");
    rig.gets(". 1:1(0) ack 12");
    rig.expect_nothing();
}

#[test]
fn text_sent_again_is_cut_to_the_segment_size_of_now() {
    let mut rig = Rig::established();
    rig.host.gso_max = 65_535;
    rig.host.config.super_segment_min = 64;
    rig.write(5_000);
    assert_eq!(rig.poll(u32::MAX).unwrap().0.text_len, 5_000);
    (rig.host.mss, rig.host.gso_max) = (400, 0);
    assert!(rig.tcb.on_mtu(&mut rig.host.cx(), rig.tcb.snd.una, 400).is_some());
    rig.check();
    let again = rig.drain();
    assert_eq!(again.first().map(String::as_str), Some(". 1:401(400) ack 1"));
    assert_eq!(again.len(), 13);
    assert_eq!(rig.info().cwnd, 10_000, "a narrow path is no congestion");
}

// RFC 9293 MUST-21
#[test]
fn the_user_timeout_ends_the_connection() {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.user_timeout_ms = 3_000;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.write(100);
    rig.drain();
    let (waited, signals) = rig.wait_until(|rig| {
        rig.drain();
        rig.tcb.is_finished()
    });
    assert!(signals.contains(Signals::TIMED_OUT));
    assert!((3_000..7_000).contains(&waited), "{waited} ms");
    assert_eq!(rig.try_read(), Err(Error::TimedOut));
}

// RFC 9293 MUST-18: Karn
#[test]
fn the_backoff_holds_until_something_is_measured() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    rig.wait();
    rig.drain();
    rig.gets(". 1:1(0) ack 1001");
    assert_eq!(rig.info().backoff, 1);
    rig.write(1000);
    rig.drain();
    assert_eq!(rig.wait().0, 420);
    rig.drain();
    rig.gets(". 1:1(0) ack 2001");
    rig.write(1000);
    rig.drain();
    rig.gets(". 1:1(0) ack 3001");
    assert_eq!(rig.info().backoff, 0);
}

// RFC 9293 MUST-34, SHLD-17
#[test]
fn text_beyond_a_window_that_was_taken_back_ends_no_connection_while_the_peer_answers() {
    let mut rig = Rig::established();
    rig.write(5000);
    rig.drain();
    rig.gets(". 1:1(0) ack 1 win 0");
    for round in 0..60 {
        rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        rig.expect(". 1:1001(1000) ack 1");
        rig.gets(". 1:1(0) ack 1 win 0");
        assert_eq!(rig.tcb.state(), crate::State::Established, "after {round} rounds");
    }
    rig.gets(". 1:1(0) ack 1 win 60000");
    rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
    assert!(!rig.drain().is_empty());
}

// RFC 9293 MUST-20, SHLD-10
#[test]
fn the_path_is_doubted_once_when_r1_is_reached() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    let mut doubts = Vec::new();
    for round in 1..=8 {
        let (_, signals) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        rig.drain();
        if signals.contains(crate::Signals::PATH_DOUBTED) {
            doubts.push(round);
        }
    }
    assert_eq!(doubts, [3]);
}
