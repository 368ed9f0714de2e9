//! The packets of a running host, as a stream that control-C ends in order.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Query;
use crate::admin::AdminError;
use crate::admin::client::{self, Client};
use crate::os::signals::{ENDINGS, Signals};

/// What a host may take, once it has been told to stop, to say how much was lost.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A stream of pcapng blocks from a host.
pub(super) struct Live {
    name: String,
    stream: UnixStream,
    /// What came together with the answer.
    received: io::Cursor<Vec<u8>>,
    signals: Signals,
    /// When the host was told to stop.
    stopped: Option<Instant>,
    has_ended: bool,
}

impl Live {
    /// Asks the host that is meant.
    pub(super) fn start(query: &Query) -> Result<Live, AdminError> {
        let client = choose(query.host.as_deref())?;
        let name = client.name().to_owned();
        let silent = |error: io::Error| AdminError::Silent { name: name.clone(), why: error.to_string() };
        let signals = Signals::open(ENDINGS).map_err(silent)?;
        let (stream, received) = client.capture(query.filter.clone())?;
        stream.set_nonblocking(true).map_err(silent)?;
        let received = io::Cursor::new(received);
        Ok(Live { name, stream, received, signals, stopped: None, has_ended: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells the host that nothing more is wanted but its last words.
    pub(super) fn stop(&mut self) {
        if self.stopped.is_none() {
            self.stopped = Some(Instant::now());
            // A host that is gone needs no telling.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended || self.stopped.is_some_and(|since| since.elapsed() >= LAST_WORDS)
    }
}

/// The named host, or the only one that runs.
pub(super) fn choose(name: Option<&str>) -> Result<Client, AdminError> {
    if let Some(name) = name {
        return Client::connect(name);
    }
    let (mut clients, mut failures) = client::connect(None)?;
    match (clients.pop(), clients.is_empty()) {
        (Some(client), true) => Ok(client),
        (Some(last), false) => {
            let names: Vec<&str> = clients.iter().map(Client::name).chain([last.name()]).collect();
            Err(AdminError::Several { names: names.join(", ") })
        }
        (None, _) => Err(failures.pop().unwrap_or(AdminError::NoneRuns)),
    }
}

impl Read for Live {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let kept = self.received.read(out)?;
        if kept > 0 {
            return Ok(kept);
        }
        loop {
            while let Some(signal) = self.signals.take_next() {
                if matches!(signal.number, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT) {
                    self.stop();
                }
            }
            if self.is_over() {
                return Ok(0);
            }
            match self.stream.read(out) {
                Ok(len) => {
                    self.has_ended = len == 0;
                    return Ok(len);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    self.has_ended = true;
                    return Ok(0);
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            let left = self.stopped.map(|since| LAST_WORDS.saturating_sub(since.elapsed()));
            let timeout = left.map(|left| Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(1),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut wait =
                [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.stream, PollFlags::IN)];
            // EINTR is as good as an event: everything is looked at again.
            let _ = poll(&mut wait, timeout.as_ref());
        }
    }
}
