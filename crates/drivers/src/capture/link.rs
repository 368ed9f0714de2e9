//! A link that records what crosses it, or shows it to those who watch.

use std::fmt;

use portolan_link::{
    Chunks, HEAD_MAX, Instant, Link, LinkCaps, LinkError, Offload, PacketBuf, Pool, RxBatch, TxBatch, TxEntry,
};

use super::{Capture, Direction, InterfaceId, Monitor, Seen};
use crate::segmentation::Segmenter;
use crate::{PollLink, Readiness};

/// After this long, in microseconds, recorded frames are written out, so that a reader sees a quiet link too.
const FLUSH_AFTER_US: u64 = 200_000;

/// Gives the comment of a frame, such as the name of the process that it belongs to.
type Annotate = Box<dyn FnMut(Direction, &[u8]) -> Option<String> + Send>;

/// Any link, with a [`Capture`] of its frames, a [`Monitor`], or both.
pub struct CaptureLink<L> {
    inner: L,
    recorder: FrameRecorder,
    /// Received frames while they are recorded; empty between calls.
    arrived: Vec<PacketBuf>,
    flush_at: Option<Instant>,
}

/// What it takes to record a frame.
struct FrameRecorder {
    capture: Option<(Capture, InterfaceId)>,
    monitor: Monitor,
    segmenter: Segmenter,
    annotate: Option<Annotate>,
    /// What is received here was sent by the host whose link is recorded.
    is_mirrored: bool,
}

impl<L: Link> CaptureLink<L> {
    /// Records `inner` as the interface `name` of `capture`.
    pub fn new(inner: L, capture: Capture, name: &str) -> CaptureLink<L> {
        let interface = capture.add_interface(name, inner.caps().medium);
        let mut link = CaptureLink::unrecorded(inner);
        link.recorder.capture = Some((capture, interface));
        link
    }

    /// Records nothing, until somebody watches.
    pub fn unrecorded(inner: L) -> CaptureLink<L> {
        let segmenter = Segmenter::new(inner.caps().medium);
        let recorder = FrameRecorder {
            capture: None,
            monitor: Monitor::default(),
            segmenter,
            annotate: None,
            is_mirrored: false,
        };
        CaptureLink { inner, recorder, arrived: Vec::new(), flush_at: None }
    }

    /// Lets those watch that `monitor` knows of, while the link runs.
    pub fn watched_by(&mut self, monitor: Monitor) {
        monitor.belongs_to(self.inner.caps().medium);
        self.recorder.monitor = monitor;
    }

    /// Says what gives the comments of frames.
    pub fn annotate(&mut self, annotate: impl FnMut(Direction, &[u8]) -> Option<String> + Send + 'static) {
        self.recorder.annotate = Some(Box::new(annotate));
    }

    /// Tells directions as the host at the other end sees them: this end's stack is not the one that is looked at.
    pub fn seen_from_the_other_end(&mut self) {
        self.recorder.is_mirrored = true;
    }

    /// The link that is recorded.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    fn schedule_flush(&mut self, now: Instant) {
        self.flush_at.get_or_insert_with(|| now.plus_micros(FLUSH_AFTER_US));
    }
}

impl FrameRecorder {
    fn is_wanted(&self) -> bool {
        self.capture.is_some() || self.monitor.is_watched()
    }

    /// Writes out what is gathered. True if some of it must wait.
    fn flush(&self) -> bool {
        self.capture.as_ref().is_some_and(|(capture, _)| capture.flush())
    }

    fn record<'a>(
        &mut self,
        now: Instant,
        direction: Direction,
        offload: &Offload,
        parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    ) {
        let parts = parts.into_iter();
        let FrameRecorder { capture, monitor, segmenter, annotate, is_mirrored } = self;
        let direction = match direction {
            Direction::Inbound if *is_mirrored => Direction::Outbound,
            Direction::Outbound if *is_mirrored => Direction::Inbound,
            direction => direction,
        };
        let mut write = |frame: &[u8]| {
            let comment = annotate.as_mut().and_then(|annotate| annotate(direction, frame));
            let comment = comment.as_deref();
            if let Some((capture, interface)) = capture {
                capture.record(now, *interface, direction, frame, comment);
            }
            if monitor.is_watched() {
                monitor.show(Seen { now, direction, frame, comment });
            }
        };
        if segmenter.cut(offload, parts.clone(), &mut write).is_err() {
            // What lies about itself is recorded as it came.
            write(&parts.flatten().copied().collect::<Vec<u8>>());
        }
    }
}

/// A frame to be sent, kept until it is known whether the link took it. Its text is shared, not copied.
struct Sent {
    head: [u8; HEAD_MAX],
    head_len: usize,
    text: Chunks,
    offload: Offload,
}

impl Sent {
    fn of(entry: &TxEntry) -> Sent {
        let mut head = [0; HEAD_MAX];
        let head_len = entry.head().len();
        for (to, from) in head.iter_mut().zip(entry.head()) {
            *to = *from;
        }
        Sent { head, head_len, text: entry.text.clone(), offload: entry.offload }
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        std::iter::once(head).chain(self.text.iter().map(|chunk| chunk.as_slice()))
    }
}

impl<L: Link> Link for CaptureLink<L> {
    fn caps(&self) -> LinkCaps {
        self.inner.caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        if !self.recorder.is_wanted() {
            return self.inner.receive(now, pool, batch);
        }
        let first = batch.len();
        let result = self.inner.receive(now, pool, batch);
        if batch.len() > first {
            self.schedule_flush(now);
        }
        // A batch is looked at by emptying it: those from before, which are not ours, then the new ones.
        self.arrived.extend(batch.drain());
        for (index, packet) in self.arrived.drain(..).enumerate() {
            if index >= first {
                let parts = [packet.bytes(), packet.tail()];
                self.recorder.record(now, Direction::Inbound, &packet.offload, parts);
            }
            // As many go in as came out.
            let _ = batch.push(packet);
        }
        result
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        if !self.recorder.is_wanted() {
            return self.inner.transmit(now, batch);
        }
        let sent: Vec<Sent> = batch.iter().map(Sent::of).collect();
        let count = self.inner.transmit(now, batch)?;
        for frame in sent.iter().take(count) {
            self.recorder.record(now, Direction::Outbound, &frame.offload, frame.parts());
        }
        if count > 0 {
            self.schedule_flush(now);
        }
        Ok(count)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline().into_iter().chain(self.flush_at).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            if self.recorder.flush() {
                self.schedule_flush(now);
            }
        }
    }
}

impl<L: PollLink> PollLink for CaptureLink<L> {
    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}

impl<L: fmt::Debug> fmt::Debug for CaptureLink<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureLink").field("inner", &self.inner).finish_non_exhaustive()
    }
}
