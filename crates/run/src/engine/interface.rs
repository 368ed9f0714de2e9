//! The interfaces of the command's host, as programs ask for them: SIOCGIF* of ioctl(2). Any socket answers these, and
//! the kernel would answer with the interfaces of the machine.

use std::net::Ipv4Addr;

use portolan_native::Errno;
use portolan_native::inet::Sockaddr;
use portolan_protocol::{Address, CALL_MAX, Family, Operation, Reply, interface};

use super::call::{Answer, Call};
use super::notifier::Engine;

/// Interfaces that are told of at most.
const COUNT_MAX: u32 = 64;

/// struct ifreq: a name of 16 octets, then 24 of something else.
const NAME_LEN: usize = 16;
const REQUEST_LEN: usize = 40;

/// SIOCDEVPRIVATE and the 15 after it: what only some devices answer, such as SIOCADDTUNNEL.
const PRIVATE_FIRST: u32 = 0x89f0;
const PRIVATE_LAST: u32 = 0x89ff;

/// IFF_* of net/if.h.
const UP: u32 = 0x1;
const BROADCAST: u32 = 0x2;
const LOOPBACK: u32 = 0x8;
const POINT_TO_POINT: u32 = 0x10;
const RUNNING: u32 = 0x40;
const MULTICAST: u32 = 0x1000;

/// ARPHRD_* of net/if_arp.h.
const ARP_ETHER: u16 = 1;
const ARP_NONE: u16 = 0xfffe;
const ARP_LOOPBACK: u16 = 772;

/// One interface, on its own.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) mtu: u32,
    pub(super) ethernet: Option<[u8; 6]>,
    pub(super) name: Vec<u8>,
    /// With the lengths of their networks' prefixes.
    pub(super) addresses: Vec<(Address, u8)>,
}

impl Interface {
    pub(super) fn is_loopback(&self) -> bool {
        self.index == 1
    }

    /// IFF_*.
    pub(super) fn flags(&self) -> u32 {
        UP | RUNNING
            | match self.ethernet {
                _ if self.is_loopback() => LOOPBACK,
                Some(_) => BROADCAST | MULTICAST,
                None => POINT_TO_POINT | MULTICAST,
            }
    }

    /// ARPHRD_*.
    pub(super) fn hardware(&self) -> u16 {
        match self.ethernet {
            _ if self.is_loopback() => ARP_LOOPBACK,
            Some(_) => ARP_ETHER,
            None => ARP_NONE,
        }
    }

    fn v4(&self) -> Option<(Ipv4Addr, u8)> {
        self.addresses.iter().find_map(|(address, prefix)| Some((address.to_v4()?, *prefix)))
    }

    fn has_name(&self, request: &[u8]) -> bool {
        request.split(|octet| *octet == 0).next() == Some(&self.name)
    }
}

/// The mask of a prefix's length.
pub(super) fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

/// The address of all hosts of a network.
pub(super) fn broadcast(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() | !mask(prefix).to_bits())
}

impl Engine {
    /// All interfaces, the loopback first.
    pub(super) fn interfaces(&mut self) -> Vec<Interface> {
        (0..COUNT_MAX).map_while(|nth| self.interface(nth)).collect()
    }

    fn interface(&mut self, nth: u32) -> Option<Interface> {
        let mut buffer = [0; CALL_MAX];
        match self.stack.call(Operation::Interface { nth }, &mut buffer) {
            Ok(Reply::Interface(told)) => Some(Interface {
                index: told.index,
                mtu: told.mtu,
                ethernet: told.ethernet,
                name: told.name.to_vec(),
                addresses: told
                    .addresses
                    .iter()
                    .map(interface::split)
                    .map(|(ip, prefix)| (Address { ip, port: 0, scope: 0 }, prefix))
                    .collect(),
            }),
            _ => None,
        }
    }

    /// ioctl(2) from SIOCGSTAMP to the private ones, on any socket.
    pub(super) fn ioctl_of_interface(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        let at = call.argument(2);
        match call.argument(1) as u32 {
            0x8906 | 0x8907 => Err(Errno(libc::ENOENT)), // SIOCGSTAMP: nothing was received with a time
            0x8910..=0x8912
            | 0x8913
            | 0x8915
            | 0x8917
            | 0x8919
            | 0x891b
            | 0x891d
            | 0x8921
            | 0x8927
            | 0x8933
            | 0x8942
            | 0x8970
            | PRIVATE_FIRST..=PRIVATE_LAST => self.tell_interface(call, at),
            0x8946 => Err(Errno(libc::EOPNOTSUPP)), // SIOCETHTOOL
            0x8914 | 0x8916 | 0x8918 | 0x891a | 0x891c | 0x8922 | 0x8924 | 0x890b..=0x890d => {
                Err(Errno(libc::EPERM))
            }
            _ => Err(Errno(libc::ENOTTY)),
        }
    }

    fn tell_interface(&mut self, call: &Call<'_>, at: u64) -> Result<Answer, Errno> {
        let interfaces = self.interfaces();
        let request = call.argument(1) as u32;
        if request == 0x8912 {
            return list(call, at, &interfaces);
        }
        let mut octets = [0u8; REQUEST_LEN];
        call.read(at, &mut octets)?;
        let (name, value) = octets.split_at_mut(NAME_LEN);
        let number = value.first_chunk().map_or(0, |four| u32::from_ne_bytes(*four));
        let by_number = request == 0x8910;
        let found = interfaces
            .iter()
            .find(|interface| if by_number { interface.index == number } else { interface.has_name(name) });
        let interface = found.ok_or(Errno(libc::ENODEV))?;
        if by_number {
            name.fill(0);
            name.iter_mut().zip(&interface.name).for_each(|(to, from)| *to = *from);
        } else {
            answer(request, interface, value)?;
        }
        call.write(at, &octets)?;
        Ok(Answer::ZERO)
    }
}

/// What a request wants to know, in the second part of struct ifreq.
fn answer(request: u32, interface: &Interface, value: &mut [u8]) -> Result<(), Errno> {
    let of_v4 = |tell: fn(Ipv4Addr, u8) -> Ipv4Addr| {
        let (ip, prefix) = interface.v4().ok_or(Errno(libc::EADDRNOTAVAIL))?;
        let (native, len) = Sockaddr::new(Address::v4(tell(ip, prefix), 0), Family::V4);
        Ok(native.as_bytes(len).to_vec())
    };
    let told = match request {
        0x8913 => (interface.flags() as u16).to_ne_bytes().to_vec(),
        0x8915 | 0x8917 => of_v4(|ip, _| ip)?,
        0x8919 => of_v4(broadcast)?,
        0x891b => of_v4(|_, prefix| mask(prefix))?,
        0x8921 => interface.mtu.to_ne_bytes().to_vec(),
        0x8927 => {
            let mut told = interface.hardware().to_ne_bytes().to_vec();
            told.extend(interface.ethernet.unwrap_or_default());
            told
        }
        0x8933 => interface.index.to_ne_bytes().to_vec(),
        PRIVATE_FIRST..=PRIVATE_LAST => return Err(Errno(libc::EOPNOTSUPP)),
        0x8942 => 1000u32.to_ne_bytes().to_vec(),
        _ => 0u32.to_ne_bytes().to_vec(),
    };
    value.iter_mut().zip(told).for_each(|(to, from)| *to = from);
    Ok(())
}

/// SIOCGIFCONF: interfaces with IPv4 addresses, as many as there is room for.
fn list(call: &Call<'_>, at: u64, interfaces: &[Interface]) -> Result<Answer, Errno> {
    // struct ifconf: a length, four octets of nothing, a pointer.
    let mut head = [0u8; 16];
    call.read(at, &mut head)?;
    let room = head.first_chunk().map_or(0, |four| i32::from_ne_bytes(*four));
    let to = head.last_chunk().map_or(0, |eight| u64::from_ne_bytes(*eight));
    let mut octets = Vec::new();
    for interface in interfaces {
        let Some((ip, _)) = interface.v4() else { continue };
        let (native, len) = Sockaddr::new(Address::v4(ip, 0), Family::V4);
        let start = octets.len();
        octets.extend(&interface.name);
        octets.resize(start + NAME_LEN, 0);
        octets.extend(native.as_bytes(len));
        octets.resize(start + REQUEST_LEN, 0);
    }
    if to != 0 {
        let room = usize::try_from(room).unwrap_or(0) / REQUEST_LEN * REQUEST_LEN;
        octets.truncate(room);
        call.write(to, &octets)?;
    }
    call.write(at, &(octets.len() as i32).to_ne_bytes())?;
    Ok(Answer::ZERO)
}
