use crate::testing::Rig;
use crate::{Signals, State};

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
