//! Runs a suite on one side: as it is, or under `portolan run`; each in a network namespace of its own, from which nothing
//! reaches the world.
//!
//! A test that says nothing for the suite's patience, or that takes the process with it, gets its verdict and the rest
//! runs in another process. So a run always ends, with one verdict for every test.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::suite::{Line, Suite, Verdict};

/// What all tests of a suite may take on one side.
const WHOLE: Duration = Duration::from_secs(600);
/// What a process that is told to end may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the kernel's side has is what a command has under `portolan run`: a loopback, and one interface with the same
/// addresses. Its other end swallows what is sent: that also ends what leaves the stack by `--link egress`.
const NAMESPACE: &str = "set -e
ip link set lo up
ip link add portolan0 type veth peer name wire
ip link set wire up
ip link set portolan0 up
ip address add 10.0.2.15/24 dev portolan0
ip address add fd00::15/64 dev portolan0 nodad
ip route add default via 10.0.2.2
ip route add default via fd00::2
exec \"$@\"";

/// Where a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The machine's own TCP/IP.
    Kernel,
    /// Under `portolan run`.
    Portolan,
}

/// What a run says of each test.
pub(super) type Verdicts = BTreeMap<String, (Verdict, String)>;

impl Side {
    /// The word in messages and names of files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Side::Kernel => "kernel",
            Side::Portolan => "portolan",
        }
    }

    fn wrap(self, suite: &dyn Suite, words: Vec<String>) -> Vec<String> {
        let mut front = ["unshare", "--net", "--", "sh", "-c", NAMESPACE, "sh"].map(String::from).to_vec();
        if self == Side::Portolan {
            front.extend([program().display().to_string(), "run".into(), "--quiet".into()]);
            front.extend(suite.run_options().iter().map(ToString::to_string));
            front.push("--".into());
        }
        [front, words].concat()
    }
}

/// The program as cargo has built it for this command.
fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    target.join("debug/portolan")
}

/// Runs these tests; what the programs print goes to `SIDE.log` in the folder.
pub(super) fn run(
    suite: &dyn Suite,
    side: Side,
    folder: &Path,
    names: &[String],
) -> Result<Verdicts, String> {
    let path = folder.join(format!("{}.log", side.word()));
    let mut log = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (mut verdicts, mut rest) = (Verdicts::new(), names.to_vec());
    let end = Instant::now() + WHOLE;
    while !rest.is_empty() && Instant::now() < end {
        let words = side.wrap(suite, suite.command(folder, &rest)?);
        let mut process = Process::start(&words)?;
        let heard = listen(suite, &process.lines, &mut log, end, &mut verdicts);
        process.end();
        let before = rest.len();
        match heard {
            Heard::Ended | Heard::Silence(None) => {}
            Heard::Silence(Some(name)) => {
                verdicts.insert(name, (Verdict::Hangs, "it does not end".into()));
            }
            Heard::Death(name) => {
                verdicts.insert(name, (Verdict::Fails, "the process died".into()));
            }
        }
        rest.retain(|name| !verdicts.contains_key(name));
        if rest.len() == before {
            return Err(format!("{rest:?} did not run; see {}", path.display()));
        }
    }
    for name in rest {
        verdicts.insert(name, (Verdict::Hangs, "the time was up".into()));
    }
    verdicts.retain(|name, _| names.contains(name));
    Ok(verdicts)
}

/// Why there is no more to hear from a process.
enum Heard {
    /// It has ended between tests.
    Ended,
    /// It has ended in this test.
    Death(String),
    /// It has not ended, and is silent: in this test, or before the first.
    Silence(Option<String>),
}

fn listen(
    suite: &dyn Suite,
    lines: &Receiver<Printed>,
    log: &mut File,
    end: Instant,
    verdicts: &mut Verdicts,
) -> Heard {
    let (mut running, mut said) = (None, String::new());
    loop {
        let patience = suite.patience().min(end.saturating_duration_since(Instant::now()));
        let line = match lines.recv_timeout(patience) {
            Ok(Printed { line, is_error: true }) => {
                let _ = writeln!(log, "! {line}");
                continue;
            }
            Ok(Printed { line, .. }) => line,
            Err(RecvTimeoutError::Timeout) => return Heard::Silence(running),
            Err(RecvTimeoutError::Disconnected) => return running.map_or(Heard::Ended, Heard::Death),
        };
        let _ = writeln!(log, "{line}");
        match suite.read(&line) {
            Some(Line::Begins(name)) => (running, said) = (Some(name), String::new()),
            Some(Line::Said(what)) => said = what,
            Some(Line::Ended(name, verdict, why)) => {
                let why = if why.is_empty() { std::mem::take(&mut said) } else { why };
                verdicts.insert(name, (verdict, why));
                running = None;
            }
            None => {}
        }
    }
}

/// A line of standard output or standard error.
struct Printed {
    line: String,
    is_error: bool,
}

/// Sends what comes, line by line, until the last holder of the other end is gone.
fn read(from: impl Read + Send + 'static, is_error: bool, to: Sender<Printed>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if to.send(Printed { line, is_error }).is_err() {
                break;
            }
        }
    });
}

/// A process in a group of its own, and the lines that it prints.
struct Process {
    child: Child,
    lines: Receiver<Printed>,
}

impl Process {
    fn start(words: &[String]) -> Result<Process, String> {
        let (program, arguments) = words.split_first().ok_or("no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            read(output, false, sender.clone());
        }
        if let Some(errors) = child.stderr.take() {
            read(errors, true, sender);
        }
        Ok(Process { child, lines })
    }

    /// Ends the process and all that it has started in its group.
    fn end(&mut self) {
        for signal in ["-TERM", "-KILL"] {
            if self.has_ended_within(FAREWELL) {
                break;
            }
            self.signal(signal);
        }
        self.signal("-KILL");
        let _ = self.child.wait();
    }

    fn has_ended_within(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}
