//! The options of segments that are sent (RFC 9293 §3.2, RFC 7323 §3.2, RFC 2018 §4).

use portolan_link::Instant;
use portolan_wire::tcp::{Options, SackBlocks, Timestamps};
use portolan_wire::{Mss, WindowScale};

use crate::Slabs;
use crate::tcb::{Marks, Tcb};

/// What a SYN or SYN-ACK offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SynOffer {
    pub(crate) mss: u16,
    pub(crate) scale: Option<WindowScale>,
    pub(crate) sack: bool,
    pub(crate) timestamps: Option<Timestamps>,
}

/// The options of a SYN or SYN-ACK. RFC 9293 MUST-14, SHLD-5, MAY-3: the MSS always.
pub(crate) fn syn_options(offer: &SynOffer) -> Options {
    Options {
        mss: Mss::new(offer.mss),
        window_scale: offer.scale.map(WindowScale::get),
        sack_permitted: offer.sack,
        timestamps: offer.timestamps,
        ..Options::default()
    }
}

impl Tcb {
    /// The options of any other segment. RFC 9293 MUST-65: no MSS.
    pub(super) fn segment_options(&self, slabs: &Slabs, now: Instant) -> Options {
        Options { timestamps: self.own_timestamps(now), sack: self.sack_blocks(slabs), ..Options::default() }
    }

    /// The timestamps option, if both sides agreed on it.
    pub(super) fn own_timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.has(Marks::TIMESTAMPS).then(|| Timestamps { value: self.ts.value(now), echo: self.ts.recent })
    }

    /// The octets that `segment_options` takes, padding included.
    pub(crate) fn options_len(&self, slabs: &Slabs) -> u16 {
        let blocks = self.sack_blocks(slabs).len();
        let sack = if blocks > 0 { 4 + 8 * u16::try_from(blocks).unwrap_or(0) } else { 0 };
        self.timestamps_len() + sack + self.signature_len(slabs)
    }

    /// RFC 2018 §4; RFC 2883 §4: a duplicate stands before all else.
    fn sack_blocks(&self, slabs: &Slabs) -> SackBlocks {
        let Some(queues) = slabs.queues(self.queues).filter(|_| self.has(Marks::SACK)) else {
            return SackBlocks::new();
        };
        // 40 octets hold four blocks, three beside timestamps, and fewer beside a signature.
        let most = usize::from((40 - 4 - self.timestamps_len() - self.signature_len(slabs)) / 8);
        // Timestamps and an MD5 signature, set on an open connection, leave room for none.
        let Some(duplicate) = queues.duplicate.filter(|_| most > 0) else {
            return queues.receive.later.sack_blocks(most);
        };
        let others = queues.receive.later.sack_blocks(most - 1);
        core::iter::once(duplicate).chain(others.iter()).collect()
    }
}

#[cfg(test)]
mod tests;
