//! Whole runs of the real program, beyond the main path: exit codes, names, links, files, and how a run ends.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn portolan<I: AsRef<OsStr>>(words: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(built());
    command.args(words).stdin(Stdio::null());
    command
}

/// `portolan` with these words, split at spaces.
fn run(line: &str) -> Output {
    finish(&mut portolan(line.split(' ')), MINUTE)
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn octets(size: u64) -> Vec<u8> {
    (0..size).map(octet).collect()
}

fn name_of(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The child of a run that has this name, once it is there.
fn child_named(run: u32, name: &str) -> u32 {
    let find = || children(run).into_iter().find(|child| name_of(*child) == name);
    eventually(Duration::from_secs(10), || find().is_some());
    find().unwrap()
}

#[test]
fn exit_codes_are_those_of_a_shell() {
    for (script, code) in [("exit 0", 0), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -USR1 $$", 138)] {
        let output = finish(&mut portolan(["run", "--quiet", "--", "sh", "-c", script]), MINUTE);
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn bytes_arrive_as_documented_over_both_families() {
    for family in ["-4", "-6"] {
        let output = run(&format!("run --quiet -- curl {family} -sS http://portolan.internal/bytes/3M"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stdout == octets(3 << 20), "{family}: {} octets", output.stdout.len());
    }
}

#[test]
fn what_is_posted_is_echoed() {
    let folder = Folder::new();
    let file = folder.file("posted", &noise(1 << 20));
    let data = format!("@{}", file.display());
    let words =
        ["run", "--quiet", "--", "curl", "-sS", "--data-binary", &data, "http://portolan.internal/echo"];
    let output = finish(&mut portolan(words), MINUTE);
    assert!(output.stdout == noise(1 << 20), "{} octets, {}", output.stdout.len(), text(&output.stderr));
}

#[test]
fn the_hosts_loopback_has_one_name() {
    let folder = Folder::new();
    folder.file("file", b"here");
    let (_server, port) = python_server(folder.path());
    let output = run(&format!("run --quiet -- curl -sS http://host.portolan.internal:{port}/file"));
    assert_eq!(text(&output.stdout), "here", "{}", text(&output.stderr));
    for other in ["127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
        let output = run(&format!("run --quiet -- curl -sS -m 5 http://{other}:{port}/file"));
        assert!(!output.status.success(), "{other} leads to the host");
    }
}

#[test]
fn the_metadata_service_is_not_reached() {
    let output = run("run -- curl -sS -m 10 http://169.254.169.254/latest/");
    assert_eq!(output.status.code(), Some(7));
    assert!(text(&output.stderr).contains("refused by the fence: 1"), "{}", text(&output.stderr));
}

#[test]
fn a_name_that_does_not_exist_is_told_at_once() {
    let began = Instant::now();
    assert_eq!(run("run --quiet -- curl -sS http://nothing.portolan.internal/").status.code(), Some(6));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn link_none_has_the_built_in_server_and_nothing_else() {
    let output = run("run --link none -- curl -sS http://portolan.internal/bytes/100K");
    assert!(output.stdout == octets(100 << 10), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("link none"));
    assert_eq!(
        run("run --quiet --link none -- curl -sS http://host.portolan.internal/").status.code(),
        Some(6)
    );
    assert_eq!(run("run --quiet --link none -- curl -sS -m 5 http://192.0.2.1/").status.code(), Some(7));
}

#[test]
fn servers_and_clients_of_one_run_meet_on_its_loopback() {
    let script = "/usr/bin/python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 & \
                  for i in 1 2 3 4 5 6 7 8 9 10; do \
                  curl -sS http://127.0.0.1:8000/ >/dev/null 2>&1 && break; sleep 0.3; done; \
                  curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/; kill $!";
    let output =
        finish(&mut portolan(["run", "--quiet", "--link", "none", "--", "sh", "-c", script]), MINUTE);
    assert_eq!(text(&output.stdout), "200", "{}", text(&output.stderr));
}

#[test]
fn other_addresses_move_the_whole_wire() {
    let output = run("run --quiet --address 192.168.77.9/24 -- curl -sS http://portolan.internal/");
    let page = text(&output.stdout);
    assert!(
        page.contains("192.168.77.9/24") && page.contains("192.168.77.3"),
        "{page} {}",
        text(&output.stderr)
    );
}

#[test]
fn the_host_name_is_the_commands_own() {
    let script = "import socket; print(socket.gethostbyname('web-1.example'))";
    let words = ["run", "--quiet", "--hostname", "web-1.example", "--", "/usr/bin/python3", "-c", script];
    let output = finish(&mut portolan(words), MINUTE);
    assert_eq!(text(&output.stdout), "10.0.2.15\n", "{}", text(&output.stderr));
}

#[test]
fn a_capture_to_standard_output_leaves_the_command_its_words() {
    let output = run("run --quiet --pcap - -- curl -4sS http://portolan.internal/nowhere");
    assert_eq!(output.stdout[..4], [0x0a, 0x0d, 0x0d, 0x0a], "a section header");
    assert!(text(&output.stderr).contains("not here"), "the command's own output: {}", text(&output.stderr));
}

#[test]
fn a_capture_replaces_a_file_only_by_force() {
    let folder = Folder::new();
    let file = folder.file("old", b"old");
    let words = ["run", "--quiet", "--force", "--pcap", file.to_str().unwrap(), "--", "true"];
    assert!(finish(&mut portolan(words), MINUTE).status.success());
    assert_eq!(fs::read(&file).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
}

#[test]
fn a_summary_goes_where_it_is_sent() {
    let folder = Folder::new();
    let file = folder.path().join("summary");
    let url = "http://portolan.internal/";
    let words = ["run", "--summary", file.to_str().unwrap(), "--", "curl", "-sS", "-o", "/dev/null", url];
    let output = finish(&mut portolan(words), MINUTE);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(fs::read_to_string(&file).unwrap().contains("portolan.internal:80/tcp"));
    assert!(text(&run("run --summary - -- true").stdout).starts_with("portolan: engine preload+seccomp"));
}

#[test]
fn what_was_written_last_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reader = std::thread::spawn(move || {
        let mut octets = Vec::new();
        listener.accept()?.0.read_to_end(&mut octets).map(|_| octets)
    });
    // The client writes and is gone; the wire still holds most of it.
    let script = format!(
        "import socket; s = socket.create_connection(('host.portolan.internal', {port})); s.sendall(b'x' * 3000000)"
    );
    let words = ["run", "--quiet", "--net", "delay 30ms", "--", "/usr/bin/python3", "-c", &script];
    let output = finish(&mut portolan(words), MINUTE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(reader.join().unwrap().unwrap().len(), 3_000_000);
}

#[test]
fn a_termination_resets_the_machines_connections_too() {
    for name in ["TERM", "INT"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://host.portolan.internal:{}/", listener.local_addr().unwrap().port());
        let mut child = start(&mut portolan(["run", "--", "curl", "-4sS", &url]));
        let (mut stream, _) = listener.accept().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        signal(child.id(), name);
        let status = wait(&mut child, Duration::from_secs(5)).expect("the run ends");
        assert_ne!(status.code(), Some(0));
        let ended = stream.read_to_end(&mut Vec::new());
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset, "SIG{name}");
    }
}

#[test]
fn the_death_of_the_stack_process_is_told() {
    let accept = "import socket; s = socket.create_server(('', 80)); s.accept()";
    for words in
        [vec!["curl", "-sS", "http://portolan.internal/delay/600000"], vec!["/usr/bin/python3", "-c", accept]]
    {
        let child = start(&mut portolan(["run", "--"].iter().chain(&words)));
        let stack = child_named(child.id(), "portolan-stack");
        std::thread::sleep(Duration::from_millis(800));
        signal(stack, "KILL");
        let output = finish_child(child, Duration::from_secs(10));
        assert_ne!(output.status.code(), Some(0), "{words:?}");
        assert!(text(&output.stderr).contains("was killed by signal 9"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    let mut child = start(&mut portolan(["run", "--", "sleep", "600"]));
    let left = [child_named(child.id(), "portolan-stack"), child_named(child.id(), "sleep")];
    let environment = fs::read(format!("/proc/{}/environ", left[1])).unwrap();
    let preload =
        environment.split(|octet| *octet == 0).find_map(|line| line.strip_prefix(b"LD_PRELOAD=")).unwrap();
    let preload = Path::new(std::str::from_utf8(preload).unwrap()).to_owned();
    assert!(preload.exists());
    signal(child.id(), "KILL");
    wait(&mut child, Duration::from_secs(5)).unwrap();
    // Whoever has adopted them may take its time to reap them.
    let has_ended = |process| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z"))
    };
    for process in left {
        eventually(Duration::from_secs(5), || has_ended(process));
    }
    let is_sibling = preload.parent() == built().parent();
    // At once, as a rule; what is left in spite of all, the next run removes when it is ten seconds old.
    eventually(Duration::from_secs(40), || {
        is_sibling || !preload.exists() || {
            std::thread::sleep(Duration::from_secs(1));
            finish(&mut portolan(["run", "--quiet", "--link", "none", "--", "true"]), MINUTE).status.success()
                && !preload.exists()
        }
    });
}

#[test]
fn a_second_run_does_not_disturb_the_first() {
    let accept =
        "import socket; s = socket.create_server(('', 8080)); print('ready', flush=True); s.accept()";
    let runs = [(); 2]
        .map(|()| Guard(start(&mut portolan(["run", "--quiet", "--", "/usr/bin/python3", "-c", accept]))));
    for mut run in runs {
        let mut ready = [0; 5];
        run.0.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        assert_eq!(&ready, b"ready", "both have port 8080 for themselves");
    }
}

#[test]
fn a_run_starts_quickly() {
    let once = || {
        let began = Instant::now();
        assert!(run("run --quiet -- true").status.success());
        began.elapsed()
    };
    let best = (0..5).map(|_| once()).min().unwrap();
    println!("the quickest of five: {best:?}");
    assert!(best < Duration::from_millis(500), "{best:?}");
}

/// The length of the whole blocks of a pcapng file that has only such.
fn whole_blocks(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = octets.get(at + 4..at + 8) {
        at += u32::from_le_bytes(length.try_into().unwrap()) as usize;
    }
    at
}

#[test]
fn a_full_disk_ends_the_recording_and_is_told() {
    let words = "run --quiet --force --pcap /dev/full -- curl -sS -o /dev/null http://portolan.internal/";
    let output = run(words);
    assert!(output.status.success(), "the command has nothing to do with it");
    let said = text(&output.stderr);
    assert!(said.starts_with("portolan: --pcap: the recording ends early: No space left"), "{said:?}");
    assert_eq!(said.lines().count(), 1, "{said:?}");

    // A limit for the size of files is as good as a small disk; the preload library needs some of it. The signal that comes with it is ignored.
    let folder = Folder::new();
    let file = folder.path().join("cut.pcapng");
    let script = "trap '' XFSZ; ulimit -f 16384; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(built()).args(["run", "--quiet", "--pcap"]).arg(&file);
    command.args(["--", "curl", "-sS", "-o", "/dev/null", "http://portolan.internal/bytes/20M"]);
    let output = finish(&mut command, MINUTE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--pcap: the recording ends early"), "{}", text(&output.stderr));
    let recorded = fs::read(&file).unwrap();
    assert!(recorded.len() > 5_000_000, "{} octets", recorded.len());
    assert_eq!(whole_blocks(&recorded), recorded.len(), "the file ends with a whole block");
}
