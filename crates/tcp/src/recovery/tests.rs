use crate::State;
use crate::testing::Rig;

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
    assert_eq!(rig.info().cwnd, 5000);
    rig.gets(". 1:1(0) ack 1 <sack 6001:10001 1001:4001>");
    assert_eq!(rig.drain(), [". 4001:5001(1000) ack 1", ". 5001:6001(1000) ack 1"]);
    rig.gets(". 1:1(0) ack 10001");
    rig.expect_nothing();
    assert_eq!(rig.host.stats.sack_recoveries, 1);
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
