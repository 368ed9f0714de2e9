//! A connection's timers. The host sees one deadline, the earliest.
//!
//! Deadlines that are far off and move with every segment (keepalive, giving memory back) are set once and
//! looked at again when they come, so that the host's timer wheel is left alone.

use portolan_link::Instant;

use crate::Context;
use crate::tcb::{Marks, Tcb};

/// What the timer for outstanding text will do; see `alarm.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Alarm {
    /// RFC 6298 §5: hold all for lost.
    #[default]
    Retransmit,
    /// RFC 8985 §7: send a probe.
    Probe,
    /// RFC 8985 §6.3: hold for lost what was only late until now.
    Reorder,
}

/// The one timer of a connection that others are told of, as Linux's inet_diag and `ss -o` do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunningTimer {
    /// What is outstanding is sent again, or probed for.
    Retransmit,
    /// A silent peer is asked whether it is there.
    Keepalive,
    /// A connection that has ended is forgotten.
    TimeWait,
    /// A peer without a window is asked for one.
    Persist,
}

impl Tcb {
    /// Which timer runs, and the microseconds until it ends. That of what is outstanding comes first; an ACK that waits
    /// is none.
    #[must_use]
    pub fn running_timer(&self, cx: &Context<'_>) -> Option<(RunningTimer, u64)> {
        let (timer, at) = if self.timers.retransmit < Instant::MAX {
            let persists = self.has(Marks::PERSIST);
            (if persists { RunningTimer::Persist } else { RunningTimer::Retransmit }, self.timers.retransmit)
        } else if self.has_final_deadline() {
            (RunningTimer::TimeWait, self.timers.idle)
        } else {
            (RunningTimer::Keepalive, self.keepalive_deadline(cx))
        };
        (at < Instant::MAX).then(|| (timer, at.micros_since(cx.now)))
    }
}

/// Three deadlines; `Instant::MAX` is one that never comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timers {
    /// What [`Alarm`] says, or the next window probe: never both, since one needs octets in flight and the other none.
    pub(crate) retransmit: Instant,
    /// An ACK that waits for company.
    pub(crate) ack: Instant,
    /// Keepalive, the end of FIN-WAIT-2 or TIME-WAIT, giving memory back, and before that the next paced text.
    pub(crate) idle: Instant,
}

impl Timers {
    pub(crate) const NONE: Timers =
        Timers { retransmit: Instant::MAX, ack: Instant::MAX, idle: Instant::MAX };

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        let next = self.retransmit.min(self.ack).min(self.idle);
        (next < Instant::MAX).then_some(next)
    }
}
