use super::Rtt;
use crate::Config;

#[test]
fn the_first_measurement_sets_both_figures() {
    let config = Config { rto_min_us: 1_000, ..Config::default() };
    let mut rtt = Rtt::new(&config);
    assert_eq!(rtt.rto_us(&config, 0), 1_000_000);
    rtt.sample(&config, 100_000, 1);
    assert_eq!((rtt.srtt_us(), rtt.rttvar_us()), (100_000, 50_000));
    assert_eq!(rtt.rto_us(&config, 0), 300_000);
}

#[test]
fn later_measurements_are_smoothed() {
    let config = Config { rto_min_us: 1_000, ..Config::default() };
    let mut rtt = Rtt::new(&config);
    rtt.sample(&config, 100_000, 1);
    rtt.sample(&config, 180_000, 1);
    assert_eq!(rtt.srtt_us(), 110_000);
    assert_eq!(rtt.rttvar_us(), 57_500);
    assert_eq!(rtt.min_us(), 100_000);
}

// RFC 7323 appendix G
#[test]
fn many_samples_in_a_window_share_the_weight() {
    let config = Config::default();
    let (mut alone, mut among) = (Rtt::new(&config), Rtt::new(&config));
    for rtt in [&mut alone, &mut among] {
        rtt.sample(&config, 100_000, 1);
    }
    alone.sample(&config, 180_000, 1);
    for _ in 0..4 {
        among.sample(&config, 180_000, 8);
    }
    assert!(alone.srtt_us().abs_diff(among.srtt_us()) < 1_000);
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
    let config = Config::default();
    let mut rtt = Rtt::new(&config);
    for _ in 0..1000 {
        rtt.sample(&config, 50_000, 1);
    }
    assert_eq!(rtt.rto_us(&config, 0), 250_000);
}

#[test]
fn absurd_measurements_do_no_harm() {
    let config = Config::default();
    let mut rtt = Rtt::new(&config);
    rtt.sample(&config, u64::MAX, u32::MAX);
    rtt.sample(&config, 0, 0);
    assert!(rtt.rto_us(&config, 0) <= config.rto_max_us);
}

#[test]
fn a_lost_syn_leaves_a_longer_timeout() {
    let config = Config::default();
    let mut rtt = Rtt::new(&config);
    rtt.on_syn_lost(&config);
    assert_eq!(rtt.rto_us(&config, 0), 3_000_000);
}
