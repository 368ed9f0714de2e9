//! The eleven states of a connection and every way between them (RFC 9293 §3.3.2, figure 5).
//!
//! One table, [`State::next`]; nothing else decides on a state. Where the figure and the prose of §3.10 differ,
//! the prose is followed: a RST leads to CLOSED from everywhere.

/// A connection's state (RFC 9293 §3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No connection.
    Closed,
    /// Waits for any peer's SYN.
    Listen,
    /// Sent a SYN, waits for one.
    SynSent,
    /// Sent and received a SYN, waits for the ACK of its own.
    SynReceived,
    /// Open both ways.
    Established,
    /// This side has closed; its FIN is not yet acknowledged.
    FinWait1,
    /// This side has closed and its FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer has closed; this side may still send.
    CloseWait,
    /// Both have closed at once; this side's FIN is not yet acknowledged.
    Closing,
    /// The peer closed first, then this side; its FIN is not yet acknowledged.
    LastAck,
    /// Closed both ways; waits until old segments have left the network.
    TimeWait,
}

/// What moves a connection from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transition {
    /// The application opens passively.
    PassiveOpen,
    /// The application opens actively, and a SYN is due.
    ActiveOpen,
    /// A SYN without an ACK of our own SYN arrives.
    ReceiveSyn,
    /// A SYN arrives that acknowledges ours.
    ReceiveSynAck,
    /// Our SYN is acknowledged by a segment without SYN.
    SynAcked,
    /// The application closes, and a FIN is due.
    Close,
    /// The peer's FIN arrives, in order.
    ReceiveFin,
    /// Our FIN is acknowledged.
    FinAcked,
    /// 2 MSL have passed.
    TimeWaitOver,
    /// The half-open connection of a listener is reset or given up.
    ReturnToListen,
    /// The connection is reset, aborted or given up.
    Abort,
}

impl State {
    /// The state after `event`, or `None` if `event` does not change this state.
    #[must_use]
    pub const fn next(self, event: Transition) -> Option<State> {
        use State::{
            CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
            SynSent, TimeWait,
        };
        use Transition as On;
        Some(match (self, event) {
            (Closed, On::PassiveOpen) => Listen,
            (Closed | Listen, On::ActiveOpen) => SynSent,
            // RFC 9293 MUST-10: from SYN-SENT this is a simultaneous open.
            (Listen | SynSent, On::ReceiveSyn) => SynReceived,
            (SynSent, On::ReceiveSynAck) | (SynReceived, On::SynAcked) => Established,
            (Listen | SynSent, On::Close) => Closed,
            (SynReceived | Established, On::Close) => FinWait1,
            (CloseWait, On::Close) => LastAck,
            (SynReceived | Established, On::ReceiveFin) => CloseWait,
            (FinWait1, On::ReceiveFin) => Closing,
            (FinWait2, On::ReceiveFin) | (Closing, On::FinAcked) => TimeWait,
            (FinWait1, On::FinAcked) => FinWait2,
            (LastAck, On::FinAcked) | (TimeWait, On::TimeWaitOver) => Closed,
            // RFC 9293 MUST-11: only an Embryo, which a listener made, goes back to LISTEN.
            (SynReceived, On::ReturnToListen) => Listen,
            (
                Listen | SynSent | SynReceived | Established | FinWait1 | FinWait2 | CloseWait | Closing
                | LastAck | TimeWait,
                On::Abort,
            ) => Closed,
            _ => return None,
        })
    }

    /// Whether both SYNs have been exchanged and acknowledged, and the connection has not ended.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, State::Closed | State::Listen | State::SynSent | State::SynReceived)
    }

    /// Whether the peer may still send text: it has not closed.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        matches!(self, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// Whether this side may still send text: it has not closed.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, State::Established | State::CloseWait)
    }

    /// Whether the connection can still have text or a FIN of its own to send.
    #[must_use]
    pub const fn sends_text(self) -> bool {
        matches!(
            self,
            State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
        )
    }
}

#[cfg(test)]
mod tests;
