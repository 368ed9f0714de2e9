//! Any Ethernet interface of the machine, by a packet socket (packet(7)).
//!
//! The stack is one more station on the interface's wire, with an address of its own. With `PACKET_VNET_HDR` the kernel
//! and we hand each other super-segments and unfinished checksums, as over a TAP; on a veth the frames need not even be
//! copied by a device. It needs CAP_NET_RAW, which an ordinary user has in a user and network namespace of his own.
//! What this machine sends by the interface, by us or by others, is not received.

mod socket;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use portolan_link::{Instant, Link, LinkCaps, LinkError, Medium, Pool, RxBatch, TxBatch};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, sockopt};
use thiserror::Error;

use crate::tap::{self, Tap, ioctl};
use crate::{PollLink, Readiness};

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

/// Octets of frames that wait to be read, if the system allows as many: a few dozen super-segments.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Why an interface cannot be used: one line.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PacketError {
    /// The name cannot be an interface's.
    #[error(
        "cannot open interface '{}': a name has 1 to 15 characters, without '/', ':', '%' or spaces; give another name",
        name.escape_default()
    )]
    BadName {
        /// The name as given.
        name: String,
    },
    /// No interface has this name.
    #[error(
        "cannot open interface '{name}': there is no such interface here; 'ip link' lists those that are"
    )]
    NotFound {
        /// The interface's name.
        name: String,
    },
    /// This user may not open packet sockets.
    #[error(
        "cannot open interface '{name}': packet sockets need CAP_NET_RAW; run as root, or in a user and network \
         namespace of your own ('unshare -Urn')"
    )]
    Permission {
        /// The interface's name.
        name: String,
    },
    /// The interface carries something else.
    #[error("cannot open interface '{name}': it carries no Ethernet frames; give the name of one that does")]
    NotEthernet {
        /// The interface's name.
        name: String,
    },
    /// The MTU that was asked for does not fit the interface.
    #[error(
        "cannot open interface '{name}': MTU {asked} is not from 68 to the interface's {most}; set that with 'ip link \
         set {name} mtu N'"
    )]
    Mtu {
        /// The interface's name.
        name: String,
        /// The MTU asked for, in octets of IP packet.
        asked: u16,
        /// The interface's MTU.
        most: u16,
    },
    /// Anything else that the system refused.
    #[error("cannot open interface '{name}': {operation} failed: {errno}")]
    System {
        /// The interface's name.
        name: String,
        /// The operation that failed.
        operation: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

/// An interface whose frames we read and write.
#[derive(Debug)]
pub struct Packet {
    /// A packet socket with a virtio header before every frame is read and written as a TAP is.
    frames: Tap,
    ethernet: [u8; 6],
}

impl Packet {
    /// Opens the interface `name`. `mtu` is the largest IP packet in octets, at most the interface's; the interface's if
    /// `None`. Without `offload` frames are sent complete; received ones may still be super-segments.
    pub fn open(name: &str, mtu: Option<u16>, offload: bool) -> Result<Packet, PacketError> {
        if !tap::name_is_valid(name) {
            return Err(PacketError::BadName { name: name.to_owned() });
        }
        let owned = || name.to_owned();
        let failed = |operation| move |errno| PacketError::System { name: owned(), operation, errno };
        let control = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)
            .map_err(failed("making a socket"))?;
        let index =
            netdevice::name_to_index(&control, name).map_err(|_| PacketError::NotFound { name: owned() })?;
        let (kind, ethernet) = ioctl::hardware(control.as_fd(), name).map_err(failed("SIOCGIFHWADDR"))?;
        if kind != ETHERNET {
            return Err(PacketError::NotEthernet { name: owned() });
        }
        let most = ioctl::mtu(control.as_fd(), name).map_err(failed("SIOCGIFMTU"))?;
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        let mtu = mtu.unwrap_or(most);
        if !(tap::MTU_MIN..=most).contains(&mtu) {
            return Err(PacketError::Mtu { name: owned(), asked: mtu, most });
        }
        let fd = open_socket(name, index)?;
        Ok(Packet { frames: over(fd, name, mtu, offload), ethernet })
    }

    /// A packet socket that another process has opened with [`Packet::open`] and handed over. `name` and `mtu` are those of
    /// its interface, which may be in a network namespace that this process is not in.
    pub fn handed_over(socket: OwnedFd, name: &str, mtu: u16, offload: bool) -> Packet {
        Packet { frames: over(socket, name, mtu, offload), ethernet: [0; 6] }
    }

    /// The Ethernet address of the interface itself, zero if the socket was handed over. The stack needs another one.
    pub fn interface_ethernet(&self) -> [u8; 6] {
        self.ethernet
    }
}

fn over(fd: OwnedFd, name: &str, mtu: u16, offload: bool) -> Tap {
    let accepted = if offload { ioctl::offload::CHECKSUM | ioctl::offload::TCP } else { 0 };
    Tap::over(fd, name, Medium::Ethernet, mtu, true, accepted)
}

fn open_socket(name: &str, index: u32) -> Result<OwnedFd, PacketError> {
    let failed = |operation| move |errno| PacketError::System { name: name.to_owned(), operation, errno };
    // Protocol 0: nothing arrives before all is set.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd =
        rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).map_err(|errno| {
            match errno {
                Errno::PERM | Errno::ACCESS => PacketError::Permission { name: name.to_owned() },
                _ => failed("making a packet socket")(errno),
            }
        })?;
    socket::expect_headers(fd.as_fd()).map_err(failed("PACKET_VNET_HDR"))?;
    socket::ignore_outgoing(fd.as_fd()).map_err(failed("PACKET_IGNORE_OUTGOING"))?;
    socket::hear_all_stations(fd.as_fd(), index).map_err(failed("PACKET_ADD_MEMBERSHIP"))?;
    // More than the usual limit needs CAP_NET_ADMIN; what there is must do.
    let _ = sockopt::set_socket_recv_buffer_size_force(&fd, RECEIVE_BUFFER)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER));
    let _ = sockopt::set_socket_send_buffer_size_force(&fd, RECEIVE_BUFFER)
        .or_else(|_| sockopt::set_socket_send_buffer_size(&fd, RECEIVE_BUFFER));
    socket::bind(fd.as_fd(), index).map_err(failed("bind"))?;
    Ok(fd)
}

impl Link for Packet {
    fn caps(&self) -> LinkCaps {
        self.frames.caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.frames.receive(now, pool, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        self.frames.transmit(now, batch)
    }
}

impl PollLink for Packet {
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Fd(self.as_fd())
    }
}

impl AsFd for Packet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}

#[cfg(test)]
mod tests;
