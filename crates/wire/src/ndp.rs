//! Neighbor Discovery (RFC 4861): the five messages; their options are in [`options`].
//!
//! They travel as ICMPv6, so [`crate::icmpv6::parse`] gives them and [`crate::icmpv6::Message::emit`] writes
//! them. What can be judged from the message alone is judged here. The rest is the stack's: a hop limit of
//! 255, and what RFC 4861 §6.1, §7.1 and §8.1 say about source and destination.

use crate::writer::Writer;
use crate::{Address, WireError};

pub mod options;
#[cfg(test)]
mod tests;

pub use options::{NdpOption, Options, PrefixInformation, Servers};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

/// What a router says about itself and the link (RFC 4861 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RouterAdvertisement {
    /// The hop limit to send with; 0 is unspecified.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other configuration is to be had by DHCPv6.
    pub other_config: bool,
    /// How it ranks among routers.
    pub preference: Preference,
    /// How long it is a default router, in seconds; 0 says that it is none.
    pub lifetime_s: u16,
    /// How long a neighbour counts as reachable, in milliseconds; 0 is unspecified.
    pub reachable_ms: u32,
    /// The time between solicitations, in milliseconds; 0 is unspecified.
    pub retrans_ms: u32,
}

/// How a router ranks among the default routers (RFC 4191 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Preference {
    /// Only if there is no other.
    Low,
    /// As every router that does not say; the reserved value counts as this.
    #[default]
    Medium,
    /// Before others.
    High,
}

/// A message of Neighbor Discovery, without its options.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// Routers, speak up.
    RouterSolicitation,
    /// A router describes itself and the link.
    RouterAdvertisement(RouterAdvertisement),
    /// Who has the target address, or: are you still there?
    NeighborSolicitation {
        /// The address asked for; not multicast.
        target: Address,
    },
    /// The owner of the target address speaks.
    NeighborAdvertisement {
        /// The address spoken for; not multicast.
        target: Address,
        /// Whether the sender is a router.
        router: bool,
        /// Whether this answers a solicitation.
        solicited: bool,
        /// Whether to replace a cached link-layer address: the Override flag.
        override_cached: bool,
    },
    /// There is a better first hop.
    Redirect {
        /// The better first hop, or the destination itself if it is on the link.
        target: Address,
        /// The destination that this is about; not multicast.
        destination: Address,
    },
}

impl Message {
    /// Whether an ICMPv6 type is Neighbor Discovery's.
    #[must_use]
    pub const fn is_type(ty: u8) -> bool {
        matches!(ty, ROUTER_SOLICITATION..=REDIRECT)
    }

    /// The ICMPv6 type.
    #[must_use]
    pub const fn ty(&self) -> u8 {
        match self {
            Self::RouterSolicitation => ROUTER_SOLICITATION,
            Self::RouterAdvertisement(_) => ROUTER_ADVERTISEMENT,
            Self::NeighborSolicitation { .. } => NEIGHBOR_SOLICITATION,
            Self::NeighborAdvertisement { .. } => NEIGHBOR_ADVERTISEMENT,
            Self::Redirect { .. } => REDIRECT,
        }
    }

    /// The message of ICMPv6 type `ty`, whose `body` starts behind the checksum, and its options.
    ///
    /// # Errors
    /// `Truncated`; `BadHeader` for another type, a code that is not 0, a multicast target of a solicitation
    /// or advertisement, a multicast destination of a redirect, or an IPv4-mapped address (RFC 4861 §6.1,
    /// §7.1, §8.1).
    pub fn parse(ty: u8, code: u8, body: &[u8]) -> Result<(Self, &[u8]), WireError> {
        if code != 0 {
            return Err(WireError::BadHeader);
        }
        let (&[a, b, c, d], rest) = body.split_first_chunk().ok_or(WireError::Truncated)?;
        match ty {
            ROUTER_SOLICITATION => Ok((Self::RouterSolicitation, rest)),
            ROUTER_ADVERTISEMENT => {
                let (&[e, f, g, h, i, j, k, l], options) =
                    rest.split_first_chunk().ok_or(WireError::Truncated)?;
                let advertisement = RouterAdvertisement {
                    hop_limit: a,
                    managed: b & 0x80 != 0,
                    other_config: b & 0x40 != 0,
                    preference: Preference::from_flags(b),
                    lifetime_s: u16::from_be_bytes([c, d]),
                    reachable_ms: u32::from_be_bytes([e, f, g, h]),
                    retrans_ms: u32::from_be_bytes([i, j, k, l]),
                };
                Ok((Self::RouterAdvertisement(advertisement), options))
            }
            NEIGHBOR_SOLICITATION => {
                let (target, options) = address(rest)?;
                Ok((Self::NeighborSolicitation { target: unicast(target)? }, options))
            }
            NEIGHBOR_ADVERTISEMENT => {
                let (target, options) = address(rest)?;
                let message = Self::NeighborAdvertisement {
                    target: unicast(target)?,
                    router: a & 0x80 != 0,
                    solicited: a & 0x40 != 0,
                    override_cached: a & 0x20 != 0,
                };
                Ok((message, options))
            }
            REDIRECT => {
                let (target, rest) = address(rest)?;
                let (destination, options) = address(rest)?;
                Ok((Self::Redirect { target, destination: unicast(destination)? }, options))
            }
            _ => Err(WireError::BadHeader),
        }
    }

    /// Writes the body, from behind the checksum to before the options.
    pub(crate) fn emit(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        match *self {
            Self::RouterSolicitation => writer.put(&[0; 4]),
            Self::RouterAdvertisement(advertisement) => advertisement.emit(writer),
            Self::NeighborSolicitation { target } => {
                writer.put(&[0; 4])?;
                writer.put(&v6_octets(target)?)
            }
            Self::NeighborAdvertisement { target, router, solicited, override_cached } => {
                let flags = u8::from(router) << 7 | u8::from(solicited) << 6 | u8::from(override_cached) << 5;
                writer.put(&[flags, 0, 0, 0])?;
                writer.put(&v6_octets(target)?)
            }
            Self::Redirect { target, destination } => {
                writer.put(&[0; 4])?;
                writer.put(&v6_octets(target)?)?;
                writer.put(&v6_octets(destination)?)
            }
        }
    }
}

impl RouterAdvertisement {
    fn emit(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let flags =
            u8::from(self.managed) << 7 | u8::from(self.other_config) << 6 | self.preference.to_flags();
        writer.put(&[self.hop_limit, flags])?;
        writer.put(&self.lifetime_s.to_be_bytes())?;
        writer.put(&self.reachable_ms.to_be_bytes())?;
        writer.put(&self.retrans_ms.to_be_bytes())
    }
}

impl Preference {
    const fn from_flags(flags: u8) -> Self {
        match flags >> 3 & 3 {
            0b01 => Self::High,
            0b11 => Self::Low,
            _ => Self::Medium,
        }
    }

    const fn to_flags(self) -> u8 {
        match self {
            Self::Low => 0b11 << 3,
            Self::Medium => 0,
            Self::High => 0b01 << 3,
        }
    }
}

fn address(bytes: &[u8]) -> Result<(Address, &[u8]), WireError> {
    let (octets, rest) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
    Ok((Address::from_ipv6_wire(*octets)?, rest))
}

fn unicast(address: Address) -> Result<Address, WireError> {
    if address.is_multicast() { Err(WireError::BadHeader) } else { Ok(address) }
}

/// The octets of an address that goes into an IPv6 message.
fn v6_octets(address: Address) -> Result<[u8; 16], WireError> {
    if address.is_v4() { Err(WireError::BadHeader) } else { Ok(address.octets()) }
}
