use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{Rtt, RttRound};
use crate::Config;

/// An estimate and the round trip under way; every sample acknowledges one octet, and `flight` more are under way.
struct Path {
    config: Config,
    rtt: Rtt,
    round: RttRound,
    una: SeqNumber,
}

impl Path {
    fn new() -> Path {
        let config = Config::default();
        Path { rtt: Rtt::new(&config), config, round: RttRound::default(), una: SeqNumber(0) }
    }

    fn sample(&mut self, us: u64, flight: u32) {
        self.sample_of(us, 1, flight);
    }

    /// As `sample`, one of `expected` in a round trip.
    fn sample_of(&mut self, us: u64, expected: u32, flight: u32) {
        self.una += 1;
        let numbers = (self.una, self.una + flight);
        self.rtt.sample(&self.config, &mut self.round, us, expected, numbers);
    }

    fn rto_us(&self) -> u32 {
        self.rtt.rto_us(&self.config, 0)
    }
}

// RFC 6298 §2.1, §2.2
#[test]
fn the_first_measurement_sets_both_figures() {
    let mut path = Path::new();
    assert_eq!(path.rto_us(), 1_000_000);
    path.sample(100_000, 1);
    assert_eq!((path.rtt.srtt_us(), path.rtt.rttvar_us()), (100_000, 50_000));
    assert_eq!(path.rto_us(), 300_000);
}

// RFC 6298 §2.3
#[test]
fn later_measurements_are_smoothed() {
    let mut path = Path::new();
    path.sample(100_000, 1);
    path.sample(180_000, 1);
    assert_eq!((path.rtt.srtt_us(), path.rtt.rttvar_us()), (110_000, 57_500));
    assert_eq!(path.rto_us(), 340_000);
}

// RFC 7323 appendix G: many measurements in a round trip do not make the variation forgotten.
#[test]
fn the_margin_shrinks_once_in_a_round_trip() {
    let mut path = Path::new();
    path.sample(100_000, 1);
    path.sample(500_000, 100);
    let widest = path.rto_us();
    for _ in 0..90 {
        path.sample(150_000, 100);
    }
    assert!(path.rto_us() > widest - 50_000, "{} after {widest}", path.rto_us());
    for _ in 0..2000 {
        path.sample(150_000, 100);
    }
    assert!((350_000..360_000).contains(&path.rto_us()), "{}", path.rto_us());
}

#[test]
fn a_sudden_drop_does_not_widen_the_margin_much() {
    let (mut drop, mut rise) = (Path::new(), Path::new());
    for path in [&mut drop, &mut rise] {
        for _ in 0..100 {
            path.sample(400_000, 1);
        }
    }
    drop.sample(100_000, 1);
    rise.sample(700_000, 1);
    assert!(drop.rtt.rttvar_us() * 4 < rise.rtt.rttvar_us());
}

// RFC 9293 MUST-19
#[test]
fn backoff_doubles_up_to_the_limit() {
    let config = Config::default();
    let rtt = Rtt::new(&config);
    assert_eq!(rtt.rto_us(&config, 3), 8_000_000);
    assert_eq!(rtt.rto_us(&config, 255), config.rto_max_us);
}

#[test]
fn a_steady_path_keeps_the_least_margin() {
    let mut path = Path::new();
    for _ in 0..1000 {
        path.sample(50_000, 1);
    }
    assert_eq!(path.rto_us(), 250_000);
}

#[test]
fn absurd_measurements_do_no_harm() {
    let mut path = Path::new();
    for _ in 0..100 {
        path.sample(u64::MAX, u32::MAX / 4);
        path.sample(0, 0);
    }
    assert!(path.rto_us() <= path.config.rto_max_us);
}

#[test]
fn a_lost_syn_leaves_a_longer_timeout() {
    let config = Config::default();
    let mut rtt = Rtt::new(&config);
    rtt.on_syn_lost(&config);
    assert_eq!(rtt.rto_us(&config, 0), 3_000_000);
}

// RFC 8985 §5.3: RACK.min_RTT
#[test]
fn the_least_round_trip_is_forgotten_after_minutes() {
    let mut path = Path::new();
    let at = Instant::from_millis;
    for (ms, sample_us, least_us) in [
        (1_000, 20_000, 20_000),
        (2_000, 10_000, 10_000),
        (100_000, 30_000, 10_000),
        (153_000, 40_000, 10_000),
        (310_000, 50_000, 40_000),
    ] {
        path.rtt.sample_min(&mut path.round, sample_us, at(ms));
        assert_eq!(path.rtt.min_us(), least_us, "after {ms} ms");
    }
}

// RFC 7323 appendix G: ten measurements of a round trip have the weight of one.
#[test]
fn many_measurements_of_a_round_trip_weigh_as_much_as_one() {
    let mut averaged = Path::new();
    averaged.sample(100_000, 10);
    for _ in 0..10 {
        averaged.sample_of(180_000, 10, 10);
    }
    // One would give 110,000 and 57,500; ten, each of full weight, nearly 160,000.
    assert_eq!((averaged.rtt.srtt_us() / 1_000, averaged.rtt.rttvar_us() / 1_000), (109, 55));
}

// RFC 7323 appendix G
#[test]
fn with_the_knob_the_flight_decides_how_much_a_measurement_weighs() {
    let srtt_us = [false, true].map(|rtt_averaging| {
        let config = Config { rtt_averaging, ..crate::testing::plain() };
        let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";
        let mut rig = crate::testing::Rig::established_with(config, |_| {}, syn_ack);
        rig.write(10_000);
        rig.drain();
        rig.pass_ms(90);
        rig.gets(". 1:1(0) ack 2001");
        rig.info().rtt_us
    });
    assert_eq!(srtt_us, [20_000, 12_500], "80 ms more: an eighth, or that by four");
}
