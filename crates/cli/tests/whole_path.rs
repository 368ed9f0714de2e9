//! The main job, whole: an unmodified program on our own Ethernet, IP and TCP, as an ordinary user.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn nobody_fetches_the_built_in_page_and_sees_the_flow_table() {
    if !root_or_skip() {
        return;
    }
    let output = finish(&mut run_as_nobody(&["--", "curl", "-s", "http://portolan.internal/"]), MINUTE);
    let (page, report) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(page.contains("<html") && page.contains("Portolan"), "{page}");
    assert!(report.contains("preload"), "the summary names the engine: {report}");
    assert!(report.contains("portolan.internal:80"), "a row for the flow: {report}");
}

#[test]
fn the_status_of_the_command_is_the_status_of_run() {
    if !root_or_skip() {
        return;
    }
    for (words, code) in [
        (&["--", "sh", "-c", "exit 7"][..], 7),
        (&["--", "true"], 0),
        (&["--", "sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["--", "/nonexistent/program"], 127),
        (&["--", "/etc/passwd"], 126),
    ] {
        let output = finish(&mut run_as_nobody(words), MINUTE);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output.stderr));
    }
}

/// Reads to the end and holds every octet against the definition.
fn verify(mut from: impl Read, size: u64) {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let len = from.read(&mut buffer).unwrap();
        if len == 0 {
            break;
        }
        for byte in &buffer[..len] {
            assert_eq!(*byte, octet(at), "octet {at}");
            at += 1;
        }
    }
    assert_eq!(at, size);
}

#[test]
fn a_large_download_has_the_defined_content() {
    if !root_or_skip() {
        return;
    }
    let mebibytes = full_or(256, 1024);
    let url = format!("http://portolan.internal/bytes/{mebibytes}M");
    let mut child =
        Guard(run_as_nobody(&["--quiet", "--", "curl", "-s", &url]).stdout(Stdio::piped()).spawn().unwrap());
    verify(child.0.stdout.take().unwrap(), mebibytes << 20);
    assert_eq!(wait(&mut child.0, MINUTE).unwrap().code(), Some(0));
}

#[test]
fn an_impaired_wire_still_delivers_every_octet() {
    if !root_or_skip() {
        return;
    }
    let net = "delay 20ms loss 2% reorder 5% duplicate 1% corrupt 0.5%";
    let words =
        ["--quiet", "--seed", "1", "--net", net, "--", "curl", "-s", "http://portolan.internal/bytes/2M"];
    let start = Instant::now();
    let output = finish(&mut run_as_nobody(&words), MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    verify(&output.stdout[..], 2 << 20);
    println!("2 MiB in {:?}", start.elapsed());
}

#[test]
fn a_server_on_the_hosts_loopback_is_reached_by_its_name() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    let content = noise(3_000_000);
    folder.file("file", &content);
    let (_server, port) = python_server(folder.path());
    let url = format!("http://host.portolan.internal:{port}/file");
    let output = finish(&mut run_as_nobody(&["--", "curl", "-s", &url]), MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout == content, "{} octets came", output.stdout.len());
}

#[test]
fn a_closed_port_is_refused_at_once() {
    if !root_or_skip() {
        return;
    }
    let url = format!("http://host.portolan.internal:{}/", free_port());
    let start = Instant::now();
    let output = finish(&mut run_as_nobody(&["--", "curl", "-s", &url]), MINUTE);
    assert_eq!(
        output.status.code(),
        Some(7),
        "curl's word for a refused connection: {}",
        text(&output.stderr)
    );
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn tshark_reads_the_capture_without_one_malformed_packet() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::writable();
    let file = folder.path().join("run.pcapng");
    let file = file.to_str().unwrap();
    let words = ["--quiet", "--pcap", file, "--", "curl", "-s", "http://portolan.internal/bytes/1M"];
    let output = finish(&mut run_as_nobody(&words), MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    verify(&output.stdout[..], 1 << 20);
    let shark = |filter: &str| {
        let checks = [
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ];
        let mut words = vec!["tshark", "-r", file, "-Y", filter];
        words.extend(checks);
        must(&words).lines().count()
    };
    let data = shark("tcp.len > 0");
    assert!(data > 700, "1 MiB in frames of at most the MTU is more than 700 frames: {data}");
    assert!(shark("dns") >= 2, "the look-up crosses the wire too");
    assert_eq!(shark("frame.len > 1514"), 0);
    assert_eq!(
        shark(
            "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || udp.checksum.status == 0"
        ),
        0
    );

    let second = finish(&mut run_as_nobody(&words), MINUTE);
    assert_eq!(second.status.code(), Some(125), "an existing file is refused without --force");
    assert!(text(&second.stderr).contains("--force"), "{}", text(&second.stderr));
}
