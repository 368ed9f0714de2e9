//! The tree of a filter.

use serde::{Deserialize, Serialize};

/// A condition on a frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    /// A condition on headers.
    Test {
        test: Test,
        #[serde(flatten)]
        depth: Depth,
    },
    /// Two numbers compared.
    Compare(Comparison, Value, Value),
}

/// How far behind where they usually stand headers are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Depth {
    /// VLAN tags in front.
    pub(crate) tags: u8,
    /// MPLS labels in front, behind the tags.
    #[serde(default)]
    pub(crate) labels: u8,
}

/// A condition on headers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Test {
    /// The type in the Ethernet header, or what stands for it.
    EtherType(u16),
    /// IPv4's protocol.
    Ip4Protocol(u8),
    /// IPv6's next header, or that behind a fragment header.
    Ip6Protocol(u8),
    /// This protocol behind IPv4, or behind headers of AH.
    Ip4Chain(u8),
    /// This protocol behind IPv6, or behind any of its extension headers.
    Ip6Chain(u8),
    /// A station of the Ethernet header.
    Station(Direction, [u8; 6]),
    /// The lowest bit of the destination's first octet.
    EtherMulticast,
    EtherBroadcast,
    Ip4Multicast,
    /// A destination whose bits outside of the mask are all set, or all clear.
    Ip4Broadcast(u32),
    Ip6Multicast,
    /// Addresses in an IPv4 header, or in ARP's or RARP's.
    Net4 {
        carrier: Carrier,
        direction: Direction,
        address: u32,
        mask: u32,
    },
    /// Addresses in an IPv6 header.
    Net6 {
        direction: Direction,
        address: u128,
        mask: u128,
    },
    /// Ports of these protocols, from the first to the last, over IPv4 and IPv6.
    Ports {
        protocols: Vec<u8>,
        direction: Direction,
        first: u16,
        last: u16,
    },
    /// A VLAN tag, with this number if one is given.
    Vlan(Option<u16>),
    /// An MPLS label, this one if one is given.
    Mpls(Option<u32>),
}

/// What carries an IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Carrier {
    Ip,
    Arp,
    Rarp,
}

/// Which end must be the one named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

impl Direction {
    /// Whether the condition on one or both ends holds.
    pub(crate) fn holds<E>(
        self,
        source: impl FnOnce() -> Result<bool, E>,
        destination: impl FnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        match self {
            Direction::Source => source(),
            Direction::Destination => destination(),
            Direction::Either => Ok(source()? || destination()?),
            Direction::Both => Ok(source()? && destination()?),
        }
    }
}

/// How two values are compared: tcpdump's language and ss's have the same six.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Whether it holds between these two, in this order.
    pub fn holds<T: Ord>(self, a: T, b: T) -> bool {
        match self {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessOrEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterOrEqual => a >= b,
        }
    }
}

/// A number of 32 bits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Value {
    Number(u32),
    /// The frame's whole length.
    Length,
    /// One, two or four octets of a header.
    Load {
        header: Header,
        #[serde(flatten)]
        depth: Depth,
        at: Box<Value>,
        size: u8,
    },
    Negative(Box<Value>),
    Operation(Operator, Box<Value>, Box<Value>),
}

/// Where the octets of a load are counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Header {
    /// The frame's first octet.
    Link,
    /// The packet, if its EtherType is this one.
    Network(u16),
    /// What IPv4 carries, if it is this protocol, and not a fragment but the first.
    OverIp4(u8),
    /// What IPv6 carries, if it is this protocol.
    OverIp6(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

pub(crate) mod ether_type {
    pub(crate) const IP4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const RARP: u16 = 0x8035;
    pub(crate) const IP6: u16 = 0x86dd;
    pub(crate) const MPLS: u16 = 0x8847;
}

pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IP6_HOP_BY_HOP: u8 = 0;
    pub(crate) const IP6_ROUTING: u8 = 43;
    pub(crate) const IP6_FRAGMENT: u8 = 44;
    pub(crate) const IP6_DESTINATION: u8 = 60;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AH: u8 = 51;
    pub(crate) const ICMP6: u8 = 58;
    pub(crate) const PIM: u8 = 103;
    pub(crate) const SCTP: u8 = 132;
}
