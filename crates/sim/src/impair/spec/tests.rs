use super::*;
use crate::impair::Slot;

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
        ..Impairment::default()
    };
    let forward = "delay 80ms 10ms loss 2% duplicate 0.1% reorder 25% corrupt 0.01% rate 10mbit limit 100";
    let backward = "limit 100 rate 10mbit corrupt 0.01% reorder 25% duplicate 0.1% loss 2% delay 80ms 10ms";
    assert_eq!(parse(forward), expected);
    assert_eq!(parse(backward), expected);
    assert_eq!(parse("dup 1% drop 2%"), parse("duplicate 1% loss random 2%"));
    assert_eq!(parse("loss 0"), parse("none"));
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
        "delay 80ms 10ms 25% distribution paretonormal limit 1000",
        "loss gemodel 1% 10% 70% 0.1% ecn limit 1000",
        "loss state 1% 10% 5% 50% 2% limit 1000",
        "delay 10ms loss 2% 25% duplicate 1% 5% reorder 25% 50% gap 5 corrupt 1% 3% limit 1000",
        "rate 1mbit 20 48 5 limit 1000",
        "rate 1mbit -14 0 0 limit 1000",
        "slot 10ms 20ms packets 5 bytes 3000 limit 1000",
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
        ("dealy 20ms", &["'dealy'", "did you mean 'delay'?", "allowed are delay, loss"]),
        ("lose 2%", &["did you mean 'loss'?"]),
        ("banana 2%", &["unknown word 'banana' in an impairment; allowed"]),
        ("loss", &["'loss' needs", "0% to 100%"]),
        ("loss delay 1ms", &["'loss' needs"]),
        ("loss 101%", &["'loss 101%'", "0% to 100%"]),
        ("loss -1%", &["'loss -1%'"]),
        ("loss 2", &["'loss 2'", "as in 2%"]),
        ("loss nan%", &["'loss nan%'"]),
        ("loss random", &["'loss' needs", "0% to 100%"]),
        ("corrupt 1e1%", &["'corrupt 1e1%'"]),
        ("delay 20", &["'delay 20'", "with its unit us, ms or s"]),
        ("delay 20ms 10", &["'delay 10'", "unit"]),
        ("delay 2h", &["'delay 2h'"]),
        ("delay 3601s", &["'delay 3601s'", "3600s"]),
        ("delay 1ms 2ms 3ms", &["'delay 3ms'", "a share"]),
        ("delay inf", &["'delay inf'"]),
        ("rate 10", &["'rate 10'", "mbit"]),
        ("rate 0bit", &["'rate 0bit'"]),
        ("rate 99999999tbit", &["'rate 99999999tbit'"]),
        ("limit 0", &["'limit 0'", "1 to 1000000"]),
        ("limit 99999999999", &["'limit 99999999999'"]),
        ("loss 2% loss 3%", &["'loss' stands twice"]),
        ("loss 2% drop 3%", &["'loss' stands twice"]),
        ("loss 2% 25", &["'loss 25'", "as in 2%"]),
        ("loss 2% 25% 3%", &["'3%'"]),
        ("loss state", &["'loss' needs"]),
        ("loss gemodel 1% 10% 101%", &["'loss 101%'"]),
        ("reorder 25%", &["needs one: add 'delay'"]),
        ("reorder 25% delay 0ms", &["needs one: add 'delay'"]),
        ("delay 10ms distribution normal", &["'distribution' says more of 'delay TIME JITTER'"]),
        ("delay 10ms 2ms distribution gauss", &["'distribution gauss'", "paretonormal"]),
        ("gap 5", &["'gap' says more of 'reorder'"]),
        ("delay 10ms reorder 5% gap 0", &["'gap 0'", "1 to 1000000"]),
        ("ecn", &["'ecn' says more of 'loss'"]),
        ("rate 1mbit 14 0 0 0", &["'0'"]),
        ("rate 1mbit 0 48 -48", &["leaves something of the cell"]),
        ("rate 1mbit 70000", &["octets from -65535"]),
        ("slot 20ms 10ms", &["not below the first"]),
        ("slot 20ms packets 0", &["'slot 0'"]),
        ("seed 3", &["'seed' is netem's but not supported here; give --seed"]),
        ("none loss 1% none", &["'none'"]),
        ("loss \u{1b}[31m%", &["\\u{1b}"]),
    ] {
        let line = refused(text);
        for part in parts {
            assert!(line.contains(part), "{text:?} gave: {line}");
        }
    }
}

#[test]
fn what_is_left_out_is_what_netem_takes() {
    assert_eq!(parse("loss gemodel 1%").to_string(), "loss gemodel 1% 99% 100% 0% limit 1000");
    assert_eq!(parse("loss gemodel 1% 10%").to_string(), "loss gemodel 1% 10% 100% 0% limit 1000");
    assert_eq!(parse("loss state 5%").to_string(), "loss state 5% 95% 0% 100% 0% limit 1000");
    assert_eq!(parse("delay 10ms reorder 5%").gap, 1);
    assert_eq!(parse("slot 10ms").slot, Some(Slot { min_us: 10_000, max_us: 10_000, packets: 0, octets: 0 }));
}

#[test]
fn a_later_description_replaces_the_words_that_it_has() {
    let before = parse("delay 80ms 10ms distribution normal loss gemodel 1% 10% rate 1mbit 14 limit 7");
    let after = before.amended("loss 2% delay 5ms rate 2mbit").unwrap();
    assert_eq!(after.to_string(), "delay 5ms loss 2% rate 2mbit limit 7");
    assert_eq!(before.amended("none").unwrap(), Impairment::default());
    assert_eq!(before.amended("none loss 1%").unwrap(), parse("loss 1%"));
    assert!(before.amended("loss 0 delay 0").unwrap().rate.is_some());
    assert!(parse("loss 1% ecn").amended("loss 0").is_err(), "what is left must make sense");
}

#[test]
fn framing_is_netems() {
    // tc-netem(8): ATM's cells carry 48 of 53 octets.
    let octets = |text: &str, len| parse(text).octets_on_link(len);
    assert_eq!(octets("rate 1mbit", 1500), 1500);
    assert_eq!(octets("rate 1mbit 20", 1500), 1520);
    assert_eq!(octets("rate 1mbit -20", 10), 0);
    assert_eq!(octets("rate 1mbit 0 48 5", 1500), 32 * 53);
    assert_eq!(octets("rate 1mbit 0 48 5", 48), 53);
    assert_eq!(octets("rate 1mbit 8 48 5", 41), 2 * 53);
}
