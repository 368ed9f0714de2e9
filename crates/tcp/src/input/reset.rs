//! The second check: RST (RFC 9293 §3.10.7.4, RFC 5961 §3.2).

use portolan_wire::tcp::Flags;

use crate::challenge::{Discard, Reply, Step};
use crate::tcb::Tcb;
use crate::{Context, DropReason, Error, Segment, Signals, State};

impl Tcb {
    pub(super) fn check_reset(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment,
        signals: &mut Signals,
    ) -> Step {
        if !segment.has(Flags::RST) {
            return Ok(());
        }
        // RFC 5961 §3.2: in the window but not exactly next, it may be a guess. A peer that has really reset
        // the connection answers our ACK with a RST that carries our number.
        if planted!(7, false, segment.seq != self.rcv.nxt) {
            return Err(Discard::new(DropReason::BadReset, Reply::Challenge));
        }
        self.on_reset(cx, signals);
        Ok(())
    }

    /// The peer has reset the connection. What was received before can still be read; what the RST carries is not looked
    /// at (RFC 9293 SHLD-2).
    pub(super) fn on_reset(&mut self, cx: &mut Context<'_>, signals: &mut Signals) {
        let error = match self.state {
            State::SynSent | State::SynReceived => {
                cx.stats.attempt_fails += 1;
                Some(Error::Refused)
            }
            State::Closing | State::LastAck | State::TimeWait => None,
            _ => {
                cx.stats.estab_resets +=
                    u64::from(matches!(self.state, State::Established | State::CloseWait));
                // RFC 9293 MUST-12: the application learns that this was no orderly end.
                Some(Error::Reset)
            }
        };
        *signals |= Signals::RESET_RECEIVED | self.end(cx, error);
    }
}

#[cfg(test)]
mod tests;
