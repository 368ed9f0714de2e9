//! SYN cookies (RFC 4987 §3.6): a SYN-ACK that remembers the SYN, so that the host need not.
//!
//! The initial sequence number is a keyed hash of the flow, of the peer's number and of the time, 24 bits of it, and
//! 8 bits that say what the SYN offered: one of eight segment sizes, the window scale, and whether SACK. What
//! timestamps bring back is finer: as on Linux, the low six bits of TSval hold scale, SACK and ECN, and then the age
//! of the echo is checked too. The ACK of such a SYN-ACK makes the [`Embryo`] again that was never kept.
//!
//! The options of the SYN-ACK are those of any other, so the wire does not tell whether the queue is full; what is
//! left of a difference is that TSval stands still for 64 ms at a time.

use core::hash::Hasher;

use portolan_link::Instant;
use portolan_wire::tcp::Flags;
use portolan_wire::{FlowKey, Mss, SeqNumber};
use siphasher::sip::SipHasher24;

use crate::embryo::{Agreed, Embryo, PassiveOpen};
use crate::numbers::low_u32;
use crate::{Segment, SegmentPlan};

/// The segment sizes that a cookie can say; a peer's is taken down to the next of them.
const SIZES: [u16; 8] = [64, 536, 1200, 1360, 1400, 1440, 1460, 8960];

/// A cookie is good in the epoch in which it was made and in the next one.
const EPOCH_MS: u64 = 64_000;

/// The window scale that stands for none.
const NO_SCALE: u8 = 15;

/// The bits of TSval that are not the clock's.
const STAMP_BITS: u32 = 0x3f;
const ECN_BIT: u32 = 5;

/// What a cookie says of the SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Said {
    size: u8,
    /// 0 to 14, or [`NO_SCALE`].
    scale: u8,
    sack: bool,
}

impl Said {
    fn of(embryo: &Embryo) -> Said {
        let fits = |size: &&u16| **size <= embryo.peer_mss;
        let size = SIZES.iter().filter(fits).count().saturating_sub(planted!(46, 0, 1));
        Said {
            size: u8::try_from(size).unwrap_or(0),
            scale: if embryo.has(Agreed::SCALING) { embryo.scales.snd().get() } else { NO_SCALE },
            sack: embryo.has(Agreed::SACK),
        }
    }

    fn octet(self) -> u8 {
        self.size << 5 | self.scale << 1 | u8::from(self.sack)
    }

    fn read(octet: u8) -> Said {
        Said { size: octet >> 5, scale: octet >> 1 & 15, sack: octet & 1 != 0 }
    }

    /// Takes scale and SACK from the low bits of an echo.
    fn stamped(self, bits: u32) -> Said {
        let octet = u8::try_from(bits & STAMP_BITS).unwrap_or(0);
        Said { scale: octet & 15, sack: octet & 16 != 0, ..self }
    }

    /// Linux's order of the low bits of TSval; the sixth is ECN's.
    fn stamp(self) -> u32 {
        u32::from(self.scale) | u32::from(self.sack) << 4
    }
}

/// The hash of what nobody else can know, and the pad that hides what the cookie says.
fn hash(key: &[u8; 16], flow: &FlowKey, irs: SeqNumber, epoch: u64, said: Option<u8>) -> u32 {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&flow.local.address.octets());
    hasher.write(&flow.remote.address.octets());
    hasher.write(&flow.local.port.to_be_bytes());
    hasher.write(&flow.remote.port.to_be_bytes());
    hasher.write(&flow.zone.to_be_bytes());
    hasher.write(&irs.0.to_be_bytes());
    hasher.write(&epoch.to_be_bytes());
    hasher.write(&[u8::from(said.is_some()), said.unwrap_or(0)]);
    low_u32(hasher.finish())
}

fn epoch_of(now: Instant) -> u64 {
    now.as_millis() / EPOCH_MS
}

fn make(key: &[u8; 16], flow: &FlowKey, irs: SeqNumber, epoch: u64, said: Said) -> SeqNumber {
    let octet = said.octet();
    let pad = hash(key, flow, irs, epoch, None) & 0xff;
    SeqNumber(hash(key, flow, irs, epoch, Some(octet)) & !0xff | u32::from(octet) ^ pad)
}

fn read(key: &[u8; 16], flow: &FlowKey, irs: SeqNumber, now: Instant, cookie: SeqNumber) -> Option<Said> {
    let present = epoch_of(now);
    [Some(present), planted!(45, None, present.checked_sub(1))].into_iter().flatten().find_map(|epoch| {
        let octet = u8::try_from((cookie.0 ^ hash(key, flow, irs, epoch, None)) & 0xff).ok()?;
        let said = Said::read(octet);
        (make(key, flow, irs, epoch, said) == cookie).then_some(said)
    })
}

impl Embryo {
    /// The SYN-ACK that stands for this record, which need not be kept then.
    #[must_use]
    pub fn cookie_syn_ack(&self, key: &[u8; 16], flow: &FlowKey, now: Instant) -> SegmentPlan {
        let said = Said::of(self);
        // Nothing remembers accurate ECN.
        let mut plain = *self;
        plain.accurate = None;
        let mut plan = plain.syn_ack(now);
        // Only a timestamp can remember ECN.
        plan.flags = if plan.options.timestamps.is_some() { plan.flags } else { Flags::SYN | Flags::ACK };
        plan.seq = make(key, flow, self.irs, epoch_of(now), said);
        if let Some(timestamps) = &mut plan.options.timestamps {
            let clock = timestamps.value.wrapping_sub(self.ts.offset);
            let stamped = clock & !STAMP_BITS | said.stamp() | u32::from(self.has(Agreed::ECN)) << ECN_BIT;
            // Never ahead of the clock.
            let stamped = if stamped > clock { stamped.wrapping_sub(STAMP_BITS + 1) } else { stamped };
            timestamps.value = stamped.wrapping_add(self.ts.offset);
        }
        plan
    }

    /// The record of which `segment`, an ACK for no connection, acknowledges the SYN-ACK; `None` if there never was
    /// one. Make a connection of it as of any other whose handshake is over.
    #[must_use]
    pub fn from_cookie(
        open: &PassiveOpen<'_>,
        segment: &Segment,
        key: &[u8; 16],
        flow: &FlowKey,
    ) -> Option<Embryo> {
        if !segment.has(Flags::ACK) || segment.flags.intersects(Flags::SYN | Flags::RST) {
            return None;
        }
        let (iss, irs) = (segment.ack.back(1), segment.seq.back(1));
        let mut said = read(key, flow, irs, open.now, iss)?;
        let mut ecn = false;
        // What the SYN must have been like.
        let mut syn = Segment { seq: irs, text_len: 0, flags: Flags::SYN, ..*segment };
        if let Some(timestamps) = syn.options.timestamps {
            let echo = timestamps.echo.wrapping_sub(open.timestamp_offset);
            let age_ms = low_u32(open.now.as_millis()).wrapping_sub(echo);
            if u64::from(age_ms) > 2 * EPOCH_MS + 2 * u64::from(STAMP_BITS + 1) {
                return None;
            }
            said = said.stamped(echo);
            ecn = echo >> ECN_BIT & 1 != 0;
        }
        syn.options.mss = SIZES.get(usize::from(said.size)).copied().and_then(Mss::new);
        syn.options.window_scale = (said.scale != NO_SCALE).then_some(said.scale);
        syn.options.sack_permitted = said.sack;
        let mut embryo = Embryo::on_syn(open, &syn, iss);
        // When the SYN-ACK went, nobody knows.
        embryo.sent_at = Instant::ZERO.into();
        embryo.agreed.set(Agreed::ECN, ecn);
        Some(embryo)
    }
}

#[cfg(test)]
mod tests;
