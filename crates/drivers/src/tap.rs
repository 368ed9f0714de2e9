//! TAP and TUN: devices whose other end is the Linux kernel (Documentation/networking/tuntap.rst). A TAP carries
//! Ethernet frames, a TUN bare IP packets; all else is the same, and here both are called TAP.
//!
//! With a virtio header before every frame, both sides hand each other super-segments of up to 64 KiB and leave
//! checksums unfinished: one system call then moves what would be 45 frames. Without it, frames are plain and
//! complete. UDP super-segments that arrive are cut here, because a datagram is what an application receives. Start at [`Tap::open`]; the header is `virtio.rs`, the control calls are `tap/ioctl.rs`.

mod error;
pub(crate) mod ioctl;

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use portolan_link::{
    Checksum, Gso, Instant, Link, LinkCaps, LinkError, Medium, Offload, PacketBuf, Pool, RxBatch, SLICES_MAX,
    TxBatch, TxEntry,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netdevice};

use crate::segmentation::{Segmenter, network_version};
use crate::virtio;
use crate::{PollLink, Readiness};

pub use error::{Device, TapError};

/// Octets of the first part of a received frame: a whole plain frame, or the headers of a longer one.
const HEAD_ROOM: usize = 2 * 1024;
/// Octets of the second part: the rest of the longest super-segment, with its link header.
const TAIL_ROOM: usize = 66 * 1024;
/// The longest IP packet, and so the largest super-segment.
pub(crate) const PACKET_MAX: u32 = 65_535;
/// The smallest MTU of an IPv4 link (RFC 791).
pub(crate) const MTU_MIN: u16 = 68;
/// Datagrams that one super-segment may stand for: as many as Linux allows (`UDP_MAX_SEGMENTS`).
const DATAGRAMS_MAX: usize = 128;
/// Frames that one `receive` drops before it returns, so that a flood of bad headers cannot hold the worker.
const DROPS_MAX: usize = 64;

/// How a TAP is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TapOptions {
    /// Ethernet for a TAP, IP for a TUN.
    pub medium: Medium,
    /// Put a virtio header before every frame; without effect if the kernel refuses it.
    pub vnet_hdr: bool,
    /// With the header: exchange super-segments and unfinished checksums.
    pub offload: bool,
    /// Create the device if there is none, for as long as it is open. It needs root, and it starts down.
    pub create: bool,
    /// The largest IP packet in octets, at most the device's MTU; the device's if `None`.
    pub mtu: Option<u16>,
}

impl Default for TapOptions {
    fn default() -> TapOptions {
        TapOptions { medium: Medium::Ethernet, vnet_hdr: true, offload: true, create: false, mtu: None }
    }
}

/// What a [`Tap`] has done so far, in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TapStats {
    /// Handed up.
    pub received: u64,
    /// Dropped on receive, because the virtio header was cut short or does not fit its frame.
    pub bad_headers: u64,
    /// Taken by the kernel.
    pub transmitted: u64,
    /// Dropped on transmit, because the kernel can never take them or the device was down.
    pub unsendable: u64,
}

/// An open TAP device.
#[derive(Debug)]
pub struct Tap {
    fd: OwnedFd,
    name: String,
    ethernet: [u8; 6],
    caps: LinkCaps,
    vnet_hdr: bool,
    /// Whether the kernel cuts UDP super-segments; older ones do not, and then the driver does.
    cuts_udp: bool,
    segmenter: Segmenter,
    /// What is left of a received super-segment of datagrams, at most [`DATAGRAMS_MAX`].
    datagrams: VecDeque<PacketBuf>,
    stats: TapStats,
}

impl Tap {
    /// Opens the device `name`, a TAP or a TUN as the options say.
    pub fn open(name: &str, options: TapOptions) -> Result<Tap, TapError> {
        let device = &Device { medium: options.medium, name: name.to_owned() };
        if !name_is_valid(name) {
            return Err(TapError::BadName { device: device.clone() });
        }
        let control = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)
            .map_err(|errno| TapError::from_system(device, "making a socket", errno))?;
        let exists = netdevice::name_to_index(&control, name).is_ok();
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open("/dev/net/tun", flags, Mode::empty())
            .map_err(|errno| TapError::from_open(device, errno))?;
        if !exists && !options.create {
            return Err(TapError::NotFound { device: device.clone() });
        }
        let vnet_hdr = attach(fd.as_fd(), device, options.vnet_hdr)?;
        let accepted = negotiate(fd.as_fd(), vnet_hdr && options.offload);

        let device_mtu = ioctl::mtu(control.as_fd(), name)
            .map_err(|errno| TapError::from_system(device, "SIOCGIFMTU", errno))?;
        let device_mtu = u16::try_from(device_mtu).unwrap_or(u16::MAX);
        let mtu = options.mtu.unwrap_or(device_mtu);
        if !(MTU_MIN..=device_mtu).contains(&mtu) {
            return Err(TapError::Mtu { device: device.clone(), asked: mtu, most: device_mtu });
        }
        let ethernet = ioctl::ethernet(control.as_fd(), name)
            .map_err(|errno| TapError::from_system(device, "SIOCGIFHWADDR", errno))?;
        let mut tap = Tap::over(fd, name, options.medium, mtu, vnet_hdr, accepted);
        tap.ethernet = ethernet;
        Ok(tap)
    }

    /// A driver over a descriptor that is already attached.
    pub(crate) fn over(
        fd: OwnedFd,
        name: &str,
        medium: Medium,
        mtu: u16,
        vnet_hdr: bool,
        accepted: u32,
    ) -> Tap {
        let gso_max = if accepted & ioctl::offload::TCP != 0 { PACKET_MAX } else { 0 };
        let checksum = accepted & ioctl::offload::CHECKSUM != 0;
        Tap {
            fd,
            name: name.to_owned(),
            ethernet: [0; 6],
            caps: LinkCaps { medium, mtu, gso_max, checksum },
            vnet_hdr,
            cuts_udp: accepted & ioctl::offload::UDP != 0,
            segmenter: Segmenter::new(medium),
            datagrams: VecDeque::new(),
            stats: TapStats::default(),
        }
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ethernet address of the kernel's end. The stack on this end needs another one.
    pub fn peer_ethernet(&self) -> [u8; 6] {
        self.ethernet
    }

    /// Whether the interface is set up (`ip link set NAME up`). Frames cross only when it is.
    pub fn is_up(&self) -> Result<bool, LinkError> {
        let control =
            rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).map_err(link_error)?;
        let flags = ioctl::flags(control.as_fd(), &self.name).map_err(link_error)?;
        Ok(flags & ioctl::FLAG_UP != 0)
    }

    /// Whether a virtio header stands before every frame.
    pub fn has_vnet_hdr(&self) -> bool {
        self.vnet_hdr
    }

    /// What this device has done so far.
    pub fn stats(&self) -> TapStats {
        self.stats
    }

    /// Reads one frame. `Ok(None)` if it was dropped.
    fn receive_one(&mut self, pool: &mut Pool) -> Result<Option<PacketBuf>, Errno> {
        let mut header = [0; virtio::HEADER_LEN];
        let mut packet = PacketBuf::in_two_parts(pool, HEAD_ROOM, TAIL_ROOM);
        let [head, tail] = packet.room_mut();
        let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(head), IoSliceMut::new(tail)];
        let (skipped, header_len) = if self.vnet_hdr { (0, virtio::HEADER_LEN) } else { (1, 0) };
        let parts = parts.get_mut(skipped..).unwrap_or_default();
        let len = match rustix::io::retry_on_intr(|| rustix::io::readv(&self.fd, parts)) {
            Ok(len) => len,
            Err(errno) => {
                packet.recycle(pool);
                return Err(errno);
            }
        };
        let offload = match len.checked_sub(header_len) {
            None | Some(0) => None,
            Some(_) if !self.vnet_hdr => Some(Offload::default()),
            Some(frame_len) => virtio::parse(&header, frame_len).ok(),
        };
        let Some(offload) = offload else {
            packet.recycle(pool);
            return Ok(None);
        };
        packet.set_filled(pool, len - header_len);
        packet.offload = offload;
        if let Gso::Udp { size } = offload.gso {
            self.cut_datagrams(pool, &packet, size);
            packet.recycle(pool);
            return Ok(self.datagrams.pop_front());
        }
        Ok(Some(packet))
    }

    /// Cuts a received super-segment into frames of `size` octets of payload. One that claims too many is dropped.
    fn cut_datagrams(&mut self, pool: &mut Pool, packet: &PacketBuf, size: u16) {
        if packet.len() > DATAGRAMS_MAX * usize::from(size) {
            return;
        }
        let datagrams = &mut self.datagrams;
        // One that contradicts its headers is not cut, and so drops.
        let _ = self.segmenter.cut(&packet.offload, [packet.bytes(), packet.tail()], |frame| {
            let mut datagram = PacketBuf::copy(pool, frame);
            datagram.offload.checksum = Checksum::Valid;
            datagrams.push_back(datagram);
        });
    }

    /// Writes one frame as it is.
    fn transmit_one(&mut self, entry: &TxEntry) -> Result<(), Errno> {
        if matches!(entry.offload.gso, Gso::Udp { .. }) && !self.cuts_udp {
            return self.transmit_cut(entry);
        }
        let header = self.vnet_hdr.then(|| {
            let is_v6 = network_version(self.caps.medium, entry.head()) == Some(6);
            virtio::emit(&entry.offload, is_v6, entry.head().len())
        });
        let mut parts = [IoSlice::new(&[]); SLICES_MAX + 2];
        let mut count = 0;
        for slice in header.as_ref().map(|header| &header[..]).into_iter().chain(entry.slices()) {
            let part = parts.get_mut(count).ok_or(Errno::MSGSIZE)?;
            *part = IoSlice::new(slice);
            count += 1;
        }
        let parts = parts.get(..count).unwrap_or_default();
        rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, parts)).map(drop)
    }

    /// Writes a super-segment that the kernel cannot cut. Back-pressure half-way loses the rest, as a full queue
    /// behind a network card does.
    fn transmit_cut(&mut self, entry: &TxEntry) -> Result<(), Errno> {
        let header = [0; virtio::HEADER_LEN];
        let header = if self.vnet_hdr { &header[..] } else { &[] };
        let (fd, mut result) = (&self.fd, Ok(()));
        let cut = self.segmenter.cut(&entry.offload, entry.slices(), |frame| {
            if result.is_ok() {
                let parts = [IoSlice::new(header), IoSlice::new(frame)];
                result = rustix::io::retry_on_intr(|| rustix::io::writev(fd, &parts)).map(drop);
            }
        });
        cut.map_err(|_| Errno::INVAL)?;
        result
    }
}

impl Link for Tap {
    fn caps(&self) -> LinkCaps {
        self.caps
    }

    fn receive(&mut self, _now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let (mut count, mut drops) = (0, 0);
        while !batch.is_full() && drops < DROPS_MAX {
            let next = match self.datagrams.pop_front() {
                Some(datagram) => Ok(Some(datagram)),
                None => self.receive_one(pool),
            };
            match next {
                Ok(Some(packet)) => {
                    if batch.push(packet).is_ok() {
                        count += 1;
                    }
                }
                Ok(None) => {
                    drops += 1;
                    self.stats.bad_headers += 1;
                }
                Err(Errno::AGAIN) => break,
                // What was read is delivered first; the error comes again with the next call.
                Err(_) if count > 0 => break,
                Err(errno) => return Err(link_error(errno)),
            }
        }
        self.stats.received += count as u64;
        Ok(count)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        let mut count = 0;
        while let Some(entry) = batch.front() {
            match self.transmit_one(entry) {
                Ok(()) => self.stats.transmitted += 1,
                // The kernel's queue is full: the batch keeps this frame and those behind it, in order.
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => break,
                Err(errno @ (Errno::IO | Errno::NETDOWN | Errno::BADFD | Errno::NODEV | Errno::NXIO)) => {
                    self.stats.unsendable += batch.len() as u64;
                    batch.clear();
                    return Err(link_error(errno));
                }
                Err(_) => self.stats.unsendable += 1,
            }
            batch.advance(1);
            count += 1;
        }
        Ok(count)
    }
}

impl PollLink for Tap {
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Fd(self.fd.as_fd())
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether the kernel could have an interface of this name (`dev_valid_name`), which is not a template (`tap%d`).
pub(crate) fn name_is_valid(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%');
    (1..=15).contains(&name.len()) && name != "." && name != ".." && !name.contains(bad)
}

/// Attaches to the interface; returns whether with a virtio header.
fn attach(fd: BorrowedFd<'_>, device: &Device, vnet_hdr: bool) -> Result<bool, TapError> {
    let mode = if device.medium == Medium::Ip { ioctl::MODE_TUN } else { ioctl::MODE_TAP };
    if vnet_hdr && ioctl::attach(fd, &device.name, mode | ioctl::MODE_VNET_HDR).is_ok() {
        // The length is the device's and outlives whoever set it last.
        ioctl::set_header_len(fd, virtio::HEADER_LEN)
            .map_err(|errno| TapError::from_system(device, "TUNSETVNETHDRSZ", errno))?;
        return Ok(true);
    }
    ioctl::attach(fd, &device.name, mode).map_err(|errno| TapError::from_attach(device, errno))?;
    Ok(false)
}

/// Offers to take unfinished frames, the most first, and returns the flags that the kernel accepted. Nothing is
/// accepted of an offer that has one unknown flag; UDP came with Linux 6.2.
fn negotiate(fd: BorrowedFd<'_>, offload: bool) -> u32 {
    use ioctl::offload::{CHECKSUM, TCP, UDP};
    let offers: &[u32] = if offload { &[CHECKSUM | TCP | UDP, CHECKSUM | TCP, CHECKSUM] } else { &[] };
    for &offer in offers {
        if ioctl::set_offload(fd, offer).is_ok() {
            return offer;
        }
    }
    // The flags are the device's and outlive whoever set them last: without this, a kernel that once spoke to a driver
    // with offloads would hand unfinished checksums to one without. A kernel that refuses has never set them.
    let _ = ioctl::set_offload(fd, 0);
    0
}

fn link_error(errno: Errno) -> LinkError {
    match errno {
        Errno::IO | Errno::NETDOWN => LinkError::Down,
        Errno::BADFD | Errno::NODEV | Errno::NXIO => LinkError::Gone,
        _ => LinkError::Io(errno.raw_os_error()),
    }
}

#[cfg(test)]
mod tests;
