//! SYN cookies (RFC 4987 §3.6): a SYN-ACK that remembers the SYN, so that the host need not.
//!
//! The initial sequence number is a keyed hash of the flow, of the peer's number and of the time, 28 bits of it, and
//! 4 bits that say what the SYN offered: one of eight segment sizes, and whether SACK. What timestamps bring back is
//! finer: as on Linux, the low six bits of TSval hold scale, SACK and ECN, and then the age of the echo is checked too.
//! The ACK of such a SYN-ACK makes the [`Embryo`] again that was never kept. Of all acknowledgement numbers 32 are
//! right at a time, and 16 with timestamps, so that a blind guess opens a connection once in 2^27.
//!
//! With timestamps the options of the SYN-ACK are those of any other, so the wire does not tell whether the queue is
//! full; what is left of a difference is that TSval stands still for 64 ms at a time. Without, there is no window scale,
//! as on Linux: its four bits would make guesses sixteen times as likely.

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

/// The bits of a cookie that say something.
const CODE_BITS: u32 = 0xf;

/// The keys of cookies: each epoch has its own, drawn when the first cookie of the epoch is made.
#[derive(Clone)]
pub struct CookieKeys {
    epoch: u64,
    present: [u8; 16],
    last: Option<[u8; 16]>,
}

impl CookieKeys {
    /// Keys before the first epoch in which a cookie is made.
    #[must_use]
    pub fn new(key: [u8; 16]) -> CookieKeys {
        CookieKeys { epoch: 0, present: key, last: None }
    }

    /// Whether [`CookieKeys::rotate`] is wanted before a cookie is made.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.epoch != epoch_of(now)
    }

    /// From now on cookies are made with `key`; those of the epoch before stay good.
    pub fn rotate(&mut self, now: Instant, key: [u8; 16]) {
        let epoch = epoch_of(now);
        self.last = (self.epoch + 1 == epoch).then_some(self.present);
        (self.epoch, self.present) = (epoch, key);
    }

    fn of(&self, epoch: u64) -> Option<&[u8; 16]> {
        if epoch == self.epoch {
            return Some(&self.present);
        }
        self.last.as_ref().filter(|_| epoch + 1 == self.epoch)
    }
}

impl core::fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieKeys(secret)")
    }
}

/// What a cookie says of the SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Said {
    size: u8,
    /// 0 to 14, or [`NO_SCALE`]; only a timestamp can say it.
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

    /// The bits of the sequence number. Where a timestamp says whether SACK, they do not: the fewer numbers are good,
    /// the better.
    fn code(self, stamped: bool) -> u32 {
        u32::from(self.size) << 1 | u32::from(self.sack && !stamped)
    }

    /// What the bits of the sequence number say, and those of the echo if there is one; `None` if no cookie is such.
    fn read(code: u32, stamp: Option<u32>) -> Option<Said> {
        let size = u8::try_from(code >> 1 & 7).ok()?;
        let sack = code & 1 != 0;
        match stamp {
            None => Some(Said { size, scale: NO_SCALE, sack }),
            Some(_) if sack => None,
            Some(stamp) => Some(Said { size, scale: u8::try_from(stamp & 15).ok()?, sack: stamp & 16 != 0 }),
        }
    }

    /// Linux's order of the low bits of TSval; the sixth is ECN's.
    fn stamp(self) -> u32 {
        u32::from(self.scale) | u32::from(self.sack) << 4
    }
}

/// The hash of what nobody else can know, and the pad that hides what the cookie says.
fn hash(key: &[u8; 16], flow: &FlowKey, irs: SeqNumber, epoch: u64, code: Option<u32>) -> u32 {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&flow.local.address.octets());
    hasher.write(&flow.remote.address.octets());
    hasher.write(&flow.local.port.to_be_bytes());
    hasher.write(&flow.remote.port.to_be_bytes());
    hasher.write(&flow.zone.to_be_bytes());
    hasher.write(&irs.0.to_be_bytes());
    hasher.write(&epoch.to_be_bytes());
    hasher.write(&code.unwrap_or(u32::MAX).to_be_bytes());
    low_u32(hasher.finish())
}

fn epoch_of(now: Instant) -> u64 {
    now.as_millis() / EPOCH_MS
}

fn make(key: &[u8; 16], flow: &FlowKey, irs: SeqNumber, epoch: u64, code: u32) -> SeqNumber {
    let pad = hash(key, flow, irs, epoch, None) & CODE_BITS;
    SeqNumber(hash(key, flow, irs, epoch, Some(code)) & !CODE_BITS | code ^ pad)
}

/// The bits that a cookie says; `None` if it is none.
fn read(keys: &CookieKeys, flow: &FlowKey, irs: SeqNumber, now: Instant, cookie: SeqNumber) -> Option<u32> {
    let present = epoch_of(now);
    [Some(present), planted!(45, None, present.checked_sub(1))].into_iter().flatten().find_map(|epoch| {
        let key = keys.of(epoch)?;
        let code = (cookie.0 ^ hash(key, flow, irs, epoch, None)) & CODE_BITS;
        (make(key, flow, irs, epoch, code) == cookie).then_some(code)
    })
}

impl Embryo {
    /// The SYN-ACK that stands for this record, which need not be kept then; `keys` are not stale.
    #[must_use]
    pub fn cookie_syn_ack(&self, keys: &CookieKeys, flow: &FlowKey, now: Instant) -> SegmentPlan {
        let said = Said::of(self);
        // Nothing remembers accurate ECN.
        let mut plain = *self;
        plain.accurate = None;
        let mut plan = plain.syn_ack(now);
        let stamped = plan.options.timestamps.is_some();
        if !stamped {
            // Only a timestamp can remember ECN and the scale.
            plan.flags = Flags::SYN | Flags::ACK;
            plan.options.window_scale = None;
        }
        plan.seq = make(&keys.present, flow, self.irs, keys.epoch, said.code(stamped));
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
        keys: &CookieKeys,
        flow: &FlowKey,
    ) -> Option<Embryo> {
        if !segment.has(Flags::ACK) || segment.flags.intersects(Flags::SYN | Flags::RST) {
            return None;
        }
        let (iss, irs) = (segment.ack.back(1), segment.seq.back(1));
        let code = read(keys, flow, irs, open.now, iss)?;
        let mut stamp = None;
        // What the SYN must have been like.
        let mut syn = Segment { seq: irs, text_len: 0, flags: Flags::SYN, ..*segment };
        if let Some(timestamps) = syn.options.timestamps {
            let echo = timestamps.echo.wrapping_sub(open.timestamp_offset);
            let age_ms = low_u32(open.now.as_millis()).wrapping_sub(echo);
            if u64::from(age_ms) > 2 * EPOCH_MS + 2 * u64::from(STAMP_BITS + 1) {
                return None;
            }
            stamp = Some(echo & STAMP_BITS);
        }
        let said = Said::read(code, stamp)?;
        syn.options.mss = SIZES.get(usize::from(said.size)).copied().and_then(Mss::new);
        syn.options.window_scale = (said.scale != NO_SCALE).then_some(said.scale);
        syn.options.sack_permitted = said.sack;
        let mut embryo = Embryo::on_syn(open, &syn, iss);
        // When the SYN-ACK went, nobody knows.
        embryo.sent_at = Instant::ZERO.into();
        embryo.agreed.set(Agreed::ECN, stamp.is_some_and(|stamp| stamp >> ECN_BIT & 1 != 0));
        Some(embryo)
    }
}

#[cfg(test)]
mod tests;
