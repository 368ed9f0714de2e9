//! What a call on a connection tells the host that owns it.

use bitflags::bitflags;

bitflags! {
    /// What changed. Signals say "look again": one too many does no harm.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Signals: u16 {
        /// The handshake is complete.
        const ESTABLISHED = 1 << 0;
        /// There is text to read, or reading now returns the end or an error.
        const READABLE = 1 << 1;
        /// There is room to write again, after a write that found none.
        const WRITABLE = 1 << 2;
        /// The peer has sent its FIN and all text before it has arrived.
        const FIN_RECEIVED = 1 << 3;
        /// The peer reset the connection; [`crate::Tcb::error`] says whether before or after it was open.
        const RESET_RECEIVED = 1 << 4;
        /// The connection was given up: the peer did not answer, or an ICMP error ended the opening.
        const TIMED_OUT = 1 << 5;
        /// [`crate::Tcb::poll_segment`] has something to send.
        const TRANSMIT = 1 << 6;
        /// TIME-WAIT begins. When `poll_segment` has given the ACK of the peer's FIN and the application has read
        /// all text, [`crate::Tcb::time_wait_record`] can stand in for the connection.
        const TIME_WAIT = 1 << 7;
        /// The connection has ended. Delete it when the application has read what it wants and `poll_segment`
        /// gives nothing more (it may still have a RST to send).
        const CLOSED = 1 << 8;
        /// The segment was discarded, wholly or its text; [`crate::Tcb::last_drop`] has the reason.
        const DROPPED = 1 << 9;
        /// Retransmissions have reached R1 (RFC 9293 §3.8.3): the way to the peer is to be looked at again, and an
        /// application that has asked for it is told.
        const PATH_DOUBTED = 1 << 10;
        /// Urgent text is on its way, or here: [`crate::Tcb::urgent_remaining`] says how much.
        const URGENT = 1 << 11;
        /// [`crate::Tcb::fast_open_news`] has something for the host to remember.
        const FAST_OPEN = 1 << 15;
    }
}

/// Why a segment was discarded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// The connection is closed.
    Closed,
    /// Outside the receive window (RFC 9293 §3.10.7.4, first check).
    OutOfWindow,
    /// A timestamp older than the last one (RFC 7323 §5).
    OldTimestamp,
    /// No timestamp, though both sides agreed on them (RFC 7323 §3.2).
    NoTimestamp,
    /// A RST whose sequence number is in the window but not the next one expected (RFC 5961 §3.2), or outside.
    BadReset,
    /// A SYN on an open connection (RFC 5961 §4.2).
    UnexpectedSyn,
    /// No ACK where every segment must have one.
    NoAck,
    /// Neither SYN nor RST, while a SYN is waited for.
    NoSyn,
    /// An acknowledgement of what was never sent, or one too old to be true (RFC 5961 §5.2).
    BadAck,
    /// Text after the peer's FIN, or when the application will not read it any more.
    UnwantedText,
    /// Text that had arrived before.
    DuplicateText,
    /// Text out of order beyond what memory allows.
    ReassemblyFull,
    /// Text in the window, while all connections together have taken the memory that there is.
    MemoryShort,
}
