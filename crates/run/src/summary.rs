//! The table at the end of a run: one line that names the engine, then a row per flow, or on a terminal, where they
//! are many, a row for those that are alike.
//!
//! The stack process collects a [`Report`], the supervisor prints it with [`render`]. Names come from other people's
//! DNS servers, so no octet of them reaches the terminal unescaped.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use fold::Row;

mod fold;

/// Flows that are reported with a row of their own; more are only counted.
pub const ROWS_MAX: usize = 10_000;

/// What the stack process tells at its end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// How the command was attached.
    pub engine: String,
    /// Where its packets went.
    pub link: String,
    /// What seeded the wire's faults, when there were any.
    pub seed: Option<u64>,
    /// Flows in the order in which they ended.
    pub flows: Vec<Flow>,
    /// Flows beyond [`ROWS_MAX`].
    pub flows_left_off: u64,
    /// What else the user should know, a line each.
    pub notes: Vec<String>,
}

/// One flow's row.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The other host's name, or its address when no name was looked up.
    pub name: String,
    /// The other host's port; 0 for a listener that nobody called.
    pub port: u16,
    /// How the flow ended, or the state it is in.
    pub state: String,
    /// Octets from the command.
    pub sent: u64,
    /// Octets to the command.
    pub received: u64,
    /// From SYN to ESTABLISHED, in microseconds.
    pub handshake_us: Option<u64>,
    /// Smallest round trip seen, in microseconds.
    pub rtt_min_us: Option<u64>,
    /// Mean of the round trips seen, in microseconds.
    pub rtt_avg_us: Option<u64>,
    /// Segments sent again.
    pub retransmits: u64,
    /// What held it back most: `rwnd`, `cwnd`, `app` or `wire`.
    pub limited_by: Option<String>,
}

const HEADINGS: [&str; 8] =
    ["FLOW", "STATE", "SENT", "RECEIVED", "HANDSHAKE", "RTT MIN/AVG", "RETRANS", "LIMITED BY"];

/// Columns whose text stands at the left; numbers stand at the right.
const LEFT: [bool; 8] = [true, true, false, false, false, false, false, true];

/// For whom a report is rendered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// Somebody at a terminal: flows that are alike share a row if there are many.
    Person,
    /// A file: a row for each flow.
    File,
}

/// The report as text, every line ended.
pub fn render(report: &Report, reader: Reader) -> String {
    let mut out = format!("portolan: engine {}, link {}", escape(&report.engine), escape(&report.link));
    if let Some(seed) = report.seed {
        let _ = write!(out, ", seed {seed}");
    }
    let count = report.flows.len() as u64 + report.flows_left_off;
    let _ = writeln!(out, ", {count} {}", if count == 1 { "flow" } else { "flows" });
    if !report.flows.is_empty() {
        let rows = match reader {
            Reader::Person => fold::fold(&report.flows),
            Reader::File => fold::each(&report.flows),
        };
        let rows: Vec<[String; 8]> = rows.iter().map(cells).collect();
        let mut widths = HEADINGS.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        write_row(&mut out, &HEADINGS.map(String::from), &widths);
        for row in &rows {
            write_row(&mut out, row, &widths);
        }
    }
    if report.flows_left_off > 0 {
        let _ = writeln!(out, "  and {} flows more", report.flows_left_off);
    }
    for note in &report.notes {
        let _ = writeln!(out, "portolan: {}", escape(note));
    }
    out
}

fn write_row(out: &mut String, cells: &[String; 8], widths: &[usize; 8]) {
    let mut line = String::new();
    for ((cell, width), left) in cells.iter().zip(widths).zip(LEFT) {
        let width = *width;
        let _ = if left { write!(line, "  {cell:<width$}") } else { write!(line, "  {cell:>width$}") };
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn cells(Row { flow, count }: &Row) -> [String; 8] {
    let name = escape(&flow.name);
    let bracketed = if name.contains(':') { format!("[{name}]") } else { name };
    let rtt = match (flow.rtt_min_us, flow.rtt_avg_us) {
        (Some(min), Some(avg)) => format!("{}/{} ms", ms(min), ms(avg)),
        _ => "-".into(),
    };
    let times = if *count > 1 { format!(" x{count}") } else { String::new() };
    [
        format!("{bracketed}:{}/{}{times}", flow.port, escape(&flow.protocol)),
        escape(&flow.state),
        octets(flow.sent),
        octets(flow.received),
        flow.handshake_us.map_or("-".into(), |us| format!("{} ms", ms(us))),
        rtt,
        flow.retransmits.to_string(),
        flow.limited_by.as_deref().map_or("-".into(), escape),
    ]
}

/// Microseconds in milliseconds with three significant digits.
fn ms(us: u64) -> String {
    let ms = us as f64 / 1000.0;
    match us {
        0..10_000 => format!("{ms:.2}"),
        10_000..100_000 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

/// Octets with a unit, powers of 1024.
fn octets(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit < 4 {
        value /= 1024.0;
        unit += 1;
    }
    let name = ["B", "KiB", "MiB", "GiB", "TiB"][unit];
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {name}") }
}

/// Text of unknown origin with everything escaped that is not printable ASCII, so that it cannot steer a terminal
/// or pass for another name.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            _ => out.extend(c.escape_default()),
        }
    }
    out
}

#[cfg(test)]
mod tests;
