use super::*;

/// Mean, variance in parts of a uniform draw's 1/12, and correlation of neighbours of 200,000 draws.
fn figures(correlation: f64) -> (f64, f64, f64) {
    let (mut chance, mut series) = (Chance::new(7), Series::default());
    let share = Percent::new(correlation).unwrap();
    let draws: Vec<f64> =
        (0..200_000).map(|_| f64::from(series.next(&mut chance, share)) / f64::from(u32::MAX)).collect();
    let count = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / count;
    let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / count;
    let together = draws.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / count;
    (mean, variance * 12.0, together / variance)
}

#[test]
fn a_correlation_is_what_it_says_and_narrows_the_spread() {
    for percent in [0.0, 25.0, 50.0, 90.0] {
        let rho = percent / 100.0;
        let (mean, spread, neighbours) = figures(percent);
        // Of an autoregressive series of the first order.
        let expected = if percent == 0.0 { 1.0 } else { (1.0 - rho) / (1.0 + rho) };
        assert!((mean - 0.5).abs() < 0.01, "{percent}%: mean {mean}");
        assert!((spread / expected - 1.0).abs() < 0.05, "{percent}%: spread {spread}, not {expected}");
        assert!((neighbours - rho).abs() < 0.01, "{percent}%: correlation {neighbours}");
    }
}

#[test]
fn full_correlation_repeats_the_first_draw() {
    let (mut chance, mut series) = (Chance::new(7), Series::default());
    let first = series.next(&mut chance, Percent::ALL);
    assert!((0..100).all(|_| series.next(&mut chance, Percent::ALL).abs_diff(first) <= 1));
}
