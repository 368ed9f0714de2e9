use super::*;

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn to(address: &str, port: u16, protocol: Protocol) -> Destination {
    Destination { address: address.parse().unwrap(), port: Some(port), protocol }
}

fn ping(address: &str) -> Destination {
    Destination { address: address.parse().unwrap(), port: None, protocol: Protocol::Icmp }
}

/// What a rule means, of five flows to 10.0.2.9, which is example.test: tcp 443, tcp 80, udp 443, udp 53, echo.
fn meant(text: &str) -> String {
    let flows = [
        ('h', to("10.0.2.9", 443, Protocol::Tcp)),
        ('w', to("10.0.2.9", 80, Protocol::Tcp)),
        ('q', to("10.0.2.9", 443, Protocol::Udp)),
        ('d', to("10.0.2.9", 53, Protocol::Udp)),
        ('p', ping("10.0.2.9")),
    ];
    let rule = rule(text);
    flows.iter().filter(|(_, flow)| rule.matches(flow, &["example.test"])).map(|(word, _)| word).collect()
}

#[test]
fn every_form_means_what_it_says() {
    for (text, flows) in [
        ("example.test", "hwqdp"),
        ("EXAMPLE.test.", "hwqdp"),
        ("example.test:443", "hq"),
        ("tcp:example.test:443", "h"),
        ("tcp:example.test", "hw"),
        ("*.test", "hwqdp"),
        ("*.example.test", ""),
        ("10.0.0.0/8", "hwqdp"),
        ("10.0.2.9", "hwqdp"),
        ("10.0.2.9:80-443", "hwq"),
        ("10.0.3.0/24", ""),
        ("::ffff:10.0.2.9", "hwqdp"),
        ("udp:53", "d"),
        ("53", "d"),
        (":443", "hq"),
        ("tcp:*:443", "h"),
        ("*:50-100", "wd"),
        ("*", "hwqdp"),
        ("tcp", "hw"),
        ("icmp", "p"),
        ("icmp:10.0.0.0/8", "p"),
        ("icmp:other.test", ""),
    ] {
        assert_eq!(meant(text), flows, "{text}");
    }
}

#[test]
fn ipv6_stands_in_brackets_before_a_port() {
    let flow = to("2001:db8::7", 443, Protocol::Tcp);
    for text in
        ["[2001:db8::]/32:443", "[2001:db8::/32]:443", "2001:db8::/32", "[2001:db8::7]", "2001:db8::7"]
    {
        assert!(rule(text).matches(&flow, &[]), "{text}");
    }
    assert!(!rule("[2001:db8::]/32:80").matches(&flow, &[]));
    assert!(!rule("2001:db9::/32").matches(&flow, &[]));
    assert!(!rule("0.0.0.0/0").matches(&flow, &[]), "one family");
}

#[test]
fn a_refusal_holds_by_every_way_to_an_ipv4_address() {
    let rule = rule("10.0.0.0/8");
    for address in ["64:ff9b::a00:209", "2002:a00:209::1", "::ffff:10.0.2.9"] {
        assert!(rule.matches_any_form(&to(address, 80, Protocol::Tcp), &[]), "{address}");
    }
    assert!(
        !rule.matches(&to("64:ff9b::a00:209", 80, Protocol::Tcp), &[]),
        "permission is for what was named"
    );
}

#[test]
fn a_wildcard_is_every_depth_and_not_the_name_itself() {
    let below = rule("*.example.test");
    for (name, means) in [
        ("a.example.test", true),
        ("a.b.example.test", true),
        ("example.test", false),
        ("notexample.test", false),
        ("example.test.evil.test", false),
    ] {
        assert_eq!(below.means_name(name), means, "{name}");
    }
    assert!(rule("example.test").means_name("_https._tcp.example.test"), "a record about the name");
    assert!(rule("example.test").means_all_of("example.test"));
    assert!(!rule("example.test:80").means_all_of("example.test"));
}

#[test]
fn refusals_say_what_is_wrong() {
    for (text, said) in [
        ("", "the rule is empty"),
        ("example.test:0", "'0' is no port"),
        ("example.test:65536", "'65536' is no port"),
        ("example.test:90-80", "runs backwards"),
        ("example.test:http", "'http' is no port"),
        ("example.test:", "'' is no port"),
        ("10.0.0.0/33", "prefix is longer"),
        ("10.0.0.256", "no IPv4 address"),
        ("10.0.0", "no IPv4 address"),
        ("icmp:10.0.0.1:80", "icmp has no ports"),
        ("icmp:80", "icmp has no ports"),
        ("exa mple.test", "no DNS name"),
        ("-x.test", "no DNS name"),
        ("*.*.test", "no DNS name"),
        ("http://example.test/", "this is no address"),
        ("[2001:db8::1", "this is no address"),
        ("example.test\u{1b}[2J", "no address"),
    ] {
        let line = text.parse::<Rule>().map(|rule| format!("{rule:?}")).expect_err(text).to_string();
        assert!(line.contains(said), "{text:?} gave: {line}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}

#[test]
fn a_dot_within_a_label_ends_none() {
    let below: Rule = "*.example.test".parse().unwrap();
    for (name, is_below) in [
        (r"x\.example.test", false),
        (r"x\\.example.test", true),
        (r"a\.b.example.test", true),
        (r"_x\.y.example.test", true),
    ] {
        assert_eq!(below.means_name(name), is_below, "{name}");
    }
    let named: Rule = "example.test".parse().unwrap();
    assert!(named.means_name("_http._tcp.example.test") && !named.means_name(r"_x\.example.test"));
}
