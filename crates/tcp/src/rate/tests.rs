use crate::testing::Rig;
use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{Delivered, Rate};

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// `rate` sends 1,000 octets that end at `end`; `delivered` octets had arrived before.
fn send(rate: &mut Rate, ms: u64, idle: bool, delivered: u64, end: u32) -> Delivered {
    let stamp = rate.stamp(at(ms), idle, delivered, 1_000);
    Delivered { stamp, sent_at: at(ms), end: SeqNumber(end), resent: false }
}

// draft-ietf-ccwg-bbr §4.1.2.3
#[test]
fn the_rate_is_what_was_delivered_while_a_segment_was_under_way() {
    let mut rate = Rate::default();
    let first = send(&mut rate, 1_000, true, 0, 1_000);
    let second = send(&mut rate, 1_010, false, 0, 2_000);
    rate.on_delivered(first);
    let sample = rate.sample(at(1_100), 1_000, 100_000).unwrap();
    assert_eq!((sample.delivered, sample.interval_us, sample.octets_per_s()), (1_000, 100_000, 10_000));
    rate.on_delivered(second);
    let sample = rate.sample(at(1_110), 2_000, 100_000).unwrap();
    assert_eq!((sample.delivered, sample.interval_us, sample.prior_delivered), (2_000, 110_000, 0));
}

#[test]
fn the_newest_of_several_counts_and_acks_in_a_burst_do_not_look_fast() {
    let mut rate = Rate::default();
    let first = send(&mut rate, 1_000, true, 0, 1_000);
    let last = send(&mut rate, 1_080, false, 0, 2_000);
    rate.on_delivered(last);
    rate.on_delivered(first);
    let sample = rate.sample(at(1_100), 2_000, 20_000).unwrap();
    assert_eq!((sample.rtt_us, sample.interval_us), (20_000, 100_000));
}

#[test]
fn what_took_less_than_the_least_round_trip_is_no_measurement() {
    let mut rate = Rate::default();
    let segment = send(&mut rate, 1_000, true, 0, 1_000);
    rate.on_delivered(segment);
    assert_eq!(rate.sample(at(1_010), 1_000, 20_000), None);
}

#[test]
fn a_sample_says_whether_the_application_was_the_limit() {
    let mut rate = Rate::default();
    rate.on_app_limited(0, 1_000);
    let limited = send(&mut rate, 1_000, true, 0, 1_000);
    rate.on_delivered(limited);
    rate.on_lost(300);
    let sample = rate.sample(at(1_100), 1_001, 0).unwrap();
    assert!(sample.app_limited && !rate.is_app_limited());
    assert_eq!(sample.lost, 300);
    let free = send(&mut rate, 1_200, false, 1_001, 2_000);
    rate.on_delivered(free);
    assert!(!rate.sample(at(1_300), 2_001, 0).unwrap().app_limited);
}

#[test]
fn a_connection_measures_its_rate() {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.drain();
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 5001");
    assert_eq!(rig.info().delivery_rate, 500_000, "5,000 octets in 10 ms");
    assert!(!rig.info().delivery_rate_app_limited);
}
