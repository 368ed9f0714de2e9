//! Whether a frame fulfils an expression, as libpcap's program for it would find.

use crate::expression::{Carrier, Depth, Expression, Header, Operator, Test, Value, ether_type, protocol};
use crate::{Frame, LinkType};

/// The frame is refused as a whole: a load behind its end, or a division by zero.
struct Refused;

type Found<T> = Result<T, Refused>;

/// The octets of a VLAN tag, and of an MPLS label.
const TAG: usize = 4;

/// The types that stand in front of a VLAN tag.
const TAG_TYPES: [u16; 3] = [0x8100, 0x88a8, 0x9100];

pub(crate) fn holds(expression: &Expression, frame: Frame<'_>) -> bool {
    expression.holds(&View(frame)).unwrap_or(false)
}

/// The frame, to be loaded from.
struct View<'a>(Frame<'a>);

impl View<'_> {
    fn load<const N: usize>(&self, at: usize) -> Found<[u8; N]> {
        self.0.octets.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Refused)
    }

    fn u8(&self, at: usize) -> Found<u8> {
        self.load(at).map(|[octet]| octet)
    }

    fn u16(&self, at: usize) -> Found<u16> {
        self.load(at).map(u16::from_be_bytes)
    }

    fn u32(&self, at: usize) -> Found<u32> {
        self.load(at).map(u32::from_be_bytes)
    }

    /// Where the packet begins.
    fn packet(&self, depth: Depth) -> usize {
        let header = match self.0.link {
            LinkType::Ethernet => 14,
            LinkType::Raw => 0,
            LinkType::Null => 4,
            LinkType::LinuxCooked => 16,
            LinkType::LinuxCooked2 => 20,
        };
        header + (usize::from(depth.tags) + usize::from(depth.labels)) * TAG
    }

    /// What the packet is.
    fn is_type(&self, wanted: u16, depth: Depth) -> Found<bool> {
        let version = |at| {
            Ok(match self.u8(at)? >> 4 {
                4 => wanted == ether_type::IP4,
                6 => wanted == ether_type::IP6,
                _ => false,
            })
        };
        if depth.labels > 0 {
            // Nothing says what follows the last label; by custom IP's version does.
            let packet = self.packet(depth);
            let is_last = self.u8(packet - 2)? & 1 != 0;
            return Ok(is_last && version(packet)?);
        }
        match self.0.link {
            LinkType::Ethernet => Ok(self.u16(12 + usize::from(depth.tags) * TAG)? == wanted),
            LinkType::LinuxCooked => Ok(self.u16(14)? == wanted),
            LinkType::LinuxCooked2 => Ok(self.u16(0)? == wanted),
            LinkType::Raw => version(0),
            LinkType::Null => version(4),
        }
    }

    /// Whether a protocol stands in a chain of headers, the first of which is `next` at this octet.
    fn chain(&self, wanted: u8, mut next: u8, mut at: usize) -> Found<bool> {
        use protocol::{AH, IP6_DESTINATION, IP6_FRAGMENT, IP6_HOP_BY_HOP, IP6_ROUTING};
        // Each header has eight octets at least, so that the frame's end bounds it.
        while next != wanted {
            let units = match next {
                IP6_HOP_BY_HOP | IP6_ROUTING | IP6_FRAGMENT | IP6_DESTINATION => 8,
                AH => 4,
                _ => return Ok(false),
            };
            let len = usize::from(self.u8(at + 1)?);
            (next, at) = (self.u8(at)?, at + if units == 8 { (len + 1) * 8 } else { (len + 2) * 4 });
        }
        Ok(true)
    }

    /// The octets that IPv4 carries, if it is this protocol and the first of its fragments.
    fn over_ip4(&self, wanted: u8, depth: Depth) -> Found<Option<usize>> {
        let packet = self.packet(depth);
        let carries = self.is_type(ether_type::IP4, depth)?
            && self.u8(packet + 9)? == wanted
            && self.u16(packet + 6)? & 0x1fff == 0;
        if !carries {
            return Ok(None);
        }
        Ok(Some(packet + usize::from(self.u8(packet)? & 0x0f) * 4))
    }
}

impl Expression {
    fn holds(&self, view: &View<'_>) -> Found<bool> {
        match self {
            Expression::And(a, b) => Ok(a.holds(view)? && b.holds(view)?),
            Expression::Or(a, b) => Ok(a.holds(view)? || b.holds(view)?),
            Expression::Not(a) => Ok(!a.holds(view)?),
            Expression::Test { test, depth } => test.holds(view, *depth),
            Expression::Compare(comparison, a, b) => {
                let are_there = a.is_there(view)? && b.is_there(view)?;
                Ok(are_there && comparison.holds(a.find(view)?, b.find(view)?))
            }
        }
    }
}

impl Test {
    fn holds(&self, view: &View<'_>, depth: Depth) -> Found<bool> {
        let packet = view.packet(depth);
        match self {
            Test::EtherType(wanted) => view.is_type(*wanted, depth),
            Test::Ip4Protocol(wanted) => {
                Ok(view.is_type(ether_type::IP4, depth)? && view.u8(packet + 9)? == *wanted)
            }
            Test::Ip6Protocol(wanted) => {
                if !view.is_type(ether_type::IP6, depth)? {
                    return Ok(false);
                }
                let next = view.u8(packet + 6)?;
                Ok(next == *wanted || next == protocol::IP6_FRAGMENT && view.u8(packet + 40)? == *wanted)
            }
            Test::Ip4Chain(wanted) => {
                let is_ip = view.is_type(ether_type::IP4, depth)?;
                if !is_ip {
                    return Ok(false);
                }
                let payload = packet + usize::from(view.u8(packet)? & 0x0f) * 4;
                view.chain(*wanted, view.u8(packet + 9)?, payload)
            }
            Test::Ip6Chain(wanted) => {
                let is_ip = view.is_type(ether_type::IP6, depth)?;
                Ok(is_ip && view.chain(*wanted, view.u8(packet + 6)?, packet + 40)?)
            }
            Test::Station(direction, station) => {
                direction.holds(|| Ok(view.load::<6>(6)? == *station), || Ok(view.load::<6>(0)? == *station))
            }
            Test::EtherMulticast => Ok(view.u8(0)? & 1 != 0),
            Test::EtherBroadcast => Ok(view.load::<6>(0)? == [0xff; 6]),
            Test::Ip4Multicast => Ok(view.is_type(ether_type::IP4, depth)? && view.u8(packet + 16)? >= 224),
            Test::Ip4Broadcast(mask) => {
                let is_ip = view.is_type(ether_type::IP4, depth)?;
                let host = || Ok(view.u32(packet + 16)? & !mask);
                Ok(is_ip && (host()? == 0 || host()? == !mask))
            }
            Test::Ip6Multicast => Ok(view.is_type(ether_type::IP6, depth)? && view.u8(packet + 24)? == 255),
            Test::Net4 { carrier, direction, address, mask } => {
                let (kind, source, destination) = match carrier {
                    Carrier::Ip => (ether_type::IP4, 12, 16),
                    Carrier::Arp => (ether_type::ARP, 14, 24),
                    Carrier::Rarp => (ether_type::RARP, 14, 24),
                };
                let is_in = |at| Ok(view.u32(packet + at)? & mask == *address);
                Ok(view.is_type(kind, depth)? && direction.holds(|| is_in(source), || is_in(destination))?)
            }
            Test::Net6 { direction, address, mask } => {
                let is_in = |at| Ok(u128::from_be_bytes(view.load(packet + at)?) & mask == *address);
                Ok(view.is_type(ether_type::IP6, depth)? && direction.holds(|| is_in(8), || is_in(24))?)
            }
            Test::Ports { protocols, direction, first, last } => {
                let Some(at) = ports(view, protocols, depth)? else { return Ok(false) };
                let is_in = |at| Ok((*first..=*last).contains(&view.u16(at)?));
                direction.holds(|| is_in(at), || is_in(at + 2))
            }
            Test::Mpls(wanted) => {
                let is_label = match depth.labels {
                    0 => view.is_type(ether_type::MPLS, depth)?,
                    _ => view.u8(packet - 2)? & 1 == 0,
                };
                Ok(is_label && wanted.map_or(Ok(true), |wanted| Ok(view.u32(packet)? >> 12 == wanted))?)
            }
            Test::Vlan(wanted) => {
                let at = 12 + usize::from(depth.tags) * TAG;
                let is_tag = TAG_TYPES.contains(&view.u16(at)?);
                Ok(is_tag && wanted.map_or(Ok(true), |wanted| Ok(view.u16(at + 2)? & 0x0fff == wanted))?)
            }
        }
    }
}

/// Where the ports of one of these protocols stand. Behind IPv6 only if nothing stands between.
fn ports(view: &View<'_>, protocols: &[u8], depth: Depth) -> Found<Option<usize>> {
    let packet = view.packet(depth);
    if view.is_type(ether_type::IP6, depth)? {
        let next = view.u8(packet + 6)?;
        return Ok(protocols.contains(&next).then_some(packet + 40));
    }
    if !view.is_type(ether_type::IP4, depth)? {
        return Ok(None);
    }
    let carried = view.u8(packet + 9)?;
    if protocols.contains(&carried) { view.over_ip4(carried, depth) } else { Ok(None) }
}

impl Value {
    /// Whether the frame has the headers that are loaded from. Of an operation, libpcap asks this for the left side only.
    fn is_there(&self, view: &View<'_>) -> Found<bool> {
        match self {
            Value::Number(_) | Value::Length => Ok(true),
            Value::Negative(value) | Value::Operation(_, value, _) => value.is_there(view),
            Value::Load { header, depth, at, .. } => Ok(at.is_there(view)? && header.is_there(view, *depth)?),
        }
    }

    fn find(&self, view: &View<'_>) -> Found<u32> {
        Ok(match self {
            Value::Number(number) => *number,
            Value::Length => u32::try_from(view.0.len).unwrap_or(u32::MAX),
            Value::Negative(value) => value.find(view)?.wrapping_neg(),
            Value::Load { header, depth, at, size } => {
                let at = header.start(view, *depth)?.checked_add(at.find(view)? as usize).ok_or(Refused)?;
                match size {
                    1 => view.u8(at)?.into(),
                    2 => view.u16(at)?.into(),
                    _ => view.u32(at)?,
                }
            }
            Value::Operation(operator, a, b) => operator.apply(a.find(view)?, b.find(view)?)?,
        })
    }
}

impl Header {
    fn is_there(self, view: &View<'_>, depth: Depth) -> Found<bool> {
        match self {
            Header::Link => Ok(true),
            Header::Network(kind) => view.is_type(kind, depth),
            Header::OverIp4(wanted) => Ok(view.over_ip4(wanted, depth)?.is_some()),
            Header::OverIp6(wanted) => {
                Ok(view.is_type(ether_type::IP6, depth)? && view.u8(view.packet(depth) + 6)? == wanted)
            }
        }
    }

    /// Where it begins, if it is there.
    fn start(self, view: &View<'_>, depth: Depth) -> Found<usize> {
        let packet = view.packet(depth);
        match self {
            Header::Link => Ok(0),
            Header::Network(_) => Ok(packet),
            Header::OverIp4(_) => Ok(packet + usize::from(view.u8(packet)? & 0x0f) * 4),
            Header::OverIp6(_) => Ok(packet + 40),
        }
    }
}

impl Operator {
    fn apply(self, a: u32, b: u32) -> Found<u32> {
        Ok(match self {
            Operator::Add => a.wrapping_add(b),
            Operator::Subtract => a.wrapping_sub(b),
            Operator::Multiply => a.wrapping_mul(b),
            Operator::Divide => a.checked_div(b).ok_or(Refused)?,
            Operator::Remainder => a.checked_rem(b).ok_or(Refused)?,
            Operator::And => a & b,
            Operator::Or => a | b,
            Operator::Xor => a ^ b,
            Operator::ShiftLeft => a.checked_shl(b).unwrap_or(0),
            Operator::ShiftRight => a.checked_shr(b).unwrap_or(0),
        })
    }
}
