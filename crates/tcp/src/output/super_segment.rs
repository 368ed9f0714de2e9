//! How much text goes into one super-segment: as Linux does, about a millisecond's worth at the rate at which the
//! connection sends, so that a slow one stays interactive and a fast one costs little. Or as FreeBSD does, as much as
//! the link takes.

use portolan_wire::tcp::Flags;

use crate::numbers::to_u16;
use crate::tcb::Tcb;
use crate::{Context, SegmentPlan};

/// Octets of a super-segment's largest packet that headers may take: IPv6, TCP and all options, and some to spare.
const HEADERS: u32 = 120;

/// A millisecond's share of a second, as a shift (Linux's `sk_pacing_shift`).
const SHARE_SHIFT: u32 = 10;

/// The least round-trip time halves what a near peer gets on top, once per 512 microseconds (Linux's
/// `tcp_tso_rtt_log`).
const RTT_SHIFT: u32 = 9;

impl Tcb {
    /// The most octets of sequence space in one plan: a segment, or as many whole segments as the link cuts, the
    /// sending rate is worth, half of the congestion window and of the peer's largest window take, and the budget
    /// allows.
    pub(super) fn plan_max(&self, cx: &Context<'_>, full: u32, budget: u32) -> u32 {
        // A link that cuts would leave the urgent pointer as it is, though it counts from each segment's number.
        if self.must_not_be_cut(cx) || self.sends_urgent(cx.slabs) {
            return full;
        }
        let link = cx.gso_max.min(u32::from(u16::MAX)).saturating_sub(HEADERS);
        let window = self.cc.window().min(self.snd.max_wnd);
        let most = link.min(budget);
        let most = if cx.config.super_segments_by_rate {
            let worth = self.worth(cx, link).max(u32::from(cx.config.super_segment_min) * full);
            most.min(worth).min(window / 2)
        } else {
            most.min(window)
        };
        (most - most % full).max(full)
    }

    /// Octets that the sending rate is worth in one piece.
    fn worth(&self, cx: &Context<'_>, link: u32) -> u32 {
        let rate = self.pacing_rate(cx).or_else(|| self.window_rate(cx));
        let share = rate.map_or(u64::from(link), |rate| rate >> SHARE_SHIFT);
        let near = link.checked_shr(self.rtt.min_us() >> RTT_SHIFT).unwrap_or(0);
        u32::try_from(share.saturating_add(u64::from(near))).unwrap_or(u32::MAX).min(link)
    }
}

/// Makes a plan with more text than a full segment a super-segment. As on Linux it carries PSH, whatever its text is
/// the end of, so that the receiver hands it up at once.
pub(super) fn set_super_segment(cx: &Context<'_>, plan: &mut SegmentPlan, full: u32) {
    if plan.text_len > full {
        plan.gso_size = to_u16(full);
        if cx.config.push_super_segments {
            plan.flags |= Flags::PSH;
        }
    }
}

#[cfg(test)]
mod tests;
