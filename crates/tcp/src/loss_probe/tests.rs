use crate::testing::{Rig, plain};
use crate::{CaState, Config};

/// Four segments under way, the probe just sent again the last of them.
fn probed() -> Rig {
    let mut rig = Rig::connecting(Config { loss_probes: true, ..plain() });
    rig.drain();
    rig.pass_ms(20);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    rig.write(4000);
    assert_eq!(rig.drain().len(), 4);
    rig.wait();
    rig.expect("P. 3001:4001(1000) ack 1");
    rig.pass_ms(20);
    rig
}

// RFC 8985 §7.4.2: the original and the probe have arrived.
#[test]
fn a_duplicate_of_the_probe_says_that_nothing_was_lost() {
    for answer in [". 1:1(0) ack 4001 <sack 3001:4001>", ". 1:1(0) ack 4001"] {
        let mut rig = probed();
        rig.gets(". 1:1(0) ack 4001");
        rig.gets(answer);
        rig.write(2000);
        rig.drain();
        rig.gets(". 1:1(0) ack 6001");
        assert_eq!((rig.host.stats.loss_probe_recoveries, rig.info().ssthresh), (0, u32::MAX), "{answer}");
    }
}

// RFC 8985 §7.4.2: no duplicate came before more was acknowledged, so the original was lost.
#[test]
fn a_loss_that_the_probe_repaired_reduces_the_window_once() {
    let mut rig = probed();
    rig.gets(". 1:1(0) ack 4001");
    rig.write(2000);
    rig.drain();
    rig.pass_ms(20);
    rig.gets(". 1:1(0) ack 6001");
    assert_eq!(rig.host.stats.loss_probe_recoveries, 1);
    let info = rig.info();
    assert_eq!((info.ca_state, info.ssthresh, info.cwnd), (CaState::Open, 2000, 2000));
}

// RFC 8985 §7.4.1: the probe's SACK leads to fast recovery.
#[test]
fn the_answer_to_the_probe_begins_recovery() {
    let mut rig = probed();
    rig.gets(". 1:1(0) ack 1 <sack 3001:4001>");
    assert_eq!((rig.info().ca_state, rig.info().lost), (CaState::Recovery, 3000));
    rig.expect(". 1:1001(1000) ack 1");
    rig.expect_nothing();
    assert_eq!((rig.host.stats.timeouts, rig.host.stats.loss_probe_recoveries), (0, 0));
}

// RFC 8985 §7.2: one probe at a time.
#[test]
fn there_is_one_probe_for_a_tail() {
    let mut rig = probed();
    rig.gets(". 1:1(0) ack 1001");
    rig.wait_until(|rig| rig.host.stats.timeouts == 1);
    assert_eq!(rig.host.stats.loss_probes, 1);
}

// RFC 8985 §7.4.2: the probe's duplicate counts also on an acknowledgement of what was sent after it.
#[test]
fn a_duplicate_that_comes_with_later_text_says_that_nothing_was_lost() {
    let mut rig = probed();
    rig.gets(". 1:1(0) ack 4001");
    rig.write(2000);
    rig.drain();
    rig.gets(". 1:1(0) ack 6001 <sack 3001:4001>");
    assert_eq!((rig.host.stats.loss_probe_recoveries, rig.info().ssthresh), (0, u32::MAX));
}
