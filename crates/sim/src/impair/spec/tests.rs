use super::*;

fn parse(text: &str) -> Impairment {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn share(percent: f64) -> Percent {
    Percent::new(percent).unwrap()
}

fn refused(text: &str) -> String {
    let error = text.parse::<Impairment>().expect_err(text);
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.chars().any(char::is_control), "one clean line: {line}");
    line
}

#[test]
fn all_words_in_any_order() {
    let expected = Impairment {
        delay_us: 80_000,
        jitter_us: 10_000,
        loss: share(2.0),
        duplicate: share(0.1),
        reorder: share(25.0),
        corrupt: share(0.01),
        rate: Some(10_000_000),
        limit: 100,
    };
    let forward = "delay 80ms 10ms loss 2% duplicate 0.1% reorder 25% corrupt 0.01% rate 10mbit limit 100";
    let backward = "limit 100 rate 10mbit corrupt 0.01% reorder 25% duplicate 0.1% loss 2% delay 80ms 10ms";
    assert_eq!(parse(forward), expected);
    assert_eq!(parse(backward), expected);
    assert_eq!(parse("dup 1% drop 2%"), parse("duplicate 1% loss random 2%"));
    assert_eq!(parse(&format!("  {}\t", forward.replace(' ', "   "))), expected);
}

#[test]
fn the_description_is_given_back() {
    for text in [
        "limit 1000",
        "delay 80ms 10ms loss 2% duplicate 0.1% reorder 25% corrupt 0.01% rate 10mbit limit 100",
        "delay 1s limit 1",
        "delay 0s 1500us limit 7",
        "loss 33.3333333% rate 56001bit limit 1000000",
    ] {
        let parsed = parse(text);
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parse(&parsed.to_string()), parsed);
    }
    assert!(parse("limit 5").is_none() && !parse("loss 1%").is_none());
}

#[test]
fn units() {
    for (text, us) in [("1s", 1_000_000), ("1.5ms", 1500), ("20usec", 20), ("2secs", 2_000_000), ("0", 0)] {
        assert_eq!(parse(&format!("delay {text}")).delay_us, us, "{text}");
    }
    for (text, rate) in [("1bit", 1), ("2.5Mbit", 2_500_000), ("1kbps", 8_000), ("1gbit", 1_000_000_000)] {
        assert_eq!(parse(&format!("rate {text}")).rate, Some(rate), "{text}");
    }
    assert_eq!(parse("loss 100%").loss, share(100.0));
}

#[test]
fn refusals_name_the_word_the_value_and_what_is_allowed() {
    for (text, parts) in [
        ("", &["empty", "delay, loss"][..]),
        ("dealy 20ms", &["'dealy'", "allowed are delay, loss"]),
        ("loss", &["'loss' needs", "0% to 100%"]),
        ("loss delay 1ms", &["'loss' needs"]),
        ("loss 101%", &["'loss 101%'", "0% to 100%"]),
        ("loss -1%", &["'loss -1%'"]),
        ("loss 2", &["'loss 2'", "as in 2%"]),
        ("loss nan%", &["'loss nan%'"]),
        ("loss random", &["'loss '"]),
        ("corrupt 1e1%", &["'corrupt 1e1%'"]),
        ("delay 20", &["'delay 20'", "with its unit us, ms or s"]),
        ("delay 20ms 10", &["'delay 10'", "unit"]),
        ("delay 2h", &["'delay 2h'"]),
        ("delay 3601s", &["'delay 3601s'", "3600s"]),
        ("delay 1ms 2ms 3ms", &["'3ms'"]),
        ("delay inf", &["'delay inf'"]),
        ("rate 10", &["'rate 10'", "mbit"]),
        ("rate 0bit", &["'rate 0bit'"]),
        ("rate 99999999tbit", &["'rate 99999999tbit'"]),
        ("limit 0", &["'limit 0'", "1 to 1000000"]),
        ("limit 99999999999", &["'limit 99999999999'"]),
        ("loss 2% loss 3%", &["'loss' stands twice"]),
        ("loss 2% drop 3%", &["'loss' stands twice"]),
        ("loss 2% 25%", &["'loss ... 25%'", "correlations are not supported"]),
        ("delay 80ms 10ms 25%", &["'delay ... 25%'", "correlations"]),
        ("reorder 25%", &["needs one: add 'delay'"]),
        ("reorder 25% delay 0ms", &["needs one: add 'delay'"]),
        ("delay 10ms distribution normal", &["'distribution' is netem's but not supported"]),
        ("loss \u{1b}[31m%", &["\\u{1b}"]),
    ] {
        let line = refused(text);
        for part in parts {
            assert!(line.contains(part), "{text:?} gave: {line}");
        }
    }
}
