use super::*;
use crate::admin::message::Identity;

fn info(name: &str, command: &[&str], uptime_s: u64) -> Info {
    Info {
        identity: Identity {
            name: name.into(),
            pid: 42,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
        },
        link: "egress".into(),
        addresses: vec!["10.0.2.15/24".into(), "fd00::15/64".into()],
        uptime_s,
        settings: None,
    }
}

#[test]
fn a_host_is_a_row() {
    let text = render(&[info("run-42", &["curl", "-s", "http://x/"], 65)]);
    let expected = "\
NAME    PID  LINK    ADDRESSES                 UPTIME  COMMAND
run-42  42   egress  10.0.2.15/24 fd00::15/64  01:05   curl -s http://x/
";
    assert_eq!(text, expected);
}

#[test]
fn no_octet_of_a_command_steers_the_terminal() {
    let text = render(&[info("x", &["\u{1b}]0;owned\u{7}", "\u{202e}", &"long".repeat(100)], 90_061)]);
    assert!(text.lines().all(|line| line.chars().all(|c| (' '..='~').contains(&c))), "{text:?}");
    assert!(text.contains("1-01:01:01"), "{text}");
    assert!(text.lines().all(|line| line.len() < 200), "{text}");
}
