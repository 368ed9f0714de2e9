//! Captures: what crosses a link, written as a pcapng file that tshark and Wireshark read.
//!
//! [`Capture`] is the file, [`CaptureLink`] puts it around any link. Frames are recorded as they would cross a cable:
//! super-segments are cut and checksums finished first. A file holds whole blocks only, whatever happens to the disk:
//! when writing fails, the file is cut back to its last whole block, the failure is told once, and the link goes on.

mod link;
mod monitor;
mod pcapng;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use portolan_link::{Instant, Medium};
use thiserror::Error;

pub use link::CaptureLink;
pub use monitor::{Monitor, Seen};
pub use pcapng::Direction;

/// Octets that are gathered before they are written.
const PENDING_MAX: usize = 64 * 1024;

/// Why a capture cannot be made or goes no further.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file exists.
    #[error("cannot capture to '{}': the file exists; give another name, or --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("cannot capture to '{}': {source}; give a path that can be written", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed, as on a full disk. What was written before can be read.
    #[error("the capture to '{}' ends here: {source}; free some space and start again", path.display())]
    Write {
        /// The file, or `-`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A capture in progress. Clones share it.
#[derive(Clone)]
pub struct Capture(Arc<Mutex<Recorder>>);

/// One interface of a capture: a link that is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceId(u32);

impl Capture {
    /// Starts a file. An existing one is replaced only with `force`. `epoch` is the time of day of
    /// [`Instant::ZERO`].
    pub fn create(path: &Path, force: bool, epoch: SystemTime) -> Result<Capture, CaptureError> {
        let mut options = OpenOptions::new();
        // For its user alone: others' text is in it.
        options.write(true).mode(0o600);
        if force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let file = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CaptureError::Exists { path: path.to_owned() },
            _ => CaptureError::Create { path: path.to_owned(), source },
        })?;
        Ok(Capture::over(Box::new(OpenFile { file, start: 0 }), path.to_owned(), epoch))
    }

    /// Starts a capture into an open file, after what it holds already; a pipe or a FIFO is as good as a file.
    pub fn to_file(file: File, epoch: SystemTime) -> Capture {
        let start = file.metadata().map_or(0, |metadata| metadata.len());
        Capture::over(Box::new(OpenFile { file, start }), PathBuf::from("-"), epoch)
    }

    /// Starts a capture into a stream, such as a pipe to Wireshark.
    pub fn to_writer(writer: impl Write + Send + 'static, epoch: SystemTime) -> Capture {
        Capture::over(Box::new(Stream(writer)), PathBuf::from("-"), epoch)
    }

    fn over(sink: Box<dyn Sink>, path: PathBuf, epoch: SystemTime) -> Capture {
        let epoch = epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mut recorder = Recorder {
            sink,
            path,
            epoch_nanos: u64::try_from(epoch.as_nanos()).unwrap_or(u64::MAX),
            pending: Vec::new(),
            ripe: Vec::new(),
            secrets: None,
            written: 0,
            interfaces: 0,
            has_failed: false,
            failure: None,
            on_failure: None,
        };
        pcapng::section_header(&mut recorder.pending);
        Capture(Arc::new(Mutex::new(recorder)))
    }

    /// Says what is called, once, when writing fails. It is called at once if that has happened already.
    pub fn on_failure(&self, tell: impl FnOnce(CaptureError) + Send + 'static) {
        let mut recorder = self.lock();
        match recorder.failure.take() {
            Some(error) => tell(error),
            None => recorder.on_failure = Some(Box::new(tell)),
        }
    }

    /// Says what gives the TLS keys that have become known since it was last asked, as lines of an SSLKEYLOGFILE. It is
    /// asked whenever something is to be written. What was recorded since waits for the next time, so that keys stand
    /// in front of the packets that they open: a program writes its keys after it has seen the other side's hello.
    pub fn take_secrets_from(&self, source: impl FnMut() -> Vec<u8> + Send + 'static) {
        let mut recorder = self.lock();
        // The section's header stands in front of everything.
        recorder.flush();
        recorder.secrets = Some(Box::new(source));
    }

    /// Adds an interface to the capture.
    pub fn add_interface(&self, name: &str, medium: Medium) -> InterfaceId {
        let mut recorder = self.lock();
        let id = InterfaceId(recorder.interfaces);
        recorder.interfaces += 1;
        recorder.append(|out| pcapng::interface(out, name, medium));
        if recorder.secrets.is_some() {
            // In front of keys, as the section's header.
            let block = std::mem::take(&mut recorder.pending);
            recorder.write(&block);
        }
        id
    }

    /// Records one frame, with a comment if there is one.
    pub fn record(
        &self,
        now: Instant,
        interface: InterfaceId,
        direction: Direction,
        frame: &[u8],
        comment: Option<&str>,
    ) {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.record_cut(now, interface, direction, frame, len, comment);
    }

    /// Records the first octets of a frame that had `len`.
    pub fn record_cut(
        &self,
        now: Instant,
        interface: InterfaceId,
        direction: Direction,
        frame: &[u8],
        len: u32,
        comment: Option<&str>,
    ) {
        let mut recorder = self.lock();
        let nanos = recorder.epoch_nanos.saturating_add(now.as_nanos());
        recorder.append(|out| pcapng::packet(out, interface.0, nanos, direction, frame, len, comment));
    }

    /// Says how many packets the interface has brought until now, and how many of them were not recorded.
    pub fn record_statistics(&self, now: Instant, interface: InterfaceId, received: u64, dropped: u64) {
        let mut recorder = self.lock();
        let nanos = recorder.epoch_nanos.saturating_add(now.as_nanos());
        recorder.append(|out| pcapng::statistics(out, interface.0, nanos, received, dropped));
    }

    /// Records TLS keys that open packets recorded after them, as lines of an SSLKEYLOGFILE.
    pub fn record_secrets(&self, lines: &[u8]) {
        self.lock().append(|out| pcapng::secrets(out, lines));
    }

    /// Writes out what is gathered. True if some of it waits for the next time.
    pub fn flush(&self) -> bool {
        let mut recorder = self.lock();
        recorder.flush();
        !recorder.ripe.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorder = self.lock();
        f.debug_struct("Capture").field("path", &recorder.path).field("written", &recorder.written).finish()
    }
}

/// Where a capture goes.
trait Sink: Write + Send {
    /// Makes what was written end after `len` octets, if that is possible.
    fn cut_back(&mut self, len: u64) -> io::Result<()>;
}

/// A file whose first octets, up to `start`, are not the capture's.
struct OpenFile {
    file: File,
    start: u64,
}

impl Write for OpenFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for OpenFile {
    fn cut_back(&mut self, len: u64) -> io::Result<()> {
        let end = self.start.saturating_add(len);
        self.file.set_len(end)?;
        self.file.seek(io::SeekFrom::Start(end)).map(drop)
    }
}

/// A stream, from which nothing can be taken back.
struct Stream<W>(W);

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write + Send> Sink for Stream<W> {
    fn cut_back(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

struct Recorder {
    sink: Box<dyn Sink>,
    path: PathBuf,
    epoch_nanos: u64,
    /// Whole blocks, not yet written.
    pending: Vec<u8>,
    /// Whole blocks whose keys, if they have any, are known by the next time.
    ripe: Vec<u8>,
    secrets: Option<Box<dyn FnMut() -> Vec<u8> + Send>>,
    /// Octets written: always whole blocks.
    written: u64,
    interfaces: u32,
    has_failed: bool,
    failure: Option<CaptureError>,
    on_failure: Option<Box<dyn FnOnce(CaptureError) + Send>>,
}

impl Recorder {
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.has_failed {
            return;
        }
        write(&mut self.pending);
        if self.pending.len() >= PENDING_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let gathered = std::mem::take(&mut self.pending);
        let Some(secrets) = &mut self.secrets else { return self.write(&gathered) };
        let mut blocks = new_secrets(&mut **secrets);
        blocks.append(&mut self.ripe);
        self.ripe = gathered;
        self.write(&blocks);
    }

    fn write(&mut self, blocks: &[u8]) {
        if self.has_failed || blocks.is_empty() {
            return;
        }
        let (len, result) = write_counted(&mut *self.sink, blocks);
        let whole = if result.is_ok() { len } else { pcapng::whole_blocks(blocks, len) };
        self.written += whole as u64;
        if let Err(source) = result.and_then(|()| self.sink.flush()) {
            self.fail(source);
        }
    }

    fn fail(&mut self, source: io::Error) {
        self.has_failed = true;
        (self.pending, self.ripe) = (Vec::new(), Vec::new());
        // If even this fails, readers complain of the last block only.
        let _ = self.sink.cut_back(self.written);
        let error = CaptureError::Write { path: self.path.clone(), source };
        match self.on_failure.take() {
            Some(tell) => tell(error),
            None => self.failure = Some(error),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
        if self.secrets.is_some() {
            self.flush();
        }
    }
}

/// The block of the keys that have become known; nothing if there are none.
fn new_secrets(source: &mut dyn FnMut() -> Vec<u8>) -> Vec<u8> {
    let (lines, mut block) = (source(), Vec::new());
    if !lines.is_empty() {
        pcapng::secrets(&mut block, &lines);
    }
    block
}

/// Writes all of `octets`, and says how many were written in any case.
fn write_counted(sink: &mut dyn Sink, octets: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while let Some(rest) = octets.get(done..).filter(|rest| !rest.is_empty()) {
        match sink.write(rest) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(len) => done += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

#[cfg(test)]
mod tests;
