use super::*;

fn line<T: fmt::Debug>(result: Result<T, ConfigError>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n') && !text.is_empty(), "one line: {text:?}");
    text
}

#[test]
fn links_are_read() {
    assert_eq!(parse_link("egress"), Ok(LinkChoice::Egress));
    assert_eq!(parse_link("none"), Ok(LinkChoice::None));
    assert_eq!(parse_link("tap:tap0"), Ok(LinkChoice::Tap("tap0".into())));
    assert_eq!(parse_link("tap:exactly15octets"), Ok(LinkChoice::Tap("exactly15octets".into())));
}

#[test]
fn impossible_links_are_refused_in_one_line() {
    for text in
        ["", "tap", "tap:", "tap:sixteen-octets-x", "tap:a/b", "tap:a b", "tap:..", "tap:\u{1b}[2J", "wire"]
    {
        let said = line(parse_link(text));
        assert!(!said.contains('\u{1b}'), "no control characters: {said:?}");
    }
    assert!(line(parse_link("tap:sixteen-octets-x")).contains("16 octets"));
}

#[test]
fn networks_are_read() {
    let network = parse_network("10.7.0.2/24").unwrap();
    assert_eq!(network.to_string(), "10.7.0.2/24");
    assert_eq!(network.nth(0), Some("10.7.0.0".parse().unwrap()));
    assert_eq!(network.nth(5), Some("10.7.0.5".parse().unwrap()));
    assert!(network.contains("10.7.0.255".parse().unwrap()));
    assert!(!network.contains("10.7.1.0".parse().unwrap()));
    assert!(!network.contains("fd07::2".parse().unwrap()));
    let network = parse_network("fd07::2/64").unwrap();
    assert_eq!(network.nth(3), Some("fd07::3".parse().unwrap()));
    assert_eq!(parse_network("10.0.0.1/31").unwrap().nth(2), None);
    assert_eq!(parse_network("10.0.0.1/0").unwrap().nth(9), Some("0.0.0.9".parse().unwrap()));
    assert_eq!(parse_network("fd00::1/0").unwrap().nth(9), Some("::9".parse().unwrap()));
}

#[test]
fn impossible_networks_are_refused() {
    for text in [
        "10.0.2.15",
        "10.0.2/24",
        "10.0.2.256/24",
        "010.0.0.1/8",
        "10.0.2.15/33",
        "10.0.2.15/-1",
        "10.0.2.15/08",
        "10.0.2.15/",
        "fd00::1/129",
        "fd00::1::2/64",
        "fe80::1%eth0/64",
        "[fd00::1]/64",
        "0.0.0.0/0",
        "127.0.0.1/8",
        "224.0.0.1/4",
        "255.255.255.255/32",
        "::/0",
        "::1/128",
        "ff02::1/64",
        "::ffff:10.0.0.1/96",
        "",
        "１0.0.0.1/8",
    ] {
        line(parse_network(text));
    }
    assert!(line(parse_network("10.0.2.0/24")).contains("names the network itself"));
    assert!(line(parse_network("10.0.2.255/24")).contains("broadcast"));
    assert!(parse_network("10.0.2.255/31").is_ok(), "RFC 3021 has no broadcast address");
}

#[test]
fn numbers_are_plain_decimals() {
    assert_eq!(parse_mtu("1500"), Ok(1500));
    assert_eq!(parse_mtu("65535"), Ok(65535));
    for text in ["0", "67", "65536", "-1", "+1500", "1e3", "0x5dc", "1500 ", "１５００", "01500", ""] {
        line(parse_mtu(text));
    }
    assert_eq!(parse_seed("18446744073709551615"), Ok(u64::MAX));
    line(parse_seed("18446744073709551616"));
}

#[test]
fn host_names_follow_rfc_1123() {
    assert_eq!(parse_hostname("Web-1.example"), Ok("web-1.example".into()));
    for text in ["", "a..b", "-a", "a-", "a_b", "a b", &"x".repeat(64), &"abc.".repeat(64)] {
        line(parse_hostname(text));
    }
}

#[test]
fn options_must_fit_together() {
    let config = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check()
    };
    assert_eq!(config(|_| ()), Ok(()));
    assert!(line(config(|c| c.mtu = Some(1279))).contains("1280"));
    assert_eq!(
        config(|c| {
            c.mtu = Some(576);
            c.addresses = vec![parse_network("10.0.0.9/24").unwrap()];
        }),
        Ok(())
    );
    assert!(line(config(|c| c.link = LinkChoice::Tap("t".into()))).contains("--address"));
    assert!(
        line(config(|c| c.gateways = vec!["10.0.2.2".parse().unwrap(), "10.0.2.3".parse().unwrap()]))
            .contains("already")
    );
    assert!(
        line(config(|c| {
            c.addresses = vec![parse_network("10.0.0.9/24").unwrap()];
            c.gateways = vec!["10.0.1.1".parse().unwrap()];
        }))
        .contains("could not be reached")
    );
    assert!(
        line(config(|c| c.addresses = vec![parse_network("10.0.0.9/24").unwrap(); 2]))
            .contains("given twice")
    );
}
