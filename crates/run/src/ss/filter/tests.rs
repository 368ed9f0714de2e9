use super::*;

fn row(local: &str, peer: Option<&str>, state: SocketState) -> SocketRow {
    SocketRow {
        protocol: "tcp".into(),
        state,
        recv_q: 0,
        send_q: 0,
        local: local.parse().unwrap(),
        peer: peer.map(|peer| peer.parse().unwrap()),
        v6_only: false,
        users: Vec::new(),
        uid: None,
        inode: None,
        id: None,
        trail: None,
        tcp: None,
        timer: None,
        buffers: None,
    }
}

fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn expressions_hold_for_the_sockets_that_they_describe() {
    let a = row("10.0.2.15:40000", Some("10.0.2.4:80"), SocketState::Established);
    let b = row("[fd00::15]:443", Some("[fd00::4]:50000"), SocketState::Established);
    let mapped = row("[::ffff:10.0.2.15]:8080", Some("[::ffff:10.0.2.2]:9"), SocketState::Established);
    let listener = row("0.0.0.0:22", None, SocketState::Listening);
    let all = [a, b, mapped, listener];
    for (text, expected) in [
        ("dport = :80", "a"),
        ("dport = :http", "a"),
        ("dport :80", "a"),
        ("sport = :443", "b"),
        ("sport == 443", "b"),
        ("sport ge :443", "abm"),
        ("sport > :443", "am"),
        ("sport <= 443 and dport != 0", "b"),
        ("dst 10.0.2.4", "a"),
        ("dst 10.0.2.0/24", "am"),
        ("dst = 10.0.2.4:80", "a"),
        ("dst != 10.0.2.4", "bml"),
        ("dst :80", "a"),
        ("src [fd00::15]:443", "b"),
        ("src [fd00::]/64:443", "b"),
        ("src fd00::15", "b"),
        ("dst *:9", "m"),
        ("( dport = :80 or sport = :443 )", "ab"),
        ("(dport = :80 or sport = :443) and src 10.0.2.15", "a"),
        ("(dport=:80 || sport=:443) src 10.0.2.15", "a"),
        ("not dport = :80", "bml"),
        ("! ( dport = :80 | sport = :22 )", "bm"),
        ("src 0.0.0.0 or dport :9", "ml"),
    ] {
        let filter = filter(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let taken: String =
            all.iter().zip("abml".chars()).filter(|(row, _)| filter.takes(row)).map(|(_, c)| c).collect();
        assert_eq!(taken, expected, "{text}");
    }
}

#[test]
fn states_come_first_and_may_be_several() {
    let states = |text| filter(text).unwrap().states.unwrap();
    assert_eq!(states("state established"), States::of(&[SocketState::Established]));
    assert!(states("state listening state time-wait").contains(SocketState::TimeWait));
    assert!(!states("exclude listening").contains(SocketState::Listening));
    assert!(states("exclude listening dport = :80").contains(SocketState::SynSent));
    assert!(!states("state connected exclude established").contains(SocketState::Established));
    assert!(!states("state synchronized").contains(SocketState::SynSent));
    assert_eq!(states("state bucket"), States::of(&[SocketState::SynRecv, SocketState::TimeWait]));
    assert_eq!(filter("dport = :80").unwrap().states, None);
    assert_eq!(Filter::parse(&[]).unwrap(), Filter::default());
}

#[test]
fn nonsense_is_one_line_that_quotes_it() {
    let deep = format!("{} dport = :80", "( ".repeat(10_000));
    for text in [
        "state x",
        "state",
        "dport",
        "dport =",
        "dport = :x",
        "dport = :65536",
        "dst",
        "dst 1.2.3",
        "dst 1.2.3.4/33",
        "dst < 1.2.3.4",
        "( dport = :80",
        "dport = :80 )",
        "not",
        "frobnicate",
        "dport = :80 or",
        "\u{1b}[31m",
        &deep,
    ] {
        let line = filter(text).expect_err(text);
        assert!(!line.is_empty() && line.chars().all(|c| (' '..='~').contains(&c)), "{text}: {line}");
    }
}
