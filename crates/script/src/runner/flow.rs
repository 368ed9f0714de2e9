//! The connection that a script talks about, and the translation between its numbers and the wire's.
//!
//! A script counts from 0 and plays the remote end, so that remote numbers differ only by the initial sequence
//! number that the script itself has chosen; local numbers and timestamps are chosen by the host under test and
//! are learned from the packets that it sends.

use std::collections::BTreeMap;

use portolan_wire::{Endpoint, tcp};

use super::packet::{Body, Packet, Segment};
use crate::language::option::TcpOption;
use crate::machine::Fd;

/// How far the connection has come, as far as it can be seen from the script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// A socket without a peer.
    New,
    /// `listen` was called.
    Listening,
    /// `connect` was called; the script has not said yet what comes out.
    Connecting,
    /// The script expects, or has seen, the SYN of `connect`.
    SynSent,
    /// The script has answered it with a SYN-ACK.
    Connected,
    /// The script has sent a SYN to a listener.
    SynReceived,
    /// The SYN-ACK has come out.
    SynAckSent,
    /// The script has acknowledged it.
    SynAckAcked,
}

/// What a socket carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Tcp,
    Udp,
    Icmp,
}

/// One socket of the script, or one connection that no `accept` has taken yet.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    pub(super) phase: Phase,
    /// The descriptor; `None` before `accept`.
    pub(super) fd: Option<Fd>,
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    /// The local initial sequence number in the script and on the wire.
    pub(super) local_isn: (u32, u32),
    /// The remote one, which is the same in both.
    pub(super) remote_isn: u32,
    /// Timestamps that came out: the script's to the wire's.
    timestamps: BTreeMap<u32, u32>,
    first_timestamp: Option<(u32, u32)>,
    /// The flow label that the script has last written, and the one that was then on the wire.
    flow_label: Option<(u32, u32)>,
}

impl Flow {
    pub(super) fn new(transport: Transport, phase: Phase, fd: Option<Fd>) -> Self {
        Self {
            transport,
            phase,
            fd,
            local: Endpoint::default(),
            remote: Endpoint::default(),
            local_isn: (0, 0),
            remote_isn: 0,
            timestamps: BTreeMap::new(),
            first_timestamp: None,
            flow_label: None,
        }
    }

    /// Whether a packet on the wire comes from here.
    pub(super) fn has_sent(&self, packet: &Packet) -> bool {
        let same_hosts =
            packet.src.address == self.local.address && packet.dst.address == self.remote.address;
        match packet.body {
            Body::Icmp(..) => self.transport == Transport::Icmp && same_hosts,
            _ => packet.src == self.local && packet.dst == self.remote,
        }
    }

    /// Whether a packet on the wire is the first of the connection that was just opened here; if so, its local end
    /// is known now.
    pub(super) fn learns_from(&mut self, packet: &Packet) -> bool {
        let opens = match (&packet.body, self.transport) {
            (Body::Tcp(segment), Transport::Tcp) => {
                segment.flags.contains(tcp::Flags::SYN)
                    && !segment.flags.contains(tcp::Flags::ACK)
                    && self.phase == Phase::SynSent
            }
            (Body::Udp(_), Transport::Udp) => self.phase == Phase::Connecting,
            _ => false,
        };
        if !opens || packet.dst != self.remote {
            return false;
        }
        self.local = packet.src;
        if let Body::Tcp(segment) = &packet.body {
            self.local_isn.1 = segment.seq;
        }
        true
    }

    /// What is added to a local number of the script to have the wire's. In a SYN the script writes the initial
    /// number itself, in every other segment the distance from it.
    fn local_offset(&self, is_syn: bool) -> u32 {
        if is_syn { self.local_isn.1.wrapping_sub(self.local_isn.0) } else { self.local_isn.1 }
    }

    fn remote_offset(&self, is_syn: bool) -> u32 {
        if is_syn { 0 } else { self.remote_isn }
    }

    /// The local number of the wire for one that an ICMP message quotes.
    pub(super) fn quoted_seq(&self, seq: u32) -> u32 {
        seq.wrapping_add(self.local_offset(false))
    }

    /// A segment of the script as the host under test has to see it.
    ///
    /// # Errors
    /// An echoed timestamp that the host has never sent.
    pub(super) fn to_wire(&self, segment: &mut Segment, scale_echo: bool) -> Result<(), String> {
        let is_syn = segment.flags.contains(tcp::Flags::SYN);
        let is_ack = segment.flags.contains(tcp::Flags::ACK);
        let local = self.local_offset(is_syn);
        segment.seq = segment.seq.wrapping_add(self.remote_offset(is_syn));
        if is_ack {
            segment.ack = segment.ack.wrapping_add(local);
        }
        for option in &mut segment.options {
            match option {
                TcpOption::Sack(blocks) => shift(blocks, local),
                TcpOption::Timestamps { ecr, .. } if is_ack => *ecr = self.echo(*ecr, scale_echo)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn echo(&self, ecr: u32, scale: bool) -> Result<u32, String> {
        match (self.timestamps.get(&ecr), self.first_timestamp) {
            (Some(live), _) => Ok(*live),
            (None, Some((script, live))) if scale => Ok(ecr.wrapping_sub(script).wrapping_add(live)),
            _ => Err(format!("ecr {ecr} echoes a timestamp that has not come out before")),
        }
    }

    /// Gives a segment from the wire the script's sequence numbers.
    pub(super) fn to_script(&self, segment: &mut Segment) {
        let is_syn = segment.flags.contains(tcp::Flags::SYN);
        let remote = self.remote_offset(is_syn).wrapping_neg();
        segment.seq = segment.seq.wrapping_sub(self.local_offset(is_syn));
        if segment.flags.contains(tcp::Flags::ACK) {
            segment.ack = segment.ack.wrapping_add(remote);
        }
        for option in &mut segment.options {
            if let TcpOption::Sack(blocks) = option {
                shift(blocks, remote);
            }
        }
    }

    /// Notes which timestamp stands for which in the script, and gives `actual` the script's.
    pub(super) fn learn_timestamps(&mut self, expected: &[TcpOption], actual: &mut [TcpOption]) {
        let script = expected.iter().rev().find_map(|option| match option {
            TcpOption::Timestamps { val, .. } => Some(*val),
            _ => None,
        });
        let Some(script) = script else { return };
        for option in actual {
            if let TcpOption::Timestamps { val, .. } = option {
                self.timestamps.insert(script, *val);
                let (first_script, first_live) = *self.first_timestamp.get_or_insert((script, *val));
                *val = val.wrapping_sub(first_live).wrapping_add(first_script);
            }
        }
    }

    /// Compares flow labels: equal in the script must be equal on the wire, different must be different.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check_flow_label(&mut self, expected: Option<u32>, actual: u32) -> Result<(), String> {
        let Some(expected) = expected.filter(|label| *label != 0) else { return Ok(()) };
        if actual == 0 {
            return Err("the flow label: expected one, came none".to_owned());
        }
        match self.flow_label {
            Some((script, wire)) if (script == expected) != (wire == actual) => {
                let wanted = if script == expected { "the same as before" } else { "another than before" };
                Err(format!("the flow label: expected {wanted}, came {actual:#x} after {wire:#x}"))
            }
            _ => {
                self.flow_label = Some((expected, actual));
                Ok(())
            }
        }
    }
}

fn shift(blocks: &mut [(u32, u32)], offset: u32) {
    for (left, right) in blocks {
        (*left, *right) = (left.wrapping_add(offset), right.wrapping_add(offset));
    }
}
