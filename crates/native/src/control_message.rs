//! Control messages of datagram sockets: a datagram's interface and address, its TTL and TOS, when it came, and how long
//! each is where many go together.

use core::net::{Ipv4Addr, Ipv6Addr};

use libc::{c_int, cmsghdr};
use portolan_protocol::datagram::Timestamp;
use portolan_protocol::{Address, DatagramHeader, ErrorReport, Family};

use crate::Errno;
use crate::inet::{LEN_MAX, Sockaddr};

/// Of `asm-generic/socket.h`, where the libc crate has only the older numbers.
const SO_TIMESTAMP_NEW: c_int = 63;
const SO_TIMESTAMPING_NEW: c_int = 65;

const HEADER_LEN: usize = size_of::<cmsghdr>();
const ALIGNMENT: usize = size_of::<usize>();

/// What a program's control messages ask for.
#[derive(Default)]
pub struct Ancillary {
    source: Option<Address>,
    interface: u32,
    hop_limit: Option<u8>,
    traffic_class: Option<u8>,
    segment: Option<u16>,
    has_mark: bool,
}

const INVALID: Errno = Errno(libc::EINVAL);

impl Ancillary {
    /// Reads a copy of the program's control buffer, as a socket of this family takes it: EINVAL for what is malformed.
    /// As on Linux a level of another protocol is none of its business.
    pub fn parse(mut rest: &[u8], family: Family) -> Result<Self, Errno> {
        let mut ancillary = Self::default();
        // Linux ignores a tail that has no room for a header.
        while rest.len() >= HEADER_LEN {
            let len = word(rest, 0);
            let (level, kind) = (int(rest, 8), int(rest, 12));
            let data = rest.get(HEADER_LEN..len).ok_or(INVALID)?;
            match level {
                libc::IPPROTO_IP => ancillary.take_v4(kind, data)?,
                libc::IPPROTO_IPV6 => ancillary.take_v6(kind, data, family)?,
                libc::SOL_SOCKET => ancillary.take_socket(kind, data)?,
                libc::SOL_UDP => ancillary.take_udp(kind, data)?,
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        }
        Ok(ancillary)
    }

    fn take_udp(&mut self, kind: c_int, data: &[u8]) -> Result<(), Errno> {
        match (kind, data) {
            (libc::UDP_SEGMENT, &[a, b]) => self.segment = Some(u16::from_ne_bytes([a, b])),
            _ => return Err(INVALID),
        }
        Ok(())
    }

    /// Descriptors and credentials are AF_UNIX's, and passed over in silence.
    fn take_socket(&mut self, kind: c_int, data: &[u8]) -> Result<(), Errno> {
        match kind {
            libc::SCM_RIGHTS | libc::SCM_CREDENTIALS | libc::SO_TIMESTAMPING => Ok(()),
            libc::SO_MARK if data.len() == 4 => {
                self.has_mark = true;
                Ok(())
            }
            _ => Err(INVALID),
        }
    }

    /// A mark is given (SO_MARK), for which the program needs CAP_NET_ADMIN or CAP_NET_RAW: EPERM without.
    pub fn has_mark(&self) -> bool {
        self.has_mark
    }

    fn take_v4(&mut self, kind: c_int, data: &[u8]) -> Result<(), Errno> {
        match kind {
            libc::IP_PKTINFO if data.len() == 12 => {
                self.interface = int(data, 0).cast_unsigned();
                self.source = four(data, 4).map(|ip| Address::v4(Ipv4Addr::from(ip), 0));
            }
            libc::IP_TTL if data.len() == 4 && int(data, 0) != 0 => {
                self.hop_limit = Some(u8::try_from(int(data, 0)).map_err(|_| INVALID)?);
            }
            libc::IP_TOS => self.traffic_class = octet(data)?,
            _ => return Err(INVALID),
        }
        Ok(())
    }

    fn take_v6(&mut self, kind: c_int, data: &[u8], family: Family) -> Result<(), Errno> {
        match (kind, family) {
            (libc::IPV6_PKTINFO, _) if data.len() == 20 => {
                self.source = data.first_chunk::<16>().map(|ip| Address::v6(Ipv6Addr::from(*ip), 0, 0));
                self.interface = int(data, 16).cast_unsigned();
            }
            // An AF_INET socket takes the one above, and has no eye for others.
            (_, Family::V4) => {}
            (libc::IPV6_HOPLIMIT, _) if data.len() == 4 => self.hop_limit = octet(data)?,
            (libc::IPV6_TCLASS, _) if data.len() == 4 => self.traffic_class = octet(data)?,
            (libc::IPV6_DONTFRAG, _) if data.len() == 4 && matches!(int(data, 0), 0 | 1) => {}
            _ => return Err(INVALID),
        }
        Ok(())
    }

    /// Puts what was asked for into the datagram's header.
    pub fn apply(&self, header: &mut DatagramHeader) {
        header.local = self.source.unwrap_or(Address::UNSPECIFIED);
        header.interface = self.interface;
        header.hop_limit = self.hop_limit;
        header.traffic_class = self.traffic_class;
        header.segment = self.segment;
    }
}

/// Control messages for the program, cut as the kernel cuts them.
pub struct Report {
    octets: [u8; Self::MAX],
    len: usize,
    room: usize,
    is_cut: bool,
}

impl Report {
    /// More than all messages together.
    const MAX: usize = 192;

    /// What the header says the program asked to be told, in `room` octets.
    pub fn new(header: &DatagramHeader, family: Family, room: usize) -> Self {
        let mut report = Self { octets: [0; Self::MAX], len: 0, room: room.min(Self::MAX), is_cut: false };
        if let Some(timestamp) = header.timestamp {
            report.push_timestamp(timestamp);
        }
        if header.wants_packet_info {
            report.push_packet_info(header, family);
        }
        let (hop_limit, class) = (header.hop_limit.map(c_int::from), header.traffic_class);
        // A packet of IPv4 is told in its own terms, also at an AF_INET6 socket.
        if header.remote.to_v4().is_some() {
            if let Some(ttl) = hop_limit {
                report.push(libc::IPPROTO_IP, libc::IP_TTL, &ttl.to_ne_bytes());
            }
            if let Some(tos) = class {
                report.push(libc::IPPROTO_IP, libc::IP_TOS, &[tos]);
            }
        } else {
            if let Some(hop_limit) = hop_limit {
                report.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &hop_limit.to_ne_bytes());
            }
            if let Some(class) = class {
                report.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &c_int::from(class).to_ne_bytes());
            }
        }
        if let Some(size) = header.segment {
            report.push(libc::SOL_UDP, libc::UDP_GRO, &c_int::from(size).to_ne_bytes());
        }
        report
    }

    /// An ICMP error in `room` octets: `struct sock_extended_err`, and behind it who says so.
    pub fn of_error(error: &ErrorReport<'_>, family: Family, room: usize) -> Self {
        let mut report = Self { octets: [0; Self::MAX], len: 0, room: room.min(Self::MAX), is_cut: false };
        let is_v4 = error.from.to_v4().is_some();
        let origin = if is_v4 { libc::SO_EE_ORIGIN_ICMP } else { libc::SO_EE_ORIGIN_ICMP6 };
        let (level, kind) = match family {
            Family::V4 => (libc::IPPROTO_IP, libc::IP_RECVERR),
            Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        };
        let (from, from_len) = Sockaddr::new(error.from, family);
        let from = from.as_bytes(from_len);
        let mut data = [0; 16 + LEN_MAX];
        data[..4].copy_from_slice(&error.errno.to_ne_bytes());
        data[4..7].copy_from_slice(&[origin, error.ty, error.code]);
        data[8..12].copy_from_slice(&error.info.to_ne_bytes());
        data[16..16 + from.len()].copy_from_slice(from);
        report.push(level, kind, &data[..16 + from.len()]);
        report
    }

    /// In seconds and microseconds for SO_TIMESTAMP, else in seconds and nanoseconds. SO_TIMESTAMPING has three, of
    /// which the first is the system's own.
    fn push_timestamp(&mut self, timestamp: Timestamp) {
        let option = c_int::from(timestamp.option);
        let is_micros = matches!(option, libc::SO_TIMESTAMP | SO_TIMESTAMP_NEW);
        let has_three = matches!(option, libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW);
        let (seconds, rest) = (timestamp.at_ns / 1_000_000_000, timestamp.at_ns % 1_000_000_000);
        let mut data = [0; 48];
        data[..8].copy_from_slice(&seconds.to_ne_bytes());
        data[8..16].copy_from_slice(&if is_micros { rest / 1000 } else { rest }.to_ne_bytes());
        self.push(libc::SOL_SOCKET, option, if has_three { &data } else { &data[..16] });
    }

    fn push_packet_info(&mut self, header: &DatagramHeader, family: Family) {
        let mut data = [0; 20];
        match family {
            Family::V4 => {
                let ip = header.local.to_v4().unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
                data[..4].copy_from_slice(&header.interface.to_ne_bytes());
                data[4..8].copy_from_slice(&ip);
                data[8..12].copy_from_slice(&ip);
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &data[..12]);
            }
            Family::V6 => {
                data[..16].copy_from_slice(&header.local.ip.octets());
                data[16..].copy_from_slice(&header.interface.to_ne_bytes());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
            }
        }
    }

    /// The messages, in libc's layout.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }

    /// Something did not fit: MSG_CTRUNC.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let rest = self.octets.get_mut(self.len..self.room).unwrap_or(&mut []);
        if rest.len() < HEADER_LEN {
            self.is_cut = true;
            return;
        }
        let len = (HEADER_LEN + data.len()).min(rest.len());
        self.is_cut |= len < HEADER_LEN + data.len();
        rest[..8].copy_from_slice(&len.to_ne_bytes());
        rest[8..12].copy_from_slice(&level.to_ne_bytes());
        rest[12..16].copy_from_slice(&kind.to_ne_bytes());
        rest[16..len].copy_from_slice(&data[..len - HEADER_LEN]);
        self.len += (HEADER_LEN + data.len()).next_multiple_of(ALIGNMENT).min(rest.len());
    }
}

fn word(octets: &[u8], at: usize) -> usize {
    octets.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| usize::from_ne_bytes(*chunk))
}

fn four(octets: &[u8], at: usize) -> Option<[u8; 4]> {
    octets.get(at..)?.first_chunk().copied()
}

fn int(octets: &[u8], at: usize) -> c_int {
    four(octets, at).map_or(0, c_int::from_ne_bytes)
}

/// An option of 0 to 255 that the program may pass as an int or as an octet; -1 is the socket's own value.
fn octet(data: &[u8]) -> Result<Option<u8>, Errno> {
    let value = match *data {
        [one] => c_int::from(one),
        [a, b, c, d] => c_int::from_ne_bytes([a, b, c, d]),
        _ => return Err(Errno(libc::EINVAL)),
    };
    match value {
        -1 => Ok(None),
        _ => u8::try_from(value).map(Some).map_err(|_| Errno(libc::EINVAL)),
    }
}

#[cfg(test)]
mod tests;
