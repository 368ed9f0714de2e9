use super::super::testing::{Path, ack};
use super::super::{AckSample, CcContext, CongestionControl, CongestionEvent, Prior};
use super::NewReno;
use crate::Config;

fn path(outstanding: u32) -> Path {
    let mut path = Path::new(Config::default());
    path.nxt = outstanding;
    path
}

/// H1. RFC 3465 §2.2: octets are counted, so that a divided ACK is worth no more than a whole one.
#[test]
fn slow_start_doubles_in_a_round_trip_however_acks_are_divided() {
    let path = path(10_000);
    let (mut whole, mut divided) = (NewReno::new(10_000, u32::MAX), NewReno::new(10_000, u32::MAX));
    whole.on_ack(&mut path.cx(), &ack(10_000));
    for _ in 0..10_000 {
        divided.on_ack(&mut path.cx(), &ack(1));
    }
    assert_eq!(whole.window(), 20_000);
    assert_eq!(divided.window(), 20_000);
}

/// RFC 3465 §2.2 and §2.3: L is 2 segments, and 1 after a timeout.
#[test]
fn one_ack_opens_the_window_by_no_more_than_the_limit() {
    let mut path = path(10_000);
    path.config.abc_limit = 2;
    let mut reno = NewReno::new(10_000, u32::MAX);
    reno.on_ack(&mut path.cx(), &ack(4_000));
    assert_eq!(reno.window(), 12_000);
    reno.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, true);
    reno.on_ack(&mut path.cx(), &ack(4_000));
    assert_eq!(reno.window(), 2_000);
}

#[test]
fn congestion_avoidance_adds_a_segment_in_a_round_trip() {
    let path = path(20_000);
    let mut reno = NewReno::new(20_000, u32::MAX);
    reno.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    assert_eq!((reno.window(), reno.threshold()), (10_000, 10_000));
    for _ in 0..10 {
        assert_eq!(reno.window(), 10_000);
        reno.on_ack(&mut path.cx(), &ack(1_000));
    }
    assert_eq!(reno.window(), 11_000);
}

#[test]
fn a_timeout_leaves_one_segment_and_halves_only_once() {
    let mut path = path(20_000);
    let mut reno = NewReno::new(20_000, u32::MAX);
    let prior = Prior { cwnd: reno.window(), ssthresh: reno.threshold() };
    reno.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, true);
    assert_eq!((reno.window(), reno.threshold()), (1_000, 10_000));
    path.nxt = 1_000;
    reno.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, false);
    assert_eq!(reno.threshold(), 10_000);
    // RFC 4015 §3.2.
    reno.on_spurious(&mut path.cx(), &prior);
    assert_eq!((reno.window(), reno.threshold()), (20_000, u32::MAX), "as it was before the first");
}

#[test]
fn the_threshold_is_two_segments_at_least() {
    let mut reno = NewReno::new(1_000, u32::MAX);
    reno.on_timeout(&mut path(1_000).cx(), true);
    assert_eq!(reno.threshold(), 2_000);
}

#[test]
fn an_application_that_does_not_use_the_window_gets_no_larger_one() {
    let mut reno = NewReno::new(10_000, u32::MAX);
    let path = path(1_000);
    reno.on_ack(&mut path.cx(), &AckSample { window_limited: false, ..ack(1_000) });
    reno.on_ack(&mut path.cx(), &AckSample { in_recovery: true, ..ack(1_000) });
    assert_eq!(reno.window(), 10_000);
}
