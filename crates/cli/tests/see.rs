//! `portolan ls` and `portolan ss`, and the admin socket on which they stand, with real programs.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A user's runtime directory, for this test alone.
struct Runtime(Folder);

impl Runtime {
    fn new() -> Runtime {
        let folder = Folder::new();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Runtime(folder)
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("portolan")
    }

    fn portolan(&self, words: &[&str]) -> Command {
        let mut command = Command::new(built());
        command.args(words).env("XDG_RUNTIME_DIR", self.0.path()).stdin(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        finish(&mut self.portolan(words), MINUTE)
    }

    /// What a verb prints, which must succeed.
    fn shown(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A running `portolan run`, once its socket is there.
    fn run(&self, words: &[&str]) -> Running {
        let mut command = self.portolan(&["run"]);
        command.args(words).stdout(Stdio::null()).stderr(Stdio::piped());
        let running = Running { child: Guard(command.spawn().unwrap()), directory: self.directory() };
        eventually(MINUTE, || running.socket().exists());
        running
    }

    /// One with a connection that stays open.
    fn waiting(&self) -> Running {
        let running = self.run(&["--", "curl", "-s", "http://portolan.internal/delay/50000"]);
        eventually(MINUTE, || self.shown(&["ss", "-tn"]).contains("ESTAB"));
        running
    }
}

struct Running {
    child: Guard,
    directory: PathBuf,
}

impl Running {
    fn name(&self) -> String {
        format!("run-{}", self.child.0.id())
    }

    fn socket(&self) -> PathBuf {
        self.directory.join(format!("{}.sock", self.name()))
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(MINUTE)).unwrap();
        stream
    }

    fn stack_process(&self) -> u32 {
        let named = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "portolan-stack\n")
        };
        children(self.child.0.id()).into_iter().find(named).expect("a stack process")
    }
}

/// The one line of a failure.
fn line(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    said.trim_end().to_owned()
}

/// The first lines that a host says to a client that says this.
fn answers(running: &Running, said: &str, count: usize) -> Vec<String> {
    let mut stream = running.connect();
    stream.write_all(said.as_bytes()).unwrap();
    BufReader::new(stream).lines().take(count).map(|line| line.unwrap_or_default()).collect()
}

#[test]
fn a_connection_is_seen_with_its_process_and_its_figures() {
    let runtime = Runtime::new();
    let running = runtime.waiting();
    let shown = runtime.shown(&["ss", "-tualnpie"]);
    let mut lines = shown.lines();
    assert!(lines.next().unwrap().starts_with("Netid State"), "{shown}");
    let at = shown.lines().position(|line| line.contains("ESTAB") && line.contains(":80 ")).expect(&shown);
    let (row, below) = (shown.lines().nth(at).unwrap(), shown.lines().nth(at + 1).unwrap());
    let curl = children(running.child.0.id())
        .into_iter()
        .find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "curl\n"))
        .unwrap();
    assert!(row.starts_with("tcp   ESTAB") && row.contains(":80 "), "{shown}");
    let users = format!("users:((\"curl\",pid={curl},fd=");
    assert!(row.contains(&users), "{shown}");
    let fd = row.split(&users).nth(1).unwrap().split(')').next().unwrap();
    let link = fs::read_link(format!("/proc/{curl}/fd/{fd}")).unwrap();
    let inode = row.split("ino:").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(link.to_str().unwrap(), format!("socket:[{inode}]"));
    for word in [
        "cubic",
        "wscale:",
        "rto:",
        "rtt:",
        "mss:1",
        "cwnd:10",
        "bytes_acked:",
        "segs_out:",
        "send ",
        "minrtt:",
    ] {
        assert!(below.contains(word), "{word} in {below}");
    }
    assert!(!runtime.shown(&["ss", "-uan"]).contains("ESTAB"), "{shown}");
}

#[test]
fn timers_and_memory_are_shown_in_sss_words_and_on_one_line() {
    let runtime = Runtime::new();
    let script = "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50000)
s.connect(('portolan.internal', 80))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('', 5000))
time.sleep(100)";
    let _running = runtime.run(&["--", "/usr/bin/python3", "-c", script]);
    eventually(MINUTE, || runtime.shown(&["ss", "-uan"]).contains(":5000 "));
    let shown = runtime.shown(&["ss", "-tno", "dport", "=", ":80"]);
    assert!(
        shown.contains(" timer:(keepalive,119min,0)") || shown.contains(" timer:(keepalive,120min,0)"),
        "{shown}"
    );
    let below = runtime.shown(&["ss", "-tnm", "dport", "=", ":80"]);
    let below = below.lines().nth(2).unwrap_or_default();
    assert!(
        below.starts_with("\t skmem:(r0,rb100000,t0,tb") && below.ends_with(",f0,w0,o0,bl0,d0)"),
        "{below:?}"
    );
    let datagrams = runtime.shown(&["ss", "-uanm"]);
    assert!(datagrams.contains("\t skmem:(r0,rb212992,t0,tb212992,"), "{datagrams}");
    let one = runtime.shown(&["ss", "-tnomiO"]);
    assert_eq!(one.lines().count(), 2, "{one}");
    let order = ["timer:(", " skmem:(", " cubic ", " minrtt:"].map(|word| one.find(word).expect(word));
    assert!(order.is_sorted(), "{one}");
    let json = runtime.shown(&["ss", "-tn", "--json"]);
    assert!(json.contains("\"left_ms\"") && json.contains("\"receive\": 100000"), "{json}");
}

#[test]
fn a_filter_is_sss_own() {
    let runtime = Runtime::new();
    let _running = runtime.run(&["--", "python3", "-m", "http.server", "8000"]);
    eventually(MINUTE, || runtime.shown(&["ss", "-tln"]).contains("LISTEN"));
    let listener = runtime.shown(&["ss", "-tlnp"]);
    assert!(listener.contains("0.0.0.0:8000") && listener.contains("(\"python3\",pid="), "{listener}");
    assert!(listener.contains(",fd="), "{listener}");
    for (words, is_shown) in [
        (&["-tn"][..], false),
        (&["-tan", "sport", "=", ":8000"], true),
        (&["-tan", "( sport = :8000 or dport = :80 )"], true),
        (&["-tan", "not", "sport", "=", ":8000"], false),
        (&["-tn", "state", "listening"], true),
        (&["-tn", "exclude", "established"], true),
        (&["-uln"], false),
        (&["-tln", "dst", "10.0.2.2"], false),
    ] {
        let shown = runtime.shown(&[&["ss"], words].concat());
        assert_eq!(shown.contains("8000"), is_shown, "{words:?}: {shown}");
    }
    let wrong = runtime.ask(&["ss", "-t", "frobnicate"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("'frobnicate' is no part of a filter"), "{}", text(&wrong.stderr));
}

#[test]
fn hosts_are_listed_while_they_run() {
    let runtime = Runtime::new();
    assert_eq!(runtime.shown(&["ls"]).lines().count(), 1, "a heading alone");
    assert_eq!(runtime.shown(&["ss", "--json"]).trim(), "[]");
    let mut first = runtime.run(&["--", "sleep", "100"]);
    let second = runtime.run(&["--link", "none", "--", "sleep", "101"]);
    let shown = runtime.shown(&["ls"]);
    let row = shown.lines().find(|line| line.contains(&first.name())).unwrap();
    assert!(row.contains("egress") && row.contains("10.0.2.15/24") && row.ends_with("sleep 100"), "{shown}");
    let json = runtime.shown(&["ls", "--json"]);
    assert!(
        json.contains(&format!("\"pid\": {}", second.child.0.id())) && json.contains("\"none\""),
        "{json}"
    );

    signal(first.child.0.id(), "TERM");
    wait(&mut first.child.0, MINUTE).expect("it ends");
    assert!(!first.socket().exists(), "the socket goes with the host");
    let output = runtime.ask(&["ss", "--host", &first.name()]);
    assert_eq!(
        line(&output),
        format!("portolan: no host '{}' is running; `portolan ls` shows those that are", first.name())
    );
}

#[test]
fn the_socket_of_a_host_that_was_killed_is_removed() {
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    signal(running.stack_process(), "KILL");
    eventually(MINUTE, || UnixStream::connect(running.socket()).is_err());
    assert_eq!(runtime.shown(&["ls"]).lines().count(), 1);
    assert!(!running.socket().exists());
}

#[test]
fn f17_only_the_user_and_root_are_served() {
    if !root_or_skip() {
        return;
    }
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&runtime.directory()), 0o700);
    assert_eq!(mode(&running.socket()), 0o600);

    // Even if the permissions of the files are opened later.
    fs::set_permissions(runtime.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(runtime.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(running.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    // A host that refuses closes at once, which is an error for one who still writes.
    let script = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
said = b''
try:
    s.sendall(b'{\"portolan\":1}\\n\"Sockets\"\\n')
    s.shutdown(socket.SHUT_WR)
except OSError:
    pass
try:
    while text := s.recv(65536):
        said += text
except OSError:
    pass
print(said.decode())
";
    let socket = running.socket();
    let ask = |user: &str| {
        let mut command = Command::new("setpriv");
        command
            .args([&format!("--reuid={user}"), "--clear-groups", "/usr/bin/python3", "-c", script])
            .arg(&socket);
        let output = finish(&mut command, MINUTE);
        text(&output.stdout) + &text(&output.stderr)
    };
    let stranger = ask("65534");
    assert!(stranger.contains("this host belongs to user 0, and you are 65534"), "{stranger}");
    assert!(!stranger.contains("Sockets"), "{stranger}");
    assert!(ask("0").contains("{\"Sockets\":"));

    // Root may look at anybody's: here, a host of nobody's.
    let theirs = Folder::new();
    std::os::unix::fs::chown(theirs.path(), Some(65534), None).unwrap();
    let mut command = run_as_nobody(&["--", "sleep", "100"]);
    let run = command.env("XDG_RUNTIME_DIR", theirs.path()).stderr(Stdio::null()).spawn().unwrap();
    let other = Running { child: Guard(run), directory: theirs.path().join("portolan") };
    eventually(MINUTE, || other.socket().exists());
    let said = answers(&other, "{\"portolan\":1}\n\"Info\"\n", 2);
    assert!(said[1].contains("\"command\":[\"sleep\",\"100\"]"), "{said:?}");
}

#[test]
fn n8_no_name_of_a_process_steers_the_terminal() {
    let runtime = Runtime::new();
    let folder = Folder::new();
    let evil = folder.path().join("\u{1b}]0;x\u{7}\u{202e}\u{9b}1m");
    std::os::unix::fs::symlink("/usr/bin/python3", &evil).unwrap();
    let script = "import socket,time\ns=socket.socket()\ns.bind(('',9))\ns.listen()\ntime.sleep(100)";
    let _running = runtime.run(&["--", evil.to_str().unwrap(), "-c", script]);
    eventually(MINUTE, || runtime.shown(&["ss", "-tln"]).contains(":9 "));
    for words in [&["ss", "-tlnpie"][..], &["ls"]] {
        let shown = runtime.shown(words);
        assert!(shown.contains("u{1b}"), "{shown:?}");
        assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{shown:?}");
    }
    // JSON keeps the name, in JSON's own escapes.
    let json = runtime.shown(&["ss", "-tl", "--json"]);
    assert!(json.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{json:?}");
    assert!(json.contains("\\u001b]0;x\\u0007\\u202e\\u009b1m"), "{json}");
}

#[test]
fn a_directory_that_is_not_the_users_alone_is_refused() {
    if !root_or_skip() {
        return;
    }
    let runtime = Runtime::new();
    fs::create_dir(runtime.directory()).unwrap();
    let refused = |part: &str| {
        let output = runtime.ask(&["ls"]);
        let line = line(&output);
        assert!(line.contains(part) && line.contains("/portolan"), "{line}");
        // The command runs all the same, with a word about it.
        let run = runtime.ask(&["run", "--quiet", "--", "echo", "ran"]);
        assert_eq!((run.status.code(), text(&run.stdout).as_str()), (Some(0), "ran\n"));
        assert!(
            text(&run.stderr).contains(part) && text(&run.stderr).lines().count() == 1,
            "{}",
            text(&run.stderr)
        );
    };
    fs::set_permissions(runtime.directory(), fs::Permissions::from_mode(0o770)).unwrap();
    refused("others can enter it (mode 0770); chmod 700 it");
    fs::set_permissions(runtime.directory(), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(runtime.directory(), Some(65534), None).unwrap();
    refused("belongs to user 65534, not to 0");
    fs::remove_dir(runtime.directory()).unwrap();
    std::os::unix::fs::symlink("/tmp", runtime.directory()).unwrap();
    refused("is no directory; remove it");
}

#[test]
fn a_directory_that_cannot_be_made_or_is_too_deep_costs_one_line() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::new();
    std::os::unix::fs::chown(folder.path(), Some(65534), None).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let mut command = run_as_nobody(&["--quiet", "--", "echo", "ran"]);
    let output = finish(command.env("XDG_RUNTIME_DIR", folder.path()), MINUTE);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "ran\n"));
    let said = text(&output.stderr);
    assert!(said.contains("cannot be made (Permission denied") && said.lines().count() == 1, "{said}");

    let deep = Folder::new();
    let path = deep.path().join("d".repeat(100));
    fs::create_dir(&path).unwrap();
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--", "echo", "ran"]).env("XDG_RUNTIME_DIR", &path);
    let output = finish(&mut command, MINUTE);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "ran\n"));
    let said = text(&output.stderr);
    assert!(
        said.contains("octets and may have 107; set XDG_RUNTIME_DIR") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn a_host_that_speaks_another_version_is_told_so_and_says_its_own() {
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    for said in ["{\"portolan\":0}\n\"Sockets\"\n", "{\"portolan\":2,\"more\":[1]}\n\"Sockets\"\n"] {
        assert_eq!(answers(&running, said, 9), ["{\"portolan\":1}"], "{said}");
    }
    // A host of the future.
    let listener = UnixListener::bind(runtime.directory().join("future.sock")).unwrap();
    let host = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"portolan\":2}\n").unwrap();
        let mut said = String::new();
        BufReader::new(stream).read_line(&mut said).unwrap();
        said
    });
    let output = runtime.ask(&["ss", "--host", "future"]);
    assert_eq!(
        line(&output),
        "portolan: the host 'future' speaks version 2 of the admin protocol and this program version 1; use the \
         program that has started it"
    );
    assert_eq!(host.join().unwrap(), "{\"portolan\":1}\n");
}

#[test]
fn no_message_harms_a_host() {
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    let nonsense = "\"Frobnicate\"\n";
    let deep = format!("{}\n", "[".repeat(60_000));
    for (said, answer) in [
        ("\n", None),
        ("\0\0\0\0", None),
        ("{\"portolan\":1}\n\n", Some("no such request")),
        ("{\"portolan\":99999999999999999999}\n", None),
        (&format!("{{\"portolan\":1}}\n{nonsense}"), Some("no such request")),
        (&format!("{{\"portolan\":1}}\n{deep}"), Some("no such request")),
        (&format!("{{\"portolan\":1}}\n{{\"Sockets\":\"{}\"}}\n", "\u{1b}"), Some("no such request")),
    ] {
        let mut stream = running.connect();
        stream.write_all(said.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        let mut lines = all.lines();
        assert_eq!(lines.next(), Some("{\"portolan\":1}"));
        let last = lines.next().unwrap_or_default();
        assert!(answer.map_or(last.is_empty(), |answer| last.contains(answer)), "{said:?}: {last}");
        assert!(!last.contains('\u{1b}'), "{last}");
    }
    // A line without an end: the host stops to read, and lets go.
    let mut endless = running.connect();
    let mut sent = 0;
    while let Ok(len) = endless.write(&[b'x'; 4096]) {
        sent += len;
        assert!(sent < 10 << 20, "a host must not read for ever");
    }
    // Clients that say nothing, half a line, or are killed while the host answers: the next one is served.
    let silent: Vec<UnixStream> = (0..10).map(|_| running.connect()).collect();
    for client in &silent[5..] {
        (&*client).write_all(b"{\"portolan\":1}\n\"Sock").unwrap();
    }
    for _ in 0..50 {
        let mut gone = running.connect();
        gone.write_all(b"{\"portolan\":1}\n\"Sockets\"\n").unwrap();
    }
    eventually(MINUTE, || text(&runtime.ask(&["ls"]).stdout).contains(&running.name()));
    drop(silent);
}

#[test]
fn too_many_clients_are_told_so_and_places_are_given_back() {
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    let clients: Vec<UnixStream> = (0..32).map(|_| running.connect()).collect();
    let output = runtime.ask(&["ls"]);
    assert!(line(&output).ends_with("says: 32 clients are being served already; try again"), "{output:?}");
    // The silent ones lose their places after five seconds, and at once when they go.
    drop(clients);
    eventually(MINUTE, || runtime.ask(&["ls"]).status.success());
}

#[test]
fn a_host_that_dies_or_stands_still_while_it_is_asked_costs_one_line() {
    let runtime = Runtime::new();
    let running = runtime.run(&["--", "sleep", "100"]);
    let stack = running.stack_process();
    signal(stack, "STOP");
    let began = Instant::now();
    let asking = runtime.portolan(&["ls"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = finish_child(asking, MINUTE);
    assert!(line(&output).contains("does not answer: nothing came within 5 s"), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(20));

    let asking = runtime.portolan(&["ls"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(stack, "KILL");
    let output = finish_child(asking, MINUTE);
    assert!(line(&output).contains("does not answer: it ended while it was asked"), "{output:?}");
}
