//! A story as a plain value: who takes part, who talks to whom, and what goes wrong when.
//!
//! In every part zero means ordinary, so that the text of a plan, which is JSON on one line, names only what is not.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A whole story. Everything in it follows from this value and from nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Where the story's own chance comes from: sizes of batches.
    pub seed: u64,
    /// The hosts, at least two.
    pub hosts: Vec<HostPlan>,
    /// The wires between them.
    pub wires: Vec<WirePlan>,
    /// The connections over them.
    pub connections: Vec<ConnectionPlan>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// A host and its knobs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostPlan {
    /// Where its secrets come from.
    pub salt: u64,
    /// What its clock shows at the start, in nanoseconds.
    pub clock_ns: u64,
    /// No selective acknowledgements.
    pub no_sack: bool,
    /// No timestamps.
    pub no_timestamps: bool,
    /// No window scaling.
    pub no_scaling: bool,
    /// The name of its congestion controller.
    pub congestion: String,
    /// Octets of each receive buffer.
    pub recv_buffer: u32,
    /// Octets of each send buffer.
    pub send_buffer: u32,
    /// Octets for the text of all connections.
    pub memory: u32,
    /// The initial window in segments.
    pub initial_window: u8,
    /// The least margin of the RTO in microseconds.
    pub rto_min_us: u32,
    /// How long an ACK may be delayed, in microseconds.
    pub delayed_ack_us: u32,
    /// How long TIME-WAIT lasts, in microseconds.
    pub time_wait_us: u32,
    /// Idle time after which memory is given back, in microseconds.
    pub queues_idle_us: u32,
    /// The listeners' backlog.
    pub backlog: u32,
    /// Pause between two accepts, in microseconds.
    pub accept_pause_us: u64,
}

/// A wire between two hosts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WirePlan {
    /// Where its chance comes from.
    pub salt: u64,
    /// The numbers of the two hosts.
    pub ends: [usize; 2],
    /// IPv6 instead of IPv4.
    pub v6: bool,
    /// The MTU in octets; 0 is 1500.
    pub mtu: u16,
    /// Super-segments and partial checksums.
    pub offload: bool,
    /// Super-segments cross whole, as in memory; then nothing can go wrong on this wire.
    pub whole: bool,
    /// Neighbours must be found by ARP or Neighbor Discovery; else they are known.
    pub lookup: bool,
    /// A NAT stands between, with the first host inside.
    pub nat: bool,
    /// Delay each way in microseconds.
    pub delay_us: u64,
    /// What is added to or taken from the delay, in microseconds.
    pub jitter_us: u64,
    /// Rate in kbit/s; 0 is not limited.
    pub kbit: u32,
    /// Packets in the queue and on the way; 0 is 1000.
    pub limit: u32,
}

/// A connection.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionPlan {
    /// The number of its wire.
    pub wire: usize,
    /// Opened by the wire's second host, not by the first.
    pub backward: bool,
    /// When it is opened, in microseconds.
    pub at_us: u64,
    /// The client's port; 0 is an ephemeral one.
    pub port: u16,
    /// Requests and responses in turn, in this many rounds; 0 lets both sides talk at the same time.
    pub rounds: u32,
    /// Keepalive on both sides.
    pub keepalive: bool,
    /// TCP_MAXSEG at the client.
    pub mss_clamp: u16,
    /// What the client's and the server's applications do.
    pub sides: [SidePlan; 2],
}

/// What one application does with its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SidePlan {
    /// Octets to send.
    pub octets: u32,
    /// Octets per write; 0 is 16 KiB.
    pub write_max: u32,
    /// Pause between writes, in microseconds.
    pub write_pause_us: u64,
    /// Octets per read; 0 is 16 KiB.
    pub read_max: u32,
    /// Pause between reads, in microseconds.
    pub read_pause_us: u64,
    /// How long nothing is read at first, in microseconds: the window closes.
    pub read_delay_us: u64,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// How it ends.
    pub end: Option<EndPlan>,
}

/// How an application ends its connection, if not by a half close after its text, reading to the end, and closing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EndPlan {
    /// It sends FIN only after it has seen the peer's.
    Waits,
    /// It closes after its text and reads no more.
    Closes,
    /// It resets the connection when it has written this many octets.
    Aborts(u32),
}

/// Something that goes wrong for a time, or at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The number of the wire, or of the host.
    #[serde(default)]
    pub on: usize,
    /// When it starts, in microseconds.
    #[serde(default)]
    pub from_us: u64,
    /// When it is over, in microseconds; of no meaning for what happens at a moment.
    #[serde(default)]
    pub until_us: u64,
    /// In which direction of the wire, if not in both.
    #[serde(default)]
    pub way: Option<Way>,
}

/// A direction of a wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Way {
    /// From its first host to its second.
    Forward,
    /// From its second host to its first.
    Backward,
}

/// The fourteen kinds of faults, and one for tests. Shares are in thousandths of a percent, and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FaultKind {
    /// This share of packets is lost.
    Loss(u32),
    /// Packets are lost in bursts: the shares at which a burst begins and ends.
    BurstLoss {
        /// Of packets outside of bursts.
        begins: u32,
        /// Of packets in a burst.
        ends: u32,
    },
    /// This share of packets arrives twice.
    Duplicate(u32),
    /// This share of packets overtakes the others.
    Reorder(u32),
    /// One bit of this share of packets is flipped.
    Corrupt(u32),
    /// This share of packets is cut short.
    Truncate(u32),
    /// Every packet takes so many milliseconds longer.
    DelaySpike(u32),
    /// Nothing passes, one way or both ways.
    Partition,
    /// The path's MTU is this, and a router says so by ICMP.
    NarrowPath(u16),
    /// The path's MTU is this, and nobody says so.
    BlackHole(u16),
    /// The rate is so many kbit/s.
    RateChange(u32),
    /// A host's clock moves by so many milliseconds, forward or backward.
    ClockJump(i64),
    /// A host loses all it knows and starts again with the same addresses.
    Restart,
    /// The wire's NAT forgets its mappings.
    NatRebind,
    /// Text is changed and its checksum mended: never drawn, for tests of the checkers.
    Lie,
}

impl FaultKind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Loss(_) => "loss",
            FaultKind::BurstLoss { .. } => "burst loss",
            FaultKind::Duplicate(_) => "duplicate",
            FaultKind::Reorder(_) => "reorder",
            FaultKind::Corrupt(_) => "corrupt",
            FaultKind::Truncate(_) => "truncate",
            FaultKind::DelaySpike(_) => "delay spike",
            FaultKind::Partition => "partition",
            FaultKind::NarrowPath(_) => "narrow path",
            FaultKind::BlackHole(_) => "black hole",
            FaultKind::RateChange(_) => "rate change",
            FaultKind::ClockJump(_) => "clock jump",
            FaultKind::Restart => "restart",
            FaultKind::NatRebind => "NAT rebinding",
            FaultKind::Lie => "lie",
        }
    }

    /// Whether it happens to a host and not to a wire.
    pub fn is_of_host(self) -> bool {
        matches!(self, FaultKind::ClockJump(_) | FaultKind::Restart)
    }

    /// Whether it happens at a moment and not for a time.
    pub fn is_momentary(self) -> bool {
        self.is_of_host() || self == FaultKind::NatRebind
    }
}

impl Fault {
    /// The end of what stays as it is until the story is over.
    pub const NEVER_US: u64 = u64::MAX;

    /// When it changes for the last time, in microseconds.
    pub fn ends_us(&self) -> u64 {
        let has_end = !self.kind.is_momentary() && self.until_us != Fault::NEVER_US;
        if has_end { self.until_us.max(self.from_us) } else { self.from_us }
    }
}

impl Plan {
    /// The hosts of a connection: the client's and the server's numbers.
    pub fn hosts_of(&self, connection: &ConnectionPlan) -> [usize; 2] {
        let mut ends = self.wires.get(connection.wire).map_or([0, 1], |wire| wire.ends);
        if connection.backward {
            ends.reverse();
        }
        ends
    }

    /// The octets that all connections are to carry, both ways.
    pub fn octets(&self) -> u64 {
        self.connections
            .iter()
            .flat_map(|connection| connection.sides)
            .map(|side| u64::from(side.octets))
            .sum()
    }

    /// Whether every number names something.
    pub fn is_sound(&self) -> bool {
        let (hosts, wires) = (self.hosts.len(), self.wires.len());
        self.wires.iter().all(|wire| wire.ends.iter().all(|end| *end < hosts) && wire.ends[0] != wire.ends[1])
            && self.connections.iter().all(|connection| connection.wire < wires)
            && self.faults.iter().all(|fault| fault.on < if fault.kind.is_of_host() { hosts } else { wires })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        drop_ordinary(&mut value);
        write!(f, "{value}")
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Plan, String> {
        let plan: Plan = serde_json::from_str(text).map_err(|error| format!("not a plan: {error}"))?;
        if plan.is_sound() { Ok(plan) } else { Err("not a plan: a number names nothing".to_owned()) }
    }
}

/// The fields that hold an enum with values in it.
const VARIANTS: [&str; 2] = ["kind", "end"];

/// Leaves out what is zero, false, null or empty.
fn drop_ordinary(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // What stands in an enum's variant means something even if it is zero.
            fields
                .iter_mut()
                .filter(|(name, _)| !VARIANTS.contains(&name.as_str()))
                .for_each(|(_, value)| drop_ordinary(value));
            fields.retain(|_, value| match value {
                Value::Null => false,
                Value::Bool(is_set) => *is_set,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !text.is_empty(),
                Value::Object(_) => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_ordinary),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
