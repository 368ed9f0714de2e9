//! Packets as octets, and as the values that a script compares.

use std::fmt;

use portolan_wire::{Address, Endpoint, SeqNumber, checksum, ipv4, ipv6, protocol, tcp, udp};

use crate::language::ast;
use crate::language::option::TcpOption;

/// The hops that an injected packet may still take, unless the script says otherwise.
const TTL: u8 = 255;

/// A packet without its encoding. Numbers are the wire's or the script's, as the holder says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) src: Endpoint,
    pub(super) dst: Endpoint,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) flow_label: u32,
    pub(super) body: Body,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Body {
    Tcp(Segment),
    /// The payload.
    Udp(Vec<u8>),
    /// Type and code.
    Icmp(u8, u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: tcp::Flags,
    /// The three bits without a meaning.
    pub(super) reserved: u8,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) options: Vec<TcpOption>,
    pub(super) text: Vec<u8>,
}

impl Segment {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// The segment that a script has written.
    pub(super) fn from_script(segment: &ast::Segment) -> Self {
        Self {
            seq: segment.seq,
            ack: segment.ack,
            flags: tcp::Flags::from_bits(segment.flags.bits),
            reserved: 0,
            window: segment.window.unwrap_or(0),
            urgent: segment.urgent,
            options: segment.options.clone().unwrap_or_default(),
            text: vec![0; segment.len.into()],
        }
    }

    fn option_octets(&self) -> Vec<u8> {
        self.options.iter().flat_map(TcpOption::octets).collect()
    }

    pub(super) fn option_len(&self) -> usize {
        self.option_octets().len()
    }

    fn octets(&self, src: Endpoint, dst: Endpoint) -> Vec<u8> {
        let options = self.option_octets();
        let offset = u16::try_from((tcp::Header::LEN + options.len()) / 4).unwrap_or(15);
        let mut octets = Vec::with_capacity(tcp::Header::MAX_LEN + self.text.len());
        octets.extend(src.port.to_be_bytes());
        octets.extend(dst.port.to_be_bytes());
        octets.extend(self.seq.to_be_bytes());
        octets.extend(self.ack.to_be_bytes());
        octets.extend((offset << 12 | u16::from(self.reserved) << 9 | self.flags.bits()).to_be_bytes());
        octets.extend(self.window.to_be_bytes());
        octets.extend([0; 2]);
        octets.extend(self.urgent.to_be_bytes());
        octets.extend(options);
        octets.extend(&self.text);
        fill(&mut octets, src.address, dst.address, protocol::TCP, tcp::CHECKSUM_OFFSET);
        octets
    }
}

impl Packet {
    /// Takes a packet of the host under test apart.
    ///
    /// # Errors
    /// What is wrong with it, checksums included.
    pub(super) fn decode(octets: &[u8]) -> Result<Self, String> {
        let wrong = |error: portolan_wire::WireError| format!("the packet is malformed: {error}");
        if octets.first().is_some_and(|octet| octet >> 4 == 4) {
            let packet = ipv4::parse(octets).map_err(wrong)?;
            let header = packet.header;
            let (src, dst, body) = upper(header.src(), header.dst(), header.protocol(), packet.payload)?;
            Ok(Self { src, dst, tos: header.tos(), ttl: header.ttl(), flow_label: 0, body })
        } else {
            let packet = ipv6::parse(octets).map_err(wrong)?;
            let header = packet.header;
            let (src, dst, body) = upper(header.src(), header.dst(), header.next_header(), packet.payload)?;
            let (tos, ttl, flow_label) = (header.traffic_class(), header.hop_limit(), header.flow_label());
            Ok(Self { src, dst, tos, ttl, flow_label, body })
        }
    }

    /// The octets of a TCP or UDP packet.
    pub(super) fn encode(&self) -> Vec<u8> {
        match &self.body {
            Body::Tcp(segment) => self.encode_with(protocol::TCP, &segment.octets(self.src, self.dst)),
            Body::Udp(payload) => {
                let len = u16::try_from(udp::Header::LEN + payload.len()).unwrap_or(u16::MAX);
                let mut octets = Vec::with_capacity(len.into());
                octets.extend(self.src.port.to_be_bytes());
                octets.extend(self.dst.port.to_be_bytes());
                octets.extend(len.to_be_bytes());
                octets.extend([0; 2]);
                octets.extend(payload);
                fill(&mut octets, self.src.address, self.dst.address, protocol::UDP, udp::CHECKSUM_OFFSET);
                self.encode_with(protocol::UDP, &octets)
            }
            Body::Icmp(kind, code) => self.encode_with(self.icmp_protocol(), &[*kind, *code]),
        }
    }

    pub(super) fn icmp_protocol(&self) -> u8 {
        if self.src.address.is_v4() { protocol::ICMPV4 } else { protocol::ICMPV6 }
    }

    /// An IP header of this packet in front of `payload`.
    pub(super) fn encode_with(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; ipv6::Header::LEN];
        let payload_len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        let ttl = if self.ttl == 0 { TTL } else { self.ttl };
        let (src, dst, tos) = (self.src.address, self.dst.address, self.tos);
        let len = if src.is_v4() {
            ipv4::Emit { src, dst, protocol, ttl, tos, payload_len, ..Default::default() }.emit(&mut octets)
        } else {
            let (traffic_class, flow_label) = (tos, self.flow_label);
            ipv6::Emit {
                src,
                dst,
                next_header: protocol,
                hop_limit: ttl,
                traffic_class,
                flow_label,
                payload_len,
            }
            .emit(&mut octets)
        };
        octets.truncate(len.unwrap_or(0));
        octets.extend(payload);
        octets
    }
}

/// Writes a checksum over `octets` and the pseudo header at `offset`.
pub(super) fn fill(octets: &mut [u8], src: Address, dst: Address, protocol: u8, offset: usize) {
    let sum = if protocol == protocol::ICMPV4 {
        portolan_wire::Checksum::new().add(octets).finish()
    } else {
        checksum::transport(src, dst, protocol, octets)
    };
    if let Some(field) = octets.get_mut(offset..offset + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

fn upper(
    src: Address,
    dst: Address,
    protocol: u8,
    octets: &[u8],
) -> Result<(Endpoint, Endpoint, Body), String> {
    let wrong = |error: portolan_wire::WireError| format!("what the packet carries is malformed: {error}");
    match protocol {
        protocol::TCP => {
            let (header, options, text) = tcp::split(octets).map_err(wrong)?;
            if !tcp::checksum_ok(src, dst, octets) {
                return Err("the TCP checksum is wrong".to_owned());
            }
            let segment = Segment {
                seq: header.seq().0,
                ack: header.ack().0,
                flags: header.flags(),
                reserved: header.reserved(),
                window: header.window(),
                urgent: header.urgent(),
                options: TcpOption::list(options),
                text: text.to_vec(),
            };
            let (src, dst) = (Endpoint::new(src, header.src_port()), Endpoint::new(dst, header.dst_port()));
            Ok((src, dst, Body::Tcp(segment)))
        }
        protocol::UDP => {
            let (header, payload) = udp::parse(octets).map_err(wrong)?;
            let (src, dst) = (Endpoint::new(src, header.src_port()), Endpoint::new(dst, header.dst_port()));
            Ok((src, dst, Body::Udp(payload.to_vec())))
        }
        protocol::ICMPV4 | protocol::ICMPV6 => match octets {
            [kind, code, ..] => Ok((Endpoint::new(src, 0), Endpoint::new(dst, 0), Body::Icmp(*kind, *code))),
            _ => Err("the ICMP message is cut off".to_owned()),
        },
        _ => Err(format!("the packet carries protocol {protocol}")),
    }
}

/// As a script would write it, without ports and addresses.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Tcp(segment) => {
                f.write_str(match self.tos & 3 {
                    0 => "",
                    1 => "[ect1] ",
                    2 => "[ect0] ",
                    _ => "[ce] ",
                })?;
                segment.fmt(f)
            }
            Body::Udp(payload) => write!(f, "udp ({})", payload.len()),
            Body::Icmp(kind, code) => write!(f, "icmp type_{kind} code_{code}"),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (tcp::Flags::FIN, 'F'),
            (tcp::Flags::SYN, 'S'),
            (tcp::Flags::RST, 'R'),
            (tcp::Flags::PSH, 'P'),
            (tcp::Flags::ACK, '.'),
            (tcp::Flags::URG, 'U'),
            (tcp::Flags::ECE, 'E'),
            (tcp::Flags::CWR, 'W'),
            (tcp::Flags::AE, 'A'),
        ];
        let flags: String =
            names.iter().filter(|(flag, _)| self.flags.contains(*flag)).map(|(_, name)| name).collect();
        let end = SeqNumber(self.seq).0.wrapping_add(self.len());
        write!(f, "{} {}:{end}({})", if flags.is_empty() { "-" } else { &flags }, self.seq, self.len())?;
        if self.flags.contains(tcp::Flags::ACK) {
            write!(f, " ack {}", self.ack)?;
        }
        write!(f, " win {}", self.window)?;
        if self.flags.contains(tcp::Flags::URG) {
            write!(f, " urg {}", self.urgent)?;
        }
        for (at, option) in self.options.iter().enumerate() {
            write!(f, "{}{option}", if at == 0 { " <" } else { "," })?;
        }
        f.write_str(if self.options.is_empty() { "" } else { ">" })
    }
}
