//! `portolan dump`, held against tcpdump on the same captures, and on hosts that run.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn portolan(words: &[&str]) -> Command {
    let mut command = Command::new(built());
    command.args(words).stdin(Stdio::null());
    command
}

fn dump(words: &[&str]) -> Output {
    finish(&mut portolan(&[&["dump"], words].concat()), MINUTE)
}

/// What a dump prints, which must succeed.
fn dumped(words: &[&str]) -> String {
    let output = dump(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A recording of TCP with losses, of UDP in fragments, of names, errors and neighbours, over both of IP's versions.
fn recording(folder: &Path) -> PathBuf {
    let path = folder.join("a.pcapng");
    let script = "
curl -s -o /dev/null http://portolan.internal/bytes/100K
curl -s -o /dev/null -4 http://portolan.internal/bytes/50K
curl -s -m 2 http://10.0.2.2:81/
curl -s -m 2 http://nosuch.portolan.internal/
exec /usr/bin/python3 -c '
import socket
for family, address in ((socket.AF_INET, \"10.0.2.2\"), (socket.AF_INET6, \"fd00::2\")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.sendto(bytes(3000), (address, 9))
    s.sendto(b\"hello\", (address, 9))
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    s.connect((address[:-1] + \"4\", 80))
    s.send(b\"x\", socket.MSG_OOB)
    s.close()
'";
    let net = "delay 3ms loss 3% reorder 10%";
    let file = path.to_str().unwrap();
    let words = ["run", "--quiet", "--seed", "4", "--net", net, "--pcap", file, "--", "sh", "-c", script];
    let output = finish(&mut portolan(&words), MINUTE);
    assert!(path.exists(), "{}", text(&output.stderr));
    path
}

fn tcpdump(words: &[&str]) -> String {
    let mut command = Command::new("tcpdump");
    let output = finish(command.args(words), MINUTE);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Asserts that two texts are the same, and says which line is not.
fn assert_same(ours: &str, theirs: &str, what: &str) {
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "{what}, line {number}");
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}");
}

#[test]
fn every_line_is_tcpdumps() {
    let folder = Folder::new();
    let file = recording(folder.path());
    let file = file.to_str().unwrap();
    assert_same(&dumped(&["-n", "-tt", "-r", file]), &tcpdump(&["-n", "-tt", "-r", file]), "plain");
    for words in [&["-n", "-v", "-t", "-r", file, "tcp or udp"][..], &["-n", "-x", "-tt", "-r", file, "tcp"]]
    {
        assert_same(&dumped(words), &tcpdump(words), &words.join(" "));
    }
    assert_eq!(dumped(&["-n", "-c", "3", "-r", file]).lines().count(), 3);

    // What was written is what was read, and tcpdump reads it.
    let copy = folder.path().join("b.pcapng");
    let copy = copy.to_str().unwrap();
    dumped(&["-r", file, "-w", copy]);
    assert_same(&tcpdump(&["-n", "-tt", "-r", copy]), &tcpdump(&["-n", "-tt", "-r", file]), "copy");
    let comments = |file: &str| must(&["tshark", "-r", file, "-T", "fields", "-e", "frame.comment"]);
    assert_eq!(comments(copy), comments(file));
    let again = dump(&["-r", file, "-w", copy]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("the file exists"), "{}", text(&again.stderr));
    dumped(&["-r", file, "-s", "60", "--force", "-w", copy]);
    let lens = must(&["tshark", "-r", copy, "-T", "fields", "-e", "frame.cap_len", "-e", "frame.len"]);
    assert!(
        lens.lines().all(|line| line.split('\t').next().unwrap().parse::<u32>().unwrap() <= 60),
        "{lens}"
    );
    assert!(lens.lines().any(|line| line == "60\t1514"), "{lens}");
    assert_eq!(dumped(&["-n", "-r", copy]).lines().count(), lens.lines().count());
}

#[test]
fn every_filter_means_what_it_means_to_tcpdump() {
    let folder = Folder::new();
    let file = recording(folder.path());
    let file = file.to_str().unwrap();
    for filter in [
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "arp",
        "ip",
        "ip6",
        "not ip",
        "ip or arp",
        "sctp",
        "host 10.0.2.15",
        "src host 10.0.2.15",
        "dst host 10.0.2.4",
        "host fd00::4",
        "src fd00::15 and tcp",
        "net 10.0.2.0/24",
        "net 10.0.2",
        "net 10",
        "src net fd00::/64",
        "dst net 10.0.2.4/30",
        "src and dst net 10.0.2",
        "port 53",
        "tcp port 80",
        "tcp dst port 80",
        "udp src port 53",
        "portrange 50-90",
        "port 53 or 80",
        "port (9 or 53)",
        "port domain",
        "tcp port http",
        "ether host 02:50:4f:00:00:0f",
        "ether src 02:50:4f:00:00:02",
        "ether broadcast",
        "ether multicast",
        "ip multicast",
        "ip6 multicast",
        "broadcast",
        "multicast",
        "ether proto 0x806",
        "ether proto \\ip6",
        "ip proto 17",
        "ip6 proto 58",
        "ip6 proto \\tcp",
        "proto 6",
        "less 60",
        "greater 1000",
        "len > 100 and len <= 1514",
        "tcp[tcpflags] & tcp-syn != 0",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
        "tcp[13] & 4 != 0",
        "tcp[tcpflags] & tcp-urg != 0",
        "ip[6:2] & 0x1fff != 0",
        "ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) > 0",
        "udp[4:2] > 100",
        "icmp[icmptype] = icmp-unreach",
        "icmp6[icmp6type] = 136",
        "ip6[6] = 6",
        "ip6[40] = 0",
        "arp[6:2] = 2",
        "ether[0] & 1 = 1",
        "ether[12:2] = 0x800 and not port 80",
        "not tcp[100] = 1",
        "tcp[0:2] = 80 or udp",
        "tcp or udp and port 53",
        "not port 80 and not port 53",
        "! (tcp port 80 || udp port 53) && ip",
        "dst host 10.0.2.4 and (tcp[4:4] > 1 or len < 10)",
        "tcp src or dst port 80",
        "src or dst host 10.0.2.3",
        "vlan",
        "vlan 7 and tcp",
        "ip host 10.0.2.2",
        "arp host 10.0.2.2",
        "len - 14 = ip[2:2]",
        "1 + 1 = 2",
        "host 10.0.2.2 or 10.0.2.3",
        "tcp and not tcp[20:4] / 256 = 0",
        "0 - 1 > 0",
        "ip[8] % 2 = 0",
    ] {
        let theirs = tcpdump(&["-n", "-tt", "-r", file, filter]);
        assert_same(&dumped(&["-n", "-tt", "-r", file, filter]), &theirs, filter);
    }
    // What tcpdump refuses is refused.
    for filter in
        ["host", "tcp[0:3] = 1", "port 70000", "net 10.0.0.1/8", "tcp and", "1 / 0 = 1", "xyzzy.invalid"]
    {
        let theirs = finish(Command::new("tcpdump").args(["-n", "-r", file, filter]), MINUTE);
        let ours = dump(&["-n", "-r", file, filter]);
        assert!(!theirs.status.success(), "{filter}");
        assert_eq!(ours.status.code(), Some(2), "{filter}");
        assert_eq!(text(&ours.stderr).lines().count(), 1, "{}", text(&ours.stderr));
    }
}

/// The frames of `frames.txt`, each with its class.
fn frames() -> Vec<(char, Vec<u8>)> {
    let lines = include_str!("frames.txt").lines().filter(|line| !line.starts_with('#'));
    let frame = |line: &str| {
        let (class, hex) = line.split_once(' ').unwrap();
        let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        (class.chars().next().unwrap(), octets.collect())
    };
    lines.map(frame).collect()
}

/// A file with one packet a second: the first `captured` octets of each.
fn file_of<'a>(folder: &Folder, name: &str, packets: impl Iterator<Item = (usize, &'a [u8])>) -> String {
    let mut out = pcap(false, 0xa1b2_c3d4, 1, &[]);
    for (number, (captured, frame)) in packets.enumerate() {
        for n in [number, 0, captured, frame.len()] {
            out.extend((n as u32).to_le_bytes());
        }
        out.extend(&frame[..captured]);
    }
    folder.file(name, &out).to_str().unwrap().to_owned()
}

#[test]
fn neighbours_checksums_labels_and_what_is_cut_off_are_shown_as_by_tcpdump() {
    let (folder, frames) = (Folder::new(), frames());
    let shown = frames.iter().filter(|(class, _)| *class != 'f').map(|(_, frame)| frame.as_slice());
    let whole = file_of(&folder, "whole", shown.map(|frame| (frame.len(), frame)));
    let cut = frames.iter().filter(|(class, _)| *class == 'a');
    let cut = cut.flat_map(|(_, frame)| (4..frame.len()).map(|len| (len, frame.as_slice())));
    let cut = file_of(&folder, "cut", cut);
    for words in
        [&["-n", "-t", "-r", &whole][..], &["-n", "-t", "-v", "-r", &whole], &["-n", "-t", "-r", &cut]]
    {
        let theirs = tcpdump(words);
        assert!(theirs.lines().count() > 50, "{theirs}");
        assert_same(&dumped(words), &theirs, &words.join(" "));
    }
    let verbose = dumped(&["-n", "-t", "-v", "-r", &whole]);
    for said in [
        "tgt is fd00::2, Flags [router, solicited, override]",
        "source link-address option (1), length 8 (1): 02:50:4f:00:00:0f",
        "[udp sum ok]",
        "[bad udp cksum 0xb3b9 -> 0xa2a8!]",
    ] {
        assert!(verbose.contains(said), "{said}: {verbose}");
    }
    let short = dumped(&["-n", "-t", "-r", &cut]);
    assert!(["[|tcp]", "[|udp]", "[|domain]", "[|ip6]"].iter().all(|mark| short.contains(mark)), "{short}");
}

#[test]
fn filters_that_step_over_headers_mean_what_they_mean_to_tcpdump() {
    let (folder, frames) = (Folder::new(), frames());
    let all = frames.iter().map(|(_, frame)| (frame.len(), frame.as_slice()));
    let file = file_of(&folder, "all", all);
    // Which packets, by their time; some are not shown alike.
    let which = |lines: String| -> Vec<String> {
        let times = lines.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        times.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let mut found = 0;
    for filter in [
        "mpls",
        "mpls 100",
        "mpls 200",
        "mpls 100 and mpls 200",
        "mpls 100 and mpls 200 and ip",
        "mpls and udp",
        "mpls and ip6",
        "mpls 1024 and tcp port 80",
        "mpls and host 10.0.2.15",
        "vlan 7 and udp",
        "vlan and vlan 8 and ip6",
        "ip protochain 6",
        "ip protochain 51",
        "ip6 protochain 58",
        "ip6 protochain \\tcp",
        "ip6 protochain 0",
        "ip6 protochain 60",
        "protochain 17",
        "not protochain 6",
        "ip broadcast",
        "ip multicast",
        "ip6 multicast",
        "ether broadcast",
        "ether multicast",
        "igmp",
        "ah",
    ] {
        let theirs = which(tcpdump(&["-n", "-tt", "-r", &file, filter]));
        assert_eq!(which(dumped(&["-n", "-tt", "-r", &file, filter])), theirs, "{filter}");
        found += theirs.len();
    }
    assert!(found > 100, "{found}");
    for filter in ["mpls 1048576", "tcp protochain 6"] {
        assert!(!finish(Command::new("tcpdump").args(["-r", &file, filter]), MINUTE).status.success());
        assert_eq!(dump(&["-r", &file, filter]).status.code(), Some(2), "{filter}");
    }
}

/// A file of the older format with these records: seconds, captured octets.
fn pcap(big: bool, magic: u32, link: u32, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let number = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut out = [&number(magic)[..], &short(2), &short(4), &[0; 8], &number(65535), &number(link)].concat();
    for (seconds, len, octets) in records {
        for n in [*seconds, 7, *len, *len] {
            out.extend(number(n));
        }
        out.extend(*octets);
    }
    out
}

/// A block of a pcapng file.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, body, &len].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

fn interface(link: u16, options: &[u8]) -> Vec<u8> {
    block(1, &[&link.to_le_bytes()[..], &[0; 6], options].concat())
}

fn packet(interface: u32, captured: u32, octets: &[u8]) -> Vec<u8> {
    let head = [interface, 0, 5_000_000, captured, captured].map(u32::to_le_bytes).concat();
    block(6, &[&head[..], octets].concat())
}

/// An ARP request, whole.
const ARP: [u8; 44] = {
    let mut frame = [0; 44];
    frame[12] = 8;
    frame[13] = 6;
    frame[15] = 1;
    frame[16] = 8;
    frame[18] = 6;
    frame[19] = 4;
    frame[21] = 1;
    frame
};

/// Files that lie about their lengths, or are none.
#[test]
fn n4_a_broken_file_is_one_line_with_its_offset_behind_what_could_be_read() {
    const MICROSECONDS: u32 = 0xa1b2_c3d4;
    let folder = Folder::new();
    let good = [section(), interface(1, &[]), packet(0, 44, &ARP)].concat();
    let twice = [(1, 44, &ARP[..]), (2, 44, &ARP[..])];
    let with = |more: Vec<u8>| [good.clone(), more].concat();
    let raw = |kind: u32, len: u32| [kind.to_le_bytes(), len.to_le_bytes()].concat();
    let mut odd = packet(0, 44, &ARP);
    *odd.last_mut().unwrap() = 9;
    for (what, octets, lines, said) in [
        ("empty", Vec::new(), 0, "is empty"),
        ("text", b"what is this file?".to_vec(), 0, "is no capture file"),
        (
            "short",
            pcap(false, MICROSECONDS, 1, &[])[..23].to_vec(),
            0,
            "header at offset 0x4: the file ends after 19 of 20",
        ),
        ("modified", pcap(false, 0xa1b2_cd34, 1, &[]), 0, "Kuznetzov"),
        ("link", pcap(false, MICROSECONDS, 105, &[]), 0, "link type 105 (IEEE802_11)"),
        ("little", pcap(false, MICROSECONDS, 1, &twice), 2, ""),
        ("big", pcap(true, MICROSECONDS, 1, &twice), 2, ""),
        ("nanoseconds", pcap(true, 0xa1b2_3c4d, 1, &twice), 2, ""),
        ("nothing", pcap(false, MICROSECONDS, 1, &[]), 0, ""),
        ("backwards", pcap(false, MICROSECONDS, 1, &[(9, 44, &ARP), (2, 44, &ARP)]), 2, ""),
        ("void", pcap(false, MICROSECONDS, 1, &[(1, 0, &[]), (2, 44, &ARP)]), 2, ""),
        (
            "long",
            pcap(false, MICROSECONDS, 1, &[(1, 44, &ARP), (2, u32::MAX, &ARP)]),
            1,
            "record at offset 0x54: length 4294967295 > 256 KiB",
        ),
        (
            "cut",
            pcap(false, MICROSECONDS, 1, &[(1, 44, &ARP), (2, 99, &ARP)]),
            1,
            "record at offset 0x64: the file ends after 44 of 99",
        ),
        ("ng", good.clone(), 1, ""),
        (
            "unknown",
            [section(), interface(1, &[]), block(0x77, &[1, 2, 3, 4]), packet(0, 44, &ARP)].concat(),
            1,
            "",
        ),
        ("sections", [good.clone(), good.clone()].concat(), 2, ""),
        ("bomb", with(raw(6, u32::MAX)), 1, "length 4294967295 > 16 MiB"),
        ("zero", with(raw(6, 0)), 1, "block at offset 0x7c: length 0 cannot be"),
        ("odd", with(raw(6, 33)), 1, "length 33 cannot be"),
        ("promise", with(raw(6, 16 << 20)), 1, "in the middle of it"),
        ("unequal", with(odd), 1, "in front and"),
        ("foreign", with(packet(3, 44, &ARP)), 1, "interface 3 of 1 is not described"),
        ("room", with(packet(0, 45, &ARP)), 1, "packet's length 45 in a block with room for 44"),
        ("huge", with(packet(0, 0x8000_0000, &ARP)), 1, "packet's length 2147483648 > 256 KiB"),
        (
            "no end",
            [section(), interface(1, &[2, 0, 2, 0, b'a', b'b', 0, 0]), packet(0, 44, &ARP)].concat(),
            1,
            "",
        ),
        ("bad option", [section(), interface(1, &[2, 0, 0xff, 0xff]), packet(0, 44, &ARP)].concat(), 1, ""),
        (
            "resolution",
            [section(), interface(1, &[9, 0, 1, 0, 0xff, 0, 0, 0]), packet(0, 44, &ARP)].concat(),
            0,
            "2^-127 s",
        ),
        ("ng link", [section(), interface(105, &[]), packet(0, 44, &ARP)].concat(), 0, "link type 105"),
        ("no interface", [section(), packet(0, 44, &ARP)].concat(), 0, "interface 0 of 0 is not described"),
        ("order", block(0x0a0d_0d0a, &[0; 16]), 0, "octets that tell its order"),
    ] {
        let path = folder.file(what, &octets);
        let output = dump(&["-n", "-t", "-r", path.to_str().unwrap()]);
        let stderr = text(&output.stderr);
        assert_eq!(text(&output.stdout).lines().count(), lines, "{what}: {stderr}");
        let line = stderr.lines().find(|line| line.starts_with("portolan: ")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(i32::from(!said.is_empty())), "{what}: {stderr}");
        assert!(line.contains(said) && (said.is_empty() || line.contains(what)), "{what}: {stderr}");
        assert!(stderr.lines().count() <= 2, "{what}: {stderr}");
    }
    for (words, said) in [(["-r", "/nonexistent"], "No such file"), (["-r", "/"], "directory")] {
        let output = dump(&words);
        assert!(output.status.code() == Some(1) && text(&output.stderr).contains(said), "{output:?}");
    }
}

#[test]
fn n8_no_packet_steers_the_terminal() {
    let folder = Folder::new();
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0, 80, 0, 90, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0, 1, 0, 0, 0, 0]);
    frame.extend(b"HTTP/1.1 \x1b]0;x\x07\xc2\x9b1m\r\n");
    let mut dns = vec![0; 12];
    dns.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    dns.extend([
        0, 53, 0, 53, 0, 34, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0x1b, b'[', b'1', b'm', 0, 0, 1, 0,
        1,
    ]);
    let records = [(1, frame.len() as u32, &frame[..]), (2, dns.len() as u32, &dns[..])];
    let path = folder.file("evil", &pcap(false, 0xa1b2_c3d4, 1, &records));
    for words in [&["-n", "-r", path.to_str().unwrap()][..], &["-nv", "-r", path.to_str().unwrap()]] {
        let shown = dumped(words);
        assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{shown:?}");
    }
    assert!(dumped(&["-n", "-r", path.to_str().unwrap()]).contains("\\u{1b}[1m"));
}

#[test]
fn a_full_disk_costs_one_line() {
    let folder = Folder::new();
    let path = folder.file("a", &pcap(false, 0xa1b2_c3d4, 1, &[(1, 44, &ARP)]));
    let output = dump(&["-r", path.to_str().unwrap(), "--force", "-w", "/dev/full"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("the capture to '/dev/full' ends here: No space left"), "{said}");
}

/// A running host with a private runtime directory, and the words to ask for it.
fn running(runtime: &Folder, words: &[&str]) -> Guard {
    fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = portolan(&[&["run", "--quiet", "--"], words].concat());
    command.env("XDG_RUNTIME_DIR", runtime.path()).stdout(Stdio::null());
    let guard = Guard(command.spawn().unwrap());
    let socket = runtime.path().join(format!("portolan/run-{}.sock", guard.0.id()));
    eventually(MINUTE, || socket.exists());
    guard
}

const LOOP: &str = "while :; do curl -4 -s -o /dev/null http://portolan.internal/echo; sleep 0.05; done";

#[test]
fn a_running_host_is_watched_until_enough_was_seen_or_control_c() {
    let runtime = Folder::new();
    let none = portolan(&["dump"]).env("XDG_RUNTIME_DIR", runtime.path()).output().unwrap();
    assert!(text(&none.stderr).contains("no host is running"), "{none:?}");
    let host = running(&runtime, &["sh", "-c", LOOP]);
    let name = format!("run-{}", host.0.id());
    let ask = |words: &[&str]| {
        let mut command = portolan(&[&["dump"], words].concat());
        command.env("XDG_RUNTIME_DIR", runtime.path());
        command
    };
    let output = finish(&mut ask(&["-n", "-c", "5", "tcp[tcpflags] & tcp-syn != 0 and port 80"]), MINUTE);
    let (lines, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(lines.lines().count(), 5, "{lines}");
    assert!(lines.lines().all(|line| line.contains("Flags [S")), "{lines}");
    assert!(said.contains(&format!("listening on {name}, link-type EN10MB")), "{said}");
    assert!(said.contains("5 packets captured\n0 packets dropped"), "{said}");
    assert!(text(&finish(&mut ask(&["-D"]), MINUTE).stdout).contains(&name));

    // Control-C ends it in order, also a file: with comments, and readable.
    let file = runtime.path().join("live.pcapng");
    let file = file.to_str().unwrap();
    let mut watching = ask(&["-i", &name, "-w", file]);
    let watching = watching.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    eventually(MINUTE, || fs::metadata(file).is_ok_and(|about| about.len() > 20_000));
    signal(watching.id(), "INT");
    let output = finish_child(watching, MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(" packets captured"), "{}", text(&output.stderr));
    let comments =
        must(&["tshark", "-r", file, "-Y", "tcp.port == 80", "-T", "fields", "-e", "frame.comment"]);
    assert!(
        comments.lines().all(|line| line.starts_with("curl (pid ")) && !comments.is_empty(),
        "{comments}"
    );

    // A second host: then one has to be chosen.
    let _second = running(&runtime, &["sleep", "100"]);
    let output = finish(&mut ask(&["-c", "1"]), MINUTE);
    assert!(text(&output.stderr).contains("several hosts are running, so say which one: run-"), "{output:?}");
    let output = finish(&mut ask(&["-i", "nosuch", "-c", "1"]), MINUTE);
    assert!(text(&output.stderr).contains("no host 'nosuch' is running"), "{output:?}");
}

#[test]
fn a_host_that_ends_ends_the_dump_and_a_pipe_that_closes_too() {
    let runtime = Folder::new();
    let mut host = running(&runtime, &["sh", "-c", LOOP]);
    let mut command = portolan(&["dump", "-n"]);
    command.env("XDG_RUNTIME_DIR", runtime.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watching = command.spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!([" > ", " who-has "].iter().any(|word| first.contains(word)), "{first}");
    drop(lines); // Nobody reads any more.
    assert_eq!(finish_child(watching, MINUTE).status.code(), Some(0));

    let watching = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(host.0.id(), "TERM");
    wait(&mut host.0, MINUTE).expect("it ends");
    let output = finish_child(watching, MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("packets captured"), "{}", text(&output.stderr));
}
