//! Runs a packet script against a [`Machine`], in virtual time.
//!
//! The runner is the world around the machine: it moves the clock from event to event, plays the remote end, makes
//! the system calls, and compares what comes back. The rules of comparison are packetdrill's, so that a script means
//! the same under both: options in their order, windows and ECN only where they are written, shorter segments
//! gathered, times within 4 ms or 12.5 %. Two things are ours: [`Options::check_echo`] compares echoed timestamps as
//! well, and a script may choose its host's habits by a line `--personality=NAME`.
//!
//! Start reading at [`run`]. `transfer` has the packets, `perform` the system calls, `flow` the numbers of the
//! connection, `command` the shell commands, `info` the names for assertions.

use std::collections::BTreeMap;
use std::path::Path;

use portolan_link::Instant;
use portolan_wire::Cidr;
use thiserror::Error;

use crate::Personality;
use crate::code::Interpreter;
use crate::language::ast::{Action, Direction, Event, Packet, Script, When};
use crate::machine::{Fd, Machine, Settings};

mod check;
mod command;
mod compare;
mod flow;
mod icmp;
mod info;
mod operation;
mod packet;
mod perform;
mod setup;
pub mod symbols;
#[cfg(test)]
mod tests;
mod transfer;

pub use setup::Variant;

use command::Commands;
use flow::Flow;
use perform::Blocked;
use setup::Setup;

/// Octets asked for with TCP_INFO, TCP_CC_INFO and SO_MEMINFO.
const STRUCTURE_MAX: usize = 512;
const TCP_CC_INFO: i32 = 26;
const SO_MEMINFO: i32 = 55;

/// How a script is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whose habits the machine has, unless the script says.
    pub personality: Personality,
    /// Over which family, unless the script says.
    pub variant: Variant,
    /// Whether the timestamps that the machine echoes must be exactly those written.
    pub check_echo: bool,
    /// Whether packets are noted.
    pub trace: bool,
}

/// The event of a script that went wrong.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{line}: {message}")]
pub struct Failure {
    /// Its line.
    pub line: u32,
    /// What was expected and what came.
    pub message: String,
}

impl Failure {
    fn new(line: u32, message: String) -> Self {
        Self { line, message }
    }
}

/// What a run has given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Nothing, or the first event that went wrong.
    pub result: Result<(), Failure>,
    /// The packets in a script's notation, if they were asked for, and what the script has printed.
    pub trace: Vec<String>,
}

/// When an event happens, in microseconds since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Moment {
    at: u64,
    /// The end of a range.
    end: Option<u64>,
    any: bool,
}

/// The event before the present one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Last {
    at: u64,
    /// Times that follow a packet in are counted from its own time, so that nothing adds up.
    inbound: bool,
    absolute: bool,
}

struct Runner<'a> {
    options: &'a Options,
    setup: Setup,
    machine: Machine,
    start: Instant,
    wall_at_start_us: u64,
    last: Option<Last>,
    /// The script's descriptors and the machine's.
    fds: BTreeMap<i64, Fd>,
    flows: Vec<Flow>,
    /// The connection that packets belong to.
    current: Option<usize>,
    blocked: Option<Blocked>,
    commands: Commands,
    code: Interpreter,
    trace: Vec<String>,
}

/// Runs `script`, which lies in `directory`.
#[must_use]
pub fn run(script: &Script, directory: &Path, options: &Options) -> Outcome {
    let setup = match Setup::new(options, &script.settings) {
        Ok(setup) => setup,
        Err(failure) => return Outcome { result: Err(failure), trace: Vec::new() },
    };
    let mut runner = Runner::new(setup, directory, options);
    let result = runner.script(script);
    if let (Err(failure), Some(blocked)) = (&result, &runner.blocked) {
        runner.trace.push(format!("line {} failed while line {} waited", failure.line, blocked.line));
    }
    Outcome { result, trace: runner.trace }
}

/// A time as scripts write it.
fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

impl<'a> Runner<'a> {
    fn new(setup: Setup, directory: &Path, options: &'a Options) -> Self {
        let prefix_len = if setup.local.is_v4() { 16 } else { 48 };
        let addresses = Cidr::new(setup.local, prefix_len).into_iter().collect();
        let settings =
            Settings { personality: setup.personality, addresses, mtu: setup.mtu, ..Settings::default() };
        let machine = Machine::new(settings);
        Self {
            options,
            setup,
            start: machine.now(),
            wall_at_start_us: machine.wall_clock_us(),
            machine,
            last: None,
            fds: BTreeMap::new(),
            flows: Vec::new(),
            current: None,
            blocked: None,
            commands: Commands::new(directory),
            code: Interpreter::default(),
            trace: Vec::new(),
        }
    }

    fn script(&mut self, script: &Script) -> Result<(), Failure> {
        if let Some(init) = &script.init {
            self.command(init.line, &init.text)?;
        }
        for event in &script.events {
            self.event(event)?;
        }
        if let Some(until) = self.blocked.as_ref().map(|blocked| blocked.until) {
            self.wait_for_blocked(until.saturating_add(self.setup.tolerance_us))?;
        }
        if let Some(blocked) = &self.blocked {
            let message = format!("{}: the script ended, and the call still waits", blocked.call.name);
            return Err(Failure::new(blocked.line, message));
        }
        script.cleanup.as_ref().map_or(Ok(()), |cleanup| self.command(cleanup.line, &cleanup.text))
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let inbound = matches!(event.action, Action::Packet(Packet { direction: Direction::In, .. }));
        let moment = self.moment(event, inbound)?;
        // A call cannot be made while another waits; it gets a second to return.
        if matches!(event.action, Action::Call(_)) && self.blocked.is_some() {
            self.wait_for_blocked(self.now() + 1_000_000)?;
        }
        match &event.action {
            // What comes out is waited for at once, so that a packet that comes too early is seen.
            Action::Packet(packet) if !inbound => self.expect(event.line, packet, moment)?,
            action => {
                self.wait_until(event.line, moment)?;
                self.act(event, action, moment)?;
            }
        }
        let absolute = matches!(event.when, When::At(_) | When::Between(..));
        self.last = Some(Last { at: moment.at, inbound, absolute });
        Ok(())
    }

    fn act(&mut self, event: &Event, action: &Action, moment: Moment) -> Result<(), Failure> {
        match action {
            Action::Packet(packet) => self.inject(event.line, packet),
            Action::Command(text) => self.command(event.line, text),
            Action::Code(text) => self.code(event.line, text),
            Action::Call(call) => {
                if self.blocked.is_some() && call.until.is_some() {
                    let message = format!("{}: another call still waits", call.name);
                    return Err(Failure::new(event.line, message));
                }
                // The end is counted from where the beginning is counted from.
                let base = if let When::After(delay) = event.when { moment.at - delay } else { 0 };
                let until = call.until.map(|until| base + until);
                self.call(event.line, call, until)
            }
        }
    }

    /// When an event happens, and whether the script may say so.
    fn moment(&self, event: &Event, inbound: bool) -> Result<Moment, Failure> {
        let base = match self.last {
            Some(last) if last.inbound && inbound => last.at,
            _ => self.now(),
        };
        let moment = |at, end, any| Moment { at, end, any };
        let moment = match event.when {
            When::At(at) => moment(at, None, false),
            When::After(delay) => moment(base + delay, None, false),
            When::Any => moment(base, None, true),
            When::Between(from, to) => moment(from, Some(to), false),
            When::AfterBetween(from, to) => moment(base + from, Some(base + to), false),
        };
        let absolute = matches!(event.when, When::At(_) | When::Between(..));
        match self.last {
            None if moment.at != 0 => {
                Err(Failure::new(event.line, "the first event must be at time 0".to_owned()))
            }
            Some(last) if absolute && last.absolute && moment.at < last.at => {
                let message = format!("time goes back from {} to {}", seconds(last.at), seconds(moment.at));
                Err(Failure::new(event.line, message))
            }
            _ => Ok(moment),
        }
    }

    /// Lets time pass until an event is due; an event whose time has passed already is late.
    fn wait_until(&mut self, line: u32, moment: Moment) -> Result<(), Failure> {
        while self.step(moment.at)? {}
        let (now, tolerance) = (self.now(), self.setup.tolerance(moment.at, self.last.map(|last| last.at)));
        if now <= moment.at + tolerance || self.last.is_none() {
            return Ok(());
        }
        let message = format!("the event is at {}, and it is {} already", seconds(moment.at), seconds(now));
        Err(Failure::new(line, message))
    }

    /// Lets the call that blocks go on until it is done, at most until `limit`.
    fn wait_for_blocked(&mut self, limit: u64) -> Result<(), Failure> {
        while self.blocked.is_some() && self.step(limit)? {}
        Ok(())
    }

    /// Moves the clock to the next thing that happens by itself, or to `limit` if nothing does before; says whether
    /// something may have happened.
    fn step(&mut self, limit: u64) -> Result<bool, Failure> {
        let limit = self.start.plus_micros(limit);
        let now = self.machine.now();
        let due = self.machine.next_deadline().into_iter();
        let due = due.chain(self.blocked.as_ref().and_then(|blocked| blocked.wait.deadline())).min();
        match due {
            Some(due) if due <= limit && now < limit => {
                // A deadline that has passed and stays must not hold the clock.
                let next = if due > now { due } else { now.plus_micros(1).min(limit) };
                self.machine.advance_to(next);
                self.retry_blocked()?;
                Ok(true)
            }
            _ => {
                self.machine.advance_to(limit);
                self.retry_blocked()?;
                Ok(false)
            }
        }
    }

    /// Microseconds since the start.
    fn now(&self) -> u64 {
        self.machine.now().micros_since(self.start)
    }

    fn clock(&self) -> check::Clock {
        check::Clock { wall_at_start_us: self.wall_at_start_us, tolerance_us: self.setup.tolerance_us }
    }

    fn command(&mut self, line: u32, text: &str) -> Result<(), Failure> {
        self.commands.run(&mut self.machine, text).map_err(|message| Failure::new(line, message))
    }

    /// Runs assertions on the connection as it is now.
    fn code(&mut self, line: u32, text: &str) -> Result<(), Failure> {
        let flow = self.current.and_then(|index| self.flows.get(index));
        let fd = flow.and_then(|flow| flow.fd);
        let fd = fd.ok_or_else(|| Failure::new(line, "there is no socket to tell about".to_owned()))?;
        let mut get = |level, name| self.machine.getsockopt(fd, level, name, STRUCTURE_MAX);
        let info = get(libc::SOL_TCP, libc::TCP_INFO)
            .map_err(|errno| Failure::new(line, format!("TCP_INFO cannot be read: {errno}")))?;
        let congestion = get(libc::SOL_TCP, TCP_CC_INFO).unwrap_or_default();
        let memory = get(libc::SOL_SOCKET, SO_MEMINFO).unwrap_or_default();
        info::set(&mut self.code, &info, &congestion, &memory);
        let result = self.code.run(text);
        self.trace.extend(self.code.take_printed());
        result.map_err(|error| Failure::new(line + error.line, error.message))
    }
}
