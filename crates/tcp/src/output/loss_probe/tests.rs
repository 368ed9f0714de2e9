use crate::Config;
use crate::testing::{Rig, plain};

fn probing() -> Rig {
    let mut rig = Rig::connecting(Config { loss_probes: true, ..plain() });
    rig.drain();
    rig.pass_ms(20);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.drain();
    rig
}

// RFC 8985 §7.3: new text is the better probe, though the congestion window is full.
#[test]
fn new_text_is_sent_if_there_is_some() {
    let mut rig = probing();
    rig.write(12_000);
    assert_eq!(rig.drain().len(), 10);
    rig.wait();
    rig.expect(". 10001:11001(1000) ack 1");
    rig.expect_nothing();
    assert_eq!(rig.info().total_retransmits, 0);
}

// RFC 8985 §7.3; RFC 9293 MUST-34
#[test]
fn a_shut_window_gets_the_last_segment_only_if_it_fits() {
    let mut rig = probing();
    rig.write(4_000);
    rig.drain();
    rig.gets(". 1:1(0) ack 1 win 3500");
    rig.wait();
    rig.expect_nothing();
    assert_eq!(rig.host.stats.loss_probes, 0);
    rig.wait_until(|rig| rig.host.stats.timeouts == 1);
    rig.expect(". 1:1001(1000) ack 1");
}

#[test]
fn a_fin_is_a_probe_as_well() {
    let mut rig = probing();
    rig.write(2_500);
    rig.shutdown();
    assert_eq!(rig.drain().len(), 3);
    rig.wait();
    rig.expect("FP. 2001:2501(500) ack 1");
}

#[test]
fn an_acknowledgement_in_time_cancels_the_probe() {
    let mut rig = probing();
    rig.write(4_000);
    rig.drain();
    rig.wait();
    rig.gets(". 1:1(0) ack 4001");
    rig.expect_nothing();
}
