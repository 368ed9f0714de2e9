//! What stands in the middle of a wire, beyond the faults that netem has words for: losses in bursts, packets cut
//! short, a cut cable, a narrow path with or without a router that says so, and a NAT.
//!
//! [`Obstacles`] is the description of one direction, [`Obstruction`] does it, and [`Nat`] serves both directions. All
//! see single packets in Ethernet frames with finished checksums.

mod narrow;
mod nat;

use chacha20::ChaCha8Rng;
use portolan_wire::ethernet::{EtherType, Header as Ethernet};
use portolan_wire::{Address, ipv4, ipv6, protocol, tcp};
use rand_core::{Rng, SeedableRng};

use crate::impair::Percent;
pub use nat::Nat;

/// What stands in the way of packets in one direction. The default is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Obstacles {
    /// Losses that come in bursts.
    pub burst: Option<BurstLoss>,
    /// Packets that are cut short at a random octet.
    pub truncate: Percent,
    /// Nothing passes.
    pub is_cut: bool,
    /// IP packets above this size are dropped.
    pub narrow: Option<NarrowPath>,
    /// Flips a bit of every text and mends the checksum, as a bad router does: no TCP can notice. Serves to test
    /// those who compare texts.
    pub lies: bool,
}

/// The Gilbert-Elliott model: a good state without loss and a bad state in which everything is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BurstLoss {
    /// The share of packets in the good state at which the bad one begins.
    pub begins: Percent,
    /// The share of packets in the bad state at which it ends.
    pub ends: Percent,
}

/// A path of a smaller MTU than its links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NarrowPath {
    /// The largest IP packet that passes, in octets.
    pub mtu: u16,
    /// Whether the sender is told by ICMP (RFC 1191, RFC 8201); else the path is a black hole (RFC 2923 §2.1).
    pub is_told: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate<'a> {
    /// It goes on, changed or not.
    Passes(&'a [u8]),
    /// It is gone.
    Lost,
    /// It is gone, and this frame goes back to its sender.
    Answered(&'a [u8]),
}

/// Does to the packets of one direction what [`Obstacles`] say.
#[derive(Debug)]
pub(crate) struct Obstruction {
    pub(crate) obstacles: Obstacles,
    random: ChaCha8Rng,
    in_burst: bool,
    changed: Vec<u8>,
}

impl Obstruction {
    pub(crate) fn new(seed: u64) -> Obstruction {
        Obstruction {
            obstacles: Obstacles::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            in_burst: false,
            changed: Vec::new(),
        }
    }

    /// Whether the path is too narrow for a packet, and what its sender is told.
    pub(crate) fn narrow(&mut self, packet: &[u8]) -> Option<Fate<'_>> {
        let narrow = self.obstacles.narrow?;
        if packet.len() <= Ethernet::LEN + usize::from(narrow.mtu) {
            return None;
        }
        if narrow.is_told && narrow::too_big(packet, narrow.mtu, &mut self.changed) {
            return Some(Fate::Answered(&self.changed));
        }
        Some(Fate::Lost)
    }

    /// What the other obstacles do to a packet.
    pub(crate) fn pass<'a>(&'a mut self, packet: &'a [u8]) -> Fate<'a> {
        if self.obstacles.is_cut || self.is_lost_in_burst() {
            return Fate::Lost;
        }
        if self.happens(self.obstacles.truncate) {
            let len = usize::try_from(self.random.next_u32()).unwrap_or(0) % packet.len().max(1);
            return Fate::Passes(packet.get(..len).unwrap_or(packet));
        }
        if self.obstacles.lies && falsify(packet, &mut self.changed) {
            return Fate::Passes(&self.changed);
        }
        Fate::Passes(packet)
    }

    fn is_lost_in_burst(&mut self) -> bool {
        let Some(BurstLoss { begins, ends }) = self.obstacles.burst else {
            self.in_burst = false;
            return false;
        };
        let changes = self.happens(if self.in_burst { ends } else { begins });
        self.in_burst ^= changes;
        self.in_burst
    }

    fn happens(&mut self, share: Percent) -> bool {
        !share.is_zero() && self.random.next_u32() <= share.parts()
    }
}

/// Where the TCP segment of a frame is: its addresses and its first octet; `None` if it holds none.
fn find_tcp(frame: &[u8]) -> Option<(Address, Address, usize)> {
    let (header, packet) = Ethernet::parse(frame).ok()?;
    match header.ethertype() {
        EtherType::IPV4 => {
            let (header, _) = ipv4::Header::parse(packet).ok()?;
            let is_tcp = header.protocol() == protocol::TCP && !header.is_fragment();
            is_tcp.then_some((header.src(), header.dst(), Ethernet::LEN + header.header_len()))
        }
        EtherType::IPV6 => {
            let (header, _) = ipv6::Header::parse(packet).ok()?;
            let is_tcp = header.next_header() == protocol::TCP;
            is_tcp.then_some((header.src(), header.dst(), Ethernet::LEN + ipv6::Header::LEN))
        }
        _ => None,
    }
}

/// Copies a frame and changes the last octet of its text, in a way that its checksum does not tell; false if it has no
/// text.
fn falsify(frame: &[u8], out: &mut Vec<u8>) -> bool {
    let Some((src, dst, start)) = find_tcp(frame) else { return false };
    out.clear();
    out.extend_from_slice(frame);
    let Some(segment) = out.get_mut(start..) else { return false };
    let has_text = tcp::split(segment).is_ok_and(|(_, _, text)| !text.is_empty());
    if let (true, Some(last)) = (has_text, segment.last_mut()) {
        *last ^= 1;
    }
    has_text && tcp::fill_checksum(src, dst, segment).is_ok()
}

#[cfg(test)]
mod tests;
