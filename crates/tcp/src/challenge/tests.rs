use portolan_link::Instant;

use super::AnswerLimit;
use crate::Config;

// RFC 5961 §7, F10
#[test]
fn one_answer_in_half_a_second() {
    let config = Config::default();
    let mut limit = AnswerLimit::default();
    let answers = (0..10_000).filter(|ms| limit.allows(&config, Instant::from_millis(*ms))).count();
    assert_eq!(answers, 20);
}

#[test]
fn no_limit_is_a_knob_too() {
    let config = Config { challenge_ack_us: 0, ..Config::default() };
    let mut limit = AnswerLimit::default();
    assert!((0..100).all(|_| limit.allows(&config, Instant::ZERO)));
}
