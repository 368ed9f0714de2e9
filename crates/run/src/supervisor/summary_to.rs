//! Where the summary goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Refusal, tell};
use crate::summary::{Reader, Report, render};

/// Where the summary goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SummaryTo {
    /// Nowhere.
    Nowhere,
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is replaced.
    File(PathBuf),
}

/// Replaces a file. A FIFO that nobody reads is an error, not a wait without end.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// A summary's place, open before anything runs.
pub(super) struct Summary {
    to: Box<dyn Write>,
    reader: Reader,
}

impl Summary {
    /// `None` if none is wanted.
    pub(super) fn open(to: &SummaryTo) -> Result<Option<Summary>, Refusal> {
        let (to, reader): (Box<dyn Write>, Reader) = match to {
            SummaryTo::Nowhere => return Ok(None),
            SummaryTo::Stderr => (Box::new(io::stderr()), Reader::Person),
            SummaryTo::Stdout => (Box::new(io::stdout()), Reader::File),
            SummaryTo::File(path) => {
                let shown = path.display();
                let file = create(path).map_err(|error| match error.raw_os_error() {
                    Some(libc::ENXIO) => Refusal::new(format_args!(
                        "--summary {shown}: nobody reads this FIFO; start the reader first"
                    )),
                    _ => Refusal::new(format_args!("--summary {shown}: {error}")),
                })?;
                (Box::new(file), Reader::File)
            }
        };
        Ok(Some(Summary { to, reader }))
    }

    /// Writes it; `None` if the stack process told nothing.
    pub(super) fn write(mut self, report: Option<&Report>) {
        let text = match report {
            Some(report) => render(report, self.reader),
            None => "portolan: no summary, because the stack process ended early\n".into(),
        };
        if let Err(error) = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            tell(&format!("the summary could not be written: {error}"));
        }
    }
}
