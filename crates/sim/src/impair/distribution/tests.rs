use super::*;

/// 2^16 values, one from the middle of each equal share.
fn values(of: Distribution) -> Vec<f64> {
    (0..65_536u32).map(|at| of.quantile(at << 16 | 0x8000)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn quantiles_of_the_normal_distribution_are_those_of_the_books() {
    for (share, value) in [
        (0.5, 0.0),
        (0.841_344_746, 1.0),
        (0.975, 1.959_963_985),
        (0.998_650_102, 3.0),
        (0.01, -2.326_347_874),
    ] {
        assert!((normal(share) - value).abs() < 1e-7, "{share}: {}", normal(share));
    }
}

#[test]
fn means_and_deviations_are_the_formulas() {
    // Cut at ±4 the far tail is missing: Pareto's deviation, (4/3) sqrt(3/4) = 1.155 uncut, becomes 0.821.
    for (of, expected_mean, expected_deviation) in [
        (Distribution::Uniform, 0.0, 1.0 / 3.0_f64.sqrt()),
        (Distribution::Normal, 0.0, 1.0),
        (Distribution::Pareto, -0.0329, 0.8209),
        (Distribution::ParetoNormal, -0.0215, 0.8495),
    ] {
        let values = values(of);
        assert!((mean(&values) - expected_mean).abs() < 0.002, "{of}: mean {}", mean(&values));
        assert!(
            (deviation(&values) - expected_deviation).abs() < 0.005,
            "{of}: deviation {}",
            deviation(&values)
        );
        assert!(values.is_sorted(), "{of} grows");
        assert!(values.iter().all(|value| value.abs() <= 4.0), "{of} is cut");
    }
}

#[test]
fn pareto_has_its_early_crowd_and_its_late_tail() {
    let values = values(Distribution::Pareto);
    // The median of Pareto with shape 3 is 2^(1/3) = 1.26: early by (1.26 - 1.5) 4/3.
    assert!((values[32_768] + 0.320).abs() < 0.001, "{}", values[32_768]);
    assert!((values[0] + 2.0 / 3.0).abs() < 0.001, "none is earlier than the scale");
    assert!(values[65_000] > 3.0, "one in a hundred is three jitters late");
}
