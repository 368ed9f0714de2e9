//! A network interface of the host, as getifaddrs tells of it.

use core::net::Ipv6Addr;

use crate::codec::{ProtocolError, Reader, Writer};

/// The longest name of an interface, in octets (IFNAMSIZ less its NUL).
pub const INTERFACE_NAME_MAX: usize = 15;

/// The most addresses of an interface that are told of.
pub const INTERFACE_ADDRESSES_MAX: usize = 16;

/// An address in sixteen octets (IPv4 as `::ffff:a.b.c.d`), then the length of its network's prefix: of IPv4's 32 bits or
/// of IPv6's 128.
pub type InterfaceAddress = [u8; 17];

/// One interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface<'a> {
    /// Its number, as if_nametoindex gives it: 1 is the loopback.
    pub index: u32,
    /// The longest IP packet, in octets.
    pub mtu: u32,
    /// The station's address; `None` on the loopback and on links of bare IP packets.
    pub ethernet: Option<[u8; 6]>,
    /// At most [`INTERFACE_NAME_MAX`] octets.
    pub name: &'a [u8],
    /// At most [`INTERFACE_ADDRESSES_MAX`].
    pub addresses: &'a [InterfaceAddress],
}

/// An address and the length of its network's prefix, as [`Interface::addresses`] has them.
pub fn join(ip: Ipv6Addr, prefix: u8) -> InterfaceAddress {
    let mut joined = [prefix; 17];
    if let Some(octets) = joined.first_chunk_mut() {
        *octets = ip.octets();
    }
    joined
}

/// The opposite of [`join`].
pub fn split(joined: &InterfaceAddress) -> (Ipv6Addr, u8) {
    let [ip @ .., prefix] = *joined;
    (Ipv6Addr::from(ip), prefix)
}

impl<'a> Interface<'a> {
    pub(crate) fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.index);
        out.u32(self.mtu);
        out.u8(u8::from(self.ethernet.is_some()));
        out.bytes(&self.ethernet.unwrap_or_default());
        out.counted(self.name, INTERFACE_NAME_MAX);
        out.counted(self.addresses.as_flattened(), INTERFACE_ADDRESSES_MAX * size_of::<InterfaceAddress>());
    }

    pub(crate) fn decode(from: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        let (index, mtu) = (from.u32()?, from.u32()?);
        let has_ethernet = match from.u8()? {
            0 => false,
            1 => true,
            _ => return Err(ProtocolError::BadField),
        };
        let ethernet = Some(from.array()?).filter(|_| has_ethernet);
        let name = from.counted(INTERFACE_NAME_MAX)?;
        let addresses = from.counted(INTERFACE_ADDRESSES_MAX * size_of::<InterfaceAddress>())?;
        match addresses.as_chunks() {
            (addresses, []) => Ok(Self { index, mtu, ethernet, name, addresses }),
            _ => Err(ProtocolError::BadField),
        }
    }
}
