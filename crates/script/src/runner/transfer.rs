//! Packets of a script: putting one in, and waiting for one to come out.

use portolan_wire::{Endpoint, tcp};

use super::compare::{self, Timestamps};
use super::flow::{Flow, Phase, Transport};
use super::packet::{Body, Packet, Segment};
use super::{Failure, Moment, Runner, icmp, seconds};
use crate::language::ast::{self, Direction};

/// The first port of the remote end; every connection that the script opens gets the next.
const REMOTE_PORT: u16 = 40_000;
/// How long a packet is waited for beyond its time, in microseconds.
const PATIENCE_US: u64 = 2_000_000;
/// How long a packet is waited for that may come at any time: longer than any timer.
const ANY_TIME_US: u64 = 24 * 3600 * 1_000_000;

/// A packet of the host under test, with the time at which it was sent.
struct Came {
    at: u64,
    packet: Packet,
}

impl Runner<'_> {
    /// Injects a packet at its time, which is now.
    pub(super) fn inject(&mut self, line: u32, script: &ast::Packet) -> Result<(), Failure> {
        let fail = |message: String| Failure::new(line, message);
        let index = self.flow_for(script).map_err(fail)?;
        let (scale_echo, now) = (self.setup.scale_echo, self.now());
        let Some(flow) = self.flows.get_mut(index) else { return Ok(()) };
        let mut packet = Packet {
            src: flow.remote,
            dst: flow.local,
            tos: match script.ip.tos {
                ast::Tos::Free | ast::Tos::EitherEct => 0,
                ast::Tos::Ecn(tos) | ast::Tos::Octet(tos) => tos,
            },
            ttl: script.ip.ttl.unwrap_or(0),
            flow_label: script.ip.flow_label.unwrap_or(0),
            body: Body::Udp(Vec::new()),
        };
        let octets = match &script.body {
            ast::Body::Icmp(message) => icmp::encode(message, flow, &packet).map_err(fail)?,
            ast::Body::Udp { ports, len } => {
                set_ports(&mut packet, *ports);
                packet.body = Body::Udp(vec![0; (*len).into()]);
                packet.encode()
            }
            ast::Body::Tcp(written) => {
                let mut segment = Segment::from_script(written);
                advance_phase(flow, &segment);
                flow.to_wire(&mut segment, scale_echo).map_err(fail)?;
                set_ports(&mut packet, written.ports);
                packet.body = Body::Tcp(segment);
                packet.encode()
            }
        };
        if self.options.trace {
            self.trace.push(format!("{} < {}", seconds(now), show(script)));
        }
        self.machine.inject(&octets);
        self.retry_blocked()
    }

    /// Waits for a packet, and compares it.
    pub(super) fn expect(&mut self, line: u32, script: &ast::Packet, moment: Moment) -> Result<(), Failure> {
        let fail = |message: String| Failure::new(line, message);
        let index = self.flow_for(script).map_err(fail)?;
        if let (ast::Body::Tcp(written), Some(flow)) = (&script.body, self.flows.get_mut(index))
            && flow.phase == Phase::SynReceived
            && is_syn_ack(tcp::Flags::from_bits(written.flags.bits))
        {
            flow.local_isn.0 = written.seq;
        }
        let came = self.gather(index, script, moment).map_err(|error| match error {
            Gather::Failed(failure) => failure,
            Gather::Wrong(message) => fail(format!("{message}\n  script: {}", show(script))),
        })?;
        self.verify(index, script, moment, came).map_err(fail)
    }

    fn verify(
        &mut self,
        index: usize,
        script: &ast::Packet,
        moment: Moment,
        mut came: Came,
    ) -> Result<(), String> {
        let elapsed = self.setup.tolerance(moment.at, Some(0));
        let tick = self.setup.timestamp_tick_us;
        let ticks = elapsed.checked_div(tick).map(|ticks| u32::try_from(ticks).unwrap_or(u32::MAX));
        let timestamps = Timestamps { ticks, echo: self.options.check_echo };
        let Some(flow) = self.flows.get_mut(index) else { return Ok(()) };
        if let (ast::Body::Tcp(written), Body::Tcp(segment)) = (&script.body, &mut came.packet.body) {
            flow.learn_timestamps(written.options.as_deref().unwrap_or_default(), &mut segment.options);
        }
        let compared = compare::packet(script, &came.packet, timestamps)
            .and_then(|()| flow.check_flow_label(script.ip.flow_label, came.packet.flow_label))
            .and_then(|()| self.check_time(moment, came.at));
        compared.map_err(|error| {
            format!(
                "{error}\n  script: {} {}\n  actual: {} {}",
                seconds(moment.at),
                show(script),
                seconds(came.at),
                came.packet
            )
        })
    }

    fn check_time(&self, moment: Moment, came: u64) -> Result<(), String> {
        let tolerance = self.setup.tolerance(moment.at, self.last.map(|last| last.at));
        let latest = moment.end.unwrap_or(moment.at);
        // Under packetdrill a little time passes between any two events, so that what is early by exactly the tolerance
        // is too early.
        if moment.any || (came + tolerance > moment.at && came <= latest + tolerance) {
            return Ok(());
        }
        let expected = match moment.end {
            None => seconds(moment.at),
            Some(end) => format!("{} to {}", seconds(moment.at), seconds(end)),
        };
        Err(format!("time: expected {expected}, came {}, tolerance {}", seconds(came), seconds(tolerance)))
    }

    /// The packet that comes next; shorter segments are put together until they have the length written.
    fn gather(&mut self, index: usize, script: &ast::Packet, moment: Moment) -> Result<Came, Gather> {
        let expected = match &script.body {
            ast::Body::Tcp(segment) => u32::from(segment.len),
            _ => 0,
        };
        let mut whole: Option<Came> = None;
        let mut previous: Option<Packet> = None;
        loop {
            let came = self.next_of(index, script, moment)?;
            let Body::Tcp(segment) = &came.packet.body else { return Ok(came) };
            let (len, fin_and_push) = (segment.len(), segment.flags);
            if let Some(previous) = &previous {
                compare::continues(previous, &came.packet).map_err(|error| {
                    Gather::Wrong(format!("a later part of the segment, {}: {error}", came.packet))
                })?;
            }
            let gathered = match (&mut whole, &came.packet.body) {
                (Some(Came { at, packet: Packet { body: Body::Tcp(first), .. } }), Body::Tcp(next)) => {
                    // The last part says what the whole says, except where it begins and, of RFC 3168 §6.1.2, CWR.
                    let cwr = tcp::Flags::from_bits(first.flags.bits() & tcp::Flags::CWR.bits());
                    first.flags = fin_and_push.without(tcp::Flags::CWR).with(cwr);
                    first.options.clone_from(&next.options);
                    first.text.extend(&next.text);
                    *at = came.at;
                    first.len()
                }
                _ => {
                    whole = Some(Came { at: came.at, packet: came.packet.clone() });
                    len
                }
            };
            let previous_len = previous.as_ref().map_or(len, |packet| match &packet.body {
                Body::Tcp(segment) => segment.len(),
                _ => len,
            });
            if gathered < expected && len != previous_len {
                let message = format!("the parts of the segment have {previous_len} and then {len} octets");
                return Err(Gather::Wrong(message));
            }
            if gathered >= expected || self.setup.strict_segments {
                return whole.ok_or_else(|| Gather::Wrong("nothing came".to_owned()));
            }
            previous = Some(came.packet);
        }
    }

    /// The next packet of the connection, with the script's sequence numbers. Those of others are passed over.
    fn next_of(&mut self, index: usize, script: &ast::Packet, moment: Moment) -> Result<Came, Gather> {
        let before = self.last.map_or(0, |last| last.at);
        let due = moment.end.unwrap_or(moment.at).saturating_sub(before) / 1_000_000 * 1_000_000;
        let limit = self.now() + if moment.any { ANY_TIME_US } else { due + PATIENCE_US };
        loop {
            let Some(sent) = self.machine.take_packet() else {
                if !self.step(limit).map_err(Gather::Failed)? {
                    return Err(Gather::Wrong(format!("nothing came until {}", seconds(self.now()))));
                }
                continue;
            };
            let at = sent.at.micros_since(self.start);
            let mut packet = Packet::decode(&sent.octets).map_err(Gather::Wrong)?;
            let Some(flow) = self.flows.get_mut(index) else { continue };
            if !flow.learns_from(&packet) && !flow.has_sent(&packet) {
                if self.options.trace {
                    self.trace.push(format!("{} > {packet} (of another connection)", seconds(at)));
                }
                continue;
            }
            if let Body::Tcp(segment) = &mut packet.body {
                let expects_syn_ack = matches!(&script.body, ast::Body::Tcp(written)
                    if is_syn_ack(tcp::Flags::from_bits(written.flags.bits)));
                if flow.phase == Phase::SynReceived && expects_syn_ack {
                    flow.phase = Phase::SynAckSent;
                    flow.local_isn.1 = segment.seq;
                }
                flow.to_script(segment);
            }
            if self.options.trace {
                self.trace.push(format!("{} > {packet}", seconds(at)));
            }
            return Ok(Came { at, packet });
        }
    }

    /// The connection that a packet of the script belongs to. A segment to a listener begins a new one.
    fn flow_for(&mut self, script: &ast::Packet) -> Result<usize, String> {
        let current = self.current.and_then(|index| self.flows.get_mut(index));
        if let ast::Body::Tcp(segment) = &script.body {
            let flags = tcp::Flags::from_bits(segment.flags.bits);
            let listens = current.as_ref().is_none_or(|flow| flow.phase == Phase::Listening);
            if script.direction == Direction::In && listens {
                return Ok(self.begin_flow(segment.seq));
            }
            if let Some(flow) = current
                && script.direction == Direction::Out
                && flags.contains(tcp::Flags::SYN)
                && !flags.contains(tcp::Flags::ACK)
                && flow.phase == Phase::Connecting
            {
                flow.phase = Phase::SynSent;
                flow.local_isn.0 = segment.seq;
            }
        }
        let matches = |flow: &Flow| match script.body {
            ast::Body::Tcp(_) => flow.transport == Transport::Tcp,
            ast::Body::Udp { .. } => flow.transport == Transport::Udp,
            ast::Body::Icmp(_) => true,
        };
        self.current
            .filter(|index| self.flows.get(*index).is_some_and(matches))
            .ok_or_else(|| "the script has no socket that this packet could belong to".to_owned())
    }

    fn begin_flow(&mut self, remote_isn: u32) -> usize {
        let mut flow = Flow::new(Transport::Tcp, Phase::SynReceived, None);
        let port = REMOTE_PORT.wrapping_add(u16::try_from(self.flows.len()).unwrap_or(0));
        flow.remote = Endpoint::new(self.setup.remote, port);
        flow.local = Endpoint::new(self.setup.local, self.setup.bind_port);
        flow.remote_isn = remote_isn;
        self.flows.push(flow);
        self.current = Some(self.flows.len() - 1);
        self.flows.len() - 1
    }
}

/// Why no packet was gathered.
enum Gather {
    /// Something else failed meanwhile, such as a system call that blocks.
    Failed(Failure),
    /// Nothing came, or not what belongs together.
    Wrong(String),
}

fn is_syn_ack(flags: tcp::Flags) -> bool {
    flags.contains(tcp::Flags::SYN.with(tcp::Flags::ACK))
}

/// What a segment of the script does to the handshake.
fn advance_phase(flow: &mut Flow, segment: &Segment) {
    if flow.phase == Phase::SynAckSent && segment.flags.contains(tcp::Flags::ACK) {
        flow.phase = Phase::SynAckAcked;
    } else if flow.phase == Phase::SynSent && is_syn_ack(segment.flags) {
        flow.phase = Phase::Connected;
        flow.remote_isn = segment.seq;
    }
}

fn set_ports(packet: &mut Packet, ports: Option<(u16, u16)>) {
    let Some((src, dst)) = ports else { return };
    if src != 0 {
        packet.src.port = src;
    }
    if dst != 0 {
        packet.dst.port = dst;
    }
}

/// A packet of the script in its own notation.
fn show(script: &ast::Packet) -> String {
    match &script.body {
        ast::Body::Tcp(written) => {
            let segment = Segment::from_script(written);
            let text = segment.to_string();
            let text = if written.window.is_none() { text.replacen(" win 0", "", 1) } else { text };
            if written.options.is_none() { text + " <...>" } else { text }
        }
        ast::Body::Udp { len, .. } => format!("udp ({len})"),
        ast::Body::Icmp(icmp) => format!("icmp {} {}", icmp.kind, icmp.code.as_deref().unwrap_or_default()),
    }
}
