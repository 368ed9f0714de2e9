//! A segment as the state machine sees it, in and out: headers without ports, checksum or octets.

use portolan_wire::SeqNumber;
use portolan_wire::tcp::{self, Flags, Options};

/// A received segment (RFC 9293 §3.10.7: SEG.SEQ, SEG.ACK, SEG.LEN, SEG.WND, SEG.UP).
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The sequence number of its first octet, or of its SYN.
    pub seq: SeqNumber,
    /// The next octet that the sender expects; means nothing without the ACK flag.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// The window field, unscaled.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// Octets of text.
    pub text_len: u32,
    /// The ECN bits of the IP header.
    pub ecn: u8,
}

impl Segment {
    /// The segment that `header` and `options` describe, with `text_len` octets of text.
    #[must_use]
    pub fn from_header(header: &tcp::Header, options: &Options, text_len: u32, ecn: u8) -> Segment {
        Segment {
            seq: header.seq(),
            ack: header.ack(),
            flags: header.flags(),
            window: header.window(),
            urgent: header.urgent(),
            options: *options,
            text_len,
            ecn,
        }
    }

    /// SEG.LEN: octets of sequence space, SYN and FIN counted (RFC 9293 §3.4).
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        self.text_len
            .saturating_add(u32::from(self.has(Flags::SYN)))
            .saturating_add(u32::from(self.has(Flags::FIN)))
    }

    /// The sequence number after the last one that the segment occupies.
    #[must_use]
    pub fn end(&self) -> SeqNumber {
        self.seq + self.sequence_len()
    }

    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.flags.contains(flag)
    }
}

/// A segment to be sent. The caller adds ports, checksum, IP and link headers.
#[derive(Clone, Copy, Debug)]
pub struct SegmentPlan {
    /// The sequence number of its first octet.
    pub seq: SeqNumber,
    /// The acknowledgement number; zero without the ACK flag.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// The window field.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// Octets of text, which `poll_segment` put into the caller's list.
    pub text_len: u32,
    /// Octets of text per segment if this is a super-segment that the link is to cut; else 0.
    pub gso_size: u16,
    /// Whether any of the text was sent before.
    pub retransmission: bool,
    /// The ECN bits for the IP header.
    pub ecn: u8,
}

impl SegmentPlan {
    /// A segment without text, window or options.
    pub(crate) fn control(seq: SeqNumber, ack: SeqNumber, flags: Flags) -> SegmentPlan {
        SegmentPlan {
            seq,
            ack,
            flags,
            window: 0,
            urgent: 0,
            options: Options::default(),
            text_len: 0,
            gso_size: 0,
            retransmission: false,
            ecn: 0,
        }
    }
}

/// The RST that answers a segment for which there is no connection; `None` if that is a RST itself.
///
/// RFC 9293 §3.10.7.1: the RST takes its numbers from the segment, so that it says nothing of this host.
#[must_use]
pub fn reset_for(segment: &Segment) -> Option<SegmentPlan> {
    if segment.has(Flags::RST) {
        return None;
    }
    Some(if segment.has(Flags::ACK) {
        SegmentPlan::control(segment.ack, SeqNumber(0), Flags::RST)
    } else {
        SegmentPlan::control(SeqNumber(0), segment.end(), Flags::RST | Flags::ACK)
    })
}

#[cfg(test)]
mod tests;
