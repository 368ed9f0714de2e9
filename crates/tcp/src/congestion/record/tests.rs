use super::*;
use crate::UserAlgorithm;
use crate::testing::{Rig, plain};

static OWN: [UserAlgorithm; 1] =
    [UserAlgorithm { name: "mine", new: |cwnd, ssthresh| Box::new(NewReno::new(cwnd, ssthresh)) }];

#[test]
fn a_new_connection_has_no_record_and_the_initial_window() {
    let mut rig = Rig::established();
    assert!(rig.tcb.cc.slot.is_none());
    assert_eq!(rig.info().cwnd, 10_000);
    rig.write(1000);
    rig.sends();
    assert!(rig.tcb.cc.slot.is_some());
}

#[test]
fn an_idle_connection_gives_its_record_back_and_keeps_the_window() {
    let mut rig = Rig::established();
    rig.write(10_000);
    while rig.sends().is_some() {}
    rig.gets(". 1:1(0) ack 10001 win 60000");
    assert_eq!(rig.info().cwnd, 20_000);
    rig.host.now = rig.host.now.plus_micros(11_000_000);
    let _ = rig.tcb.on_deadline(&mut rig.host.cx());
    assert!(rig.tcb.cc.slot.is_none());
    assert_eq!(rig.info().cwnd, 20_000);
}

#[test]
fn the_algorithm_changes_and_the_window_stays() {
    let mut rig = Rig::established_with(
        crate::Config { user_congestion: &OWN, congestion: CongestionAlgorithm::Cubic, ..plain() },
        |_| {},
        "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>",
    );
    rig.write(10_000);
    while rig.sends().is_some() {}
    rig.gets(". 1:1(0) ack 10001 win 60000");
    assert_eq!(rig.tcb.congestion_name(&rig.host.cx()), "cubic");
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.congestion = CongestionAlgorithm::User(0);
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    assert_eq!(rig.info().cwnd, 20_000);
    assert_eq!(rig.tcb.congestion_name(&rig.host.cx()), "reno", "the name that the user's controller gives");
    rig.host.now = rig.host.now.plus_micros(11_000_000);
    let _ = rig.tcb.on_deadline(&mut rig.host.cx());
    assert!(rig.tcb.cc.slot.is_some(), "a user's controller is not taken from it");
}
