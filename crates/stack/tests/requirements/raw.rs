//! Packets written and read by hand.

use portolan_link::{PacketBuf, RxBatch};
use portolan_wire::tcp::{self, Flags, Options};
use portolan_wire::{Address, Endpoint, SeqNumber, ipv4, ipv6, protocol};

use crate::common::{A, B, Pair, station};

/// A TCP segment as it was on the wire.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The whole packet, from the IP header on.
    pub packet: Vec<u8>,
    pub src: Endpoint,
    /// As the IP header has it: the first station, if there is a source route.
    pub dst: Endpoint,
    pub header: tcp::Emit,
    pub text: Vec<u8>,
}

impl Seen {
    pub fn ttl(&self) -> u8 {
        self.packet[if self.packet[0] >> 4 == 4 { 8 } else { 7 }]
    }

    /// TOS or traffic class.
    pub fn tos(&self) -> u8 {
        if self.packet[0] >> 4 == 4 { self.packet[1] } else { self.packet[0] << 4 | self.packet[1] >> 4 }
    }

    /// The IPv4 options.
    pub fn ip_options(&self) -> &[u8] {
        &self.packet[20..usize::from(self.packet[0] & 15) * 4]
    }
}

/// Where the payload of a packet begins.
fn payload_at(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 4 { usize::from(packet[0] & 15) * 4 } else { 40 }
}

/// Reads an Ethernet frame; `None` if it is no TCP segment.
fn read(frame: &[u8]) -> Option<Seen> {
    let packet = frame[14..].to_vec();
    let (src, dst, protocol) = if packet[0] >> 4 == 4 {
        let parsed = ipv4::parse(&packet).ok()?;
        (parsed.header.src(), parsed.header.dst(), parsed.header.protocol())
    } else {
        let parsed = ipv6::parse(&packet).ok()?;
        (parsed.header.src(), parsed.header.dst(), parsed.header.next_header())
    };
    if protocol != protocol::TCP {
        return None;
    }
    let (header, options, text) = tcp::parse(&packet[payload_at(&packet)..]).ok()?;
    let header = tcp::Emit {
        src_port: header.src_port(),
        dst_port: header.dst_port(),
        seq: header.seq(),
        ack: header.ack(),
        flags: header.flags(),
        window: header.window(),
        urgent: header.urgent(),
        options,
    };
    let text = text.to_vec();
    Some(Seen {
        src: Endpoint::new(src, header.src_port),
        dst: Endpoint::new(dst, header.dst_port),
        packet,
        header,
        text,
    })
}

/// The segments that a host has sent since the wire had `since` frames.
pub fn sent(pair: &Pair, host: usize, since: usize) -> Vec<Seen> {
    pair.wire[since..].iter().filter(|(from, _)| *from == host).filter_map(|(_, frame)| read(frame)).collect()
}

/// A packet with one segment, its checksums right.
pub fn packet(src: Endpoint, dst: Endpoint, header: &tcp::Emit, ip_options: &[u8], text: &[u8]) -> Vec<u8> {
    packet_for(src, dst, dst.address, header, ip_options, text)
}

/// As `packet`; the checksum counts `last` as the destination, which is another one under way by a source route.
pub fn packet_for(
    src: Endpoint,
    dst: Endpoint,
    last: Address,
    header: &tcp::Emit,
    ip_options: &[u8],
    text: &[u8],
) -> Vec<u8> {
    let header = tcp::Emit { src_port: src.port, dst_port: dst.port, ..*header };
    let mut segment = vec![0; header.len()];
    header.emit(&mut segment).unwrap();
    segment.extend_from_slice(text);
    tcp::fill_checksum(src.address, last, &mut segment).unwrap();
    let payload_len = segment.len() as u16;
    let mut packet = vec![0; if src.address.is_v4() { 20 + ip_options.len() } else { 40 }];
    if src.address.is_v4() {
        let (src, dst, protocol) = (src.address, dst.address, protocol::TCP);
        let header = ipv4::Emit { src, dst, protocol, ttl: 64, payload_len, ..ipv4::Emit::default() };
        header.emit_with_options(ip_options, &mut packet).unwrap();
    } else {
        let (src, dst, next_header) = (src.address, dst.address, protocol::TCP);
        let (hop_limit, traffic_class, flow_label) = (64, 0, 0);
        let header = ipv6::Emit { src, dst, next_header, hop_limit, traffic_class, flow_label, payload_len };
        header.emit(&mut packet).unwrap();
    }
    [packet, segment].concat()
}

/// A SYN of the peer, without options.
pub fn syn(seq: u32) -> tcp::Emit {
    tcp::Emit { seq: SeqNumber(seq), flags: Flags::SYN, window: 60_000, ..tcp::Emit::default() }
}

/// Any other segment of the peer.
pub fn ack(seq: u32, ack: SeqNumber) -> tcp::Emit {
    let options = Options::NONE;
    tcp::Emit { seq: SeqNumber(seq), ack, flags: Flags::ACK, window: 60_000, options, ..tcp::Emit::default() }
}

/// A packet arrives at a host, whose answers are on the wire when this returns.
pub fn deliver(pair: &mut Pair, host: usize, packet: &[u8]) {
    let ethertype: [u8; 2] = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let other = if host == A { B } else { A };
    let frame = [&station(host).0[..], &station(other).0, &ethertype, packet].concat();
    let mut frames = RxBatch::new(1);
    frames.push(PacketBuf::copy(pair.hosts[host].pool(), &frame)).unwrap();
    pair.hosts[host].receive(pair.now, pair.links[host], &mut frames);
    pair.settle();
}

/// Makes B's frames seen and not delivered: the test is the peer.
pub fn impersonate_a(pair: &mut Pair) {
    pair.settle();
    pair.lose = |from, frame| from == B && (frame[12..14] == [8, 0] || frame[20] == protocol::TCP);
}
