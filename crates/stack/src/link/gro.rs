//! Receive offload in software: segments of one batch that follow one another become one.
//!
//! A link without offloads delivers a super-segment in pieces of an MSS, and each would cost a walk through the whole
//! connection. Merged, they are what a link with offloads delivers: the text, ACK and window of all, judged once.
//! Only segments are merged that say the same but for their text, so that nothing else can tell the difference.

use portolan_link::Chunks;
use portolan_tcp::{Segment, Signals};
use portolan_wire::tcp::Flags;

use crate::drop::DropReason;
use crate::stack::Stack;

/// Octets of merged text, as a super-segment from a link may have.
const TEXT_MAX: u32 = 65_535;

/// Segments of one connection that wait to be taken as one.
#[derive(Debug, Default)]
pub(crate) struct Gro {
    /// Whether a batch is being received.
    pub(crate) is_open: bool,
    /// The number of the last batch.
    pub(crate) batch: u64,
    /// The connection, the segment as it is so far, and how many frames it came in.
    held: Option<(u32, Segment, u64)>,
    /// Its text. The list is used again, so that its memory is.
    text: Chunks,
}

impl Gro {
    fn keep(&mut self, text: &mut Chunks) {
        while let Some(chunk) = text.pop_front() {
            self.text.push(chunk);
        }
    }
}

/// Whether a segment says nothing but "here is more text".
fn is_plain(segment: &Segment) -> bool {
    let plain = segment.flags.without(Flags::PSH) == Flags::ACK && segment.options.sack.is_empty();
    plain && segment.text_len > 0
}

/// Whether `next` continues `held` and differs in nothing that matters.
fn continues(held: &Segment, next: &Segment) -> bool {
    held.end() == next.seq
        && held.ack == next.ack
        && held.window == next.window
        && portolan_tcp::planted!(64, true, held.ecn == next.ecn)
        && held.options == next.options
        && held.text_len + next.text_len <= TEXT_MAX
}

impl Stack {
    /// A segment for a connection, with its text: taken at once, or kept for the next one to be merged with.
    pub(crate) fn merge_input(
        &mut self,
        index: u32,
        segment: &Segment,
        text: &mut Chunks,
    ) -> Result<(), DropReason> {
        let plain = self.gro.is_open && is_plain(segment);
        if let Some((connection, held, frames)) = &mut self.gro.held {
            if plain && *connection == index && continues(held, segment) {
                held.text_len += segment.text_len;
                held.flags = held.flags.with(segment.flags);
                *frames += 1;
                self.gro.keep(text);
                return Ok(());
            }
            self.flush_merged();
        }
        if !plain {
            return self.connection_input(index, segment, text);
        }
        self.gro.held = Some((index, *segment, 1));
        self.gro.keep(text);
        Ok(())
    }

    /// Gives what was merged to its connection. The frames were counted as delivered; if the connection does not
    /// take them, they are counted as dropped instead.
    pub(crate) fn flush_merged(&mut self) {
        let Some((index, segment, frames)) = self.gro.held.take() else { return };
        let mut text = core::mem::take(&mut self.gro.text);
        let signals =
            self.with_tcb(index, |tcb, cx| tcb.on_segment(cx, &segment, &mut text)).unwrap_or_default();
        text.clear();
        self.gro.text = text;
        self.settle(index, signals);
        if signals.contains(Signals::DROPPED) {
            self.engine.stats.frames_delivered -= frames;
            for _ in 0..frames {
                self.engine.drop(DropReason::TcpSegment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_wire::SeqNumber;
    use portolan_wire::tcp::{Options, Timestamps};

    use super::*;

    fn segment(seq: u32, text_len: u32) -> Segment {
        Segment {
            seq: SeqNumber(seq),
            ack: SeqNumber(7),
            flags: Flags::ACK,
            window: 100,
            urgent: 0,
            options: Options::NONE,
            text_len,
            ecn: 0,
        }
    }

    #[test]
    fn only_more_of_the_same_is_merged() {
        let held = segment(u32::MAX - 9, 10);
        let next = segment(0, 10);
        assert!(is_plain(&held) && continues(&held, &next));
        assert!(!continues(&held, &segment(1, 10)), "a gap");
        assert!(!continues(&held, &Segment { ack: SeqNumber(8), ..next }));
        assert!(!continues(&held, &Segment { window: 99, ..next }));
        assert!(!continues(&held, &Segment { ecn: 3, ..next }), "a mark of congestion");
        let timestamps = Some(Timestamps { value: 1, echo: 1 });
        assert!(!continues(&held, &Segment { options: Options { timestamps, ..Options::NONE }, ..next }));
        assert!(!continues(&held, &segment(0, TEXT_MAX)));
        assert!(is_plain(&Segment { flags: Flags::ACK.with(Flags::PSH), ..next }));
        for flag in [Flags::FIN, Flags::SYN, Flags::RST, Flags::URG, Flags::ECE, Flags::CWR] {
            assert!(!is_plain(&Segment { flags: Flags::ACK.with(flag), ..next }), "{flag:?}");
        }
        assert!(!is_plain(&segment(0, 0)), "a bare ACK");
    }
}
