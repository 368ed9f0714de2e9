use super::super::testing::{Path, ack};
use super::*;
use crate::Config;

/// One window of text, of which so many octets were marked.
fn window(dctcp: &mut Dctcp, path: &mut Path, marked: u32) {
    path.nxt = path.una + 10_000;
    for (acked, marked) in [(10_000 - marked, 0), (marked, marked)] {
        path.una += acked;
        let mut cx = path.cx();
        cx.una = SeqNumber(path.una + 1);
        dctcp.on_ack(&mut cx, &AckSample { marked, window_limited: false, ..ack(acked) });
    }
}

/// RFC 8257 §3.3: alpha = alpha (1 - g) + g M, from 1 on, with g = 1/16.
#[test]
fn alpha_follows_the_share_of_marks() {
    let (mut dctcp, mut path) = (Dctcp::new(10_000, 10_000), Path::new(Config::default()));
    path.una = 1;
    window(&mut dctcp, &mut path, 0);
    // Worked out by hand: 15/16 of the last, and 1/16 of the share.
    let mut alpha = f64::from(dctcp.alpha) / f64::from(ONE);
    for marked in [0, 0, 5_000, 10_000, 2_500, 0] {
        window(&mut dctcp, &mut path, marked);
        alpha = alpha * 15.0 / 16.0 + f64::from(marked) / 10_000.0 / 16.0;
        let got = f64::from(dctcp.alpha) / f64::from(ONE);
        assert!((got - alpha).abs() < 0.08, "{got} and not {alpha}");
        alpha = got;
    }
    for _ in 0..400 {
        window(&mut dctcp, &mut path, 0);
    }
    assert_eq!(dctcp.alpha, 0, "without marks it comes down to nothing");
}

/// RFC 8257 §3.3, step 9, and §3.4.
#[test]
fn the_window_is_reduced_by_half_of_alpha() {
    let path = Path::new(Config::default());
    for (alpha, cwnd) in [(ONE, 50_000), (ONE / 2, 75_000), (ONE / 16, 96_875), (0, 100_000)] {
        let mut dctcp = Dctcp { alpha, ..Dctcp::new(100_000, u32::MAX) };
        dctcp.on_congestion(&mut path.cx(), CongestionEvent::Ecn);
        assert_eq!((dctcp.window(), dctcp.threshold()), (cwnd, cwnd));
    }
    let mut dctcp = Dctcp { alpha: 0, ..Dctcp::new(100_000, u32::MAX) };
    dctcp.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    assert_eq!(dctcp.window(), 50_000);
}
