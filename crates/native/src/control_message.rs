//! Control messages of UDP sockets: the interface and address of a datagram, its TTL and TOS.

use core::net::{Ipv4Addr, Ipv6Addr};

use libc::{c_int, cmsghdr};
use portolan_protocol::{Address, DatagramHeader, Family};

use crate::Errno;

const HEADER_LEN: usize = size_of::<cmsghdr>();
const ALIGNMENT: usize = size_of::<usize>();

/// What a program's control messages ask for.
#[derive(Default)]
pub struct Ancillary {
    source: Option<Address>,
    interface: u32,
    hop_limit: Option<u8>,
    traffic_class: Option<u8>,
}

impl Ancillary {
    /// Reads a copy of the program's control buffer: EINVAL for what is malformed or does not belong to UDP.
    pub fn parse(mut rest: &[u8]) -> Result<Self, Errno> {
        const INVALID: Errno = Errno(libc::EINVAL);
        let mut ancillary = Self::default();
        // Linux ignores a tail that has no room for a header.
        while rest.len() >= HEADER_LEN {
            let len = word(rest, 0);
            let (level, kind) = (int(rest, 8), int(rest, 12));
            let data = rest.get(HEADER_LEN..len).ok_or(INVALID)?;
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => {
                    ancillary.interface = int(data, 0).cast_unsigned();
                    ancillary.source = four(data, 4).map(|ip| Address::v4(Ipv4Addr::from(ip), 0));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 20 => {
                    ancillary.source =
                        data.first_chunk::<16>().map(|ip| Address::v6(Ipv6Addr::from(*ip), 0, 0));
                    ancillary.interface = int(data, 16).cast_unsigned();
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    ancillary.hop_limit = octet(data)?;
                }
                (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    ancillary.traffic_class = octet(data)?;
                }
                // Passing descriptors over UDP is refused by the kernel too; the rest it takes or leaves.
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => return Err(INVALID),
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        }
        Ok(ancillary)
    }

    /// Puts what was asked for into the datagram's header.
    pub fn apply(&self, header: &mut DatagramHeader) {
        header.local = self.source.unwrap_or(Address::UNSPECIFIED);
        header.interface = self.interface;
        header.hop_limit = self.hop_limit;
        header.traffic_class = self.traffic_class;
    }
}

/// Control messages for the program, cut as the kernel cuts them.
pub struct Report {
    octets: [u8; 128],
    len: usize,
    room: usize,
    is_cut: bool,
}

impl Report {
    /// What the header says the program asked to be told, in `room` octets.
    pub fn new(header: &DatagramHeader, family: Family, room: usize) -> Self {
        let mut report = Self { octets: [0; 128], len: 0, room: room.min(128), is_cut: false };
        match family {
            Family::V4 => {
                if header.wants_packet_info {
                    let ip = header.local.to_v4().unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
                    let mut data = [0; 12];
                    data[..4].copy_from_slice(&header.interface.to_ne_bytes());
                    data[4..8].copy_from_slice(&ip);
                    data[8..].copy_from_slice(&ip);
                    report.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
                }
                if let Some(hop_limit) = header.hop_limit {
                    report.push(libc::IPPROTO_IP, libc::IP_TTL, &c_int::from(hop_limit).to_ne_bytes());
                }
                if let Some(class) = header.traffic_class {
                    report.push(libc::IPPROTO_IP, libc::IP_TOS, &[class]);
                }
            }
            Family::V6 => {
                if header.wants_packet_info {
                    let mut data = [0; 20];
                    data[..16].copy_from_slice(&header.local.ip.octets());
                    data[16..].copy_from_slice(&header.interface.to_ne_bytes());
                    report.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
                }
                if let Some(hop_limit) = header.hop_limit {
                    report.push(
                        libc::IPPROTO_IPV6,
                        libc::IPV6_HOPLIMIT,
                        &c_int::from(hop_limit).to_ne_bytes(),
                    );
                }
                if let Some(class) = header.traffic_class {
                    report.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &c_int::from(class).to_ne_bytes());
                }
            }
        }
        report
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
