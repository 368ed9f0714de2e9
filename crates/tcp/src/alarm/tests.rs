use crate::testing::{Rig, plain};
use crate::{CaState, Config, OptionFlags, SocketOptions};

/// With loss probes, on a path of 20 ms.
fn probing(segments: usize) -> Rig {
    let mut rig = Rig::connecting(Config { loss_probes: true, ..plain() });
    rig.drain();
    rig.pass_ms(20);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    rig.write(1000 * segments);
    assert_eq!(rig.drain().len(), segments.min(10));
    rig
}

// RFC 8985 §7.2: two round trips.
#[test]
fn the_probe_comes_after_two_round_trips() {
    let mut rig = probing(4);
    assert_eq!(rig.wait().0, 42);
    rig.expect("P. 3001:4001(1000) ack 1");
    rig.expect_nothing();
    assert_eq!((rig.host.stats.loss_probes, rig.host.stats.timeouts), (1, 0));
}

// RFC 8985 §7.2: a single segment may have met a delayed ACK.
#[test]
fn the_probe_of_a_single_segment_waits_for_a_delayed_ack_too() {
    let mut rig = probing(1);
    assert_eq!(rig.wait().0, 220, "no later than the retransmission timeout");
    rig.expect("P. 1:1001(1000) ack 1");
}

// RFC 8985 §7.3: after the probe the retransmission timer runs, from the probe on.
#[test]
fn after_the_probe_comes_the_timeout() {
    let mut rig = probing(4);
    rig.wait();
    rig.drain();
    assert_eq!(rig.wait().0, 220);
    assert_eq!((rig.host.stats.timeouts, rig.info().ca_state), (1, CaState::Loss));
    rig.expect(". 1:1001(1000) ack 1");
}

// RFC 6298 §5.3
#[test]
fn an_ack_begins_the_wait_again() {
    let mut rig = probing(4);
    rig.pass_ms(30);
    rig.gets(". 1:1(0) ack 1001");
    assert!((42..60).contains(&rig.wait().0));
}

#[test]
fn out_of_order_the_timeout_counts_from_the_first_segment() {
    let mut rig = probing(10);
    rig.pass_ms(20);
    rig.gets(". 1:1(0) ack 1001 <sack 2001:3001>");
    assert_eq!(rig.info().ca_state, CaState::Disorder);
    assert_eq!(rig.wait().0, 7, "a quarter of a round trip, and two for good measure");
    assert_eq!(rig.info().ca_state, CaState::Recovery);
}

// RFC 2018 §8, H7
#[test]
fn a_peer_that_does_not_acknowledge_what_it_reported_is_not_waited_for_long() {
    let mut rig = probing(10);
    rig.pass_ms(20);
    rig.gets(". 1:1(0) ack 1 <sack 1001:3001>");
    rig.gets(". 1:1(0) ack 1001 <sack 4001:5001>");
    assert_eq!(rig.wait().0, 10);
    assert_eq!((rig.host.stats.sack_reneges, rig.info().ca_state), (1, CaState::Loss));
    rig.expect(". 1001:2001(1000) ack 1");
}

// RFC 8985 §7.2: an application that writes little by little does not put the timeout off for ever.
#[test]
fn new_text_puts_no_timeout_off() {
    let no_delay = |options: &mut SocketOptions| options.common.flags |= OptionFlags::NODELAY;
    let mut rig = Rig::connecting_with(Config { loss_probes: true, ..plain() }, no_delay);
    rig.drain();
    rig.pass_ms(100);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    let began = rig.host.now;
    while rig.host.stats.timeouts == 0 {
        rig.write(100);
        rig.drain();
        let next = rig.host.now.plus_micros(100_000);
        while rig.tcb.next_deadline().is_some_and(|deadline| deadline <= next) {
            rig.wait();
            rig.drain();
        }
        rig.host.now = next;
        assert!(rig.host.now.micros_since(began) < 2_000_000, "the peer is gone for two seconds");
    }
    assert_eq!(rig.host.stats.loss_probes, 1);
}

// RFC 8985 §7.3: fast recovery needs no probe.
#[test]
fn a_probe_that_was_to_come_does_not_come_in_recovery() {
    let limit = |options: &mut SocketOptions| options.seldom.max_pacing_rate = 1_000;
    let mut rig = Rig::connecting_with(Config { loss_probes: true, initial_window: 2, ..plain() }, limit);
    rig.drain();
    rig.pass_ms(1_000);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    rig.write(2_000);
    assert_eq!(rig.drain().len(), 2);
    rig.pass_ms(1_000);
    rig.gets(". 1:1(0) ack 2001");
    rig.write(4_000);
    assert_eq!(rig.drain().len(), 2);
    rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
    assert_eq!(rig.drain().len(), 2);
    // The head is lost, but has to wait for its time.
    rig.pass_ms(100);
    rig.gets(". 1:1(0) ack 2001 <sack 3001:6001>");
    assert_eq!(rig.info().ca_state, CaState::Recovery);
    rig.expect_nothing();
    rig.wait();
    assert_eq!((rig.host.stats.loss_probes, rig.host.stats.timeouts), (0, 0));
}
