//! Headers for what this host sends.

use portolan_link::{Chunk, Offload};
use portolan_tcp::{Auth, SegmentPlan};
use portolan_wire::{Address, FlowKey, SeqNumber, WireError, ipv4, ipv6, protocol, tcp};

use crate::drop::DropReason;
use crate::ip::route::Hop;
use crate::ip::source_route::SourceRoute;
use crate::link::output::Class;
use crate::stack::Stack;

/// What the IP header of a packet says beside its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Envelope {
    pub(crate) src: Address,
    pub(crate) dst: Address,
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    /// DSCP and ECN.
    pub(crate) tos: u8,
    pub(crate) flow_label: u32,
    /// Whether routers must not fragment it; IPv6 routers never do.
    pub(crate) dont_fragment: bool,
    /// RFC 6864 §4.1: means something only where a packet may be fragmented, and is 0 elsewhere.
    pub(crate) id: u16,
    /// The stations that the packet is to pass; IPv4 only.
    pub(crate) via: Option<SourceRoute>,
}

impl Envelope {
    /// Octets of the IP header, options included.
    pub(crate) fn len(&self) -> usize {
        let options = self.via.as_ref().map_or(0, SourceRoute::option_len);
        if self.dst.is_v4() { ipv4::Header::LEN + options } else { ipv6::Header::LEN }
    }

    /// Where it goes first.
    pub(crate) fn first_stop(&self) -> Address {
        self.via.as_ref().map_or(self.dst, SourceRoute::first)
    }

    /// Writes the IP header for a payload of this length to the front of `out`.
    pub(crate) fn emit(&self, payload_len: usize, out: &mut [u8]) -> Result<usize, WireError> {
        let payload_len = u16::try_from(payload_len).map_err(|_| WireError::BadLength)?;
        if self.dst.is_v4() {
            let header = ipv4::Emit {
                src: self.src,
                dst: self.first_stop(),
                protocol: self.protocol,
                ttl: self.hop_limit,
                tos: self.tos,
                id: self.id,
                dont_fragment: self.dont_fragment,
                more_fragments: false,
                fragment_offset: 0,
                payload_len,
            };
            let Some(route) = &self.via else { return header.emit(out) };
            return header.emit_with_options(route.option(self.dst, &mut [0; ipv4::OPTIONS_MAX]), out);
        }
        let header = ipv6::Emit {
            src: self.src,
            dst: self.dst,
            next_header: self.protocol,
            hop_limit: self.hop_limit,
            traffic_class: self.tos,
            flow_label: self.flow_label,
            payload_len,
        };
        header.emit(out)
    }
}

/// The TCP header of a planned segment, with its options in this order.
pub(crate) fn tcp_header(key: &FlowKey, plan: &SegmentPlan, order: tcp::OptionOrder) -> tcp::Emit {
    tcp::Emit {
        src_port: key.local.port,
        dst_port: key.remote.port,
        seq: plan.seq,
        ack: if plan.flags.contains(tcp::Flags::ACK) { plan.ack } else { SeqNumber(0) },
        flags: plan.flags,
        window: plan.window,
        urgent: plan.urgent,
        options: tcp::Options { order, ..plan.options },
    }
}

impl Stack {
    /// Sends a segment without text and without a connection: a SYN-ACK, a last ACK, a challenge.
    pub(crate) fn send_control(&mut self, key: &FlowKey, plan: &SegmentPlan, hop_limit: u8, tos: u8) {
        let envelope = Envelope {
            src: key.local.address,
            dst: key.remote.address,
            protocol: protocol::TCP,
            hop_limit,
            tos: tos & !3 | plan.ecn & 3,
            flow_label: self.flow_label(key),
            // RFC 1191: TCP discovers the path's MTU, so that no segment may be fragmented.
            dont_fragment: true,
            id: 0,
            via: self.source_routes.of(key).copied(),
        };
        let mut auth = self.auth_of(key);
        let mut header = tcp_header(key, plan, self.engine.config.tcp.option_order);
        header.options = header.options.signed(auth.as_ref().map(Auth::signature));
        let sent = self.send_built(key.zone, &envelope, Class::Reply, |out| {
            let len = header.emit(out)?;
            if let (Some(auth), Some(signature)) = (&mut auth, header.options.signature) {
                let segment = out.get_mut(..len).ok_or(WireError::Truncated)?;
                let mac = auth.sign(key, segment, &[]).ok_or(WireError::BadLength)?;
                signature.put(segment, mac.as_bytes())?;
            }
            tcp::fill_checksum(envelope.src, envelope.dst, out.get_mut(..len).ok_or(WireError::Truncated)?)?;
            Ok(len)
        });
        if sent.is_ok() {
            self.engine.stats.tcp_host.out_segs += 1;
        }
    }

    /// Answers a segment of no connection with a reset (RFC 9293 §3.10.7.1), if the rate allows.
    pub(crate) fn send_reset(&mut self, key: &FlowKey, plan: &SegmentPlan) {
        if !self.engine.may_reset() {
            self.engine.drop(DropReason::ReplyRate);
            return;
        }
        self.engine.stats.tcp_host.out_rsts += 1;
        self.send_control(key, plan, self.engine.config.hop_limit, 0);
    }

    /// Builds a short packet in one piece and sends it; `payload` writes what follows the IP header.
    pub(crate) fn send_built(
        &mut self,
        zone: u16,
        envelope: &Envelope,
        class: Class,
        payload: impl FnOnce(&mut [u8]) -> Result<usize, WireError>,
    ) -> Result<(), DropReason> {
        let v4 = envelope.dst.is_v4();
        let Ok(hop) = self.route(envelope.first_stop(), zone) else {
            self.engine.ip_stats(v4).out_no_routes += 1;
            self.engine.drop(DropReason::NoRoute);
            return Err(DropReason::NoRoute);
        };
        self.send_built_to(hop, envelope, class, payload)
    }

    /// As [`Stack::send_built`], by a hop that is known.
    pub(crate) fn send_built_to(
        &mut self,
        hop: Hop,
        envelope: &Envelope,
        class: Class,
        payload: impl FnOnce(&mut [u8]) -> Result<usize, WireError>,
    ) -> Result<(), DropReason> {
        let packet = self.build(envelope, payload).map_err(|_| DropReason::IpHeader)?;
        self.send_packet(hop, packet, Offload::default(), class)
    }

    fn build(
        &mut self,
        envelope: &Envelope,
        payload: impl FnOnce(&mut [u8]) -> Result<usize, WireError>,
    ) -> Result<Chunk, WireError> {
        let mut buffer = self.engine.pool.take(SHORT_PACKET);
        let room = buffer.spare_mut();
        let header_len = envelope.len();
        let built = match room.split_at_mut_checked(header_len) {
            Some((head, rest)) => payload(rest).and_then(|len| {
                envelope.emit(len, head)?;
                Ok(header_len + len)
            }),
            None => Err(WireError::Truncated),
        };
        match built {
            Ok(len) => {
                buffer.extend_filled(len);
                Ok(self.engine.pool.freeze(buffer))
            }
            Err(error) => {
                self.engine.pool.give(buffer);
                Err(error)
            }
        }
    }
}

/// Room for a packet that is not a socket's: an ICMP error of at most 1280 octets is the longest.
const SHORT_PACKET: usize = 1500;
