//! Bad input on the command line: exit code 2 (125, 126, 127 for what stops a run), one line that says what, where and
//! why, no panic, no control characters.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{Folder, built, finish, text};

const LIMIT: Duration = Duration::from_secs(20);

fn portolan<I: AsRef<OsStr>>(words: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(built());
    command.args(words).stdin(Stdio::null());
    command
}

/// `portolan` with these words, split at spaces.
fn run(line: &str) -> Output {
    finish(&mut portolan(line.split(' ')), LIMIT)
}

fn refused(output: &Output, code: i32, words: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said:?}");
    assert!(said.starts_with("portolan: "), "{said:?}");
    assert!(said.contains(words), "{words:?} is not in {said:?}");
    assert!(!said.contains("panicked") && !said.trim_end().contains(char::is_control), "{said:?}");
    assert!(output.stdout.is_empty());
}

fn refuse(arguments: &[&str], words: &str) {
    refused(&finish(&mut portolan(arguments), LIMIT), 2, words);
}

#[test]
fn unknown_words_get_the_nearest_known_one() {
    refuse(&["run", "--lnik", "none", "--", "true"], "similar argument exists: '--link'");
    refuse(&["doctr"], "similar subcommand exists: 'doctor'");
    refuse(&[], "portolan run -- COMMAND");
    refuse(&["run"], "<COMMAND>");
    refuse(&["doctor", "--jsno"], "'--json'");
}

#[test]
fn values_are_missing_double_or_in_conflict() {
    refuse(&["run", "--mtu"], "a value is required for '--mtu <N>'");
    refuse(&["run", "--mtu", "1500", "--mtu", "1400", "--", "true"], "cannot be used multiple times");
    refuse(&["run", "--link", "none", "--link", "egress", "--", "true"], "cannot be used multiple times");
    refuse(&["run", "--net", "delay 1ms", "--up", "delay 1ms", "--", "true"], "cannot be used with");
    refuse(&["run", "--force", "--", "true"], "--pcap");
    refuse(&["run", "--pcap", "-", "--summary", "-", "--", "true"], "both want standard output");
    refuse(&["run", "--address", "10.9.0.2/24", "--address", "10.9.0.2/24", "--", "true"], "given twice");
}

#[test]
fn values_are_checked_before_anything_starts() {
    for (option, value, words) in [
        ("--link", "", "is no link"),
        ("--link", "wg:x", "is no link"),
        ("--link", "wire", "needs a name"),
        ("--link", "wire:", "is no wire's name"),
        ("--link", "wire:../x", "is no wire's name"),
        ("--link", "packet:a b", "is no device's name"),
        ("--link", "tun:sixteen-octets-x", "16 octets"),
        ("--link", "tap:", "name is empty"),
        ("--link", "tap:sixteen-octets-x", "16 octets"),
        ("--link", "tap:a/b", "is no device's name"),
        ("--link", "tap:\u{1b}[2J", "is no device's name"),
        ("--address", "", "no prefix length"),
        ("--address", "10.0.2.15", "no prefix length"),
        ("--address", "10.0.2.15/33", "from 0 to 32"),
        ("--address", "fd00::1/129", "from 0 to 128"),
        ("--address", "10.0.2/24", "four numbers"),
        ("--address", "010.0.0.1/8", "without leading zeros"),
        ("--address", "1::2::3/64", "'::' at most once"),
        ("--address", "[fd00::1]/64", "without brackets"),
        ("--address", "fe80::1%eth0/64", "zone"),
        ("--address", "10.0.2.0/24", "names the network itself"),
        ("--address", "224.0.0.1/24", "multicast"),
        ("--gateway", "0.0.0.0", "unspecified"),
        ("--dns", "127.0.0.53:53", "is no IP address"),
        ("--mtu", "0", "from 68 to 65535"),
        ("--mtu", "67", "from 68 to 65535"),
        ("--mtu", "65536", "from 68 to 65535"),
        ("--mtu", "-1", "unexpected argument"),
        ("--mtu", "1e3", "is no MTU"),
        ("--mtu", "0x50", "is no MTU"),
        ("--mtu", "80 ", "is no MTU"),
        ("--mtu", "８０", "is no MTU"),
        ("--mtu", "01500", "is no MTU"),
        ("--mtu", "1279", "IPv6 needs 1280"),
        ("--seed", "1.5", "is no seed"),
        ("--hostname", "a..b", "is no host name"),
        ("--net", "", "--net"),
        ("--net", "delay 5x", "delay 5x"),
        ("--net", "delay -1ms", "delay -1ms"),
        ("--net", "delay 1e30s", "delay 1e30s"),
        ("--net", "rate 0", "rate 0"),
        ("--net", "rate nan", "rate nan"),
        ("--net", "loss 101%", "loss 101%"),
        ("--net", "lsos 1%", "lsos"),
        ("--net", "rate inf", "rate inf"),
        ("--net", "rate 10GiBB", "rate 10GiBB"),
        ("--net", "limit 0", "limit 0"),
        ("--summary", "", "--summary"),
    ] {
        refuse(&["run", option, value, "--", "true"], words);
    }
    for link in ["tap:t0", "tun:t0", "packet:v0"] {
        refuse(&["run", "--link", link, "--", "true"], "--address");
    }
    refuse(&["run", "--link", "wire:x", "--publish", "80", "--", "true"], "on wire:x the command is reached");
    refuse(&["run", "--in", "lab", "--link", "none", "--", "true"], "cannot be used with");
    refuse(&["run", "--publish", "90-80", "--", "true"], "runs backwards");
    refuse(&["run", "--publish", "80", "--publish", "80:81", "--", "true"], "the same port");
    let on_tap = ["run", "--link", "tap:t0", "--address", "10.7.0.2/24", "--publish", "80", "--", "true"];
    refuse(&on_tap, "on tap:t0 the command is reached at its own address");
    refuse(&["run", "--address", "10.0.0.3/24", "--", "true"], "wanted by");
    refuse(
        &["run", "--address", "10.0.0.9/24", "--gateway", "10.0.1.1", "--", "true"],
        "could not be reached",
    );
}

/// Options whose value may not be empty, nor octets that are no text.
const VALUES: [&str; 16] = [
    "--link",
    "--address",
    "--gateway",
    "--dns",
    "--publish",
    "--hostname",
    "--mtu",
    "--net",
    "--up",
    "--down",
    "--allow",
    "--deny",
    "--seed",
    "--sysctl",
    "--engine",
    "--deny-log",
];

#[test]
fn empty_strings_are_no_values() {
    for option in VALUES.iter().chain(&["--pcap", "--summary"]) {
        refuse(&["run", option, "", "--", "true"], option);
    }
    for (words, what) in [(["up", ""], "is no host's name"), (["down", ""], "is no host's name")] {
        refuse(&words, what);
    }
    refused(&run("run --in  -- true"), 2, "is no host's name");
    refuse(&["ss", "--host", ""], "is no host's name");
    refuse(&["up", "../x"], "is no host's name");
}

#[test]
fn ports_are_plain_numbers_and_ranges_run_forwards() {
    for (port, why) in [
        ("65536", "is no port"),
        ("-1", "'-1' is no port"),
        ("1e3", "is no port"),
        ("0x50", "is no port"),
        ("80 ", "is no port"),
        ("８０", "is no port"),
        ("00080", "is no port"),
        ("90-80", "runs backwards"),
        ("1-", "no port"),
        ("a-b", "no port"),
    ] {
        refuse(&["run", &format!("--publish={port}"), "--", "true"], why);
        refuse(&["run", &format!("--publish=80:{port}"), "--", "true"], why);
        refuse(&["run", &format!("--allow=x:{port}"), "--", "true"], why);
        refuse(&["run", &format!("--deny=udp:[::1]:{port}"), "--", "true"], why);
    }
    // A free port is one of the machine's, never the command's.
    refuse(&["run", "--publish", "80:0", "--", "true"], "the command's port cannot be 0");
    refuse(&["run", "--allow", "x:0", "--", "true"], "'0' is no port");
}

#[test]
fn addresses_in_other_options_are_checked_as_strictly() {
    for (option, value, why) in [
        ("--gateway", "10.0.1", "four numbers"),
        ("--gateway", "010.0.0.1", "without leading zeros"),
        ("--dns", "1::2::3", "'::' at most once"),
        ("--dns", "[fd00::1]", "without brackets"),
        ("--dns", "fe80::1%nope", "zone"),
        ("--publish", "010.0.0.1:80", "without leading zeros"),
        ("--publish", "10.0.1:80", "four numbers"),
        ("--publish", "::1:80", "in brackets"),
        ("--publish", "[::1:80", "the bracket is not closed"),
        ("--publish", "[fe80::1%nope]:80", "zone"),
        ("--publish", "127.0.0.1", "a port is missing"),
        ("--allow", "10.0.0.0/33", "longer than the address"),
        ("--allow", "fd00::/129", "longer than the address"),
        ("--allow", "10.0.0.0/", "the prefix"),
        ("--allow", "10.1.2.3/8", "lies within the network 10.0.0.0/8; write 10.0.0.0/8, or 10.1.2.3 alone"),
        ("--deny", "fd00::1/8", "lies within the network fd00::/8; write fd00::/8, or fd00::1 alone"),
        ("--allow", "10.0.1", "no IPv4 address"),
        ("--allow", "010.0.0.1", "no IPv4 address"),
        ("--allow", "1::2::3", "no address"),
        ("--allow", "[fd00::1", "no address"),
    ] {
        refuse(&["run", option, value, "--", "true"], why);
    }
}

#[test]
fn filters_are_checked_before_anything_is_shown() {
    for (filter, why) in [
        ("ether host 02:00:00:00:00", "02:00:00:00:00"),
        ("port 65536", "65536"),
        ("port 0x50x", "0x50x"),
        ("portrange 1-", "cannot follow"),
        ("net 10.0.0.1/8", "10.0.0.1"),
        ("net 10.0.0.0/33", "33"),
        ("host 1::2::3", "1::2::3"),
    ] {
        refuse(&["dump", "-r", "/dev/null", filter], why);
    }
    for (filter, why) in [
        ("sport = :65536", "65536"),
        ("dst 10.0.0.1/33", "33"),
        ("dst 1::2::3", "1::2::3"),
        ("state nope", "nope"),
    ] {
        let words: Vec<&str> = ["ss", "-t"].into_iter().chain(filter.split(' ')).collect();
        refuse(&words, why);
    }
}

#[test]
fn octets_that_are_no_text_are_refused() {
    for option in &VALUES[..15] {
        let mut command = portolan(["run", option]);
        refused(&finish(command.arg(OsStr::from_bytes(b"a\xff")).args(["--", "true"]), LIMIT), 2, "UTF-8");
    }
}

#[test]
fn commands_that_cannot_be_started_are_told_apart() {
    let folder = Folder::new();
    let plain = folder.path().join("plain");
    fs::write(&plain, "exit 3\n").unwrap();
    refused(&run("run -- no-such-command-anywhere"), 127, "command not found");
    refused(&run("run -- /no/such/file"), 127, "no such file");
    refused(&run("run -- /tmp"), 126, "is a directory");
    refused(
        &finish(&mut portolan([OsStr::new("run"), OsStr::new("--"), plain.as_os_str()]), LIMIT),
        126,
        "not executable",
    );
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    let as_script = finish(portolan(["run", "--quiet", "--"]).arg(&plain), LIMIT);
    assert_eq!(as_script.status.code(), Some(3), "without #! it is the shell's, as execvp(3) has it");
    refused(&finish(&mut portolan(["run", "--", ""]), LIMIT), 127, "empty");
    // A folder of PATH that the user may not look into: what he has typed is not found, as bash says it.
    if support::root_or_skip() {
        let hidden = folder.path().join("hidden");
        fs::create_dir(&hidden).unwrap();
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = support::run_as_nobody(&["--", "no-such-command"]);
        let command = command.env("PATH", format!("{}:/usr/bin", hidden.display()));
        refused(&finish(command, LIMIT), 127, "command not found");
    }
    let mut poor = Command::new("prlimit");
    poor.arg("--nofile=16:16").arg(built()).args(["run", "--", "true"]).stdin(Stdio::null());
    refused(&finish(&mut poor, LIMIT), 125, "raise ulimit -n");
}

#[test]
fn files_that_cannot_be_written_stop_the_run_before_the_command() {
    let folder = Folder::new();
    let kept = folder.path().join("kept.pcapng");
    fs::write(&kept, "mine").unwrap();
    let marker = folder.path().join("marker");
    let attempt = |option: &str, value: &str| {
        let mut command = portolan(["run", option, value, "--", "touch"]);
        finish(command.arg(&marker), LIMIT)
    };
    refused(&attempt("--pcap", kept.to_str().unwrap()), 125, "--force");
    assert_eq!(fs::read(&kept).unwrap(), b"mine");
    refused(&attempt("--pcap", "/no/such/folder/x"), 125, "--pcap /no/such/folder/x");
    refused(&attempt("--pcap", folder.path().to_str().unwrap()), 125, "is a directory");
    refused(&attempt("--summary", "/no/such/folder/x"), 125, "--summary /no/such/folder/x");
    refused(&attempt("--summary", "/tmp"), 125, "--summary /tmp");
    refused(&attempt("--deny-log", "/no/such/folder/x"), 125, "--deny-log /no/such/folder/x");
    refused(&attempt("--deny-log", "/tmp"), 125, "--deny-log /tmp");
    // A FIFO that nobody reads, which is not waited for.
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = fifo.to_str().unwrap();
    refused(&attempt("--summary", fifo), 125, "nobody reads this FIFO");
    refused(&attempt("--deny-log", fifo), 125, fifo);
    refused(&attempt("--pcap", fifo), 125, fifo);
    assert!(!marker.exists(), "the command was started");
}

#[test]
fn a_tap_that_is_not_there_is_refused() {
    let outcome = run("run --link tap:no-such-tap --address 10.7.0.2/24 -- true");
    refused(&outcome, 125, "no-such-tap");
}

#[test]
fn help_names_only_what_works_and_a_closed_pipe_is_no_error() {
    let help = run("--help");
    assert!(help.status.success() && help.stderr.is_empty());
    let help = text(&help.stdout);
    assert!(help.contains("run") && help.contains("doctor"));
    for absent in ["traceroute", "ping", "resolve"] {
        assert!(!help.contains(absent), "{absent}");
    }
    let mut child =
        portolan(["run", "--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let outcome = child.wait_with_output().unwrap();
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
    // Nor for what shows data.
    for words in ["ls", "ls --json", "ss -a", "presets", "doctor --json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = portolan(words.split(' '));
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let outcome = support::finish_child(child, LIMIT);
        assert!(outcome.status.success() && outcome.stderr.is_empty(), "{words}: {outcome:?}");
    }
}

#[test]
fn the_doctor_tells_what_works() {
    let output = run("doctor --json");
    assert!(output.status.success(), "{output:?}");
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let engine = checks.as_array().unwrap().iter().find(|check| check["name"] == "engine preload").unwrap();
    assert_eq!(engine["outcome"], "works");
    assert!(text(&run("doctor").stdout).contains("engine preload"));
    let netns = checks.as_array().unwrap().iter().find(|check| check["name"] == "engine netns").unwrap();
    assert!(netns["outcome"] == "works" || netns["hint"].is_string(), "{netns}");
}
