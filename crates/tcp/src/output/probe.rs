//! Probes of a shut window (RFC 9293 §3.8.6.1) and of a silent peer (§3.8.4).
//!
//! Both are a segment without text whose number has been acknowledged: it is not acceptable, so the peer has to
//! answer it with an ACK that carries its window. Linux does the same. It costs the peer nothing to refuse,
//! where an octet of text in each probe would.

use portolan_wire::tcp::Flags;

use crate::tcb::{Marks, Tcb};
use crate::{Context, SegmentPlan};

impl Tcb {
    /// RFC 9293 MUST-35, MUST-36; SHLD-12: no text.
    pub(super) fn plan_probe(&mut self, cx: &mut Context<'_>) -> SegmentPlan {
        self.marks.remove(Marks::PROBE_DUE);
        let plan = self.plan(cx, self.snd.una.back(1), Flags::NONE);
        if self.sends_urgent(cx.slabs) {
            // The peer takes no pointer from a segment that is not acceptable. As Linux, an ACK brings it besides.
            self.owe_ack();
        }
        plan
    }

    /// The persist timer ran out: a probe, or text if the window has a little room (RFC 9293 §3.8.6.2.1).
    pub(crate) fn on_persist_timeout(&mut self, cx: &mut Context<'_>) {
        // SHLD-29, SHLD-30: the first probe after an RTO, then twice as long each time.
        if self.window_from(self.snd.nxt) > 0 {
            self.marks.insert(Marks::OVERRIDE);
            self.marks.remove(Marks::HELD);
            let end = self.snd.end;
            if let Some(queues) = cx.slabs.queues_mut(self.queues) {
                queues.send.pushes.push(end);
            }
            return;
        }
        self.backoffs = self.backoffs.saturating_add(planted!(52, 0, 1));
        self.probes = self.probes.saturating_add(1);
        cx.stats.window_probes += 1;
        self.marks.insert(Marks::PROBE_DUE);
    }
}

#[cfg(test)]
mod tests;
