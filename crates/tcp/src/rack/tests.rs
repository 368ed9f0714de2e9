use crate::testing::Rig;
use crate::{CaState, Config};

/// Ten segments, one a millisecond, on a path of 40 ms.
fn spaced() -> Rig {
    let mut rig = Rig::connecting(Config { loss_probes: false, ..crate::testing::plain() });
    rig.drain();
    rig.pass_ms(40);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    for _ in 0..10 {
        rig.write(1000);
        assert_eq!(rig.drain().len(), 1);
        rig.pass_ms(1);
    }
    rig.pass_ms(30);
    rig
}

// RFC 8985 §6.2, step 4: before three segments have arrived above a hole, a quarter of a round trip has to pass.
#[test]
fn a_segment_is_late_for_a_quarter_of_a_round_trip_before_it_is_lost() {
    let mut rig = spaced();
    rig.gets(". 1:1(0) ack 1 <sack 1001:2001>");
    assert_eq!((rig.info().ca_state, rig.info().lost), (CaState::Disorder, 0));
    let (waited, _) = rig.wait();
    assert_eq!(waited, 39 / 4 + 1 + 2, "from the arrival, and two for good measure");
    assert_eq!((rig.info().ca_state, rig.info().lost), (CaState::Recovery, 1000));
    rig.expect("P. 1:1001(1000) ack 1");
}

// RFC 8985 §6.2, step 4; RFC 5681 §3.2
#[test]
fn three_segments_above_a_hole_are_proof_where_nothing_was_ever_reordered() {
    let mut rig = spaced();
    rig.gets(". 1:1(0) ack 1 <sack 1001:3001>");
    assert_eq!(rig.info().lost, 0);
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    assert_eq!(rig.info().lost, 1000);
}

// RFC 8985 §6.2, step 4: on a path that reorders, they are not.
#[test]
fn on_a_path_that_reorders_time_decides() {
    let mut rig = spaced();
    rig.gets(". 1:1(0) ack 1 <sack 1001:2001>");
    rig.gets(". 1:1(0) ack 2001");
    assert_eq!((rig.info().reord_seen, rig.info().reordering), (1, 3));
    rig.gets(". 1:1(0) ack 2001 <sack 3001:9001>");
    assert_eq!((rig.info().ca_state, rig.info().lost), (CaState::Disorder, 0));
    rig.wait();
    assert_eq!((rig.info().ca_state, rig.info().lost), (CaState::Recovery, 1000));
}

// RFC 8985 §3.2: what was sent after the retransmission arrived, so the retransmission is lost.
#[test]
fn a_lost_retransmission_is_found_without_a_timeout() {
    let mut rig = spaced();
    rig.write(20_000);
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.expect("P. 1:1001(1000) ack 1");
    rig.pass_ms(5);
    rig.gets(". 1:1(0) ack 1 <sack 1001:10001>");
    let sent = rig.drain();
    assert!(!sent.is_empty() && sent.iter().all(|line| line.contains("100")), "new text: {sent:?}");
    rig.pass_ms(45);
    rig.gets(". 1:1(0) ack 1 <sack 1001:11001>");
    let info = rig.info();
    assert_eq!((info.lost, info.retrans_out), (1000, 0), "lost again");
    rig.expect("P. 1:1001(1000) ack 1");
    assert_eq!(rig.host.stats.timeouts, 0);
}

// RFC 8985 §6.2, step 2: what answers sooner than the path can was the original.
#[test]
fn an_answer_that_comes_too_soon_moves_nothing() {
    let mut rig = spaced();
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.expect("P. 1:1001(1000) ack 1");
    rig.pass_ms(3);
    rig.gets(". 1:1(0) ack 4001");
    assert_eq!(rig.info().lost, 0, "the retransmission says nothing of those that were sent before it");
}

// RFC 8985 §9.1: segments on their way when the timer runs out are not held for lost.
#[test]
fn a_timeout_spares_what_was_sent_lately() {
    let mut rig = spaced();
    rig.gets(". 1:1(0) ack 1001");
    rig.pass_ms(215);
    rig.write(1000);
    assert_eq!(rig.drain().len(), 1);
    rig.wait_until(|rig| rig.host.stats.timeouts == 1);
    assert_eq!(rig.info().lost, 9000, "all but the one of late");
}

// G5: a thousand holes, and each acknowledgement looks only at what it changes.
#[test]
fn a_thousand_holes_are_recovered_in_order() {
    let mut rig = Rig::established_with(
        Config { initial_window: 250, ..crate::testing::plain() },
        |_| {},
        "S. 0:0(0) ack 1 win 60000 <mss 200,sackOK,wscale 4>",
    );
    rig.gets(". 1:1(0) ack 1 win 60000");
    rig.write(50_000);
    assert_eq!(rig.drain().len(), 250);
    rig.pass_ms(10);
    for start in (200..50_000).step_by(400) {
        rig.gets(&std::format!(". 1:1(0) ack 1 win 60000 <sack {}:{}>", start + 1, start + 201));
    }
    assert_eq!(rig.info().sacked_segments, 125);
    assert!(rig.info().lost_segments >= 124);
    rig.drain();
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 50001 win 60000");
    assert_eq!((rig.info().lost, rig.info().ca_state), (0, CaState::Open));
}
