use crate::testing::{Rig, plain};
use crate::{Config, OptionFlags, Signals, State};

#[test]
fn calling_early_or_often_does_no_harm() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    for _ in 0..100 {
        assert_eq!(rig.tcb.on_deadline(&mut rig.host.cx()), Signals::empty());
        rig.check();
    }
    rig.expect_nothing();
    assert_eq!(rig.info().backoff, 0);
}

#[test]
fn a_clock_that_goes_back_does_no_harm() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    rig.host.now = portolan_link::Instant::ZERO;
    rig.gets("P. 1:101(100) ack 1001");
    rig.wait();
    rig.host.now = portolan_link::Instant::MAX;
    rig.tcb.on_deadline(&mut rig.host.cx());
    rig.check();
    rig.drain();
    rig.expect_state(State::Established);
}

#[test]
fn the_retransmission_timer_starts_again_with_every_acknowledgement() {
    let mut rig = Rig::established();
    rig.write(2000);
    rig.drain();
    rig.pass_ms(100);
    rig.gets(". 1:1(0) ack 1001");
    let (waited, _) = rig.wait();
    assert!(waited >= 200, "{waited} ms");
    rig.expect("P. 1001:2001(1000) ack 1");
}

/// Waits until the connection has given back what it does not need at rest; returns the records that are left.
fn rest(rig: &mut Rig) -> usize {
    while rig.tcb.next_deadline().is_some() {
        rig.wait();
        rig.drain();
    }
    rig.host.slabs.in_use()
}

// RFC 3708, H4: a duplicate of what was never sent again is none, and leaves nothing behind.
#[test]
fn a_made_up_duplicate_keeps_no_memory() {
    let mut rig = Rig::established();
    rig.write(2000);
    rig.drain();
    rig.gets(". 1:1(0) ack 1001 <sack 1:1001>");
    rig.gets(". 1:1(0) ack 2001 <sack 1:1001>");
    assert_eq!((rig.info().dsack_dups, rig.host.stats.dsacks_received), (0, 0));
    assert_eq!(rest(&mut rig), 0);
}

#[test]
fn what_was_learned_of_a_path_outlasts_the_flight() {
    let mut rig = Rig::established();
    rig.write(7000);
    rig.drain();
    rig.gets(". 1:1(0) ack 1 <sack 5001:6001>");
    rig.gets(". 1:1(0) ack 7001");
    assert_eq!((rig.info().reordering, rig.info().reord_seen), (7, 1));
    assert_eq!(rest(&mut rig), 1, "no flight, but what went wrong");
    assert!(rig.tcb.flight.is_none() && rig.host.slabs.rare(rig.tcb.rare).is_none());
    assert_eq!((rig.info().reordering, rig.info().reord_seen), (7, 1));
    rig.write(7000);
    rig.drain();
    assert_eq!((rig.info().reordering, rig.info().reord_seen), (7, 1), "with the next flight");
}

#[test]
fn losses_leave_totals_and_no_more() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    rig.wait();
    rig.expect("P. 1:1001(1000) ack 1");
    rig.gets("P. 101:201(100) ack 1001");
    rig.gets("P. 1:101(100) ack 1001");
    rig.read(200);
    rig.drain();
    let totals = |rig: &mut Rig| {
        let info = rig.info();
        (
            info.total_retransmits,
            info.bytes_retransmitted,
            info.timeouts,
            info.timeout_recoveries,
            info.out_of_order,
        )
    };
    assert_eq!(totals(&mut rig), (1, 1000, 1, 1, 1));
    assert_eq!(rest(&mut rig), 1);
    assert!(rig.host.slabs.rare(rig.tcb.rare).is_none());
    assert_eq!(totals(&mut rig), (1, 1000, 1, 1, 1));
    // A feature that is used takes them over, and gives them back when it is not used any more.
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.seldom.receive_low_water = 100;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    assert!(rig.host.slabs.rare(rig.tcb.rare).is_some());
    assert_eq!((totals(&mut rig), rig.host.slabs.in_use()), ((1, 1000, 1, 1, 1), 1));
    options.seldom.receive_low_water = 1;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    assert_eq!(rest(&mut rig), 1);
    assert!(rig.host.slabs.rare(rig.tcb.rare).is_none());
    assert_eq!(totals(&mut rig), (1, 1000, 1, 1, 1));
}

// RFC 8985 §7.2: what was held back until its time was up is probed for as anything else.
#[test]
fn what_a_cork_held_back_gets_a_probe_in_time() {
    let mut rig = Rig::connecting(Config { loss_probes: true, ..plain() });
    rig.drain();
    rig.pass_ms(400);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.flags |= OptionFlags::CORK;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.write(100);
    rig.expect_nothing();
    rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
    rig.expect("P. 1:101(100) ack 1");
    assert_eq!(rig.wait().0, 1_000, "two round trips and the delay of an ACK; the RTO is 1,200 ms");
    rig.expect("P. 1:101(100) ack 1");
    assert_eq!((rig.host.stats.loss_probes, rig.host.stats.timeouts), (1, 0));
}
