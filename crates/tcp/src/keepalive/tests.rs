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
