use crate::testing::{Rig, plain};
use crate::{Config, State};

#[test]
fn the_syn_ack_of_a_simultaneous_open_is_sent_again() {
    let mut rig = Rig::in_state(State::SynReceived);
    rig.wait();
    rig.expect("S. 0:0(0) ack 1 <mss 1460,sackOK,wscale 7>");
}

#[test]
fn what_a_simultaneous_peer_did_not_offer_is_not_offered_back() {
    let mut rig = Rig::connecting(plain());
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets("S 0:0(0) win 60000 <mss 1000>");
    rig.expect("S. 0:0(0) ack 1 <mss 1460>");
}

#[test]
fn a_host_may_offer_nothing() {
    let config = Config { sack: false, timestamps: false, window_scaling: false, ..Config::default() };
    let mut rig = Rig::connecting(config);
    rig.expect("S 0:0(0) <mss 1460>");
    rig.gets("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 1 ecr 1000077,wscale 7>");
    let info = rig.info();
    assert!(!info.sack && !info.timestamps && info.snd_wscale == 0);
}
