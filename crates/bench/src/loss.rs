//! Goodput over bad wires, as a ratio to what Linux reaches over the same wire.
//!
//! Loss x round-trip time x reordering x direction x congestion control. In each cell the near end is once Linux and
//! once Portolan, in turn, several times; the cell's ratio is that of the medians. The wire's rate keeps the processor
//! out of it: what is compared is the protocol.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use portolan_sim::impair::Impairment;

use crate::transfer::{Direction, Near, Transfer};

const LOSS_PERCENT: [&str; 4] = ["0", "0.1", "1", "3"];
const RTT_MS: [u32; 3] = [1, 20, 100];
const REORDER_PERCENT: [u32; 2] = [0, 5];
const CONGESTION: [&str; 2] = ["cubic", "bbr"];
/// Megabits per second of the wire, each way.
const RATE_MBIT: u32 = 100;
/// Packets beyond the wire's own content that its queue holds, at least.
const QUEUE_MIN: u32 = 64;
/// How often a transfer is tried.
const ATTEMPTS: usize = 3;
/// Octets of a full frame.
const FRAME: u32 = 1514;

/// What is aimed at: the median of all ratios, and the least.
const AIM: (f64, f64) = (1.0, 0.8);

/// How the grid is run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How long each transfer lasts.
    pub(crate) duration: Duration,
    /// Transfers of each end per cell.
    pub(crate) repetitions: usize,
    /// Cells at the same time.
    pub(crate) jobs: usize,
    /// Only some cells: a few that differ most.
    pub(crate) short: bool,
    /// Only the cells of this congestion control.
    pub(crate) control: Option<String>,
    /// The least median of all ratios, and the least ratio of a cell, that are a success: the aim less what chance
    /// does to a transfer of some seconds.
    pub(crate) bounds: (f64, f64),
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    loss: &'static str,
    rtt_ms: u32,
    reorder: u32,
    direction: Direction,
    congestion: &'static str,
}

impl Cell {
    fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for congestion in CONGESTION {
            for direction in [Direction::Out, Direction::In] {
                for reorder in REORDER_PERCENT {
                    for rtt_ms in RTT_MS {
                        for loss in LOSS_PERCENT {
                            cells.push(Cell { loss, rtt_ms, reorder, direction, congestion });
                        }
                    }
                }
            }
        }
        cells
    }

    /// Whether it is slower by decision: `docs/decisions/011`, BBR where more is lost than its draft puts up with.
    fn is_slower_by_decision(&self) -> bool {
        self.congestion == "bbr" && self.loss == "3" && self.rtt_ms >= 20
    }

    /// One in six, such that every value of every dimension occurs.
    fn some() -> Vec<Cell> {
        Cell::all().into_iter().step_by(7).collect()
    }

    /// Its first columns in the table.
    fn name(&self) -> String {
        let way = if self.direction == Direction::Out { "send" } else { "receive" };
        format!("{} | {way} | {} | {} | {}", self.congestion, self.loss, self.rtt_ms, self.reorder)
    }

    /// What the wire does in each direction. Its queue holds a round trip's worth, as routers' do.
    fn impairment(&self) -> Result<Impairment, String> {
        let on_the_way = RATE_MBIT * 1000 / 8 * self.rtt_ms / FRAME;
        let mut words = format!(
            "delay {}us rate {RATE_MBIT}mbit limit {}",
            self.rtt_ms * 500,
            on_the_way + on_the_way.max(QUEUE_MIN)
        );
        if self.loss != "0" {
            words += &format!(" loss {}%", self.loss);
        }
        if self.reorder > 0 {
            words += &format!(" reorder {}%", self.reorder);
        }
        words.parse().map_err(|error| format!("'{words}': {error}"))
    }

    /// One transfer. A connection that does not open is tried again over the same wire with other dice: three ARP
    /// requests can be lost in a row, and that says nothing about TCP.
    fn measure(&self, near: Near, number: usize, round: usize, duration: Duration) -> Result<f64, String> {
        let mut failures = String::new();
        for attempt in 0..ATTEMPTS {
            let transfer = Transfer {
                near,
                direction: self.direction,
                congestion: self.congestion,
                impairment: self.impairment()?,
                seed: (number * 1000 + round * ATTEMPTS + attempt) as u64,
                duration,
            };
            match transfer.run(&format!("{number}-{round}")) {
                Ok(goodput) => return Ok(goodput),
                Err(why) if why.starts_with("connect: ") => {
                    failures += &format!("\n  {near:?}, round {round}: {why}");
                }
                Err(why) => return Err(format!("{near:?}, round {round}: {why}")),
            }
        }
        Err(failures)
    }
}

/// Both ends' goodputs in bits per second, medians.
#[derive(Clone, Copy, Debug)]
struct Measured {
    linux: f64,
    ours: f64,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.ours / self.linux
    }
}

/// Measures the grid and prints it. Whether the bounds hold.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let mut cells = if options.short { Cell::some() } else { Cell::all() };
    cells.retain(|cell| options.control.as_ref().is_none_or(|name| cell.congestion == name));
    if cells.is_empty() {
        return Err(format!("no cell has this congestion control; there are {}", CONGESTION.join(" and ")));
    }
    let results = Mutex::new(vec![None; cells.len()]);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some((number, cell)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(number).map(|cell| (number, cell))
                } {
                    let measured = measure(cell, number, options);
                    if let Ok(mut results) = results.lock() {
                        results[number] = Some(measured);
                    }
                }
            });
        }
    });
    let results = results.into_inner().map_err(|_| "a cell panicked")?;
    let mut rows = Vec::new();
    for (cell, result) in cells.iter().zip(results) {
        rows.push((
            *cell,
            result.ok_or("a cell was not measured")?.map_err(|why| format!("{cell:?}: {why}"))?,
        ));
    }
    Ok(report(&rows, options))
}

fn measure(cell: &Cell, number: usize, options: &Options) -> Result<Measured, String> {
    let (mut linux, mut ours) = (Vec::new(), Vec::new());
    for round in 0..options.repetitions.max(1) {
        linux.push(cell.measure(Near::Linux, number, 2 * round, options.duration)?);
        ours.push(cell.measure(Near::Portolan, number, 2 * round, options.duration)?);
    }
    Ok(Measured { linux: median(&mut linux), ours: median(&mut ours) })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Prints the grid; whether the bounds hold.
fn report(rows: &[(Cell, Measured)], options: &Options) -> bool {
    println!(
        "goodput beside Linux: wire {RATE_MBIT} Mbit/s, {} s per transfer, median of {}",
        options.duration.as_secs_f64(),
        options.repetitions
    );
    println!("| control | way | loss % | RTT ms | reorder % | Linux Mbit/s | Portolan Mbit/s | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for (cell, measured) in rows {
        println!(
            "| {} | {:.2} | {:.2} | {:.2} |",
            cell.name(),
            measured.linux / 1e6,
            measured.ours / 1e6,
            measured.ratio()
        );
        ratios.push(measured.ratio());
    }
    let below = |least: f64| rows.iter().filter(move |(_, measured)| measured.ratio() < least);
    let middle = median(&mut ratios);
    println!(
        "{} cells: median ratio {middle:.2}, least {:.2}; the aim is a median of {:.1} and none below {:.1}: {} below",
        ratios.len(),
        ratios.first().copied().unwrap_or(0.0),
        AIM.0,
        AIM.1,
        below(AIM.1).count()
    );
    for (cell, measured) in below(AIM.1) {
        let why = if cell.is_slower_by_decision() { ", by docs/decisions/011" } else { "" };
        println!("below: {}: {:.2}{why}", cell.name(), measured.ratio());
    }
    middle >= options.bounds.0 && below(options.bounds.1).all(|(cell, _)| cell.is_slower_by_decision())
}

#[cfg(test)]
mod tests;
