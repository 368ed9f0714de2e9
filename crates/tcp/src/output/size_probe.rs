//! Probes of the size of segments that the path takes (RFC 4821 §7.3 to §7.5). What follows from them is in
//! `size_search.rs`.

use portolan_link::Chunks;

use super::{Blocked, Run};
use crate::numbers::to_u16;
use crate::recovery::CaState;
use crate::size_search::SizeProbe;
use crate::tcb::{Marks, Tcb};
use crate::{Context, SegmentPlan};

impl Tcb {
    /// The new text to send now as a probe, or why that has to wait; `None` if no probe is due, or none can be sent.
    ///
    /// RFC 4821 §7.4: nothing is lost or out of order, no probe is under way, and so much follows that its loss will be
    /// found by acknowledgements.
    pub(super) fn decide_size_probe(&self, cx: &Context<'_>, budget: u32) -> Option<Result<Run, Blocked>> {
        let size = self.next_probe_size(cx)?;
        let full = self.full_new_text(cx);
        let len = u32::from(size.checked_sub(self.text_and_options(cx) - full)?);
        let full = u32::from(full);
        let flight = cx.slabs.flight(self.flight);
        let behind =
            flight.map_or(u32::from(cx.config.reordering), |flight| flight.reordering.degree(cx.config)) + 1;
        let needed = len.saturating_add(behind.saturating_mul(full));
        let calm = flight.is_none_or(|flight| {
            // RFC 6582 §3.2, step 2: without SACK, duplicates say nothing before something new is acknowledged.
            let listens = self.has(Marks::SACK) || flight.recovery.recover.is_none();
            let open = flight.recovery.state == CaState::Open;
            open && listens && flight.size_probe.is_none() && !flight.is_full()
        });
        // SACK blocks would have to be sent again with what was lost, and leave less room.
        let plain = self.full_text_now(cx) == self.full_text(cx)
            && !self.must_not_be_cut(cx)
            && !self.sends_urgent(cx.slabs)
            && self.record_from(cx, self.snd.nxt).is_none_or(|record| record >= len);
        let may = self.state.sends_text() && !self.has(Marks::UNPROVEN) && !self.is_paced_out(cx);
        let enough = self.unsent() >= needed && self.snd.wnd >= needed && self.cwnd(cx.slabs) >= needed;
        if !(calm && plain && may && enough) || len <= full || len > budget {
            return None;
        }
        // As Linux, it waits for room: acknowledgements are under way.
        let fits = self.window_from(self.snd.nxt) >= needed && self.congestion_room(cx.slabs) >= len;
        match (fits, self.in_flight(cx.slabs)) {
            (true, _) => Some(Ok(Run { seq: self.snd.nxt, len })),
            (false, 0) => None,
            (false, _) => Some(Err(Blocked::Congestion)),
        }
    }

    /// RFC 4821 §7.5: the probe is text that has to be sent anyway.
    pub(super) fn plan_size_probe(
        &mut self,
        cx: &mut Context<'_>,
        run: Run,
        text: &mut Chunks,
    ) -> Option<SegmentPlan> {
        let full = self.full_new_text(cx);
        let options = self.text_and_options(cx) - full;
        let plan = self.plan_text(cx, run, run.len, text)?;
        // There may have been too many chunks for so much.
        if plan.text_len > u32::from(full) {
            let size = to_u16(plan.text_len).saturating_add(options);
            let probe = SizeProbe { seq: plan.seq, end: plan.seq + plan.text_len, size };
            self.on_size_probe_sent(cx, probe);
        }
        Some(plan)
    }
}
