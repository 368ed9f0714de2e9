use std::path::Path;

use super::{Failure, Options, Outcome, Variant, run};
use crate::language::{Definitions, parse};

/// A listener on descriptor 3 and an accepted connection on descriptor 4, at 0.02 s.
const ACCEPTED: &str = "\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+.01 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>
+.01 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
";

fn outcome(source: &str, options: &Options) -> Outcome {
    let script = parse(source, &Definitions::new()).unwrap_or_else(|error| panic!("{error}"));
    run(&script, Path::new("."), options)
}

fn passes(source: &str) {
    for variant in [Variant::Ipv4, Variant::Ipv6, Variant::Mapped] {
        let outcome = outcome(source, &Options { variant, trace: true, ..Options::default() });
        assert_eq!(outcome.result, Ok(()), "{variant:?}\n{}", outcome.trace.join("\n"));
    }
}

fn failure(source: &str) -> Failure {
    outcome(source, &Options::default()).result.expect_err(source)
}

/// Every segment in a packet of its own.
const SINGLE: &str = "`sysctl -q portolan.gso_max=0`\n";

/// What a script that goes on after [`ACCEPTED`] fails with.
fn fails_after_accept(rest: &str) -> String {
    failure(&format!("{ACCEPTED}{rest}")).message
}

#[test]
fn a_connection_is_opened_used_and_closed_in_both_families() {
    passes(&format!(
        "{ACCEPTED}
        +0 < P. 1:1001(1000) ack 1 win 257
        +0 > . 1:1(0) ack 1001
        +0 read(4, ..., 2000) = 1000
        +0 write(4, ..., 100) = 100
        +0 > P. 1:101(100) ack 1001
        +.01 < . 1001:1001(0) ack 101 win 257
        +0 close(4) = 0
        +0 > F. 101:101(0) ack 1001
        +.01 < F. 1001:1001(0) ack 102 win 257
        +0 > . 102:102(0) ack 1002"
    ));
}

#[test]
fn an_active_open_learns_the_local_numbers() {
    passes(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
        +0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
        +0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
        +.01 < S. 700:700(0) ack 1 win 5792 <mss 1460,sackOK,TS val 900 ecr 100,nop,wscale 7>
        +0 > . 1:1(0) ack 1 <nop,nop,TS val 110 ecr 900>
        +0 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0",
    );
}

#[test]
fn a_call_that_blocks_returns_when_the_script_says() {
    passes(&format!("{ACCEPTED}+0...0.3 read(4, ..., 10) = 10\n+.3 < P. 1:11(10) ack 1 win 257"));
    let message = fails_after_accept("+0...0.1 read(4, ..., 10) = 10\n+.3 < P. 1:11(10) ack 1 win 257");
    assert_eq!(message, "read: expected to return at 0.120000, came at 0.320000");
    let message = fails_after_accept("+0...0.1 read(4, ..., 10) = 10");
    assert_eq!(message, "read: the script ended, and the call still waits");
}

#[test]
fn assertions_see_the_connection() {
    passes(&format!("{ACCEPTED}+0 %{{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }}%"));
    let failure = failure(&format!(
        "{ACCEPTED}+0 %{{\nassert tcpi_state == TCP_ESTABLISHED\nassert tcpi_state == 7 }}%"
    ));
    assert_eq!(failure.line, 11);
    assert_eq!(failure.message, "assert tcpi_state == 7 failed: tcpi_state is 1");
}

#[test]
fn what_differs_is_named() {
    let starts = |rest: &str, expected: &str| {
        let message = fails_after_accept(rest);
        assert!(message.starts_with(expected), "{message}");
    };
    starts("+0 write(4, ..., 5) = 5\n+0 > . 1:6(5) ack 1", "flags: expected ., came P.");
    starts("+0 write(4, ..., 5) = 5\n+0 > P. 2:7(5) ack 1", "sequence number: expected 2, came 1");
    starts("+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 2", "acknowledgement: expected 2, came 1");
    starts("+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 1 win 1", "window: expected 1, came");
    starts(
        "+0 write(4, ..., 5) = 5\n+0 > P. 1:6(5) ack 1 <nop,nop,sackOK>",
        "options: expected <nop,nop,sackOK>, came <>",
    );
    starts("+0 write(4, ..., 5) = 5\n+0 > [ce] P. 1:6(5) ack 1", "ECN: expected 3, came 0");
    starts("+0 write(4, ..., 5) = 5\n+0 > [ttl 9] P. 1:6(5) ack 1", "TTL: expected 9, came");
    starts(
        "+0 write(4, ..., 5) = 5\n+.2 > P. 1:6(5) ack 1",
        "time: expected 0.220000, came 0.020000, tolerance 0.025000",
    );
    starts("+0 write(4, ..., 5) = 5\n+0 > P. 1:5(4) ack 1", "length: expected 4, came 5");
    starts("+0 > P. 1:5(4) ack 1", "nothing came until 2.020000");
    starts("+0 write(4, ..., 5) = 6", "write: expected 6, came 5");
    starts(
        "+0 fcntl(4, F_SETFL, O_NONBLOCK) = 0\n+0 read(4, ..., 5) = -1 EPIPE (x)",
        "read: expected -1 EPIPE, came -1 EAGAIN",
    );
    starts("+0 close(9) = 0", "close: the script has no descriptor 9");
    starts(
        "+0 getsockopt(4, SOL_TCP, TCP_NODELAY, [1], [4]) = 0",
        "getsockopt: the option: expected 1, came 0",
    );
    starts(
        "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1",
        "poll: revents: expected IN, came OUT",
    );
}

#[test]
fn shorter_segments_are_gathered_unless_the_script_is_strict() {
    let rest = "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1";
    passes(&format!("{SINGLE}{ACCEPTED}{rest}"));
    let message = failure(&format!("--strict_segments\n{SINGLE}{ACCEPTED}{rest}")).message;
    assert!(message.starts_with("length: expected 2000, came 1000"), "{message}");
}

#[test]
fn an_echoed_timestamp_is_compared_when_asked_for() {
    let source = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 32792 <mss 1000,sackOK,TS val 500 ecr 0,nop,wscale 7>
        +0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 10 ecr 499,nop,wscale 7>";
    assert_eq!(outcome(source, &Options::default()).result, Ok(()));
    let strict = outcome(source, &Options { check_echo: true, ..Options::default() });
    assert!(strict.result.expect_err("499").message.starts_with("option: expected TS val 10 ecr 499"));
    let unknown = failure(&format!("{source}\n+0 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 501 ecr 11>"));
    assert_eq!(unknown.message, "ecr 11 echoes a timestamp that has not come out before");
}

#[test]
fn icmp_messages_reach_the_connection_that_they_quote() {
    let source = |message: &str| {
        format!(
            "{SINGLE}{ACCEPTED}+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n+0 < {message}\n"
        )
    };
    let smaller = source("icmp unreachable frag_needed mtu 640 [1:1001(1000)]") + "+0 > . 1:601(600) ack 1";
    assert_eq!(outcome(&smaller, &Options::default()).result, Ok(()));
    let unknown = failure(&source("icmp unreachable no_such_code [1:1001(1000)]"));
    assert_eq!((unknown.line, unknown.message.as_str()), (12, "there is no ICMP code 'no_such_code'"));
}

#[test]
fn commands_set_knobs_and_unknown_ones_fail() {
    passes(
        "`sysctl -q net.ipv4.tcp_sack=0 # comment\n true && sysctl -q net.ipv4.tcp_syn_retries=$((2*3)) > /dev/null`\n0 socket(..., SOCK_STREAM, 0) = 3",
    );
    let failed = failure("`frobnicate`\n0 socket(..., SOCK_STREAM, 0) = 3");
    assert_eq!(
        (failed.line, failed.message.as_str()),
        (1, "the command failed with status 1: frobnicate: no such command")
    );
    assert!(failure("`no/such.sh`\n0 socket(..., SOCK_STREAM, 0) = 3").message.starts_with("no/such.sh: "));
}

#[test]
fn a_wrong_call_says_how_it_is_written() {
    let after_socket = |call: &str| failure(&format!("0 socket(..., SOCK_STREAM, 0) = 3\n+0 {call}")).message;
    let cases = [
        ("listen(3) = 0", "listen: these are not its arguments: listen(fd, backlog)"),
        ("read(3) = 0", "read: these are not its arguments: read(fd, ..., length)"),
        ("frobnicate(3) = 0", "frobnicate: there is no system call frobnicate here"),
        ("close(9) = 0", "close: the script has no descriptor 9"),
        ("close(3) = -1 EWHAT (What)", "close: there is no error EWHAT"),
        ("setsockopt(3, SOL_TCP, TCP_NODELAYY, [1], 4) = 0", "setsockopt: unknown symbol TCP_NODELAYY"),
        ("setsockopt(3, SOL_TCP, TCP_NODELAY, 1, 4) = 0", "setsockopt: the value of an option is [number], "),
    ];
    for (call, expected) in cases {
        let message = after_socket(call);
        assert!(message.starts_with(expected), "{call}: {message}");
    }
}

#[test]
fn time_and_settings_must_make_sense() {
    assert_eq!(failure("1 socket(..., SOCK_STREAM, 0) = 3").message, "the first event must be at time 0");
    let source = "0 socket(..., SOCK_STREAM, 0) = 3\n1 close(3) = 0\n0.5 socket(..., SOCK_STREAM, 0) = 3";
    assert_eq!(failure(source).message, "time goes back from 1.000000 to 0.500000");
    assert_eq!(failure("--no_such\n0 close(3) = 0").message, "there is no setting --no_such");
    assert_eq!(failure("--tolerance_usecs=abc\n0 close(3) = 0").message, "--tolerance_usecs cannot be 'abc'");
}
