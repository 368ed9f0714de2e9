//! An Ethernet between processes of one user, without a switch and without a daemon.
//!
//! Every member listens on a Unix socket, and who comes later connects to all who are there: so each pair of members has
//! a connection of its own, whose end is noticed however a member ends. A frame is one SEQPACKET message, behind the
//! virtio header that a TAP has, so super-segments and unfinished checksums cross as they are. A frame to a station goes
//! to the member that was last heard with that address, one to a group or to a stranger goes to all. A member that reads
//! too slowly loses frames, as behind a switch's full port: nobody waits for it.
//!
//! What comes from a member is believed as little as what comes from a network: it is the same user, and may be any
//! program. Where members find each other's sockets is the caller's business. Start at [`Lan::new`].

mod member;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use portolan_link::{Instant, Link, LinkCaps, LinkError, Medium, PacketBuf, Pool, RxBatch, TxBatch, TxEntry};
use portolan_wire::EthernetAddress;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};
use rustix::process::geteuid;

use crate::segmentation::network_version;
use crate::{PollLink, Readiness, virtio};
use member::Member;

/// Members that one member can have beside itself.
pub const MEMBERS_MAX: usize = 254;

/// The longest frame: a super-segment, its link header and the virtio header.
const FRAME_MAX: usize = 64 * 1024 + 64;

/// The number by which the poller knows the listening socket; members have their places' numbers.
const LISTENER: u64 = u64::MAX;

/// What a [`Lan`] has done so far, in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LanStats {
    /// Handed up.
    pub received: u64,
    /// Dropped on receive, because the header was cut short or does not fit its frame.
    pub bad_headers: u64,
    /// Lost because a member's queue was full.
    pub lost: u64,
}

/// One member's end of the Ethernet.
#[derive(Debug)]
pub struct Lan {
    caps: LinkCaps,
    listener: OwnedFd,
    poller: OwnedFd,
    members: Vec<Option<Member>>,
    /// Where the next look for received frames begins, so that no member starves the others.
    turn: usize,
    buffer: Vec<u8>,
    stats: LanStats,
}

impl Lan {
    /// A member with a listening SEQPACKET socket of its own, and connections to all who were there before. All are
    /// made non-blocking. Errors: the system's.
    pub fn new(mtu: u16, offload: bool, listener: OwnedFd, others: Vec<OwnedFd>) -> rustix::io::Result<Lan> {
        let gso_max = if offload { crate::tap::PACKET_MAX } else { 0 };
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&listener, true)?;
        epoll::add(&poller, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut lan = Lan {
            caps: LinkCaps { medium: Medium::Ethernet, mtu, gso_max, checksum: offload },
            listener,
            poller,
            members: Vec::new(),
            turn: 0,
            buffer: vec![0; FRAME_MAX],
            stats: LanStats::default(),
        };
        for other in others {
            rustix::io::ioctl_fionbio(&other, true)?;
            lan.admit(other);
        }
        Ok(lan)
    }

    /// What this member has done so far.
    pub fn stats(&self) -> LanStats {
        self.stats
    }

    /// Gives a connection a place; one that there is no place for is closed.
    fn admit(&mut self, fd: OwnedFd) {
        let place = match self.members.iter().position(Option::is_none) {
            Some(place) => place,
            None if self.members.len() < MEMBERS_MAX => {
                self.members.push(None);
                self.members.len() - 1
            }
            None => return,
        };
        let data = EventData::new_u64(place as u64);
        if epoll::add(&self.poller, &fd, data, EventFlags::IN).is_ok()
            && let Some(free) = self.members.get_mut(place)
        {
            *free = Some(Member::new(fd));
        }
    }

    /// Takes those who have come, of this user or root, and writes what has waited for room.
    fn look_around(&mut self) {
        while let Ok(fd) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            let uid = sockopt::socket_peercred(&fd).map(|peer| peer.uid);
            if uid.is_ok_and(|uid| uid == geteuid() || uid.is_root()) {
                self.admit(fd);
            }
        }
        for place in 0..self.members.len() {
            let Some(Some(member)) = self.members.get_mut(place) else { continue };
            if member.flush().is_err() {
                self.leave(place);
            } else {
                self.watch(place);
            }
        }
    }

    /// Waits for room at a member only while something waits for it.
    fn watch(&mut self, place: usize) {
        let Some(Some(member)) = self.members.get_mut(place) else { return };
        if member.is_watched != member.is_waiting() {
            member.is_watched = member.is_waiting();
            let room = if member.is_watched { EventFlags::OUT } else { EventFlags::empty() };
            let data = EventData::new_u64(place as u64);
            // It fails for a descriptor that is gone, and members go only here.
            let _ = epoll::modify(&self.poller, member.fd(), data, EventFlags::IN | room);
        }
    }

    /// A member has gone; its descriptor leaves the poller as it is closed.
    fn leave(&mut self, place: usize) {
        if let Some(left) = self.members.get_mut(place) {
            *left = None;
        }
    }

    /// One frame of a member: `Ok(None)` if it was dropped. Errors: `EAGAIN`, and what says that the member has gone.
    fn receive_from(&mut self, place: usize, pool: &mut Pool) -> Result<Option<PacketBuf>, Errno> {
        let Some(Some(member)) = self.members.get_mut(place) else { return Err(Errno::AGAIN) };
        let len = member.read(&mut self.buffer)?;
        let message = self.buffer.get(..len).unwrap_or_default();
        let Some((header, frame)) = message.split_first_chunk::<{ virtio::HEADER_LEN }>() else {
            return Ok(None);
        };
        let Ok(offload) = virtio::parse(header, frame.len()) else { return Ok(None) };
        if let Some(source) = source_of(frame) {
            member.station = Some(source);
        }
        let mut packet = PacketBuf::copy(pool, frame);
        packet.offload = offload;
        Ok(Some(packet))
    }

    /// Sends one frame to whom it is for.
    fn send(&mut self, entry: &TxEntry) {
        let destination = destination_of(entry.head());
        let is_for = |member: &Member| destination.is_some_and(|station| member.station == Some(station));
        let known = self.members.iter().position(|member| member.as_ref().is_some_and(is_for));
        let is_v6 = network_version(Medium::Ethernet, entry.head()) == Some(6);
        let header = virtio::emit(&entry.offload, is_v6, entry.head().len());
        let places = known.map_or(0..self.members.len(), |place| place..place + 1);
        for place in places {
            let Some(Some(member)) = self.members.get_mut(place) else { continue };
            match member.send(&header, entry) {
                Ok(true) => self.watch(place),
                Ok(false) => self.stats.lost += 1,
                Err(_) => self.leave(place),
            }
        }
    }
}

/// The station that a frame is for; `None` for a group.
fn destination_of(frame: &[u8]) -> Option<EthernetAddress> {
    frame.first_chunk().map(|octets| EthernetAddress(*octets)).filter(|station| station.0[0] & 1 == 0)
}

/// The station that sent a frame, if it can be one.
fn source_of(frame: &[u8]) -> Option<EthernetAddress> {
    destination_of(frame.get(6..)?)
}

impl Link for Lan {
    fn caps(&self) -> LinkCaps {
        self.caps
    }

    fn receive(&mut self, _now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.look_around();
        let mut count = 0;
        for step in 0..self.members.len() {
            let place = (self.turn + step) % self.members.len().max(1);
            // A batch's worth of each at most, whatever it sends.
            for _ in 0..64 {
                if batch.is_full() {
                    break;
                }
                match self.receive_from(place, pool) {
                    Ok(Some(packet)) => count += usize::from(batch.push(packet).is_ok()),
                    Ok(None) => self.stats.bad_headers += 1,
                    Err(Errno::AGAIN) => break,
                    Err(_) => {
                        self.leave(place);
                        break;
                    }
                }
            }
        }
        self.turn = self.turn.wrapping_add(1) % self.members.len().max(1);
        self.stats.received += count as u64;
        Ok(count)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        let mut count = 0;
        while let Some(entry) = batch.front() {
            self.send(entry);
            batch.advance(1);
            count += 1;
        }
        Ok(count)
    }
}

impl PollLink for Lan {
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Fd(self.as_fd())
    }
}

impl AsFd for Lan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

#[cfg(test)]
mod tests;
