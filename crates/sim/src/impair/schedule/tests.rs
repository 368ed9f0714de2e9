use super::*;

fn down(text: &str) -> Schedule {
    Schedule::parse(text, Direction::Down).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Schedule::parse(text, Direction::Down).expect_err(text).to_string()
}

/// What holds at these seconds, in order.
fn at_seconds(schedule: Schedule, seconds: &[u64]) -> Vec<String> {
    let mut course = Course::new(schedule.clone(), Instant::from_millis(10_000));
    let mut holds = schedule.first();
    let at = |secs: &u64| Instant::from_millis(10_000 + secs * 1000);
    seconds
        .iter()
        .map(|secs| {
            holds = course.change(at(secs)).unwrap_or(holds);
            holds.to_string()
        })
        .collect()
}

#[test]
fn steps_change_what_they_name_and_leave_the_rest() {
    let schedule =
        down("delay 20ms loss 1%; at 5s: loss 100%; at 8s: loss 0; at 9s: none; at 10s: rate 1mbit");
    assert_eq!(
        at_seconds(schedule, &[0, 4, 5, 8, 9, 10]),
        [
            "delay 20ms loss 1% limit 1000",
            "delay 20ms loss 1% limit 1000",
            "delay 20ms loss 100% limit 1000",
            "delay 20ms limit 1000",
            "limit 1000",
            "rate 1mbit limit 1000",
        ]
    );
    let outage = down("at 5s: loss 100%; at 8s: loss 0");
    assert!(outage.first().is_none() && !outage.is_none());
    assert_eq!(at_seconds(outage, &[100]), ["limit 1000"], "steps that were slept through are passed over");
}

#[test]
fn presets_stand_first_and_words_after_them_change_them() {
    assert_eq!(down("lossy-3g delay 500ms").first().delay_us, 500_000);
    assert_eq!(down("lossy-3g delay 500ms").first().burst, down("lossy-3g").first().burst);
    assert!(down("lossy-3g loss 0").first().burst.is_none(), "the word's every form is replaced");
    assert_eq!(down("dsl").first().rate, Some(1_500_000));
    assert_eq!(Schedule::parse("dsl", Direction::Up).unwrap().first().rate, Some(384_000));
    let moved = down("lte; at 3s: edge loss 5%; at 4s: delay 1ms");
    assert_eq!(moved.later()[0].1.rate, Some(240_000));
    assert_eq!(moved.later()[1].1.to_string(), "delay 1ms loss 5% rate 240kbit limit 59");
    assert!(down("none").is_none());
}

#[test]
fn refusals_say_what_is_meant() {
    for (text, parts) in [
        ("", &["an empty impairment"][..]),
        (" ; at 1s: loss 1%", &["an empty impairment"]),
        ("delay 1ms; loss 2%", &["'loss 2%'", "begins with its time"]),
        ("delay 1ms; at 5s loss 2%", &["begins with its time"]),
        ("at 5: loss 2%", &["'at 5'", "unit"]),
        ("at 5s: loss 1%; at 5s: loss 2%", &["'at 5s'", "later than the one before"]),
        ("at 5s:", &["an empty impairment"]),
        ("delay 5ms lte", &["the preset 'lte' must stand first"]),
        ("lossy3g", &["'lossy3g'", "did you mean 'lossy-3g'?"]),
        ("satelite", &["did you mean 'satellite'?"]),
    ] {
        let line = refused(text);
        for part in parts {
            assert!(line.contains(part), "{text:?} gave: {line}");
        }
    }
}

#[test]
fn a_schedule_is_given_back() {
    for text in [
        "none",
        "delay 20ms limit 1000; at 5s: none loss 100% limit 1000; at 8s: none",
        "none; at 1500us: none rate 1mbit limit 7",
    ] {
        assert_eq!(down(text).to_string(), text);
    }
    let long = down("lossy-3g; at 5s: loss 100%; at 8s: loss 0");
    assert_eq!(down(&long.to_string()), long);
}
