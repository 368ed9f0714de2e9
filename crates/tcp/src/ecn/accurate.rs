//! Accurate ECN (RFC 9768): not whether something was marked in a round trip, but how much.
//!
//! The three flags AE, CWR and ECE become one field, ACE, that counts marked segments modulo 8; an option counts the
//! octets that came with each codepoint. The handshake uses the same flags to agree on it, and to find out whether
//! somebody on the way overwrites the IP header's bits.

use portolan_wire::tcp::{AccEcnOption, Flags};

use super::codepoint::{CE, ECT_0, ECT_1, NOT_ECT};
use crate::tcb::{Marks, Tcb};
use crate::{Context, Segment, SegmentPlan};

/// RFC 9768 §3.2.1: where counters of segments begin.
const ACE_BEGINS: u32 = 5;
/// Counters of octets are 24 bits wide.
const OCTETS_MASK: u32 = 0xff_ffff;
/// RFC 9768 §3.2.2.5.1: so many marks are told at once.
const MARKS_UNTOLD_MAX: u8 = 2;

/// Octets of the option, padding included, and of all options that a segment can have.
const OPTION_LEN: u16 = 12;
const OPTIONS_MAX: u16 = 40;

/// The field in the flags.
const ACE: Flags = Flags::AE.with(Flags::CWR).with(Flags::ECE);

/// What AccECN counts, both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AccEcn {
    /// r.cep without its beginning: marked segments that came.
    received_ce: u32,
    /// r.e0b, r.ceb and r.e1b.
    received: AccEcnOption,
    /// What the last option said.
    told: AccEcnOption,
    /// Marked segments since the last ACK, and whether the last segment was marked.
    untold: u8,
    last_ce: bool,
    /// s.cep without its beginning: marked segments that the peer has told of.
    delivered_ce: u32,
    /// s.ceb.
    ceb: u32,
    /// The last acknowledgement of something told of marks, so that the next may well do, too.
    marks_prevail: bool,
    /// The codepoint of the peer's SYN-ACK, which our first ACK tells.
    handshake: Option<u8>,
    /// The path or the peer spoils the bits, so that our segments are not to be marked.
    spoilt: bool,
}

impl AccEcn {
    pub(crate) const NEW: AccEcn = AccEcn {
        received_ce: 0,
        received: AccEcnOption { e0b: 1, ceb: 0, e1b: 1 },
        told: AccEcnOption { e0b: 1, ceb: 0, e1b: 1 },
        untold: 0,
        last_ce: false,
        delivered_ce: 0,
        ceb: 0,
        marks_prevail: false,
        handshake: None,
        spoilt: false,
    };

    /// The counts that both ends have to agree on, and whether marks are given up, for a hand-over.
    pub(crate) fn to_parts(self) -> ([u32; 9], bool) {
        let AccEcnOption { e0b, ceb, e1b } = self.received;
        let told = self.told;
        let counts =
            [self.received_ce, e0b, ceb, e1b, told.e0b, told.ceb, told.e1b, self.delivered_ce, self.ceb];
        (counts, self.spoilt)
    }

    /// What [`AccEcn::to_parts`] gave.
    pub(crate) fn from_parts(counts: [u32; 9], spoilt: bool) -> AccEcn {
        let [received_ce, e0b, ceb, e1b, told_e0b, told_ceb, told_e1b, delivered_ce, peer_ceb] = counts;
        AccEcn {
            received_ce,
            received: AccEcnOption { e0b, ceb, e1b },
            told: AccEcnOption { e0b: told_e0b, ceb: told_ceb, e1b: told_e1b },
            delivered_ce,
            ceb: peer_ceb,
            spoilt,
            ..AccEcn::NEW
        }
    }
}

/// The flags of a SYN that asks for it.
pub(crate) const SYN: Flags = ACE;

/// Whether a SYN asks for it, or for something later of the same kind (RFC 9768 §3.1.3).
pub(crate) fn is_asked(flags: Flags) -> bool {
    flags.contains(Flags::AE)
}

/// RFC 9768 §3.1.1, table 2, and §3.2.2.1, table 3: how a codepoint of the handshake is told.
pub(crate) fn handshake_flags(codepoint: u8) -> Flags {
    match codepoint {
        NOT_ECT => Flags::CWR,
        ECT_1 => Flags::CWR.with(Flags::ECE),
        ECT_0 => Flags::AE,
        _ => Flags::AE.with(Flags::CWR),
    }
}

/// The codepoint that these flags tell; `None` for those that tell none.
fn told_codepoint(flags: Flags) -> Option<u8> {
    [NOT_ECT, ECT_1, ECT_0, CE]
        .into_iter()
        .find(|codepoint| ace_of(flags) == ace_of(handshake_flags(*codepoint)))
}

/// The field as a number, 0 to 7.
fn ace_of(flags: Flags) -> u32 {
    let bit = |flag, value| if flags.contains(flag) { value } else { 0 };
    bit(Flags::AE, 4) | bit(Flags::CWR, 2) | bit(Flags::ECE, 1)
}

/// The number as the field.
fn with_ace(flags: Flags, ace: u32) -> Flags {
    let bit = |flag, value| if ace & value > 0 { flag } else { Flags::NONE };
    flags.without(ACE) | bit(Flags::AE, 4) | bit(Flags::CWR, 2) | bit(Flags::ECE, 1)
}

/// RFC 9768 §3.2.2.5.2 and appendix A.2: how many more segments were marked, if `delivered` were delivered, and the field
/// has moved on by `least`. Where it may have wrapped, the peer's octets decide, and without them the safest case that is
/// likely: a field that stands still has not wrapped, unless marks prevail.
fn newly_marked(
    least: u32,
    delivered: u32,
    marked_octets: Option<u32>,
    mss: u32,
    marks_prevail: bool,
) -> u32 {
    if delivered <= 7 {
        return least;
    }
    match marked_octets {
        Some(octets) if octets <= least * mss => least,
        None if least == 0 && !marks_prevail => 0,
        // The most that the field allows: a peer that tells little is not believed to have little to tell.
        _ => delivered - (delivered.wrapping_sub(least) & 7),
    }
}

impl Tcb {
    fn accurate<'a>(&mut self, cx: &'a mut Context<'_>) -> &'a mut AccEcn {
        cx.slabs.rare_or_new(&mut self.rare).accurate.get_or_insert(AccEcn::NEW)
    }

    /// The peer's SYN-ACK answers a SYN that asked; whether it agrees.
    pub(super) fn agree_accurate(&mut self, cx: &mut Context<'_>, segment: &Segment) -> bool {
        // RFC 9768 §3.1.2, table 2. What is reserved is what a later version says.
        let agreed = !matches!(ace_of(segment.flags), 0 | 1 | 7);
        if agreed {
            let told = told_codepoint(segment.flags);
            let accurate = self.accurate(cx);
            accurate.handshake = Some(segment.ecn);
            // §3.2.2.3: our SYN was not capable; if it came so, the bits are overwritten.
            accurate.spoilt = told.is_some_and(|told| told != NOT_ECT);
            accurate.received_ce = u32::from(segment.ecn == CE);
        }
        agreed
    }

    /// The connection comes from a listener that has agreed; the SYN had this codepoint.
    pub(crate) fn begin_accurate(&mut self, cx: &mut Context<'_>, codepoint: u8) {
        self.marks.insert(Marks::ECN | Marks::ACCURATE);
        self.accurate(cx).received_ce = u32::from(codepoint == CE);
    }

    /// The ACK that completes a listener's handshake: what it tells of our SYN-ACK.
    pub(crate) fn take_handshake_ack(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if !self.has(Marks::ACCURATE) || segment.text_len > 0 || !segment.options.sack.is_empty() {
            return;
        }
        let spoilt = match told_codepoint(segment.flags) {
            Some(told) => told != NOT_ECT,
            // RFC 9768 §3.2.2.4: zeroed by somebody on the way.
            None => ace_of(segment.flags) == 0,
        };
        let accurate = self.accurate(cx);
        accurate.spoilt = spoilt;
        // So that the next ACK counts from here.
        accurate.delivered_ce = u32::from(told_codepoint(segment.flags) == Some(CE));
    }

    /// The field, on every segment after the handshake.
    pub(super) fn count_in_segment(&self, cx: &Context<'_>, plan: &mut SegmentPlan) {
        if let Some(accurate) = cx.slabs.rare(self.rare).and_then(|rare| rare.accurate) {
            plan.flags = with_ace(plan.flags, ACE_BEGINS.wrapping_add(accurate.received_ce));
        }
    }

    /// Whether new text is not to be capable. From it on, the field counts.
    pub(super) fn is_spoilt(&mut self, cx: &mut Context<'_>) -> bool {
        let accurate = self.accurate(cx);
        accurate.handshake = None;
        accurate.spoilt
    }

    /// Whether the field has the bit that devices clear when they cut super-segments (RFC 3168's CWR).
    pub(crate) fn must_not_be_cut(&self, cx: &Context<'_>) -> bool {
        self.has(Marks::ACCURATE)
            && cx
                .slabs
                .rare(self.rare)
                .and_then(|rare| rare.accurate)
                .is_some_and(|accurate| ACE_BEGINS.wrapping_add(accurate.received_ce) & 2 > 0)
    }

    /// A pure ACK: the first tells the codepoint of the SYN-ACK, any has the option if there is news and room.
    pub(super) fn count_in_ack(&mut self, cx: &mut Context<'_>, plan: &mut SegmentPlan) {
        let wants_option = cx.config.ecn_option;
        let accurate = self.accurate(cx);
        accurate.untold = 0;
        if let Some(codepoint) = accurate.handshake.take()
            && plan.options.sack.is_empty()
        {
            plan.flags = plan.flags.without(ACE) | handshake_flags(codepoint);
        }
        let option = accurate.received;
        if wants_option && option != accurate.told {
            plan.options.accurate_ecn = Some(option);
            if plan.options.len() <= AccEcnOption::OPTIONS_MAX {
                accurate.told = option;
            } else {
                plan.options.accurate_ecn = None;
            }
        }
    }

    /// §3.2.3: what new text says of octets: marks, at least, that no option has told of yet, if there is room.
    fn option_of_text(&self, cx: &Context<'_>) -> Option<AccEcnOption> {
        let accurate = cx.slabs.rare(self.rare).filter(|_| self.has(Marks::ACCURATE))?.accurate?;
        let has_room = self.options_len(cx.slabs) + OPTION_LEN <= OPTIONS_MAX;
        let is_due = cx.config.ecn_option && accurate.received.ceb != accurate.told.ceb && has_room;
        is_due.then_some(accurate.received)
    }

    /// Octets that [`Tcb::count_in_text`] adds to the options of new text.
    pub(crate) fn option_of_text_len(&self, cx: &Context<'_>) -> u16 {
        if self.option_of_text(cx).is_some() { OPTION_LEN } else { 0 }
    }

    /// New text: the option, if it has something to say.
    pub(crate) fn count_in_text(&mut self, cx: &mut Context<'_>, plan: &mut SegmentPlan) {
        let Some(option) = self.option_of_text(cx) else { return };
        plan.options.accurate_ecn = Some(option);
        self.accurate(cx).told = option;
    }

    /// Counts a segment that is acceptable.
    pub(super) fn count_marks(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        let marked = segment.ecn == CE;
        // More than the path takes was received as several segments and joined.
        let joined = segment.text_len > u32::from(cx.mss);
        let segments = if joined { segment.text_len.div_ceil(u32::from(self.rcv.mss.max(1))) } else { 1 };
        let accurate = self.accurate(cx);
        if marked {
            accurate.received_ce = accurate.received_ce.wrapping_add(segments);
            accurate.untold = accurate.untold.saturating_add(1);
        }
        if segment.text_len == 0 {
            return;
        }
        let received = &mut accurate.received;
        let octets = match segment.ecn {
            CE => Some(&mut received.ceb),
            ECT_0 => Some(&mut received.e0b),
            ECT_1 => Some(&mut received.e1b),
            _ => None,
        };
        if let Some(octets) = octets {
            *octets = octets.wrapping_add(segment.text_len) & OCTETS_MASK;
        }
        // §3.2.2.5.1: a change is told at once, and so is the second mark.
        let tell = core::mem::replace(&mut accurate.last_ce, marked) != marked;
        if tell || accurate.untold >= MARKS_UNTOLD_MAX {
            self.owe_ack();
        }
    }

    /// An ACK that delivered so many octets: how many of them were marked.
    pub(super) fn take_count(&mut self, cx: &mut Context<'_>, segment: &Segment, delivered: u32) -> u32 {
        // RFC 9768 §3.2.2.5.2: an ACK that brings nothing new may be old.
        if delivered == 0 || segment.has(Flags::SYN) {
            return 0;
        }
        let mss = u32::from(self.full_text(cx));
        let accurate = self.accurate(cx);
        let marked_octets = segment.options.accurate_ecn.map(|option| {
            let octets = option.ceb.wrapping_sub(accurate.ceb) & OCTETS_MASK;
            // A counter that goes back is of an ACK that was overtaken.
            if octets > OCTETS_MASK / 2 {
                return 0;
            }
            accurate.ceb = option.ceb;
            octets
        });
        let least = ace_of(segment.flags).wrapping_sub(ACE_BEGINS).wrapping_sub(accurate.delivered_ce) & 7;
        let delivered_segments = delivered.div_ceil(mss);
        let segments = newly_marked(least, delivered_segments, marked_octets, mss, accurate.marks_prevail);
        accurate.marks_prevail = least > 0 || marked_octets.is_some_and(|octets| octets > 0);
        accurate.delivered_ce = accurate.delivered_ce.wrapping_add(segments);
        let octets = marked_octets.filter(|octets| *octets > 0).unwrap_or(segments.saturating_mul(mss));
        if segments == 0 { 0 } else { octets.clamp(1, delivered) }
    }
}

#[cfg(test)]
mod tests;
