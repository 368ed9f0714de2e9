//! ICMP errors in both directions: what this host complains about, and what others say about its packets
//! (RFC 1122 §3.2.2, RFC 4443 §2.4, RFC 5927).

use portolan_tcp::{Auth, Error, Signals, State};
use portolan_wire::icmpv4::{self, unreachable as v4_code};
use portolan_wire::icmpv6::{self, parameter_problem, unreachable as v6_code};
use portolan_wire::{Address, Endpoint, Family, FlowKey, SeqNumber, ipv4, ipv6, protocol, udp};

use crate::connection::mss_of;
use crate::demux::Slot;
use crate::drop::DropReason;
use crate::event::{Pending, UnreachableCode, Warning};
use crate::ip::input::{Arrival, zone_of};
use crate::ip::output::Envelope;
use crate::ip::pmtu::believable_mtu;
use crate::link::ethernet::Frame;
use crate::link::output::Class;
use crate::list::NONE;
use crate::stack::Stack;
use crate::{LinkId, SocketError};

/// RFC 1812 §4.3.2.3: an ICMP error of at most 576 octets.
const V4_ERROR_MAX: usize = 576;
/// RFC 4443 §2.4 (c): as much as fits the minimum MTU.
const V6_ERROR_MAX: usize = 1280;

/// What this host says about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Complaint {
    /// It cannot reach its destination.
    Unreachable(UnreachableCode),
    /// Its transport is unknown here.
    Protocol,
    /// It is too long for the path, which takes this many octets.
    TooBig(u16),
    /// Not all of its fragments came.
    ReassemblyTime,
    /// IPv6: an octet of its headers is wrong.
    Parameter { code: u8, pointer: u32 },
}

/// A packet of ours that an ICMP error quotes, as far as the quote goes.
struct Quoted<'a> {
    key: FlowKey,
    seq: Option<SeqNumber>,
    /// What its transport carried; for ICMP, all behind the IP header.
    payload: &'a [u8],
}

/// An ICMP error in its own words.
pub(crate) struct Said<'a> {
    pub(crate) from: Address,
    pub(crate) ty: u8,
    pub(crate) code: u8,
    /// The payload of the datagram that it quotes, as far as the quote goes.
    pub(crate) payload: &'a [u8],
}

/// What an ICMP error says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// No packet gets there, for this reason; hard if trying again makes no sense (RFC 1122 §4.2.3.9).
    Unreachable { error: SocketError, hard: bool },
    /// Packets above this size do not get there; 0 if the router did not say.
    TooBig(u32),
    /// A router or the peer found the header wrong: worth a warning, and no more (RFC 9293 MUST-56).
    Parameter,
}

impl Stack {
    /// Complains about the packet at the front of the frame.
    pub(crate) fn complain(&mut self, frame: &Frame, arrival: &Arrival, complaint: Complaint) {
        if arrival.group {
            // RFC 1122 §3.2.2, RFC 4443 §2.4 (e): never about something sent to many.
            return;
        }
        self.send_icmp_error(arrival.link, frame.bytes(), complaint, arrival.next_header_at);
    }

    /// Complains about a packet, of which `quote` is the front.
    pub(crate) fn send_icmp_error(
        &mut self,
        link: LinkId,
        quote: &[u8],
        complaint: Complaint,
        next_header_at: usize,
    ) {
        let Some((src, dst, v4)) = complained_about(quote) else { return };
        if !self.engine.may_complain() {
            self.engine.icmp_stats(v4).out_errors += 1;
            self.engine.drop(DropReason::ReplyRate);
            return;
        }
        let from = self.complainer(link, src, dst, complaint);
        let envelope = Envelope {
            src: from,
            dst: src,
            protocol: if v4 { protocol::ICMPV4 } else { protocol::ICMPV6 },
            hop_limit: self.engine.config.hop_limit,
            // RFC 1812 §4.3.2.5: network control for errors.
            tos: if v4 { 0xc0 } else { 0 },
            flow_label: 0,
            dont_fragment: false,
            id: 0,
            via: None,
        };
        let zone = zone_of(src, link);
        let sent = self.send_built(zone, &envelope, Class::Reply, |out| {
            if v4 {
                let data = quote.get(..V4_ERROR_MAX - 28).unwrap_or(quote);
                v4_message(complaint).emit(data, out)
            } else {
                let data = quote.get(..V6_ERROR_MAX - 48).unwrap_or(quote);
                v6_message(complaint, next_header_at).emit(from, src, data, out)
            }
        });
        let stats = self.engine.icmp_stats(v4);
        match sent {
            Ok(()) => stats.out_msgs += 1,
            Err(_) => stats.out_errors += 1,
        }
    }

    /// Who signs a complaint: the destination itself where it speaks for its ports, else the host's own address.
    fn complainer(&self, link: LinkId, src: Address, dst: Address, complaint: Complaint) -> Address {
        let speaks_for_dst = matches!(
            complaint,
            Complaint::Unreachable(UnreachableCode::Port) | Complaint::Protocol | Complaint::ReassemblyTime
        );
        if speaks_for_dst && !dst.is_multicast() || self.is_own(dst) {
            return dst;
        }
        self.interface(link).and_then(|interface| interface.address_towards(src)).unwrap_or(dst)
    }

    /// An ICMP error about a packet of ours, which `quote` is the front of (RFC 9293 MUST-54).
    pub(crate) fn on_icmp_error(
        &mut self,
        arrival: &Arrival,
        [ty, code]: [u8; 2],
        quote: &[u8],
        verdict: Verdict,
    ) -> Result<(), DropReason> {
        let (link, from) = (arrival.link, arrival.src);
        let quoted = if from.is_v4() { quoted_v4(quote, link) } else { quoted_v6(quote, link) };
        let Quoted { key, seq, payload } = quoted.ok_or(DropReason::IcmpMalformed)?;
        if key.protocol != protocol::TCP {
            return self.on_udp_error(&key, link, verdict, &Said { from, ty, code, payload });
        }
        let (index, seq) = match (self.flows.find(&key), seq) {
            (Some(Slot::Connection(index)), Some(seq)) => (index, seq),
            (Some(Slot::Embryo(index)), Some(seq)) => return self.embryo_unreachable(index, seq, verdict),
            _ => return Err(DropReason::IcmpNoFlow),
        };
        match verdict {
            Verdict::Unreachable { error, hard } => self.connection_unreachable(index, seq, hard, error),
            Verdict::TooBig(mtu) => self.connection_mtu(index, seq, mtu, &key)?,
            Verdict::Parameter => self.warn_of_icmp(index, seq, SocketError::ProtocolError),
        }
        Ok(())
    }

    /// A router says that a connection's segments are too long for the path.
    ///
    /// RFC 5927 §7: believed only if the quoted number names octets that are under way.
    fn connection_mtu(
        &mut self,
        index: u32,
        seq: SeqNumber,
        mtu: u32,
        key: &FlowKey,
    ) -> Result<(), DropReason> {
        let remote = key.remote.address;
        let mtu = believable_mtu(remote, mtu).ok_or(DropReason::IcmpIgnored)?;
        let mss = mss_of(mtu, remote.family());
        // Every packet under way may bring such a report, and each but the first says nothing new: to send all again
        // for each would make a few octets of a stranger worth a window of ours.
        if self.flows.connections.get(index).is_some_and(|connection| connection.path.mss <= mss) {
            return Err(DropReason::IcmpIgnored);
        }
        // RFC 5925 §7.8: nor are signed connections told by those who cannot sign.
        if remote.family() == Family::V4 && matches!(self.connection_auth(index), Some(Auth::Ao(_))) {
            return Err(DropReason::IcmpIgnored);
        }
        let called = self.with_tcb(index, |tcb, cx| tcb.on_mtu(cx, seq, mss));
        let signals = called.ok_or(DropReason::IcmpNoFlow)?.ok_or(DropReason::IcmpIgnored)?;
        self.learn_path_mtu(remote, mtu);
        if let Some(connection) = self.flows.connections.get_mut(index) {
            connection.path.mss = connection.path.mss.min(mss);
        }
        self.settle(index, signals);
        Ok(())
    }

    /// Warns a connection's socket of an ICMP error, if it quotes a segment under way (RFC 5927 §4.1) and the connection
    /// is still there.
    fn warn_of_icmp(&mut self, index: u32, seq: SeqNumber, error: SocketError) {
        let connection = self.flows.connections.get(index).filter(|connection| connection.in_table);
        if connection.is_some_and(|connection| connection.tcb.is_under_way(seq)) {
            self.warn(index, Warning::Icmp(error));
        }
    }

    /// A router says that a connection's peer cannot be reached (RFC 5927 §4: the quoted number is checked).
    fn connection_unreachable(&mut self, index: u32, seq: SeqNumber, hard: bool, error: SocketError) {
        let reason = match error {
            SocketError::ConnectionRefused => Error::Refused,
            SocketError::NetworkUnreachable => Error::NetworkUnreachable,
            _ => Error::HostUnreachable,
        };
        let connection = self.flows.connections.get(index);
        let socket = connection.map_or(NONE, |connection| connection.socket);
        // As Linux: a Fast Open that nobody has accepted ends by any of them, and one that is accepted by none.
        let unproven = connection.is_some_and(|connection| connection.tcb.is_unproven());
        let hard = if unproven { socket == NONE } else { hard };
        let signals = self.with_tcb(index, |tcb, cx| tcb.on_unreachable(cx, seq, hard, reason));
        let signals = signals.unwrap_or_default();
        self.settle(index, signals);
        // RFC 9293 SHLD-25: what does not end the connection is made known.
        self.warn_of_icmp(index, seq, error);
        if signals.contains(Signals::CLOSED)
            && let Some(record) = self.sockets.get_mut(socket)
        {
            // The socket knows one reason more than a connection: EACCES.
            record.error = Some(error);
        }
    }

    /// A router says that the peer of a connection in SYN-RECEIVED cannot be reached. As on Linux, it is forgotten
    /// without a word.
    fn embryo_unreachable(&mut self, index: u32, seq: SeqNumber, verdict: Verdict) -> Result<(), DropReason> {
        let Some(record) = self.flows.embryos.get(index) else { return Err(DropReason::IcmpNoFlow) };
        if !record.embryo.is_own(seq) {
            self.engine.stats.tcp.out_of_window_icmps += 1;
            return Err(DropReason::IcmpIgnored);
        }
        if let Verdict::Unreachable { error, .. } = verdict {
            self.delete_embryo(index, Some(error));
        }
        Ok(())
    }

    /// This host has found that a connection's next hop does not answer. A connect fails with it; an established
    /// connection waits for better times, as long as its retransmissions allow.
    pub(crate) fn neighbour_unreachable(&mut self, index: u32) {
        let Some(connection) = self.flows.connections.get(index) else { return };
        match connection.tcb.state() {
            State::SynSent => {}
            // A reset that cannot be sent: nothing is left to wait for.
            State::Closed => return self.connection_ended(index),
            _ => return,
        }
        let socket = connection.socket;
        // A SYN-SENT connection ends without a word on the wire.
        let _ = self.with_tcb(index, |tcb, cx| tcb.abort(cx));
        self.engine.stats.tcp.attempt_fails += 1;
        if let Some(record) = self.sockets.get_mut(socket) {
            record.error = Some(SocketError::HostUnreachable);
            self.pend(socket, Pending::CONNECT_FAILED);
        }
        self.connection_ended(index);
    }
}

/// Source and destination of a packet that may be complained about (RFC 1122 §3.2.2, RFC 4443 §2.4 (e)).
fn complained_about(quote: &[u8]) -> Option<(Address, Address, bool)> {
    if let Ok(packet) = ipv4::parse_quoted(quote) {
        let (src, dst) = (packet.header.src(), packet.header.dst());
        let icmp = packet.header.protocol() == protocol::ICMPV4;
        // Echo and the other questions have types that errors do not have.
        let error = icmp && !packet.payload.first().is_some_and(|ty| matches!(ty, 0 | 8 | 13..=18));
        let first = packet.header.fragment_offset() == 0;
        return (first && !error && may_be_told(src) && !dst.is_multicast() && !dst.is_broadcast())
            .then_some((src, dst, true));
    }
    let packet = ipv6::parse_quoted(quote).ok()?;
    let (src, dst) = (packet.header.src(), packet.header.dst());
    let error = match packet.extensions() {
        Ok(upper) => upper.protocol == protocol::ICMPV6 && upper.payload.first().is_some_and(|ty| *ty < 128),
        Err(_) => false,
    };
    (!error && may_be_told(src)).then_some((src, dst, false))
}

fn may_be_told(src: Address) -> bool {
    !(src.is_unspecified() || src.is_multicast() || src.is_broadcast())
}

fn v4_message(complaint: Complaint) -> icmpv4::Message {
    let code = match complaint {
        Complaint::Unreachable(UnreachableCode::Network) => v4_code::NET,
        Complaint::Unreachable(UnreachableCode::Host) => v4_code::HOST,
        Complaint::Unreachable(UnreachableCode::Port) => v4_code::PORT,
        Complaint::Unreachable(UnreachableCode::Admin) => v4_code::ADMINISTRATIVELY_PROHIBITED,
        Complaint::Protocol => v4_code::PROTOCOL,
        Complaint::TooBig(mtu) => {
            return icmpv4::Message::Unreachable { code: v4_code::FRAGMENTATION_NEEDED, next_hop_mtu: mtu };
        }
        Complaint::ReassemblyTime => return icmpv4::Message::TimeExceeded { code: 1 },
        Complaint::Parameter { pointer, .. } => {
            return icmpv4::Message::ParameterProblem { pointer: u8::try_from(pointer).unwrap_or(0) };
        }
    };
    icmpv4::Message::Unreachable { code, next_hop_mtu: 0 }
}

fn v6_message(complaint: Complaint, next_header_at: usize) -> icmpv6::Message {
    let code = match complaint {
        Complaint::Unreachable(UnreachableCode::Network) => v6_code::NO_ROUTE,
        Complaint::Unreachable(UnreachableCode::Host) => v6_code::ADDRESS,
        Complaint::Unreachable(UnreachableCode::Port) => v6_code::PORT,
        Complaint::Unreachable(UnreachableCode::Admin) => v6_code::ADMINISTRATIVELY_PROHIBITED,
        Complaint::Protocol => {
            let pointer = u32::try_from(next_header_at).unwrap_or(0);
            return icmpv6::Message::ParameterProblem { code: parameter_problem::NEXT_HEADER, pointer };
        }
        Complaint::TooBig(mtu) => return icmpv6::Message::PacketTooBig { mtu: mtu.max(1280).into() },
        Complaint::ReassemblyTime => return icmpv6::Message::TimeExceeded { code: 1 },
        Complaint::Parameter { code, pointer } => return icmpv6::Message::ParameterProblem { code, pointer },
    };
    icmpv6::Message::Unreachable { code }
}

fn quoted_v4(quote: &[u8], link: LinkId) -> Option<Quoted<'_>> {
    let packet = ipv4::parse_quoted(quote).ok()?;
    if packet.header.fragment_offset() != 0 {
        return None;
    }
    quoted(packet.header.src(), packet.header.dst(), packet.header.protocol(), packet.payload, link)
}

fn quoted_v6(quote: &[u8], link: LinkId) -> Option<Quoted<'_>> {
    let packet = ipv6::parse_quoted(quote).ok()?;
    let upper = packet.extensions().ok()?;
    if upper.fragment.is_some_and(|fragment| fragment.offset != 0) {
        return None;
    }
    quoted(packet.header.src(), packet.header.dst(), upper.protocol, upper.payload, link)
}

fn quoted(src: Address, dst: Address, protocol: u8, payload: &[u8], link: LinkId) -> Option<Quoted<'_>> {
    let &[mut a, mut b, mut c, mut d, rest @ ..] = payload.first_chunk::<8>()?;
    let mut carried = payload.get(udp::Header::LEN..).unwrap_or(&[]);
    if matches!(protocol, protocol::ICMPV4 | protocol::ICMPV6) {
        carried = payload;
        // An echo request's identifier is its socket's port.
        [a, b, ..] = rest;
        [c, d] = [0, 0];
    }
    let seq = (protocol == protocol::TCP).then(|| SeqNumber(u32::from_be_bytes(rest)));
    let key = FlowKey {
        local: Endpoint::new(src, u16::from_be_bytes([a, b])),
        remote: Endpoint::new(dst, u16::from_be_bytes([c, d])),
        protocol,
        zone: zone_of(src, link).max(zone_of(dst, link)),
    };
    Some(Quoted { key, seq, payload: carried })
}
