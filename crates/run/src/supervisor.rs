//! `portolan run` itself: starts the stack process and the command, and outlives both.
//!
//! It holds no network: when it is told to end it tells the stack process, which resets every connection, then the
//! command. When the stack process dies it wakes whoever waits in accept ([`listeners`]), because that wait is on a
//! socket of the program's own. It is the reaper of everything that the command leaves behind, so that descendants can
//! be found. Start reading in [`run`]. Exit codes: 125 for what stops Portolan, 126 and
//! 127 as a shell, 128+N for a signal, else the command's own.

mod command;
mod job;
mod launch;
mod listeners;
mod stack;
mod summary_to;

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use crate::admin::message::Identity;
use crate::channel::{News, Order};
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::key_log::{self, PrivateFile};
use crate::library::Library;
use crate::os::signals::{Arrived, OF_A_COMMAND, Signals};
use crate::summary::{self, Report};
use job::Job;
use launch::{Launch, Sockets};
use stack::StackProcess;
use summary_to::Summary;
pub use summary_to::SummaryTo;

/// Portolan could not start the command.
const CANNOT_START: u8 = 125;

/// How long the stack process may take to say that everything is reset.
const RESET_TIME: Duration = Duration::from_millis(500);

/// How long it may take to end after the command has: its own limit for what was sent last, and some more.
const FINISH_TIME: Duration = Duration::from_secs(8);

/// Everything that one run needs.
#[derive(Debug)]
pub struct Run {
    /// For the stack process.
    pub config: Config,
    /// The program, as it was typed.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where to record frames.
    pub pcap: Option<PathBuf>,
    /// Whether the recording may replace a file.
    pub force: bool,
    /// Where the summary goes.
    pub summary: SummaryTo,
    /// The preload library's octets.
    pub library: &'static [u8],
    /// The host to run in, if it is not to be one of the run's own.
    pub host: Option<String>,
    /// How the command is attached.
    pub engine: engine::Choice,
}

/// Why the command was not started: an exit code and one line.
#[derive(Debug)]
struct Refusal {
    code: u8,
    line: String,
}

impl Refusal {
    fn new(line: impl std::fmt::Display) -> Refusal {
        Refusal { code: CANNOT_START, line: line.to_string() }
    }
}

/// Runs the command and returns the exit code of `portolan run`. Everything it has to say goes to standard error.
pub fn run(run: Run) -> u8 {
    match start(run).and_then(|mut running| running.run()) {
        Ok(code) => code,
        Err(refusal) => {
            tell(&refusal.line);
            refusal.code
        }
    }
}

/// One line for the user. A closed standard error is no reason to stop.
fn tell(line: &str) {
    // In one piece: the command may be writing there, too.
    let _ = io::stderr().write_all(format!("portolan: {}\n", summary::escape(line)).as_bytes());
}

/// A run with both children alive.
struct Running {
    signals: Signals,
    stack: StackProcess,
    command: Pid,
    job: Job,
    report: Option<Report>,
    summary: Option<Summary>,
    /// The signal that ended us, and when the command is to get it at the latest.
    ending: Option<(Signal, Instant)>,
    /// The terminal has interrupted the command too.
    interrupted: bool,
    engine: Engine,
    /// Removed at the end.
    _library: Option<Library>,
    _keys: Option<PrivateFile>,
}

fn start(run: Run) -> Result<Running, Refusal> {
    launch::refuse_nested()?;
    let found = command::find(&run.program)?;
    let signals = Signals::open(OF_A_COMMAND)
        .map_err(|error| Refusal::new(format_args!("cannot take signals: {error}")))?;
    let summary = Summary::open(&run.summary)?;
    let pcap = run.pcap.as_deref().map(|path| open_capture(path, run.force)).transpose()?;
    let to_stdout = run.pcap.as_deref() == Some(Path::new("-"));
    let (keys, private_keys) = key_log(pcap.is_some());
    let config = Config { capture: pcap.is_some(), keys, ..run.config };
    let identity = identity(&run.program, &run.arguments);
    let launch = Launch {
        file: &found,
        program: &run.program,
        arguments: &run.arguments,
        keys: private_keys.as_ref().map(PrivateFile::path),
        to_stderr: to_stdout,
        mask: signals.before(),
        descriptors: crate::os::process::raise_descriptor_limit(),
    };
    let (choice, about) = launch.choose(run.engine, &config, run.host.is_some())?;
    // Descendants whose parent ends become our children: they are reaped, and found when the stack process dies.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let (library, stack, (child, engine)) = if choice == engine::Choice::Netns {
        let (mut namespace, wire) = launch.make_namespace(&config, &about)?;
        let wire = Some((wire, namespace.process()));
        let started = StackProcess::start(config, None, identity, pcap, wire, signals.before());
        let (stack, _) = started.inspect_err(|_| namespace.give_up())?;
        (None, stack, launch.start_in(namespace)?)
    } else {
        let library = Library::place(run.library).map_err(|error| {
            Refusal::new(format_args!("no place for the preload library in /tmp: {error}"))
        })?;
        let (stack, variable) = match &run.host {
            Some(name) => StackProcess::join(name)?,
            None => StackProcess::start(config, library.directory(), identity, pcap, None, signals.before())?,
        };
        let sockets = Sockets { variable: &variable, library: &library };
        let started = launch.start(choice, &about, &sockets)?;
        (Some(library), stack, started)
    };
    let command = Pid::from_child(&child);
    Ok(Running {
        signals,
        stack,
        command,
        job: Job::new(command),
        report: None,
        summary,
        ending: None,
        interrupted: false,
        engine,
        _library: library,
        _keys: private_keys,
    })
}

/// Where the command's TLS libraries write their keys when it is recorded: the file that the user has named, or one
/// that is made for this run.
fn key_log(is_recorded: bool) -> (Option<PathBuf>, Option<PrivateFile>) {
    let named = std::env::var_os(key_log::VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    if named.is_some() || !is_recorded {
        return (named, None);
    }
    match PrivateFile::make() {
        Ok(file) => (Some(file.path().to_owned()), Some(file)),
        Err(failure) => {
            tell(&format!("--pcap: no place for TLS keys: {failure}"));
            (None, None)
        }
    }
}

/// A host that lives as long as one command is named after this process.
fn identity(program: &OsStr, arguments: &[OsString]) -> Identity {
    let pid = std::process::id();
    let words = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
    let command = words.map(|word| word.to_string_lossy().into_owned()).collect();
    Identity { name: format!("run-{pid}"), pid, command }
}

/// Opens the file for the recording, before anything runs: an existing one is kept unless `force`.
fn open_capture(path: &Path, force: bool) -> Result<OwnedFd, Refusal> {
    if path == Path::new("-") {
        return rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
            .map_err(|error| Refusal::new(format_args!("--pcap -: no standard output: {error}")));
    }
    let mut options = OpenOptions::new();
    // Not blocking: a FIFO that nobody reads is an error, not a wait without end.
    // For its user alone: there may be TLS keys in it.
    options.write(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
    let opened = if force {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    };
    opened.map(OwnedFd::from).map_err(|error| {
        let shown = path.display();
        let line = match error.raw_os_error() {
            Some(libc::EEXIST | libc::EISDIR) if path.is_dir() => {
                format!("--pcap {shown}: this is a directory; give the name of a file in it")
            }
            Some(libc::EEXIST) => format!("--pcap {shown}: the file exists; --force replaces it"),
            Some(libc::ENXIO) => format!("--pcap {shown}: nobody reads this FIFO; start the reader first"),
            _ => format!("--pcap {shown}: {error}"),
        };
        Refusal::new(line)
    })
}

impl Running {
    fn run(&mut self) -> Result<u8, Refusal> {
        let status = loop {
            self.wait(self.ending.map(|(_, at)| at));
            if let Some(status) = self.turn() {
                break status;
            }
        };
        self.finish();
        if let Some(summary) = self.summary.take() {
            summary.write(self.report.as_ref());
        }
        Ok(exit_code(status))
    }

    /// Waits until something happens, or until a moment.
    fn wait(&self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let signals = PollFd::new(&self.signals, PollFlags::IN);
        // EINTR is as good as an event: the caller looks again.
        let _ = match self.stack.channel() {
            Some(channel) => poll(&mut [signals, PollFd::new(channel, PollFlags::IN)], timeout.as_ref()),
            None => poll(&mut [signals], timeout.as_ref()),
        };
    }

    /// Looks at everything once; the command's status when it has ended.
    fn turn(&mut self) -> Option<WaitStatus> {
        while let Some(signal) = self.signals.take_next() {
            self.on_signal(signal);
        }
        self.read_news();
        if let Some(name) = self.stack.take_lost_host() {
            self.on_lost_network(&format!("the host '{name}' has ended"));
        }
        let status = self.reap();
        self.job.go_on();
        // The number of a command that has been reaped may be another process's by now.
        if let Some((signal, at)) = self.ending.filter(|_| status.is_none())
            && (self.report.is_some() || !self.stack.is_alive() || Instant::now() >= at)
        {
            // The connections are reset: now the command, and whoever waits in accept on a socket of its own.
            listeners::shut_down();
            let _ = kill_process(self.command, signal);
            self.ending = None;
        }
        status
    }

    fn on_signal(&mut self, signal: Arrived) {
        let Some(named) = Signal::from_named_raw(signal.number) else { return };
        match named {
            Signal::CHILD => {}
            Signal::CONT => self.job.resume(),
            Signal::INT | Signal::TERM if signal.from_process => {
                if self.interrupted {
                    // The second time it is meant seriously.
                    let _ = kill_process(self.command, Signal::KILL);
                }
                self.interrupted = true;
                self.stack.order(&Order::Abort);
                self.ending = Some((named, Instant::now() + RESET_TIME));
            }
            // Control-C in a terminal reaches the whole process group. The command decides: a shell lives on.
            Signal::INT | Signal::QUIT if !signal.from_process => self.interrupted = named == Signal::INT,
            // The terminal sends them to our process group, so the command has them.
            Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::WINCH if !signal.from_process => {}
            _ if self.job.has_sent(&signal) => {}
            _ => {
                let _ = kill_process(self.command, named);
            }
        }
    }

    fn read_news(&mut self) {
        while let Some(news) = self.stack.news() {
            match news {
                News::Ended(report) => {
                    self.report = Some(Report { engine: self.engine.to_string(), ..report });
                }
                News::Note(line) => tell(&line),
                News::Failed(line) => tell(&line),
                News::Ready { .. } => {}
            }
        }
    }

    /// Reaps every child that has ended, ours and those that were left to us, and hears whether the command has stopped.
    fn reap(&mut self) -> Option<WaitStatus> {
        let looks = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        let mut status = None;
        while let Ok(Some((pid, ended))) = wait(looks) {
            if let Some(by) = ended.stopping_signal() {
                if pid == self.command {
                    self.job.stopped(by, &self.signals);
                }
            } else if ended.continued() {
                if pid == self.command {
                    self.job.continued();
                }
            } else if pid == self.command {
                status = Some(ended);
            } else if pid == self.stack.pid() {
                self.stack.set_ended();
                self.read_news();
                if self.report.is_none() {
                    self.on_stack_death(ended, status.is_some());
                }
            }
        }
        status
    }

    fn on_stack_death(&mut self, ended: WaitStatus, has_command_ended: bool) {
        let how = match (ended.terminating_signal(), ended.exit_status()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (_, Some(code)) => format!("ended with status {code}"),
            _ => "ended".into(),
        };
        let what = format!("the stack process {how}");
        // The command may end of it before we look: then it is still what has happened, and nobody is left to be warned.
        if has_command_ended { tell(&what) } else { self.on_lost_network(&what) }
    }

    fn on_lost_network(&self, why: &str) {
        tell(&format!("{why}: the command has no network any more"));
        let untouched = listeners::shut_down();
        if !untouched.is_empty() {
            tell(&format!("these processes may still wait in accept: {}", untouched.join(", ")));
        }
    }

    /// The command has ended: lets what it sent last arrive, and the stack process end.
    fn finish(&mut self) {
        self.stack.order(if self.interrupted { &Order::Abort } else { &Order::Finish });
        let until = Instant::now() + FINISH_TIME;
        while self.stack.is_alive() && Instant::now() < until {
            self.wait(Some(until));
            while let Some(signal) = self.signals.take_next() {
                match signal.number {
                    libc::SIGINT | libc::SIGTERM => self.stack.order(&Order::Abort),
                    libc::SIGTSTP => self.signals.stop_by(libc::SIGTSTP),
                    _ => {}
                }
            }
            self.read_news();
            self.reap();
        }
        self.stack.kill();
        // No child is left, in nearly every run: then nothing has to be searched for.
        let has_children = matches!(wait(WaitOptions::NOHANG), Ok(None));
        let left = if has_children { listeners::descendants() } else { Vec::new() };
        if !left.is_empty() && self.summary.is_some() {
            tell(&format!(
                "the command has left processes that have no network any more: {}",
                left.join(", ")
            ));
        }
    }
}

/// As a shell tells it.
fn exit_code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
