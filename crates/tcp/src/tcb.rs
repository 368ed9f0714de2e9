//! The transmission control block: one connection.
#![allow(unused_variables, clippy::unused_self, clippy::needless_pass_by_ref_mut)]
use alloc::boxed::Box;

use portolan_link::{Chunk, Chunks, Instant, Pool};
use portolan_wire::SeqNumber;

use crate::{
    CongestionControl, Context, DropReason, Embryo, Error, Info, Segment, SegmentPlan, Signals, Slabs,
    SocketOptions, State, TimeWait,
};

/// One connection.
#[derive(Debug)]
pub struct Tcb {}

impl Tcb {
    /// Opens actively: SYN-SENT. The first [`Tcb::poll_segment`] gives the SYN. `flow` is the id in trace events.
    #[must_use]
    pub fn connect(
        cx: &mut Context<'_>,
        options: &SocketOptions,
        iss: SeqNumber,
        timestamp_offset: u32,
        flow: u64,
    ) -> Tcb {
        unimplemented!()
    }
    /// A connection whose handshake is being completed: SYN-RECEIVED. Give it next the very segment for which the embryo said
    /// [`crate::EmbryoVerdict::Establish`].
    #[must_use]
    pub fn from_embryo(cx: &mut Context<'_>, embryo: &Embryo, options: &SocketOptions, flow: u64) -> Tcb {
        unimplemented!()
    }
    /// A segment arrived, with its text.
    pub fn on_segment(&mut self, cx: &mut Context<'_>, segment: &Segment, text: &mut Chunks) -> Signals {
        unimplemented!()
    }
    /// The next segment to send, if any; text is appended to `text`, at most `SLICES_MAX` chunks and `budget` octets (but
    /// a whole segment at least). Call until `None`.
    pub fn poll_segment(
        &mut self,
        cx: &mut Context<'_>,
        budget: u32,
        text: &mut Chunks,
    ) -> Option<SegmentPlan> {
        unimplemented!()
    }
    /// Whether `poll_segment` would give a segment.
    #[must_use]
    pub fn wants_transmit(&self, cx: &Context<'_>) -> bool {
        unimplemented!()
    }
    /// Does what is due at `cx.now`.
    pub fn on_deadline(&mut self, cx: &mut Context<'_>) -> Signals {
        unimplemented!()
    }
    /// When `on_deadline` is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        unimplemented!()
    }
    /// An ICMP error arrived that quotes sequence number `seq` (RFC 5927 §4). `hard` is RFC 1122's hard error; `error` is what
    /// the application gets to see.
    pub fn on_unreachable(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        hard: bool,
        error: Error,
    ) -> Signals {
        unimplemented!()
    }
    /// An ICMP error arrived that quotes `seq` and says that the path takes no more than `mss` octets (as [`Context::mss`]).
    pub fn on_mtu(&mut self, cx: &mut Context<'_>, seq: SeqNumber, mss: u16) -> Signals {
        unimplemented!()
    }
    /// Copies octets into the send queue; returns how many.
    pub fn write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Result<usize, Error> {
        unimplemented!()
    }
    /// Puts a chunk into the send queue without copying; what was taken is consumed from it.
    pub fn write_chunk(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Result<usize, Error> {
        unimplemented!()
    }
    /// Copies received text out; `Ok(0)` with room in `out` is the peer's FIN.
    pub fn read(&mut self, cx: &mut Context<'_>, out: &mut [u8]) -> Result<usize, Error> {
        unimplemented!()
    }
    /// Takes received text out without copying, at most `max` octets; `Ok(None)` is the peer's FIN.
    pub fn read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Result<Option<Chunk>, Error> {
        unimplemented!()
    }
    /// Copies received text and leaves it in the queue.
    pub fn peek(&self, cx: &Context<'_>, out: &mut [u8]) -> Result<usize, Error> {
        unimplemented!()
    }
    /// No more text will be written: FIN after what is queued.
    pub fn shutdown_write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        unimplemented!()
    }
    /// No more text will be read.
    pub fn shutdown_read(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        unimplemented!()
    }
    /// The application lets go of the connection: FIN, or RST if there is unread text.
    pub fn close(&mut self, cx: &mut Context<'_>) -> Signals {
        unimplemented!()
    }
    /// Ends the connection at once; `poll_segment` gives the RST.
    pub fn abort(&mut self, cx: &mut Context<'_>) -> Signals {
        unimplemented!()
    }
    /// Octets that can be read.
    #[must_use]
    pub fn receive_queued(&self, cx: &Context<'_>) -> u32 {
        unimplemented!()
    }
    /// Octets written and not yet acknowledged.
    #[must_use]
    pub fn send_queued(&self, cx: &Context<'_>) -> u32 {
        unimplemented!()
    }
    /// Octets that can be written.
    #[must_use]
    pub fn send_room(&self, cx: &Context<'_>) -> u32 {
        unimplemented!()
    }
    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        unimplemented!()
    }
    /// The options.
    #[must_use]
    pub fn options(&self) -> SocketOptions {
        unimplemented!()
    }
    /// Changes the options.
    pub fn set_options(&mut self, cx: &mut Context<'_>, options: &SocketOptions) {
        unimplemented!()
    }
    /// Replaces the congestion controller.
    pub fn set_congestion_control(&mut self, control: Box<dyn CongestionControl>) {
        unimplemented!()
    }
    /// Why the connection ended, if it did with an error.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        unimplemented!()
    }
    /// Why the last discarded segment was discarded.
    #[must_use]
    pub fn last_drop(&self) -> Option<DropReason> {
        unimplemented!()
    }
    /// Whether the peer's FIN has arrived, in order.
    #[must_use]
    pub fn fin_received(&self) -> bool {
        unimplemented!()
    }
    /// Whether the connection has ended and has nothing more to send, a RST included: it can be deleted.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        unimplemented!()
    }
    /// The connection's figures.
    #[must_use]
    pub fn info(&self, cx: &Context<'_>) -> Info {
        unimplemented!()
    }
    /// The record that stands in for this connection in TIME-WAIT.
    #[must_use]
    pub fn time_wait_record(&self, cx: &Context<'_>) -> TimeWait {
        unimplemented!()
    }
    /// Whether the invariants hold; else the one that does not.
    pub fn check(&self, slabs: &Slabs) -> Result<(), &'static str> {
        unimplemented!()
    }
    /// Deletes the connection and gives its memory back.
    pub fn release(self, slabs: &mut Slabs, pool: &mut Pool) {
        unimplemented!()
    }
}
