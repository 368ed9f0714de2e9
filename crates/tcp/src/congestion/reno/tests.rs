use portolan_link::Instant;

use super::super::{AckSample, CcContext, CongestionControl, CongestionEvent, Prior};
use super::NewReno;
use crate::Config;

fn cx(config: &Config, outstanding: u32) -> CcContext<'_> {
    let (now, in_flight) = (Instant::ZERO, outstanding);
    CcContext { now, mss: 1000, srtt_us: 10_000, in_flight, outstanding, random: 0, config }
}

fn ack(acked: u32) -> AckSample {
    AckSample {
        acked,
        delivered: acked,
        lost: 0,
        delivered_total: 0,
        prior_in_flight: 0,
        rtt_us: None,
        rate: None,
        window_limited: true,
        app_limited: false,
        in_recovery: false,
    }
}

#[test]
fn slow_start_doubles_in_a_round_trip_however_acks_are_divided() {
    let config = Config::default();
    let (mut whole, mut divided) = (NewReno::new(10_000), NewReno::new(10_000));
    whole.on_ack(&mut cx(&config, 10_000), &ack(10_000));
    for _ in 0..10_000 {
        divided.on_ack(&mut cx(&config, 10_000), &ack(1));
    }
    assert_eq!(whole.window(), 20_000);
    assert_eq!(divided.window(), 20_000);
}

#[test]
fn congestion_avoidance_adds_a_segment_in_a_round_trip() {
    let config = Config::default();
    let mut reno = NewReno::new(20_000);
    reno.on_congestion(&mut cx(&config, 20_000), CongestionEvent::Loss);
    assert_eq!((reno.window(), reno.threshold()), (10_000, 10_000));
    for _ in 0..10 {
        assert_eq!(reno.window(), 10_000);
        reno.on_ack(&mut cx(&config, 10_000), &ack(1_000));
    }
    assert_eq!(reno.window(), 11_000);
}

#[test]
fn a_timeout_leaves_one_segment_and_halves_only_once() {
    let config = Config::default();
    let mut reno = NewReno::new(20_000);
    reno.on_timeout(&mut CcContext { in_flight: 0, ..cx(&config, 20_000) }, true);
    assert_eq!((reno.window(), reno.threshold()), (1_000, 10_000));
    reno.on_timeout(&mut CcContext { in_flight: 0, ..cx(&config, 1_000) }, false);
    assert_eq!(reno.threshold(), 10_000);
}

#[test]
fn the_threshold_is_two_segments_at_least() {
    let config = Config::default();
    let mut reno = NewReno::new(1_000);
    reno.on_timeout(&mut cx(&config, 1_000), true);
    assert_eq!(reno.threshold(), 2_000);
}

#[test]
fn an_application_that_does_not_use_the_window_gets_no_larger_one() {
    let config = Config::default();
    let mut reno = NewReno::new(10_000);
    reno.on_ack(&mut cx(&config, 1_000), &AckSample { window_limited: false, ..ack(1_000) });
    reno.on_ack(&mut cx(&config, 1_000), &AckSample { in_recovery: true, ..ack(1_000) });
    assert_eq!(reno.window(), 10_000);
}

#[test]
fn an_idle_connection_starts_again_with_the_initial_window() {
    let config = Config::default();
    let mut reno = NewReno::new(500_000);
    reno.on_idle(&mut cx(&config, 0));
    assert_eq!(reno.window(), 10_000);
}

// RFC 4015 §3.2
#[test]
fn a_reduction_for_nothing_is_taken_back() {
    let config = Config::default();
    let mut reno = NewReno::new(20_000);
    let prior = Prior { cwnd: reno.window(), ssthresh: reno.threshold() };
    reno.on_congestion(&mut cx(&config, 20_000), CongestionEvent::Loss);
    reno.on_spurious(&mut cx(&config, 20_000), &prior);
    assert_eq!((reno.window(), reno.threshold()), (20_000, u32::MAX));
}
