use super::*;

const PACKETS: u32 = 400_000;

fn share(percent: f64) -> Percent {
    Percent::new(percent).unwrap()
}

/// The share that is lost, and the mean length of a row of losses.
fn figures(burst: Burst, seed: u64) -> (f64, f64) {
    let (mut chance, mut weather) = (Chance::new(seed), Weather::default());
    let (mut lost, mut rows, mut was_lost) = (0.0, 0.0, false);
    for _ in 0..PACKETS {
        let is_lost = burst.loses(&mut weather, &mut chance);
        lost += f64::from(u8::from(is_lost));
        rows += f64::from(u8::from(is_lost && !was_lost));
        was_lost = is_lost;
    }
    (lost / f64::from(PACKETS), lost / rows)
}

/// Twice the error of a mean whose draws have the correlation `rho`.
fn tolerance(share: f64, rho: f64) -> f64 {
    4.0 * (share * (1.0 - share) * (1.0 + rho) / (1.0 - rho) / f64::from(PACKETS)).sqrt()
}

#[test]
fn gilbert_and_elliott_lose_what_their_formula_says() {
    for (seed, (p, r, bad, good)) in
        [(1.0, 25.0, 100.0, 0.0), (0.381, 25.0, 100.0, 0.0), (5.0, 50.0, 70.0, 1.0), (2.0, 98.0, 100.0, 0.0)]
            .into_iter()
            .enumerate()
    {
        let burst = Burst::Gilbert { p: share(p), r: share(r), bad: share(bad), good: share(good) };
        let (lost, row) = figures(burst, seed as u64);
        let in_bad = p / (p + r);
        let expected = in_bad * bad / 100.0 + (1.0 - in_bad) * good / 100.0;
        let rho = 1.0 - (p + r) / 100.0;
        assert!(
            (lost - expected).abs() < tolerance(expected, rho),
            "{p} {r} {bad} {good}: {lost}, not {expected}"
        );
        if bad == 100.0 && good == 0.0 {
            let length = 100.0 / r;
            assert!((row / length - 1.0).abs() < 0.06, "{p} {r}: rows of {row}, not {length}");
        }
    }
}

#[test]
fn markovs_four_states_lose_what_their_formula_says() {
    for (seed, (p13, p31, p32, p23, p14)) in
        [(1.0, 10.0, 5.0, 50.0, 2.0), (5.0, 95.0, 0.0, 100.0, 0.0), (0.5, 20.0, 20.0, 30.0, 0.0)]
            .into_iter()
            .enumerate()
    {
        let [a, b, c, d, e] = [p13, p31, p32, p23, p14].map(share);
        let burst = Burst::Markov { p13: a, p31: b, p32: c, p23: d, p14: e };
        let (lost, _) = figures(burst, seed as u64);
        // What flows into each state flows out again: in parts of the first state's share.
        let third = p13 / p31;
        let (second, fourth) = (third * p32 / p23, p14 / 100.0);
        let expected = (third + fourth) / (1.0 + second + third + fourth);
        assert!((lost - expected).abs() < 2.0 * tolerance(expected, 0.9), "{lost}, not {expected}");
    }
}

#[test]
fn without_a_way_into_the_bad_state_nothing_is_lost() {
    let never = Percent::ZERO;
    let gilbert = Burst::Gilbert { p: never, r: Percent::ALL, bad: Percent::ALL, good: never };
    let markov = Burst::Markov { p13: never, p31: Percent::ALL, p32: never, p23: Percent::ALL, p14: never };
    assert_eq!((figures(gilbert, 1).0, figures(markov, 1).0), (0.0, 0.0));
    let always = Burst::Gilbert { p: Percent::ALL, r: never, bad: Percent::ALL, good: Percent::ALL };
    assert_eq!(figures(always, 1).0, 1.0);
}
