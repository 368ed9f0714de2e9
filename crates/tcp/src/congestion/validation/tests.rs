use super::*;
use crate::Config;
use crate::testing::{Rig, plain};

/// A connection whose window has grown to 40 segments.
fn rig() -> Rig {
    let config = Config { cwv: true, queues_idle_us: 2_000_000_000, ..plain() };
    let mut rig =
        Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    rig.host.now = rig.host.now.plus_micros(100_000);
    for (octets, ack) in [(10_000, 10_001), (20_000, 30_001)] {
        send(&mut rig, octets, ack);
    }
    assert_eq!(rig.info().cwnd, 40_000);
    rig
}

/// Sends a window, which is acknowledged after 100 ms.
fn send(rig: &mut Rig, octets: usize, ack: u32) {
    rig.write(octets);
    rig.drain();
    rig.host.now = rig.host.now.plus_micros(100_000);
    let _ = rig.tcb.on_deadline(&mut rig.host.cx());
    rig.gets(&std::format!(". 1:1(0) ack {ack} win 60000"));
    rig.drain();
}

/// RFC 7661 §4.3: two segments in a round trip say nothing of forty. The window stays, over a pause too.
#[test]
fn a_window_that_is_not_used_stays_as_it_is() {
    let mut rig = rig();
    rig.host.now = rig.host.now.plus_micros(10_000_000);
    for round in 1..=20 {
        send(&mut rig, 2_000, 30_001 + 2_000 * round);
    }
    assert_eq!(rig.info().cwnd, 40_000);
    let record = rig.host.slabs.congestion(rig.tcb.cc.slot).unwrap();
    assert!(!record.validation.allows_growth(), "{record:?}");
    assert_eq!(record.validation.pipe_ack(), Some(2_000));
}

/// RFC 7661 §4.4.1: half of what was used, and not of what might have been.
#[test]
fn congestion_finds_only_what_was_used() {
    let mut rig = rig();
    rig.host.now = rig.host.now.plus_micros(10_000_000);
    for round in 1..=20 {
        send(&mut rig, 4_000, 30_001 + 4_000 * round);
    }
    rig.write(4_000);
    rig.drain();
    rig.wait_until(|rig| rig.host.stats.timeouts > 0);
    assert_eq!(rig.info().ssthresh, 2_000);
}

/// RFC 7661 §4.4.3.
#[test]
fn after_five_minutes_half_is_given_up() {
    let mut rig = rig();
    rig.host.now = rig.host.now.plus_micros(10_000_000);
    send(&mut rig, 2_000, 32_001);
    rig.host.now = rig.host.now.plus_micros(301_000_000);
    send(&mut rig, 2_000, 34_001);
    assert_eq!((rig.info().cwnd, rig.info().ssthresh), (20_000, u32::MAX));
}

#[test]
fn samples_are_forgotten_after_a_period() {
    let mut validation = Validation { samples: [Some(3), Some(2), Some(1)], ..Validation::NEW };
    let at = |millis| Instant::from_millis(millis);
    validation.part_began = at(0);
    validation.pass(at(300), 100_000);
    assert_eq!(validation.samples, [Some(3), Some(2), Some(1)]);
    validation.pass(at(400), 100_000);
    assert_eq!(validation.samples, [None, Some(3), Some(2)]);
    validation.pass(at(1_100), 100_000);
    assert_eq!(validation.samples, [None, None, None]);
    assert_eq!(validation.pipe_ack(), None);
}
