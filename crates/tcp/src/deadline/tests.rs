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
