use super::*;

fn why(text: &str) -> String {
    parse(text).unwrap_err().0
}

#[test]
fn every_form_is_read_and_printed_as_it_was_written() {
    for text in [
        "8080",
        "8080:80",
        "0:80",
        "127.0.0.1:8080",
        "127.0.0.1:8080:80",
        "127.0.0.1:0:80",
        "[::1]:8080:80",
        "0.0.0.0:53/udp",
        "[::]:53:5353/udp",
        "8000-8005",
        "8000-8005:9000-9005",
        "127.0.0.1:8000-8001:80-81/udp",
        "65535",
        "1-65535",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert_eq!(parse("80/tcp"), parse("80"));
    let two = parse("8000-8001:9000-9001").unwrap();
    assert_eq!((two.outside, two.inside, two.count), (8000, 9000, 2));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, words) in [
        ("", "is no port"),
        ("0", "cannot be 0"),
        ("8080:0", "cannot be 0"),
        ("65536", "from 0 to 65535"),
        ("-1", "is no port"),
        ("1e3", "is no port"),
        ("0x50", "is no port"),
        ("80 ", "is no port"),
        ("８０", "is no port"),
        ("00080", "is no port"),
        ("90-80", "runs backwards"),
        ("1-", "is no port"),
        ("a-b", "is no port"),
        ("0-5", "cannot begin with port 0"),
        ("0:80-81", "one free port"),
        ("8000-8002:80-81", "3 ports cannot lead to 2"),
        ("80/sctp", "tcp or udp"),
        ("127.0.0.1", "a port is missing"),
        ("[::1]", "a port is missing"),
        ("[::1:80", "not closed"),
        ("[127.0.0.1]:80", "only an IPv6 address"),
        ("::1:80", "in brackets"),
        ("localhost:80", "is no IP address"),
        ("010.0.0.1:80", "leading zeros"),
        ("224.0.0.1:80", "not an address of this machine"),
        ("[::ffff:127.0.0.1]:80", "not an address of this machine"),
        ("\u{1b}[2J", "is no port"),
    ] {
        let said = why(text);
        assert!(said.contains(words) && !said.contains(char::is_control), "{text:?}: {said}");
    }
}

#[test]
fn a_port_is_taken_once() {
    let check = |texts: &[&str]| check(&texts.iter().map(|text| parse(text).unwrap()).collect::<Vec<_>>());
    for fine in [
        &["8080", "8080/udp"][..],
        &["127.0.0.1:80", "127.0.0.2:80"],
        &["127.0.0.1:80", "[::1]:80"],
        &["0:80", "0:80"],
        &["80-81", "82:80"],
    ] {
        assert_eq!(check(fine), Ok(()), "{fine:?}");
    }
    for bad in [&["8080", "8080:80"][..], &["80-85", "85-90"], &["0.0.0.0:80", "80"], &["[::]:80", "80:81"]] {
        assert!(check(bad).unwrap_err().0.contains("the same port"), "{bad:?}");
    }
    assert!(check(&["1-1000", "2000-2024"]).unwrap_err().0.contains("1025 ports are too many"));
}
