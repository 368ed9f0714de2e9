use crate::testing::Rig;
use crate::{CaState, State};

/// Ten segments under way.
fn ten(mut rig: Rig) -> Rig {
    rig.write(10_000);
    assert_eq!(rig.drain().len(), 10);
    rig.pass_ms(10);
    rig
}

// RFC 6675 §5
#[test]
fn sack_sends_again_exactly_what_is_missing() {
    let mut rig = ten(Rig::established());
    rig.gets(". 1:1(0) ack 1 <sack 1001:2001>");
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 1 <sack 1001:3001>");
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.expect(". 1:1001(1000) ack 1");
    rig.expect_nothing();
    assert_eq!((rig.info().cwnd, rig.info().ssthresh), (7000, 5000), "on the way");
    rig.gets(". 1:1(0) ack 1 <sack 6001:10001 1001:4001>");
    assert_eq!(rig.drain(), [". 4001:5001(1000) ack 1", ". 5001:6001(1000) ack 1"]);
    rig.gets(". 1:1(0) ack 10001");
    rig.expect_nothing();
    assert_eq!((rig.host.stats.sack_recoveries, rig.info().cwnd), (1, 5000));
    assert_eq!(rig.info().total_retransmits, 3);
}

// RFC 5681 §3.2, RFC 6582 §3.2
#[test]
fn three_duplicates_without_sack_are_a_loss_and_partial_acks_the_next() {
    let mut rig = ten(Rig::without_sack());
    for _ in 0..2 {
        rig.gets(". 1:1(0) ack 1");
        rig.expect_nothing();
    }
    rig.gets(". 1:1(0) ack 1");
    rig.expect(". 1:1001(1000) ack 1");
    rig.expect_nothing();
    // Segments 1 and 5 are lost, so eight arrive; more duplicates than that would be lies.
    for _ in 0..5 {
        rig.gets(". 1:1(0) ack 1");
    }
    rig.gets(". 1:1(0) ack 4001");
    rig.expect(". 4001:5001(1000) ack 1");
    rig.gets(". 1:1(0) ack 10001");
    rig.expect_nothing();
    assert_eq!((rig.host.stats.reno_recoveries, rig.host.stats.timeouts), (1, 0));
}

// RFC 3042
#[test]
fn the_first_two_duplicates_let_new_text_go() {
    let mut rig = ten(Rig::without_sack());
    rig.write(5000);
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 1");
    rig.expect(". 10001:11001(1000) ack 1");
    rig.gets(". 1:1(0) ack 1");
    rig.expect(". 11001:12001(1000) ack 1");
    rig.expect_nothing();
}

// H2
#[test]
fn ten_thousand_duplicates_buy_no_more_than_a_window() {
    let mut rig = ten(Rig::without_sack());
    rig.write(100_000);
    let mut sent = 0;
    for _ in 0..10_000 {
        rig.gets(". 1:1(0) ack 1");
        sent += rig.drain().len();
    }
    assert!(sent <= 10, "{sent} segments");
}

// RFC 6582 §3.2, step 2
#[test]
fn duplicates_after_a_timeout_are_not_taken_for_a_loss() {
    let mut rig = ten(Rig::without_sack());
    rig.wait();
    rig.expect(". 1:1001(1000) ack 1");
    rig.gets(". 1:1(0) ack 10001");
    for _ in 0..5 {
        rig.gets(". 1:1(0) ack 10001");
    }
    rig.write(4000);
    rig.drain();
    for _ in 0..5 {
        rig.gets(". 1:1(0) ack 10001");
    }
    assert_eq!(rig.host.stats.reno_recoveries, 0);
}

// RFC 6298 §5, RFC 5681 §3.1
// RFC 9293 MUST-19
#[test]
fn a_timeout_sends_all_again_in_slow_start() {
    let mut rig = ten(Rig::established());
    let (waited, _) = rig.wait();
    assert_eq!(waited, 200, "srtt 10 ms and the least margin of 200 ms, 10 ms ago");
    rig.expect(". 1:1001(1000) ack 1");
    rig.expect_nothing();
    assert_eq!(rig.info().cwnd, 1000);
    rig.gets(". 1:1(0) ack 1001");
    assert_eq!(rig.drain(), [". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1"]);
    rig.gets(". 1:1(0) ack 10001");
    assert_eq!(rig.info().lost, 0);
    rig.expect_nothing();
}

// RFC 9293 SHLD-11
#[test]
fn the_timeout_doubles_until_the_connection_is_given_up() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    let mut total = 0;
    let mut last = 0;
    for _ in 0..15 {
        let (waited, _) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        total += waited;
        assert!(waited >= last, "{waited} after {last}");
        last = waited;
        rig.expect("P. 1:1001(1000) ack 1");
    }
    assert_eq!(last, 120_000);
    let (_, signals) = rig.wait_until(|rig| rig.tcb.is_finished());
    assert!(signals.contains(crate::Signals::TIMED_OUT | crate::Signals::CLOSED));
    assert!(total > 100_000, "RFC 9293 SHLD-11: R2 is at least 100 s, not {total} ms");
    rig.expect_state(State::Closed);
    assert_eq!(rig.try_read(), Err(crate::Error::TimedOut));
}

// H7
#[test]
fn a_peer_that_withdraws_a_block_gets_the_text_again() {
    let mut rig = ten(Rig::established());
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.expect(". 1:1001(1000) ack 1");
    rig.gets(". 1:1(0) ack 1001");
    rig.wait();
    assert_eq!(rig.host.stats.sack_reneges, 1);
    rig.expect(". 1001:2001(1000) ack 1");
    rig.gets(". 1:1(0) ack 10001");
    rig.expect_nothing();
}

// RFC 5682 §3.1, step 3 (b): what was sent once arrives, so that the timeout was for nothing.
#[test]
fn a_timeout_for_nothing_is_taken_back() {
    let mut rig = ten(Rig::established());
    rig.wait();
    rig.expect(". 1:1001(1000) ack 1");
    assert_eq!((rig.info().ca_state, rig.info().cwnd), (CaState::Loss, 1000));
    rig.gets(". 1:1(0) ack 2001");
    let info = rig.info();
    assert_eq!((info.ca_state, info.lost, info.ssthresh), (CaState::Open, 0, u32::MAX));
    assert_eq!((rig.host.stats.spurious_timeouts, rig.host.stats.reductions_undone), (1, 1));
    assert!(info.cwnd >= 10_000);
    rig.gets(". 1:1(0) ack 10001");
    assert_eq!(rig.info().total_retransmits, 1);
}

// RFC 5682 §3.1, step 2 (b): new text is sent to find out, and nothing again meanwhile.
#[test]
fn after_a_timeout_new_text_finds_out() {
    let mut rig = ten(Rig::established());
    rig.write(5000);
    rig.wait();
    rig.expect(". 1:1001(1000) ack 1");
    rig.gets(". 1:1(0) ack 1001");
    assert_eq!(rig.drain(), [". 10001:11001(1000) ack 1", ". 11001:12001(1000) ack 1"]);
    // Step 3 (a): it arrives before the rest, so the loss was real.
    rig.gets(". 1:1(0) ack 1001 <sack 10001:11001>");
    assert!(rig.drain().contains(&". 1001:2001(1000) ack 1".into()));
    assert_eq!(rig.host.stats.spurious_timeouts, 0);
}

// RFC 5682 §2.1: without SACK as well, but only if nothing acknowledged was sent again.
#[test]
fn without_sack_an_ack_of_the_retransmission_proves_nothing() {
    let mut rig = ten(Rig::without_sack());
    rig.wait();
    rig.expect(". 1:1001(1000) ack 1");
    rig.gets(". 1:1(0) ack 5001");
    assert_eq!((rig.info().ca_state, rig.host.stats.spurious_timeouts), (CaState::Loss, 0));
}

#[test]
fn with_the_knob_off_no_timeout_is_doubted() {
    let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";
    let config = crate::Config { frto: false, ..crate::testing::plain() };
    let mut rig = ten(Rig::established_with(config, |_| {}, syn_ack));
    rig.wait();
    rig.drain();
    rig.gets(". 1:1(0) ack 2001");
    assert_eq!((rig.info().ca_state, rig.host.stats.spurious_timeouts), (CaState::Loss, 0));
}

// RFC 9937 §6: ssthresh is where the window ends, and what is in flight never exceeds it by a burst.
#[test]
fn in_recovery_one_segment_goes_for_two_that_arrive() {
    let mut rig = ten(Rig::established());
    rig.write(20_000);
    let mut sent = 0;
    for right in 2..=10 {
        rig.gets(&std::format!(". 1:1(0) ack 1 <sack 1001:{right}001>"));
        let now = rig.drain().len();
        assert!(now <= 1, "{now} segments at once");
        sent += now;
    }
    assert_eq!(sent, 2 + 1 + 3, "limited transmit, the lost segment, and half of what arrives");
    rig.gets(". 1:1(0) ack 12001");
    assert_eq!((rig.info().cwnd, rig.info().ca_state), (6_000, CaState::Open));
}

// RFC 6675 §5: an old acknowledgement with news is news.
#[test]
fn blocks_on_an_acknowledgement_that_was_overtaken_count() {
    let mut rig = ten(Rig::established());
    rig.gets(". 1:1(0) ack 3001");
    rig.gets(". 1:1(0) ack 2001 <sack 5001:7001>");
    assert_eq!(rig.info().sacked_segments, 2);
}

// RFC 6069 §4
#[test]
fn a_router_without_a_way_takes_the_backoff_back() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    for backoff in 1..=3 {
        rig.wait_until(|rig| rig.host.stats.timeouts == backoff);
        rig.drain();
    }
    assert_eq!(rig.info().backoff, 3);
    let (una, error) = (rig.tcb.snd.una, crate::Error::HostUnreachable);
    rig.tcb.on_unreachable(&mut rig.host.cx(), una + 1, false, error);
    rig.tcb.on_unreachable(&mut rig.host.cx(), una, true, error);
    assert_eq!(rig.info().backoff, 3, "not for what was not sent first, nor for a hard error");
    rig.tcb.on_unreachable(&mut rig.host.cx(), una, false, error);
    rig.check();
    assert_eq!(rig.info().backoff, 2);
    assert_eq!(rig.wait().0, 4 * 210);
}

// RFC 7323 §5.5, O3
#[test]
fn after_25_days_of_silence_any_timestamp_is_taken() {
    let mut rig = Rig::connecting(crate::Config { timestamps: true, ..crate::testing::plain() });
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,TS val 3000000000 ecr 0>");
    rig.drain();
    rig.pass_ms(25 * 24 * 3_600_000);
    rig.gets("P. 1:11(10) ack 1 <TS val 1000 ecr 0>");
    rig.read(10);
    assert_eq!(rig.host.stats.paws_rejected, 0);
    rig.wait();
    let sent = rig.drain();
    assert!(sent.len() == 1 && sent[0].contains(" ack 11 ") && sent[0].ends_with("ecr 1000>"), "{sent:?}");
}

// RFC 5682 §2.1, step 1: the timeout of a retransmission in fast recovery is for a loss, and is not doubted.
#[test]
fn a_timeout_in_fast_recovery_sends_again_and_nothing_new() {
    let mut rig = ten(Rig::established());
    rig.write(10_000);
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.expect(". 1:1001(1000) ack 1");
    rig.drain();
    rig.wait_until(|rig| rig.host.stats.timeouts == 1);
    rig.drain();
    rig.gets(". 1:1(0) ack 4001");
    let sent = rig.drain();
    assert!(!sent.is_empty() && sent[0].starts_with(". 4001:"), "{sent:?}");
}

// RFC 9937 §6.1: what goes out is in proportion to what was in flight, not to a window that was not full.
#[test]
fn a_window_that_was_not_full_is_reduced_in_proportion_to_what_was_in_flight() {
    let config = crate::Config { initial_window: 100, ..crate::testing::plain() };
    let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 1>";
    let mut rig = Rig::established_with(config, |_| {}, syn_ack);
    rig.gets(". 1:1(0) ack 1 win 60000");
    rig.write(60_000);
    assert_eq!(rig.drain().len(), 60);
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 1 win 60000 <sack 1001:4001>");
    let mut sent = rig.drain().len();
    rig.write(60_000);
    for right in 5..=31 {
        rig.gets(&std::format!(". 1:1(0) ack 1 win 60000 <sack 1001:{right}001>"));
        sent += rig.drain().len();
    }
    assert_eq!(sent, 15, "half of the 30 that have arrived");
}
