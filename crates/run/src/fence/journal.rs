//! What was refused, told: once per process and target to the user, and with its count to `--deny-log`.
//!
//! The log has the first refusal of a process and target in a second at once, and the further ones as one line with their
//! number when that second is over ([`Journal::keep`]), or when the run ends.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::owners::Process;

/// Pairs of process and target that the user is told of; more are only logged.
const TOLD_MAX: usize = 1024;
/// Pairs of process and target that have lines of their own within one second of the log; the others share one.
const LOGGED_MAX: usize = 1024;
/// What one line of the log gathers.
const WINDOW: Duration = Duration::from_secs(1);
/// Lines that wait to be said.
const WAITING_MAX: usize = TOLD_MAX + 1;

/// One refusal.
#[derive(Clone, PartialEq, Debug)]
pub struct Refused {
    /// Who tried, if that is known.
    pub process: Option<Process>,
    /// The name that was asked for, or that the address belongs to.
    pub name: Option<String>,
    /// Where it wanted to go; `None` when the name was not even asked.
    pub address: Option<IpAddr>,
    /// The port there.
    pub port: Option<u16>,
    /// `tcp`, `udp`, `icmp`, or `dns` for a name that was not asked.
    pub protocol: String,
    /// Which rule refused it, or that none allows it.
    pub rule: String,
}

/// A refusal as a line of the log.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970.
    time: f64,
    pid: Option<u32>,
    process: Option<&'a str>,
    name: Option<&'a str>,
    address: Option<IpAddr>,
    port: Option<u16>,
    protocol: &'a str,
    rule: &'a str,
    /// How many refusals these are.
    count: u64,
}

/// A process and a target.
type Pair = (u32, String);

/// Where refusals are told.
#[derive(Debug)]
pub struct Journal {
    log: Option<Mutex<Log>>,
    told: Mutex<HashSet<Pair>>,
    lines: Sender<String>,
    /// Something was refused that the log has only counted so far.
    counted: Notify,
}

#[derive(Debug)]
struct Log {
    file: File,
    has_failed: bool,
    /// When the present second began.
    since: Instant,
    /// What was refused in it, and how often since its line.
    pairs: HashMap<Pair, (Refused, u64)>,
    /// How often something else was refused.
    others: u64,
}

impl Journal {
    /// A journal, and the lines for the user that come out of it. The log is appended to.
    pub fn open(log: Option<&Path>) -> io::Result<(Journal, Receiver<String>)> {
        let log = log.map(|path| {
            // Not blocking: a FIFO that nobody reads is an error, not a wait without end. It tells where others go: not for all.
            let opened = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NONBLOCK)
                .open(path);
            opened.map(|file| Mutex::new(Log::new(file)))
        });
        let (lines, receiver) = channel(WAITING_MAX);
        let counted = Notify::new();
        Ok((Journal { log: log.transpose()?, told: Mutex::default(), lines, counted }, receiver))
    }

    /// Tells of one refusal.
    pub fn tell(&self, refused: &Refused) {
        self.with_log(|log| {
            let is_written = log.note(refused, Instant::now())?;
            if !is_written {
                self.counted.notify_one();
            }
            Ok(())
        });
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX || !told.insert(refused.pair()) {
            return;
        }
        // Every line has its room, so none is lost but to a reader that is gone.
        let _ = self.lines.try_send(format!("refused: {refused}"));
        if told.len() == TOLD_MAX {
            let _ = self.lines.try_send("refused: more than is told here; see --deny-log".to_owned());
        }
    }

    /// Writes what is counted a second later at most, for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            self.counted.notified().await;
            tokio::time::sleep(WINDOW).await;
            self.flush();
        }
    }

    /// Writes what the log has only counted so far.
    pub fn flush(&self) {
        self.with_log(|log| log.end_second(Instant::now()));
    }

    fn with_log(&self, write: impl FnOnce(&mut Log) -> io::Result<()>) {
        let Some(log) = &self.log else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write(&mut log)
            && !std::mem::replace(&mut log.has_failed, true)
        {
            let _ = self.lines.try_send(format!("--deny-log: {error}; refusals are missing in it"));
        }
    }
}

impl Log {
    fn new(file: File) -> Log {
        Log { file, has_failed: false, since: Instant::now(), pairs: HashMap::new(), others: 0 }
    }

    /// Writes a refusal, or counts it: then it is `false`.
    fn note(&mut self, refused: &Refused, now: Instant) -> io::Result<bool> {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.end_second(now)?;
        }
        let pair = refused.pair();
        if let Some((_, count)) = self.pairs.get_mut(&pair) {
            *count += 1;
        } else if self.pairs.len() < LOGGED_MAX {
            self.pairs.insert(pair, (refused.clone(), 0));
            return self.write(refused, 1).map(|()| true);
        } else {
            self.others += 1;
        }
        Ok(false)
    }

    fn end_second(&mut self, now: Instant) -> io::Result<()> {
        self.since = now;
        let pairs = std::mem::take(&mut self.pairs);
        let others = std::mem::take(&mut self.others);
        for (refused, count) in pairs.values().filter(|(_, count)| *count > 0) {
            self.write(refused, *count)?;
        }
        if others > 0 {
            let rule = format!("more than {LOGGED_MAX} targets in a second");
            let rest = Refused {
                process: None,
                name: None,
                address: None,
                port: None,
                protocol: "any".into(),
                rule,
            };
            self.write(&rest, others)?;
        }
        Ok(())
    }

    fn write(&mut self, refused: &Refused, count: u64) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            time: now.as_micros() as f64 / 1e6,
            pid: refused.process.as_ref().map(|process| process.pid),
            process: refused.process.as_ref().map(|process| process.name.as_str()),
            name: refused.name.as_deref(),
            address: refused.address,
            port: refused.port,
            protocol: &refused.protocol,
            rule: &refused.rule,
            count,
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

impl Refused {
    fn pair(&self) -> Pair {
        (self.process.as_ref().map_or(0, |process| process.pid), self.target())
    }

    /// What was wanted, as `other.test (10.0.2.9):80/tcp`.
    fn target(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = match (&self.name, self.address) {
            (Some(name), Some(address)) => format!("{name} ({address})"),
            (Some(name), None) => name.clone(),
            (None, Some(IpAddr::V6(v6))) if self.port.is_some() => format!("[{v6}]"),
            (None, Some(address)) => address.to_string(),
            (None, None) => "?".to_owned(),
        };
        format!("{host}{port}/{}", self.protocol)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "{process}")?,
            None => f.write_str("?")?,
        }
        write!(f, " -> {}: {}", self.target(), self.rule)
    }
}

#[cfg(test)]
mod tests;
