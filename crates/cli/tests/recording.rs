//! What `--pcap` records beside frames: whose they are, and the keys that open them.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A TLS server on the host's loopback that answers every request with the same words.
fn tls_server(folder: &Path) -> (Guard, u16) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    must(&[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=host.portolan.internal",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ]);
    let script = "
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '15')
        self.end_headers()
        self.wfile.write(b'behind the veil')
    def log_message(self, *words): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";
    let port = free_port();
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script, &port.to_string(), &certificate, &key]).env_remove("SSLKEYLOGFILE");
    let guard = Guard(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually(MINUTE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (guard, port)
}

/// What tshark prints of a recording.
fn tshark(file: &str, port: u16, words: &[&str]) -> String {
    let tls = format!("tls.port=={port},http");
    must(&[&["tshark", "-r", file, "-d", &tls], words].concat())
}

/// `portolan run --pcap FILE -- curl https://...`, with a runtime directory of its own.
fn record(runtime: &Path, file: &str, port: u16) -> Command {
    let mut command = Command::new(built());
    let url = format!("https://host.portolan.internal:{port}/");
    command.args(["run", "--quiet", "--pcap", file, "--", "curl", "-sk", &url]);
    command.env("XDG_RUNTIME_DIR", runtime).env_remove("SSLKEYLOGFILE").stdin(Stdio::null());
    command
}

#[test]
fn n10_a_recording_has_the_keys_that_open_it_and_nothing_else_has() {
    let folder = Folder::new();
    let (_server, port) = tls_server(folder.path());
    let runtime = Folder::new();
    fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = folder.path().join("run.pcapng");
    let file = file.to_str().unwrap();
    let output = finish(record(runtime.path(), file, port).env("PORTOLAN_BACKTRACE", "1"), MINUTE);
    assert_eq!(text(&output.stdout), "behind the veil", "{}", text(&output.stderr));
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);

    let bodies = tshark(file, port, &["-Y", "http.response", "-T", "fields", "-e", "http.file_data"]);
    assert!(bodies.contains("behind the veil") || bodies.contains("626568696e64207468"), "{bodies:?}");
    let keys = must(&["strings", "-n", "30", file]);
    let secret =
        keys.lines().find(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 ")).expect("a key in the file");
    let secret = secret.split(' ').nth(2).unwrap();
    assert!(!text(&output.stderr).contains(secret), "no key but in the recording");
    let left: Vec<_> = fs::read_dir(runtime.path().join("portolan")).unwrap().collect();
    assert!(left.is_empty(), "the command's key file goes with the run: {left:?}");
}

#[test]
fn the_users_own_key_log_is_used_from_where_it_stands() {
    let folder = Folder::new();
    let (_server, port) = tls_server(folder.path());
    let log = folder
        .file("keys", b"CLIENT_RANDOM 0123456789abcdef0123456789abcdef 00112233445566778899aabbccddeeff\n");
    let file = folder.path().join("run.pcapng");
    let file = file.to_str().unwrap();
    let output = finish(record(folder.path(), file, port).env("SSLKEYLOGFILE", &log), MINUTE);
    assert_eq!(text(&output.stdout), "behind the veil", "{}", text(&output.stderr));
    assert!(
        fs::read_to_string(&log).unwrap().contains("SERVER_TRAFFIC_SECRET_0 "),
        "the user's file is written"
    );
    assert!(tshark(file, port, &["-Y", "http.response"]).contains("200"));
    assert!(
        !must(&["strings", "-n", "30", file]).contains("0123456789abcdef"),
        "only what this run has added"
    );
}

#[test]
fn a_live_dump_has_the_keys_too_and_so_has_a_copy_of_it() {
    let folder = Folder::new();
    let (_server, port) = tls_server(folder.path());
    let runtime = Folder::new();
    fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let (log, go) = (folder.file("keys", b""), folder.path().join("go"));
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; curl -sk https://host.portolan.internal:{port}/ >/dev/null",
        go.display()
    );
    let portolan = |words: &[&str]| {
        let mut command = Command::new(built());
        command.args(words).env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null());
        command
    };
    let mut run = portolan(&["run", "--quiet", "--", "sh", "-c", &script]);
    let mut run = Guard(run.env("SSLKEYLOGFILE", &log).spawn().unwrap());
    let socket = runtime.path().join(format!("portolan/run-{}.sock", run.0.id()));
    eventually(MINUTE, || socket.exists());
    let live = folder.path().join("live.pcapng");
    let live = live.to_str().unwrap();
    let watching = portolan(&["dump", "-w", live]).stderr(Stdio::piped()).spawn().unwrap();
    // The file has its first blocks once the host is being watched.
    eventually(MINUTE, || fs::metadata(live).is_ok());
    std::thread::sleep(std::time::Duration::from_millis(300));
    fs::write(&go, "").unwrap();
    wait(&mut run.0, MINUTE).expect("it ends");
    let said = text(&finish_child(watching, MINUTE).stderr);
    assert!(said.contains("0 packets dropped"), "{said}");
    assert!(tshark(live, port, &["-Y", "http.response"]).contains("200"), "{said}");

    let copy = folder.path().join("copy.pcapng");
    let copy = copy.to_str().unwrap();
    finish(&mut portolan(&["dump", "-r", live, "-w", copy, &format!("tcp port {port}")]), MINUTE);
    assert!(tshark(copy, port, &["-Y", "http.response"]).contains("200"), "a copy");
    assert_eq!(fs::metadata(copy).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn every_frame_of_a_process_says_whose_it_is() {
    let folder = Folder::new();
    let file = folder.path().join("run.pcapng");
    let file = file.to_str().unwrap();
    let script = "curl -s http://portolan.internal/echo > /dev/null; exec python3 -c '
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b\"x\", (\"10.0.2.2\", 9))
print(os.getpid())'";
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--pcap", file, "--", "sh", "-c", script]);
    let output = finish(&mut command, MINUTE);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let python: u32 = said.lines().last().unwrap().parse().unwrap();
    let comments =
        |filter: &str| must(&["tshark", "-r", file, "-Y", filter, "-T", "fields", "-e", "frame.comment"]);
    let web = comments("tcp.port == 80");
    assert!(web.lines().count() > 5, "{web}");
    for line in web.lines() {
        assert!(line.starts_with("curl (pid "), "{web}");
    }
    assert_eq!(comments("udp.dstport == 9 && !icmp"), format!("python3 (pid {python})\n"));
}

#[test]
fn a_pipe_is_read_while_the_command_runs() {
    let mut command = Command::new(built());
    command.args([
        "run",
        "--quiet",
        "--pcap",
        "-",
        "--",
        "curl",
        "-s",
        "http://portolan.internal/delay/50000",
    ]);
    let mut run = Guard(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut shark = Command::new("tshark");
    shark.args(["-l", "-r", "-"]).stdin(run.0.stdout.take().unwrap()).stderr(Stdio::null());
    let mut shark = Guard(shark.stdout(Stdio::piped()).spawn().unwrap());
    let began = Instant::now();
    let lines = BufReader::new(shark.0.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let seen = lines.into_iter().find(|line| line.contains("GET /delay/50000"));
    assert!(
        seen.is_some() && began.elapsed() < Duration::from_secs(30),
        "{seen:?} after {:?}",
        began.elapsed()
    );
}

/// What the preset, the recording and `ss` say of one flow.
#[test]
fn a_recording_over_a_lossy_wire_and_ss_show_the_same_flow() {
    let runtime = Folder::new();
    fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = runtime.path().join("a.pcapng");
    let file = file.to_str().unwrap();
    let url = "http://portolan.internal/bytes/200K";
    let mut command = Command::new(built());
    command.args([
        "run", "--quiet", "--net", "lossy-3g", "--seed", "1", "--pcap", file, "--", "curl", "-s", "-o",
    ]);
    command.args(["/dev/null", url]).env("XDG_RUNTIME_DIR", runtime.path());
    let mut run = Guard(command.spawn().unwrap());
    let mut shown = String::new();
    eventually(MINUTE, || {
        let mut ss = Command::new(built());
        ss.args(["ss", "-tinp", "dport", "=", ":80"]).env("XDG_RUNTIME_DIR", runtime.path());
        shown = text(&finish(&mut ss, MINUTE).stdout);
        shown.contains("ESTAB") && shown.contains("bytes_received:")
    });
    let row = shown.lines().find(|line| line.contains("ESTAB")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    let (local, peer) = (words[3].rsplit_once(':').unwrap(), words[4].rsplit_once(':').unwrap());
    let pid = row.split("(\"curl\",pid=").nth(1).expect(row).split([',', ')']).next().unwrap();
    let smallest: f64 =
        shown.split("minrtt:").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(wait(&mut run.0, MINUTE).is_some_and(|status| status.success()));
    // Of all that was recorded of this flow: its ends, its process, and a round trip that is no shorter than ss says.
    let address = |text: &str| text.trim_matches(['[', ']']).to_owned();
    let field = if local.0.starts_with('[') { "ipv6.addr" } else { "ip.addr" };
    let filter = format!(
        "{field} == {} && {field} == {} && tcp.srcport == {} && tcp.dstport == {}",
        address(local.0),
        address(peer.0),
        local.1,
        peer.1
    );
    let seen = must(&[
        "tshark",
        "-r",
        file,
        "-Y",
        &filter,
        "-T",
        "fields",
        "-e",
        "frame.comment",
        "-e",
        "tcp.analysis.initial_rtt",
    ]);
    assert!(seen.lines().count() > 10, "{filter}: {seen}");
    assert!(seen.lines().all(|line| line.starts_with(&format!("curl (pid {pid})"))), "{seen}");
    let initial: f64 = seen.lines().find_map(|line| line.split('\t').nth(1)?.parse().ok()).expect(&seen);
    assert!(initial * 1000.0 > smallest / 2.0 && smallest > 20.0, "{initial} s and {smallest} ms");
}
