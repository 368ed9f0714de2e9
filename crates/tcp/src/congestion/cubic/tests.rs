use super::super::testing::{Path, ack};
use super::*;
use crate::Config;

const RFC: CubicRules = CubicRules::Rfc9438;

fn path(cubic_rules: CubicRules) -> Path {
    Path::new(Config { cubic_rules, ..Config::default() })
}

/// A controller that had a loss at 100 segments a moment ago.
fn after_loss(path: &mut Path) -> Cubic {
    let mut cubic = Cubic::new(100_000, u32::MAX);
    path.nxt = path.una + 100_000;
    cubic.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    cubic
}

/// RFC 9438 §4.6: beta_cubic is 0.7.
#[test]
fn a_loss_takes_three_tenths_of_the_window() {
    let cubic = after_loss(&mut path(RFC));
    assert_eq!((cubic.window(), cubic.threshold(), cubic.w_max), (70_000, 70_000, 100_000));
}

/// RFC 9438 §4.2: W_cubic(t) = 0.4 (t - 4.217)^3 + 100 with K = cbrt(30 / 0.4), for an RTT of 200 ms.
// RFC 9293 MAY-18
#[test]
fn the_window_follows_the_cubic_function() {
    let mut path = path(RFC);
    path.srtt_us = 200_000;
    let mut cubic = after_loss(&mut path);
    let began = path.now;
    // Seconds, the function's value in segments then and a round trip later, worked out by hand.
    let table = [
        (1, 86.7, 89.0),
        (2, 95.6, 96.7),
        (3, 99.3, 99.6),
        (4, 100.0, 100.0),
        (5, 100.2, 100.4),
        (6, 102.3, 103.1),
        (7, 108.6, 110.6),
    ];
    for (seconds, now, later) in table {
        while path.now.micros_since(began) < seconds * 1_000_000 {
            path.round(&mut cubic, 2_000, 200_000);
        }
        let got = f64::from(cubic.window()) / 1000.0;
        assert!(got > now - 1.0 && got < later + 1.0, "{got} after {seconds} s");
    }
}

/// RFC 9438 §4.3: on a short path Reno would be faster, and CUBIC is as fast as it: alpha is 9/17 below the last
/// maximum, and 1 from there on.
#[test]
fn the_reno_friendly_region() {
    let mut path = path(RFC);
    path.srtt_us = 1_000;
    let mut cubic = Cubic::new(10_000, u32::MAX);
    path.nxt = 10_000;
    cubic.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    let mut windows = std::vec::Vec::new();
    for _ in 0..30 {
        path.round(&mut cubic, 1_000, 1_000);
        windows.push(cubic.window());
    }
    // 3 segments at 9/17 each round take 5.7 rounds.
    assert!((7_500..=7_560).contains(&windows[0]), "{windows:?}");
    assert!(windows[4] < 10_000 && windows[5] >= 10_000, "{windows:?}");
    let later = windows[25] - windows[15];
    assert!((9_000..=10_500).contains(&later), "ten rounds above the maximum add {later}: {windows:?}");
}

/// RFC 9438 §4.7.
#[test]
fn fast_convergence_gives_room_to_others() {
    let mut path = path(RFC);
    let mut cubic = after_loss(&mut path);
    cubic.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    assert_eq!((cubic.window(), cubic.w_max), (49_000, 59_500), "0.85 of the 70 segments at the loss");
}

/// RFC 9438 §4.4: no more than half of a window in a round trip.
#[test]
fn growth_is_limited_to_a_half_in_a_round_trip() {
    let mut path = path(RFC);
    let mut cubic = after_loss(&mut path);
    path.round(&mut cubic, 1_000, 100_000);
    // A long pause in acknowledgements puts the function far ahead.
    path.pass(60_000_000);
    let before = cubic.window();
    path.round(&mut cubic, 1_000, 100_000);
    let grown = cubic.window() - before;
    assert!(grown > before / 3 && grown <= before / 2 + 1_000, "{before} grew by {grown}");
}

/// RFC 9438 §4.8.
#[test]
fn after_a_timeout_the_plateau_is_where_slow_start_ends() {
    let mut path = path(RFC);
    let mut cubic = after_loss(&mut path);
    path.nxt = path.una + 70_000;
    cubic.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, true);
    assert_eq!((cubic.window(), cubic.threshold()), (1_000, 49_000));
    while cubic.window() < 49_000 {
        path.round(&mut cubic, 2_000, 100_000);
    }
    path.round(&mut cubic, 2_000, 100_000);
    let epoch = cubic.epoch.unwrap();
    assert_eq!((epoch.k, epoch.origin), (0, 49_000));
}

/// RFC 9438 §4.9.
#[test]
fn a_spurious_reduction_is_taken_back_whole() {
    let mut path = path(RFC);
    let mut cubic = after_loss(&mut path);
    for _ in 0..5 {
        path.round(&mut cubic, 2_000, 100_000);
    }
    let before = cubic;
    cubic.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, true);
    cubic.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, false);
    let prior = Prior { cwnd: before.window(), ssthresh: before.threshold() };
    cubic.on_spurious(&mut path.cx(), &prior);
    assert_eq!((cubic.window(), cubic.threshold()), (before.window(), before.threshold()));
    assert_eq!((cubic.w_max, cubic.cwnd_prior, cubic.epoch), (before.w_max, before.cwnd_prior, before.epoch));
}

/// RFC 9438 §4.2, §5.8: neither an idle hour nor one with a window half used is credited.
#[test]
fn time_without_use_does_not_count() {
    for idle in [true, false] {
        let mut path = path(RFC);
        let mut cubic = after_loss(&mut path);
        for _ in 0..3 {
            path.round(&mut cubic, 2_000, 100_000);
            cubic.on_transmit(
                &mut path.cx(),
                &Sent { text_len: 1000, retransmission: false, app_limited: false },
            );
        }
        let before = cubic.window();
        if idle {
            path.nxt = path.una;
            path.pass(3_600_000_000);
            cubic.on_transmit(
                &mut path.cx(),
                &Sent { text_len: 1000, retransmission: false, app_limited: false },
            );
        } else {
            for _ in 0..36_000 {
                path.pass(100_000);
                cubic.on_ack(&mut path.cx(), &AckSample { window_limited: false, ..ack(10_000) });
            }
        }
        path.round(&mut cubic, 2_000, 100_000);
        let grown = cubic.window() - before;
        assert!(grown < 4_000, "grew by {grown} octets after an hour, idle: {idle}");
    }
}

#[test]
fn slow_start_doubles_and_hystart_ends_it_when_the_queue_grows() {
    for rules in [RFC, CubicRules::Linux] {
        let mut path = path(rules);
        let mut cubic = Cubic::new(10_000, u32::MAX);
        path.round(&mut cubic, 1_000, 100_000);
        path.round(&mut cubic, 1_000, 100_000);
        assert_eq!(cubic.window(), 40_000, "{rules:?}");
        for round in 1..=12 {
            path.round(&mut cubic, 1_000, 100_000 + 20_000 * round);
        }
        assert!(!cubic.window.in_slow_start(), "{rules:?}: {cubic:?}");
        assert!(cubic.window() < 400_000, "{rules:?}: {cubic:?}");
    }
}

/// Linux 6.18 as it was seen: two segments acknowledged every 100 ms over a path of 100 ms, without end. The window in
/// segments, and after how many acknowledgements in a row it was that.
const LINUX: [(u32, u32); 36] = [
    (12, 1),
    (14, 1),
    (16, 1),
    (18, 1),
    (20, 1),
    (22, 1),
    (24, 1),
    (26, 1),
    (28, 1),
    (30, 1),
    (32, 1),
    (34, 1),
    (36, 10),
    (37, 10),
    (38, 5),
    (39, 3),
    (40, 3),
    (41, 2),
    (42, 1),
    (43, 2),
    (44, 1),
    (45, 2),
    (46, 1),
    (47, 1),
    (48, 1),
    (49, 1),
    (50, 1),
    (51, 1),
    (52, 1),
    (53, 1),
    (54, 1),
    (55, 1),
    (56, 1),
    (57, 1),
    (58, 1),
    (59, 1),
];

#[test]
fn linux_rules_give_the_windows_of_linux() {
    let mut path = path(CubicRules::Linux);
    path.una = 1;
    path.nxt = 10_001;
    let mut cubic = Cubic::new(10_000, u32::MAX);
    // When each segment was sent, oldest first.
    let mut sent_at = std::collections::VecDeque::from([path.now; 10]);
    let mut windows = std::vec::Vec::new();
    for _ in 0..LINUX.iter().map(|(_, acks)| acks).sum::<u32>() {
        path.pass(100_000);
        sent_at.pop_front();
        let newest = sent_at.pop_front().unwrap();
        let rtt_us = u32::try_from(path.now.micros_since(newest)).unwrap();
        path.srtt_us = path.srtt_us / 8 * 7 + rtt_us / 8;
        path.ack(&mut cubic, 2_000, Some(rtt_us));
        while u32::try_from(sent_at.len()).unwrap() * 1000 < cubic.window() {
            sent_at.push_back(path.now);
        }
        windows.push(cubic.window() / 1000);
    }
    let expected = LINUX.iter().flat_map(|(window, acks)| std::iter::repeat_n(*window, *acks as usize));
    assert_eq!(windows, expected.collect::<std::vec::Vec<_>>());
}

/// HyStart in Linux before 6.14: rounds are told apart from a window of 16 segments on; the second one is long enough to
/// see that the round trip has grown.
#[test]
fn with_linux_s_older_rules_a_growing_delay_ends_slow_start_at_48_segments() {
    let mut path = path(CubicRules::LinuxBefore614);
    let mut cubic = Cubic::new(10_000, u32::MAX);
    path.nxt = 10_000;
    for ack in 1..=20 {
        assert_eq!(cubic.threshold(), u32::MAX, "ACK {ack}");
        path.pass(100_000);
        path.ack(&mut cubic, 2_000, Some(100_000 * ack.min(5)));
    }
    assert_eq!((cubic.threshold(), cubic.window()), (48_000, 48_000));
}

/// 2^31 octets after a slow start that a loss ended, its last round does not seem to lie ahead.
#[test]
fn a_later_slow_start_has_rounds_of_its_own() {
    for ends_by_loss in [true, false] {
        let mut path = path(CubicRules::Linux);
        let mut cubic = Cubic::new(100_000, u32::MAX);
        path.nxt = 100_000;
        path.ack(&mut cubic, 2_000, Some(100_000));
        if ends_by_loss {
            cubic.on_congestion(&mut path.cx(), CongestionEvent::Loss);
        }
        (path.una, path.nxt) = (1 << 31 | 1 << 20, 1 << 31 | 1 << 20);
        path.pass(10_000_000);
        cubic.on_idle(&mut path.cx(), u64::from(path.rto_us));
        path.nxt += cubic.window();
        let before = (cubic.window(), cubic.threshold());
        assert!(before.0 < before.1);
        for _ in 0..9 {
            path.pass(100_000);
            path.ack(&mut cubic, 1_000, Some(500_000));
        }
        assert_eq!(cubic.threshold(), before.0 + 8_000, "as soon as there are nine samples");
    }
}
