//! What goes with a datagram beside its text: how it is to leave, and what its receiver wants to be told (Linux's control
//! messages of `ip(7)`, `ipv6(7)` and `socket(7)`).

use bitflags::bitflags;
use portolan_link::Instant;
use portolan_wire::{Address, Endpoint};

use crate::LinkId;
use crate::socket::sockopt::number::{IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET, ip, ipv6, so};

/// How a datagram is to leave; what is not said is the socket's, or the route's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// Where to, and not to the socket's peer.
    pub to: Option<Endpoint>,
    /// The source, which may be any that the host accepts packets for (IP_PKTINFO).
    pub from: Option<Address>,
    /// The link to leave by (IP_PKTINFO's interface).
    pub link: Option<LinkId>,
    /// IP_TTL, IPV6_HOPLIMIT.
    pub hop_limit: Option<u8>,
    /// IP_TOS, IPV6_TCLASS.
    pub tos: Option<u8>,
    /// UDP_SEGMENT: the octets are cut into datagrams of so many; with 0 they are one.
    pub segment: Option<u16>,
}

bitflags! {
    /// What a socket wants to be told with each datagram.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Tells: u8 {
        /// IP_PKTINFO.
        const PACKET_INFO_V4 = 1;
        /// IPV6_RECVPKTINFO.
        const PACKET_INFO_V6 = 1 << 1;
        /// IP_RECVTTL.
        const TTL = 1 << 2;
        /// IP_RECVTOS.
        const TOS = 1 << 3;
        /// IPV6_RECVHOPLIMIT.
        const HOP_LIMIT = 1 << 4;
        /// IPV6_RECVTCLASS.
        const TRAFFIC_CLASS = 1 << 5;
    }
}

/// What a received datagram brought, and what of it the socket wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// When it came.
    pub at: Instant,
    /// What the socket has asked for.
    pub tells: Tells,
    /// Linux's number of the timestamp option that the socket has set, SO_TIMESTAMP and its like; 0 if none.
    pub timestamp: u8,
}

/// A socket's wishes, as its options set them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) tells: Tells,
    pub(crate) timestamp: u8,
    /// IP_RECVERR, IPV6_RECVERR: every ICMP error is wanted, also without a peer.
    pub(crate) errors: bool,
    /// UDP_GRO: datagrams that came together are received together.
    pub(crate) merges: bool,
}

/// Linux's SOF_TIMESTAMPING_RX_SOFTWARE and SOF_TIMESTAMPING_SOFTWARE: both ask for the time of arrival.
const ARRIVAL: i32 = 1 << 3 | 1 << 4;

impl Wishes {
    /// An option was set.
    pub(crate) fn note(&mut self, level: i32, name: i32, value: i32) {
        let tells = match (level, name) {
            (IPPROTO_IP, ip::PKTINFO) => Tells::PACKET_INFO_V4,
            (IPPROTO_IPV6, ipv6::RECVPKTINFO) => Tells::PACKET_INFO_V6,
            (IPPROTO_IP, ip::RECVTTL) => Tells::TTL,
            (IPPROTO_IP, ip::RECVTOS) => Tells::TOS,
            (IPPROTO_IPV6, ipv6::RECVHOPLIMIT) => Tells::HOP_LIMIT,
            (IPPROTO_IPV6, ipv6::RECVTCLASS) => Tells::TRAFFIC_CLASS,
            (SOL_SOCKET, so::TIMESTAMP | so::TIMESTAMPNS | so::TIMESTAMP_NEW | so::TIMESTAMPNS_NEW) => {
                return self.stamp(name, value != 0);
            }
            (SOL_SOCKET, so::TIMESTAMPING | so::TIMESTAMPING_NEW) => {
                return self.stamp(name, value & ARRIVAL == ARRIVAL);
            }
            (IPPROTO_IP, ip::RECVERR) | (IPPROTO_IPV6, ipv6::RECVERR) => {
                self.errors = value != 0;
                return;
            }
            _ => return,
        };
        self.tells.set(tells, value != 0);
    }

    /// Linux: of these options the last one set counts, and to take one back takes back all.
    fn stamp(&mut self, name: i32, on: bool) {
        self.timestamp = if on { u8::try_from(name).unwrap_or(0) } else { 0 };
    }
}

/// How much of a socket's datagrams their checksums cover, in octets with the header; 0 is all (RFC 3828).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    /// UDPLITE_SEND_CSCOV.
    pub(crate) sent: u16,
    /// UDPLITE_RECV_CSCOV, once it is set: what is covered less is not for this socket.
    pub(crate) received: Option<u16>,
}

impl Coverage {
    /// Whether the socket takes a datagram of this length of which so much is covered. As on Linux, a wish for 0 is one
    /// for all of it.
    pub(crate) fn accepts(&self, len: usize, covered: usize) -> bool {
        match self.received {
            Some(least) if covered < len => least != 0 && covered >= usize::from(least),
            _ => true,
        }
    }

    /// As Linux takes the number: less than the header is the header, and there is no more than a datagram has.
    pub(crate) fn from_option(value: i32) -> u16 {
        match value {
            0 => 0,
            _ => u16::try_from(value.max(8)).unwrap_or(u16::MAX),
        }
    }
}
