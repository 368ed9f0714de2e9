//! A link behind the fence: what the host sends is judged here before it leaves, where there is no gateway to do it.
//!
//! The first packet of a flow is judged, the others are [`known`](super::known); a packet that may not leave is answered
//! here with "administratively prohibited", at once. Queries to the name servers are read, in datagrams and in connections
//! ([`stream`](super::stream)): a name that may not be asked is answered here too, and the addresses of the answers to the
//! others are bound to their names. So the name servers need no rule.
//!
//! It sees frames before they are shaped and behind the capture, which so has the refused packet and its answer.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time;

use portolan_drivers::{PollLink, Readiness};
use portolan_link::{Instant, Link, LinkCaps, LinkError, Medium, PacketBuf, Pool, RxBatch, TxBatch, TxEntry};
use portolan_wire::tcp::Flags;
use portolan_wire::{Address, protocol};

use super::known::{Beginner, Flow, Known};
use super::packet::{self, Content, Packet};
use super::rule::{Destination, Protocol};
use super::stream::{Conversations, Said};
use super::{Fence, dns};
use crate::dns::PORT as DNS_PORT;

/// Answers that wait to be read; more are lost, as from any busy router.
const ANSWERS_MAX: usize = 64;
/// Queries whose answers are waited for.
const QUERIES_MAX: usize = 256;
/// Octets of a frame that are looked at: a whole query in a datagram.
const FRONT_MAX: usize = 2048;

/// Any link, and what may leave by it.
#[derive(Debug)]
pub struct FenceLink<L> {
    inner: L,
    gate: Gate,
    answers: VecDeque<Vec<u8>>,
}

/// What decides.
#[derive(Debug)]
struct Gate {
    fence: Arc<Fence>,
    medium: Medium,
    known: Known,
    /// The name servers, which may be asked.
    servers: Vec<Address>,
    /// Queries that passed: the host's port, the server, the query's id.
    queries: VecDeque<(u16, Address, u16)>,
    /// Connections to the name servers.
    conversations: Conversations,
}

/// What becomes of a frame.
enum Verdict {
    Passes,
    Vanishes,
    Answered(Vec<u8>),
}

impl<L: Link> FenceLink<L> {
    /// Puts a fence before `inner`. `servers` are the name servers that the host asks.
    pub fn new(inner: L, fence: Arc<Fence>, servers: impl IntoIterator<Item = IpAddr>) -> FenceLink<L> {
        let gate = Gate {
            fence,
            medium: inner.caps().medium,
            known: Known::default(),
            servers: servers.into_iter().map(Address::from).collect(),
            queries: VecDeque::new(),
            conversations: Conversations::default(),
        };
        FenceLink { inner, gate, answers: VecDeque::new() }
    }
}

impl Gate {
    fn judge(&mut self, now: Instant, entry: &TxEntry) -> Verdict {
        // Nearly every frame has all of its headers in its head; raw packets may not, and queries do not. What would pass
        // without a look at its address must not carry text.
        let content = packet::read(self.medium, entry.head());
        let wanted = match &content {
            Content::Packet(packet) if self.is_conversation(packet) => usize::MAX,
            Content::Packet(packet) if !self.is_query(packet) && !packet.flags.contains(Flags::RST) => 0,
            _ => FRONT_MAX,
        };
        if wanted == 0 || entry.text.is_empty() {
            return self.judge_content(now, content);
        }
        let mut front = vec![0; entry.len().min(wanted)];
        entry.copy_to(&mut front);
        self.judge_content(now, packet::read(self.medium, &front))
    }

    fn judge_content(&mut self, now: Instant, content: Content<'_>) -> Verdict {
        match content {
            Content::Housekeeping => Verdict::Passes,
            // No stack of ours sends such a thing, and who can say where it would go?
            Content::Unreadable => Verdict::Vanishes,
            Content::Packet(packet) if self.is_query(&packet) => self.judge_query(&packet),
            Content::Packet(packet) if self.is_conversation(&packet) => self.judge_segment(now, &packet),
            Content::Packet(packet) => self.judge_packet(now, &packet),
        }
    }

    fn judge_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict {
        let flow = flow_of(packet, packet.ports, packet.dst);
        // A reset answers a segment that nobody asked for; it carries nothing, or it is none.
        let is_reset = packet.flags.contains(Flags::RST) && packet.text.is_empty();
        let is_known = !packet.begins_flow() && flow.is_some_and(|flow| self.known.uses(&flow, now));
        if is_reset || is_known {
            return Verdict::Passes;
        }
        let protocol = Protocol::from_number(packet.protocol);
        let port = packet.ports.map(|(_, port)| port).filter(|_| protocol != Protocol::Icmp);
        let destination = Destination { address: packet.dst.to_ip().to_canonical(), port, protocol };
        match self.fence.judge(&destination, time::Instant::now()) {
            Ok(()) => {
                // Datagrams are judged one by one, so that the name's binding stays in use with them.
                if let Some(flow) =
                    flow.filter(|flow| flow.protocol == protocol::TCP && self.fence.has_rules())
                {
                    self.known.add(flow, Beginner::Host, now);
                }
                Verdict::Passes
            }
            Err(reason) => {
                let from_port = packet.ports.map_or(0, |(from, _)| from);
                self.fence.refused(from_port, &destination, &reason);
                let answer = packet.prohibition().filter(|_| !packet.is_to_group());
                answer.map_or(Verdict::Vanishes, Verdict::Answered)
            }
        }
    }

    fn is_query(&self, packet: &Packet<'_>) -> bool {
        packet.protocol == protocol::UDP && self.is_to_a_server(packet)
    }

    fn is_conversation(&self, packet: &Packet<'_>) -> bool {
        packet.protocol == protocol::TCP && self.is_to_a_server(packet)
    }

    fn is_to_a_server(&self, packet: &Packet<'_>) -> bool {
        packet.ports.is_some_and(|(_, port)| port == DNS_PORT)
            && self.servers.contains(&packet.dst)
            && self.fence.has_rules()
    }

    fn judge_query(&mut self, packet: &Packet<'_>) -> Verdict {
        let from_port = packet.ports.map_or(0, |(from, _)| from);
        let Some(id) = packet.text.first_chunk().filter(|_| dns::question(packet.text).is_some()) else {
            return Verdict::Vanishes;
        };
        if let Some(refusal) = self.fence.refuse_query(packet.text, (protocol::UDP, from_port)) {
            return packet.reply(&refusal).map_or(Verdict::Vanishes, Verdict::Answered);
        }
        if self.queries.len() >= QUERIES_MAX {
            self.queries.pop_front();
        }
        self.queries.push_back((from_port, packet.dst, u16::from_be_bytes(*id)));
        Verdict::Passes
    }

    /// A segment to a name server: each query that it completes may be asked, or the connection ends here.
    fn judge_segment(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict {
        let address = packet.dst.to_ip().to_canonical();
        if packet.begins_flow() && self.fence.denies(address, DNS_PORT, Protocol::Tcp) {
            return self.judge_packet(now, packet);
        }
        let answered = |answer: Option<Vec<u8>>| answer.map_or(Verdict::Vanishes, Verdict::Answered);
        let Some(flow) = flow_of(packet, packet.ports, packet.dst) else { return Verdict::Vanishes };
        let queries = match self.conversations.hear(flow, packet) {
            Said::Queries(queries) => queries,
            Said::Early => return Verdict::Vanishes,
            Said::Refused(answer) => return Verdict::Answered(answer),
            Said::Nonsense => return answered(packet.reset()),
        };
        for query in queries {
            if dns::question(&query).is_none() {
                return answered(packet.reset());
            }
            if let Some(refusal) = self.fence.refuse_query(&query, (protocol::TCP, flow.local_port)) {
                let len = u16::try_from(refusal.len()).unwrap_or_default();
                let answer = packet.last_segment(&[&len.to_be_bytes(), refusal.as_slice()].concat());
                self.conversations.refuse(flow, answer.clone().unwrap_or_default());
                return answered(answer);
            }
        }
        Verdict::Passes
    }

    /// Looks at what arrives: flows that others begin, and answers of name servers.
    fn note(&mut self, now: Instant, frame: &PacketBuf) {
        let Content::Packet(packet) = packet::read(self.medium, frame.bytes()) else { return };
        let Some((from, to)) = packet.ports else { return };
        if from == DNS_PORT && self.servers.contains(&packet.src) {
            let whole = [frame.bytes(), frame.tail()].concat();
            if let Content::Packet(packet) = packet::read(self.medium, &whole)
                && self.note_answer(&packet, to)
            {
                return;
            }
        }
        let (opens, ports) = match packet.protocol {
            // A datagram may come from anybody and begin nothing: it opens no way to whom a rule refuses.
            protocol::UDP => (self.fence.may_answer(packet.src.to_ip().to_canonical(), from), (to, from)),
            protocol::TCP => (packet.begins_flow(), (to, from)),
            // An echo and its answer have one identifier.
            _ => (packet.begins_flow(), (from, to)),
        };
        if let Some(flow) = flow_of(&packet, Some(ports), packet.src).filter(|_| opens) {
            self.known.add(flow, Beginner::Other, now);
        }
    }

    /// Takes what a name server says, if it answers a query of ours. A second answer is not believed.
    fn note_answer(&mut self, packet: &Packet<'_>, to: u16) -> bool {
        if packet.protocol == protocol::TCP {
            let flow = flow_of(packet, Some((to, DNS_PORT)), packet.src);
            let answers = flow.map(|flow| self.conversations.answers(flow, packet)).unwrap_or_default();
            answers.iter().for_each(|answer| self.fence.learn(answer));
            return !answers.is_empty();
        }
        let id = packet.text.first_chunk().map(|id| u16::from_be_bytes(*id));
        let asked = |id| self.queries.iter().position(|query| *query == (to, packet.src, id));
        let Some(at) = id.and_then(asked) else { return false };
        self.queries.remove(at);
        self.fence.learn(packet.text);
        true
    }
}

/// The flow that a packet belongs to, by the host's port and the other side's; of echo by its identifier.
fn flow_of(packet: &Packet<'_>, ports: Option<(u16, u16)>, remote: Address) -> Option<Flow> {
    let (local_port, remote_port) = ports?;
    let is_flow =
        matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::ICMPV4 | protocol::ICMPV6);
    is_flow.then_some(Flow { protocol: packet.protocol, local_port, remote: (remote, remote_port) })
}

impl<L: Link> Link for FenceLink<L> {
    fn caps(&self) -> LinkCaps {
        self.inner.caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let mut count = 0;
        while !batch.is_full()
            && let Some(answer) = self.answers.pop_front()
        {
            // It was checked that the batch is not full.
            let _ = batch.push(PacketBuf::copy(pool, &answer));
            count += 1;
        }
        let before = batch.len();
        let received = self.inner.receive(now, pool, batch);
        if self.gate.fence.has_rules() {
            batch.iter().skip(before).for_each(|frame| self.gate.note(now, frame));
        }
        match received {
            Ok(more) => Ok(count + more),
            // The answers are delivered first; the error comes again.
            Err(_) if count > 0 => Ok(count),
            Err(error) => Err(error),
        }
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        let mut count = 0;
        loop {
            let mut refused = None;
            let free = batch
                .iter()
                .take_while(|entry| match self.gate.judge(now, entry) {
                    Verdict::Passes => true,
                    other => {
                        refused = Some(other);
                        false
                    }
                })
                .count();
            if free > 0 {
                let taken = batch.with_first(free, |batch| self.inner.transmit(now, batch))?;
                count += taken;
                if taken < free {
                    return Ok(count);
                }
            }
            let Some(refused) = refused else { return Ok(count) };
            if let Verdict::Answered(answer) = refused
                && self.answers.len() < ANSWERS_MAX
            {
                self.answers.push_back(answer);
            }
            batch.advance(1);
            count += 1;
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.answers.is_empty() { self.inner.next_deadline() } else { Some(Instant::ZERO) }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }
}

impl<L: PollLink> PollLink for FenceLink<L> {
    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}

#[cfg(test)]
mod tests;
