use super::super::testing::Path;
use super::*;
use crate::Config;

/// RFC 5681 §4.1: not below the initial window, and a half for each RTO of 0.3 s until then.
#[test]
fn an_idle_connection_comes_back_to_the_initial_window_by_halves() {
    let path = Path::new(Config::default());
    for (idle_us, cwnd) in [(310_000, 40_000), (650_000, 20_000), (1_000_000, 10_000), (u64::MAX, 10_000)] {
        let mut window = Window::new(80_000, 30_000);
        window.restart(&path.cx(), idle_us);
        assert_eq!((window.cwnd, window.ssthresh), (cwnd, 60_000), "after {idle_us} us");
    }
    let mut small = Window::new(2_000, 2_000);
    small.restart(&path.cx(), u64::MAX);
    assert_eq!(small.cwnd, 2_000, "no larger than it was");
}

#[test]
fn growth_beyond_the_step_is_kept_for_later() {
    let mut window = Window::new(10_000, 10_000);
    window.avoid(2_500, 1_000, 1000);
    assert_eq!((window.cwnd, window.acked), (12_000, 500));
    window.avoid(500, 1_000, 1000);
    assert_eq!((window.cwnd, window.acked), (13_000, 0));
}

#[test]
fn a_reduction_for_nothing_is_taken_back() {
    let mut window = Window::new(40_000, u32::MAX);
    let prior = Prior { cwnd: 40_000, ssthresh: u32::MAX };
    window.lower_threshold(500, 1000);
    window.collapse(&Path::new(Config::default()).cx());
    assert_eq!((window.cwnd, window.ssthresh), (1_000, 2_000));
    window.undo(&prior);
    assert_eq!((window.cwnd, window.ssthresh), (40_000, u32::MAX));
}

#[test]
fn the_window_has_a_limit() {
    let mut window = Window::new(WINDOW_MAX - 1, u32::MAX);
    assert_eq!(window.slow_start(1_000), 999);
    window.avoid(u32::MAX, 1, 1000);
    assert_eq!(window.cwnd, WINDOW_MAX);
}
