use std::vec::Vec;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::AnswerLimit;
use crate::Config;

// RFC 5961 §7, F7, F10
#[test]
fn one_answer_in_half_a_second_or_a_little_longer() {
    let config = Config::default();
    let gaps = |salt: u32| {
        let mut limit = AnswerLimit::default();
        let mut allowed = (0..10_000_u64)
            .filter(|ms| limit.allows(&config, Instant::from_millis(*ms), SeqNumber(salt)))
            .collect::<Vec<_>>();
        allowed.dedup();
        allowed.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for salt in 0..200 {
        let gaps = gaps(salt * 77_777);
        assert!(gaps.iter().all(|gap| (500..=750).contains(gap)), "{gaps:?}");
        seen.extend(gaps);
    }
    let mean = seen.iter().sum::<u64>() / seen.len() as u64;
    assert!((615..635).contains(&mean), "no end of the range is preferred: {mean}");
    assert_ne!(gaps(1), gaps(2), "who does not know the number cannot tell when");
}

#[test]
fn no_limit_is_a_knob_too() {
    let config = Config { challenge_ack_us: 0, ..Config::default() };
    let mut limit = AnswerLimit::default();
    assert!((0..100).all(|_| limit.allows(&config, Instant::ZERO, SeqNumber(5))));
}
