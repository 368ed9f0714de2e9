//! The wire's faults: presets, schedules, and changes while a program runs.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

/// For each line of standard input: how long a question to the name server took, in milliseconds, or that it was lost.
const ASK: &str = "
import socket, struct, sys, time
query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\x08portolan\\x08internal\\x00' + struct.pack('>HH', 1, 1)
print('ready', flush=True)
for line in sys.stdin:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
    began = time.monotonic()
    s.sendto(query, ('10.0.2.3', 53))
    try: s.recv(512); print(round((time.monotonic() - began) * 1000), flush=True)
    except TimeoutError: print('lost', flush=True)
    s.close()
";

/// Asks every 20 ms for four seconds, and says when answers came.
const WATCH: &str = "
import socket, struct, threading, time
query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\x08portolan\\x08internal\\x00' + struct.pack('>HH', 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('10.0.2.3', 53)); s.settimeout(0.02)
began = time.monotonic()
while time.monotonic() - began < 4:
    sent = time.monotonic()
    s.send(query)
    try: s.recv(512); print(round(sent - began, 3))
    except TimeoutError: pass
    time.sleep(max(0, sent + 0.02 - time.monotonic()))
";

/// A program that asks when it is told to, and the runtime directory of its user.
struct Asker {
    runtime: Folder,
    child: Guard,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

fn portolan(runtime: &Folder, words: &[&str]) -> Command {
    let mut command = Command::new(built());
    command.args(words).env("XDG_RUNTIME_DIR", runtime.path());
    command
}

impl Asker {
    fn new(options: &[&str]) -> Asker {
        let runtime = Folder::new();
        fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = portolan(&runtime, &["run", "--quiet"]);
        command.args(options).args(["--", "/usr/bin/python3", "-uc", ASK]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut asker = Asker { runtime, child: Guard(child), questions, answers };
        assert_eq!(asker.line(), "ready");
        asker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The round trip in milliseconds, `None` if the question or the answer was lost.
    fn ask(&mut self) -> Option<u64> {
        self.questions.write_all(b"\n").unwrap();
        self.line().parse().ok()
    }

    fn shape(&self, words: &[&str]) -> Output {
        let name = format!("run-{}", self.child.0.id());
        finish(portolan(&self.runtime, &["shape", &name]).args(words).stdin(Stdio::null()), MINUTE)
    }

    fn shown(&self, words: &[&str]) -> String {
        let output = self.shape(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn the_wire_changes_while_a_program_runs() {
    let mut asker = Asker::new(&[]);
    assert!(asker.ask().unwrap() < 100);
    assert_eq!(asker.shown(&[]), "up:   none\ndown: none\n");
    assert_eq!(asker.shown(&["delay", "200ms"]), "", "a change says nothing");
    let both = asker.ask().unwrap();
    assert!((400..1500).contains(&both), "{both} ms");
    assert_eq!(asker.shown(&["--down", "none"]), "");
    let up = asker.ask().unwrap();
    assert!((200..390).contains(&up), "{up} ms");
    assert_eq!(asker.shown(&[]), "up:   delay 200ms limit 1000\ndown: none\n");
    asker.shown(&["--up", "loss 100%"]);
    assert_eq!(asker.ask(), None);
    asker.shown(&["lossy-3g", "delay", "100ms", "loss", "0"]);
    let shown = asker.shown(&["--json"]);
    let shape: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shape["up"], "delay 100ms rate 768kbit limit 60");
    assert_eq!(shape["down"], "delay 100ms rate 1600kbit limit 70");
    asker.shown(&["none"]);
    assert!(asker.ask().unwrap() < 100);
    // Steps count from the change.
    asker.shown(&["at 300ms: loss 100%"]);
    assert!(asker.ask().is_some());
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(asker.ask(), None);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let mut asker = Asker::new(&[]);
    for (words, code, said) in [
        (&["dealy", "20ms"][..], 2, "unknown word 'dealy' in an impairment; did you mean 'delay'?"),
        (&["--up", "loss 200%"], 2, "'loss 200%': a share from 0% to 100%"),
        (&["lossy3g"], 2, "did you mean 'lossy-3g'?"),
        (&["delay 1ms; loss 2%"], 2, "begins with its time"),
        (&["delay 1ms", "--up", "loss 1%"], 2, "cannot be used with"),
    ] {
        let output = asker.shape(words);
        let heard = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{heard}");
        assert!(heard.contains(said) && heard.lines().count() == 1, "{heard}");
    }
    let output =
        finish(portolan(&asker.runtime, &["shape", "nobody", "delay", "1s"]).stdin(Stdio::null()), MINUTE);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no host 'nobody' is running"), "{}", text(&output.stderr));
    assert!(asker.ask().unwrap() < 100);
}

#[test]
fn a_schedule_makes_an_outage_of_the_length_it_says() {
    let runtime = Folder::new();
    let words =
        ["run", "--quiet", "--up", "at 1s: loss 100%; at 2s: loss 0", "--", "/usr/bin/python3", "-uc", WATCH];
    let output = finish(portolan(&runtime, &words).stdin(Stdio::null()), MINUTE);
    let times: Vec<f64> = text(&output.stdout).lines().map(|line| line.parse().unwrap()).collect();
    assert!(times.len() > 50, "{} {}", times.len(), text(&output.stderr));
    let gaps: Vec<(f64, f64)> =
        times.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).filter(|(_, gap)| *gap > 0.5).collect();
    assert_eq!(gaps.len(), 1, "one outage: {gaps:?}");
    let (began, lasted) = gaps[0];
    assert!((0.9..1.4).contains(&lasted) && began < 1.1, "began at {began}, lasted {lasted}");
    assert!(times.last().unwrap() > &3.0, "the wire heals");
}

#[test]
fn presets_are_listed_and_shape_each_direction_by_its_own_figures() {
    let shown = must(&[built().to_str().unwrap(), "presets"]);
    for word in
        ["lossy-3g", "satellite", "dsl", "down delay 25ms rate 1500kbit", "both ways delay 35ms rate 12mbit"]
    {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let json = must(&[built().to_str().unwrap(), "presets", "--json"]);
    let presets: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(presets.as_array().unwrap().iter().any(|preset| preset["name"] == "lte"));
    let mut asker = Asker::new(&["--net", "dsl delay 150ms"]);
    let trip = asker.ask().unwrap();
    assert!((300..1200).contains(&trip), "{trip} ms");
    assert!(
        asker
            .shown(&[])
            .starts_with("up:   delay 150ms rate 384kbit limit 51\ndown: delay 150ms rate 1500kbit")
    );
}

#[test]
fn wrong_shapes_are_refused_before_anything_runs() {
    for (words, said) in [
        (["--net", "satelite"], "did you mean 'satellite'?"),
        (["--net", "delay 5ms lte"], "the preset 'lte' must stand first"),
        (["--up", "at 5: loss 1%"], "'at 5': a time"),
        (["--down", "delay 1ms 2ms distribution gauss"], "uniform, normal, pareto or paretonormal"),
    ] {
        let output = finish(Command::new(built()).arg("run").args(words).args(["--", "true"]), MINUTE);
        let heard = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{heard}");
        assert!(heard.contains(said) && heard.lines().count() == 1, "{heard}");
    }
}
