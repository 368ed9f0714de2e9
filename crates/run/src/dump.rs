//! `portolan dump`: the packets of a running host or of a file, with tcpdump's words, filters and lines.
//!
//! A running host sends a pcapng stream over its admin socket ([`live`]), so that there is one reader for both
//! ([`reader`]). [`mod@print`] makes lines of packets; with `-w` they go to a pcapng file as they are, comments, TLS keys
//! and all.

mod live;
pub mod print;
pub mod reader;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use portolan_drivers::{Capture, Direction};
use portolan_filter::{Filter, Frame, LinkType};
use portolan_link::{Instant, Medium};

use crate::summary::escape;
use live::Live;
use print::{Printer, Style};
use reader::{Packet, ReadError, Reader};

/// Packets that are gathered before a file is written to.
const FLUSH_EVERY: u64 = 64;

/// What the user wants to see.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// `-i`: the running host. With neither this nor `file`, the only one that runs.
    pub host: Option<String>,
    /// `-r`: a file, or `-` for standard input.
    pub file: Option<PathBuf>,
    /// `-w`: a file to write to, or `-` for standard output, instead of printing.
    pub write: Option<PathBuf>,
    /// Whether that may replace a file.
    pub force: bool,
    /// `-c`: end after so many.
    pub count: Option<u64>,
    /// `-s`: keep so many octets of each packet; 0 for all.
    pub snap_len: u32,
    /// How packets are shown.
    pub style: Style,
    /// Which packets.
    pub filter: Filter,
}

/// Why there is nothing more to see: one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DumpError(String);

impl DumpError {
    fn new(line: impl std::fmt::Display) -> DumpError {
        DumpError(line.to_string())
    }
}

/// Shows or writes what is wanted, until the file, the host or the user has had enough. Counts go to standard error.
pub fn run(query: &Query) -> Result<(), DumpError> {
    let output = Output::open(query)?;
    match &query.file {
        Some(path) if path.as_os_str() == "-" => file(query, output, Path::new("-"), io::stdin().lock()),
        Some(path) => {
            let source =
                File::open(path).map_err(|error| DumpError::new(format_args!("{}: {error}", shown(path))))?;
            file(query, output, path, BufReader::new(source))
        }
        None => host(query, output),
    }
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy())
}

fn file(query: &Query, mut output: Output, path: &Path, source: impl Read) -> Result<(), DumpError> {
    let name = shown(path);
    let wrong = |error: ReadError| DumpError::new(format_args!("{name}: {error}"));
    let mut reader = Reader::new(source).map_err(wrong)?;
    if let Some(link) = reader.link() {
        tell(&format!("reading from file {name}, link-type {}", link_name(link)));
    }
    let mut shown = 0;
    while query.count.is_none_or(|count| shown < count) {
        let Some(packet) = reader.next_packet().map_err(wrong)? else { break };
        let frame = Frame { link: packet.link, octets: &packet.octets, len: packet.len as usize };
        output.take_secrets(&reader.take_secrets());
        if query.filter.matches(frame) {
            shown += 1;
            if !output.take(packet, query)? {
                break;
            }
        }
    }
    output.close()
}

fn host(query: &Query, mut output: Output) -> Result<(), DumpError> {
    let live = Live::start(query).map_err(DumpError::new)?;
    let name = live.name().to_owned();
    let wrong = |error: ReadError| DumpError::new(format_args!("{name}: {error}"));
    let mut reader = Reader::new(live).map_err(wrong)?;
    tell(&format!(
        "listening on {name}, link-type {}",
        link_name(reader.link().unwrap_or(LinkType::Ethernet))
    ));
    let mut captured = 0;
    let result = loop {
        if query.count.is_some_and(|count| captured >= count) {
            // Only what the host says at the end is still of interest.
            reader.source_mut().stop();
        }
        match reader.next_packet() {
            Ok(None) => break Ok(()),
            Ok(Some(packet)) if query.count.is_none_or(|count| captured < count) => {
                captured += 1;
                output.take_secrets(&reader.take_secrets());
                match output.take(packet, query) {
                    Ok(true) => output.flush(),
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
            Ok(Some(_)) => {}
            // A host that ends in the middle of a block has ended.
            Err(error) if reader.source_mut().has_stopped() => drop(error),
            Err(error) => break Err(wrong(error)),
        }
        if reader.source_mut().is_over() {
            break Ok(());
        }
    };
    tell(&format!("{captured} packets captured"));
    tell(&format!("{} packets dropped because they were not read in time", reader.dropped()));
    result.and(output.close())
}

/// The IPv4 mask of a running host's network: of the one named, or the only one.
pub fn netmask(host: Option<&str>) -> Option<u32> {
    let info = live::choose(host).ok()?.info().ok()?;
    let prefixes = info.addresses.iter().filter_map(|address| address.split_once('/'));
    let mut v4 = prefixes.filter(|(address, _)| !address.contains(':'));
    let bits: u32 = v4.next()?.1.parse().ok().filter(|bits| *bits <= 32)?;
    Some(u32::MAX.checked_shl(32 - bits).unwrap_or(0))
}

/// One line on standard error. That nobody reads it is no reason to stop.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn link_name(link: LinkType) -> &'static str {
    match link {
        LinkType::Ethernet => "EN10MB (Ethernet)",
        LinkType::Raw => "RAW (Raw IP)",
        LinkType::Null => "NULL (BSD loopback)",
        LinkType::LinuxCooked => "LINUX_SLL (Linux cooked v1)",
        LinkType::LinuxCooked2 => "LINUX_SLL2 (Linux cooked v2)",
    }
}

/// Where packets go.
enum Output {
    Lines {
        printer: Printer,
        out: BufWriter<io::Stdout>,
    },
    File {
        capture: Capture,
        interfaces: Vec<(LinkType, portolan_drivers::InterfaceId)>,
        failure: Failure,
        taken: u64,
    },
}

/// Why writing has failed, if it has.
type Failure = Arc<Mutex<Option<String>>>;

impl Output {
    fn open(query: &Query) -> Result<Output, DumpError> {
        let Some(path) = &query.write else {
            let out = BufWriter::new(io::stdout());
            return Ok(Output::Lines { printer: Printer::new(query.style), out });
        };
        let capture = if path.as_os_str() == "-" {
            Capture::to_writer(io::stdout(), SystemTime::UNIX_EPOCH)
        } else {
            Capture::create(path, query.force, SystemTime::UNIX_EPOCH).map_err(DumpError::new)?
        };
        let failure = Failure::default();
        let heard = Arc::clone(&failure);
        capture.on_failure(move |error| {
            let is_pipe = std::error::Error::source(&error)
                .and_then(|why| why.downcast_ref::<io::Error>())
                .is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe);
            let line = if is_pipe { String::new() } else { error.to_string() };
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        });
        Ok(Output::File { capture, interfaces: Vec::new(), failure, taken: 0 })
    }

    /// Shows or writes one packet. False if nobody wants more.
    fn take(&mut self, mut packet: Packet, query: &Query) -> Result<bool, DumpError> {
        if query.snap_len > 0 {
            packet.octets.truncate(query.snap_len as usize);
        }
        match self {
            Output::Lines { printer, out } => {
                let line = printer.line(&packet);
                match writeln!(out, "{line}") {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
                    result => result.map(|()| true).map_err(DumpError::new),
                }
            }
            Output::File { capture, interfaces, failure, taken } => {
                let known = interfaces.iter().find(|(link, _)| *link == packet.link).map(|(_, id)| *id);
                let interface = match known {
                    Some(interface) => interface,
                    None => {
                        let interface = capture.add_interface("portolan", medium(packet.link)?);
                        interfaces.push((packet.link, interface));
                        interface
                    }
                };
                let now = Instant::from_nanos(packet.nanos);
                let comment = packet.comment.as_deref();
                capture.record_cut(now, interface, Direction::Unknown, &packet.octets, packet.len, comment);
                *taken += 1;
                if taken.is_multiple_of(FLUSH_EVERY) {
                    capture.flush();
                }
                failed(failure)
                    .map_or(Ok(true), |line| if line.is_empty() { Ok(false) } else { Err(DumpError(line)) })
            }
        }
    }

    /// Writes TLS keys that stood in front of a packet; of the others nobody sees the packets that they open.
    fn take_secrets(&mut self, lines: &[u8]) {
        if let Output::File { capture, .. } = self
            && !lines.is_empty()
        {
            capture.record_secrets(lines);
        }
    }

    /// Lets a reader see what there is.
    fn flush(&mut self) {
        match self {
            // An error comes up at the next line.
            Output::Lines { out, .. } => drop(out.flush()),
            Output::File { capture, .. } => drop(capture.flush()),
        }
    }

    fn close(mut self) -> Result<(), DumpError> {
        self.flush();
        match self {
            Output::Lines { mut out, .. } => match out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(DumpError::new(error)),
                _ => Ok(()),
            },
            Output::File { failure, .. } => match failed(&failure) {
                Some(line) if !line.is_empty() => Err(DumpError(line)),
                _ => Ok(()),
            },
        }
    }
}

fn failed(failure: &Failure) -> Option<String> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn medium(link: LinkType) -> Result<Medium, DumpError> {
    match link {
        LinkType::Ethernet => Ok(Medium::Ethernet),
        LinkType::Raw => Ok(Medium::Ip),
        other => Err(DumpError::new(format_args!(
            "packets of link type {} can be shown, not written",
            link_name(other)
        ))),
    }
}
