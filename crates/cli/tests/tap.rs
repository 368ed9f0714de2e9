//! The Linux kernel on the other side of a TAP, in a namespace of the test's own.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// `portolan run ... python3 -m http.server 80 --bind ::` serving `folder`, once it answers.
fn serve(namespace: &Namespace, folder: &Folder) -> Guard {
    let mut command =
        namespace.portolan(&["--quiet", "--", "/usr/bin/python3", "-m", "http.server", "80", "--bind", "::"]);
    let child =
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let guard = Guard(child);
    eventually(Duration::from_secs(20), || {
        let words = ["-s", "-o", "/dev/null", "--max-time", "1", "http://10.7.0.2/"];
        namespace.command("curl").args(words).status().unwrap().success()
    });
    guard
}

/// `ip netns exec` replaces itself by the program, so the child is `portolan run`.
fn stop(mut server: Guard) {
    signal(server.0.id(), "TERM");
    assert!(wait(&mut server.0, Duration::from_secs(5)).is_some(), "SIGTERM ends portolan");
}

#[test]
fn the_kernels_curl_is_served_byte_exact_over_both_families() {
    if !root_or_skip() {
        return;
    }
    let (namespace, folder) = (Namespace::with_tap(), Folder::new());
    let content = noise(full_or(64_000_000, 500_000_000) as usize);
    folder.file("file", &content);
    let server = serve(&namespace, &folder);
    for url in ["http://10.7.0.2/file", "http://[fd07::2]/file"] {
        let output = finish(namespace.command("curl").args(["-s", url]), 3 * MINUTE);
        assert!(output.status.success(), "{url}: {:?}", output.status);
        assert!(output.stdout == content, "{url}: {} octets came", output.stdout.len());
    }
    stop(server);
}

#[test]
fn ping_answers_and_nmap_finds_one_port() {
    if !root_or_skip() {
        return;
    }
    let (namespace, folder) = (Namespace::with_tap(), Folder::new());
    let server = serve(&namespace, &folder);
    for address in ["10.7.0.2", "fd07::2"] {
        let output =
            finish(namespace.command("ping").args(["-c", "3", "-i", "0.2", "-W", "2", address]), MINUTE);
        assert!(text(&output.stdout).contains("3 received"), "{}", text(&output.stdout));
    }
    let output = finish(namespace.command("nmap").args(["-sT", "-n", "-T4", "10.7.0.2"]), 2 * MINUTE);
    let report = text(&output.stdout);
    let open: Vec<_> = report.lines().filter(|line| line.contains("/tcp")).collect();
    assert!(open.len() == 1 && open[0].starts_with("80/tcp") && open[0].contains("open"), "{report}");
    stop(server);
}

/// A download of the kernel's curl that has begun and cannot have ended: the file is larger than any wire is fast, and
/// curl is not told to be slow, because then it sleeps through the reset.
fn endless_download(namespace: &Namespace, folder: &Folder) -> Child {
    std::fs::File::create(folder.path().join("endless")).unwrap().set_len(1 << 40).unwrap();
    let words = ["-s", "-o", "/dev/null", "http://10.7.0.2/endless"];
    let child = namespace.command("curl").args(words).spawn().unwrap();
    thread::sleep(Duration::from_millis(1000));
    child
}

#[test]
fn a_signal_mid_transfer_resets_every_connection() {
    if !root_or_skip() {
        return;
    }
    for name in ["TERM", "INT"] {
        let (namespace, folder) = (Namespace::with_tap(), Folder::new());
        let mut server = serve(&namespace, &folder);
        let mut curl = endless_download(&namespace, &folder);
        assert!(curl.try_wait().unwrap().is_none(), "the transfer must be under way");
        let start = Instant::now();
        signal(server.0.id(), name);
        let status = wait(&mut curl, Duration::from_secs(1)).expect("curl ends within a second");
        assert!(!status.success(), "SIG{name}: curl must see an error");
        assert!(wait(&mut server.0, Duration::from_secs(5)).is_some());
        println!("SIG{name}: curl ended after {:?} with {status}", start.elapsed());
    }
}

/// Blocks in `recv` of a connected socket, then in `accept`, then in `send`, each in a thread, and prints how each
/// ended.
const BLOCKED: &str = "
import os, socket, threading
def say(name, call):
    try: r = call(); r = 'end' if r == b'' else 'done'
    except OSError as e: r = e.strerror
    os.write(1, f'{name} {r}\\n'.encode())
listener = socket.socket(); listener.bind(('0.0.0.0', 81)); listener.listen()
server = socket.socket(); server.bind(('0.0.0.0', 80)); server.listen()
print('ready', flush=True)
one, _ = server.accept()
two, _ = server.accept()
calls = [('recv', lambda: one.recv(1)), ('send', lambda: two.sendall(bytes(64 << 20))), ('accept', listener.accept)]
threads = [threading.Thread(target=say, args=c) for c in calls]
[t.start() for t in threads]
print('blocked', flush=True)
[t.join() for t in threads]
";

#[test]
fn after_the_stack_process_is_killed_blocked_calls_return() {
    if !root_or_skip() {
        return;
    }
    let namespace = Namespace::with_tap();
    let mut child = namespace
        .portolan(&["--quiet", "--", "/usr/bin/python3", "-c", BLOCKED])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = child.id();
    let peers: Vec<_> = (0..2)
        .map(|_| {
            let hold = "import socket, time\nfor _ in range(100):\n  try: s = socket.create_connection(('10.7.0.2', 80), 5); break\n  except OSError: time.sleep(0.1)\ntime.sleep(60)";
            Guard(namespace.command("/usr/bin/python3").args(["-c", hold]).spawn().unwrap())
        })
        .collect();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = move || lines.next().map(Result::unwrap);
    assert_eq!(next().as_deref(), Some("ready"));
    assert_eq!(next().as_deref(), Some("blocked"));
    thread::sleep(Duration::from_millis(500));
    let own = installed().canonicalize().unwrap();
    let stack: Vec<u32> = children(run)
        .into_iter()
        .filter(|child| std::fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == own))
        .collect();
    assert_eq!(stack.len(), 1, "one stack process");
    let start = Instant::now();
    signal(stack[0], "KILL");
    let mut ended: Vec<String> = (0..3).map(|_| next().expect("a line for each call")).collect();
    let time = start.elapsed();
    ended.sort();
    assert!(time < Duration::from_secs(2), "{time:?}");
    assert!(
        ended[0].starts_with("accept ") && ended[1].starts_with("recv ") && ended[2].starts_with("send "),
        "{ended:?}"
    );
    assert!(!ended[2].ends_with("done"), "64 MiB cannot have been sent: {ended:?}");
    assert_eq!(ended[0], "accept Network is down");
    println!("{ended:?} after {time:?}");
    drop(peers);
    assert!(wait(&mut child, Duration::from_secs(5)).is_some());
}

#[test]
fn a_tap_that_cannot_be_had_is_told_in_one_line() {
    if !root_or_skip() {
        return;
    }
    let (namespace, folder) = (Namespace::with_tap(), Folder::new());
    let server = serve(&namespace, &folder);
    let mut busy = namespace.portolan(&["--", "true"]);
    let program = installed().to_str().unwrap();
    let mut denied = namespace.command("setpriv");
    denied.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", program]);
    denied.args(["run", "--link", "tap:tap0", "--address", "10.7.0.2/24", "--", "true"]);
    for (command, words) in [(&mut busy, "in use by another process"), (&mut denied, "Permission denied")] {
        let output = finish(command, MINUTE);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.starts_with("portolan: ") && said.contains("tap0") && said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    stop(server);
}
