use crate::testing::Rig;
use crate::{Config, Keepalive, OptionFlags};

// RFC 9293 MUST-27, MUST-28
#[test]
fn the_default_interval_is_two_hours() {
    assert!(Config::default().keepalive.time_s >= 7200);
}

#[test]
fn unacknowledged_text_is_left_to_the_retransmission_timer() {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.flags |= OptionFlags::KEEPALIVE;
    options.seldom.keepalive = Keepalive { time_s: 1, interval_s: 1, probes: 1 };
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.write(10);
    rig.drain();
    for _ in 0..10 {
        rig.wait();
        assert!(rig.drain().iter().all(|line| line == "P. 1:11(10) ack 1"));
    }
    assert_eq!(rig.host.stats.keepalive_probes, 0);
    rig.expect_state(crate::State::Established);
}

#[test]
fn a_clock_that_jumps_does_not_make_all_probes_due_at_once() {
    let mut rig = Rig::established();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.flags |= OptionFlags::KEEPALIVE;
    options.seldom.keepalive = Keepalive { time_s: 100, interval_s: 30, probes: 3 };
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    rig.pass_ms(86_400_000);
    let on_deadline = |rig: &mut Rig| {
        rig.tcb.on_deadline(&mut rig.host.cx());
        rig.drain();
    };
    on_deadline(&mut rig);
    for probe in 1..=3 {
        // Other deadlines share the timer, and no probe is due at any of them.
        for _ in 0..29 {
            rig.pass_ms(1000);
            rig.tcb.timers.idle = rig.host.now;
            on_deadline(&mut rig);
            assert_eq!(rig.host.stats.keepalive_probes, probe);
        }
        rig.pass_ms(1000);
        rig.tcb.timers.idle = rig.host.now;
        on_deadline(&mut rig);
    }
    rig.expect_state(crate::State::Closed);
}
