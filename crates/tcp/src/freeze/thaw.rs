//! A connection out of octets.
//!
//! First everything is read and judged ([`Frozen`]), then the connection is built, and at the end [`Tcb::check`] has
//! the last word: a blob that passes is a connection like any other, whoever wrote it.

use core::fmt;

use portolan_wire::{SeqNumber, WindowScale};

use super::{ALGORITHMS, LASTING, STATES, USER_ALGORITHM, VERSION};
use crate::challenge::AnswerLimit;
use crate::congestion::Congestion;
use crate::ecn::AccEcn;
use crate::flight::Sending;
use crate::freeze::Reader;
use crate::limits::{Limit, LimitClock};
use crate::numbers::low_u32;
use crate::paws::Timestamps;
use crate::rtt::Rtt;
use crate::tcb::{Counters, Marks, ReceiveSpace, SendSpace, Tcb};
use crate::timers::Timers;
use crate::window::BUFFER_MIN;
use crate::{
    CommonOptions, CongestionAlgorithm, Context, FinWait2, Keepalive, OptionFlags, SeldomOptions, State,
    UserTimeoutOption,
};

/// The largest window that a scaled field can name, and the largest buffer that makes sense.
const OCTETS_MAX: u32 = 1 << 30;

/// The largest count that is believed, so that none overflows while the connection lives.
const COUNT_MAX: u64 = 1 << 62;

/// The same of segments.
const SEGMENTS_MAX: u32 = 1 << 31;

/// Text is put into the queues in pieces of this many octets.
const PIECE: usize = 16 * 1024;

/// Why octets are no connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ThawError {
    /// Written by another version of this program.
    Version,
    /// Cut short, too long, or of numbers that do not agree with each other.
    Malformed,
}

impl fmt::Display for ThawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ThawError::Version => "frozen by another version",
            ThawError::Malformed => "not a frozen connection",
        })
    }
}

impl core::error::Error for ThawError {}

/// Everything that the octets say, each number within its bounds.
struct Frozen<'a> {
    state: State,
    marks: Marks,
    snd: SendSpace,
    rcv: ReceiveSpace,
    ts: [u32; 3],
    rtt: Rtt,
    cc: Congestion,
    quick_acks: u8,
    counters: Counters,
    rare: Inherited,
    limits: [u32; 3],
    common: CommonOptions,
    seldom: SeldomOptions,
    to_send: &'a [u8],
    to_read: &'a [u8],
}

/// What the records of mishaps and of rarely used features inherit.
struct Inherited {
    bytes_retransmitted: u64,
    retransmits: u32,
    out_of_order: u32,
    delivered_ce: u32,
    remote_timeout_s: u32,
    accurate: AccEcn,
}

impl Tcb {
    /// The connection that `octets` are. `flow` is its id in trace events. It has an ACK to send, so that the peer
    /// learns its window.
    ///
    /// # Errors
    /// `Version`, `Malformed`.
    pub fn thaw(cx: &mut Context<'_>, octets: &[u8], flow: u64) -> Result<Tcb, ThawError> {
        let (&version, rest) = octets.split_first().ok_or(ThawError::Malformed)?;
        if version != VERSION {
            return Err(ThawError::Version);
        }
        let frozen = Frozen::read(cx, &mut Reader::new(rest)).ok_or(ThawError::Malformed)?;
        let mut tcb = frozen.build(cx, flow);
        if tcb.check(cx.slabs).is_err() {
            tcb.release(cx.slabs, cx.pool);
            return Err(ThawError::Malformed);
        }
        if matches!(tcb.state, State::Established | State::CloseWait) {
            cx.stats.curr_estab += 1;
        }
        tcb.owe_ack();
        Ok(tcb)
    }
}

impl<'a> Frozen<'a> {
    fn read(cx: &Context<'_>, reader: &mut Reader<'a>) -> Option<Frozen<'a>> {
        let state = *STATES.get(usize::from(reader.u8()?))?;
        let marks = Marks::from_bits(reader.u32()?).filter(|marks| LASTING.contains(*marks))?;
        let snd = read_send_space(reader)?;
        let rcv = read_receive_space(reader)?;
        let ts = reader.u32s()?;
        let rtt = Rtt::from_parts(reader.u32s()?)?;
        let [cwnd, ssthresh] = reader.u32s()?;
        let cc = Congestion::restored(cwnd, ssthresh)?;
        let quick_acks = reader.u8()?;
        let frozen = Frozen {
            state,
            marks,
            snd,
            rcv,
            ts,
            rtt,
            cc,
            quick_acks,
            counters: read_counters(reader)?,
            rare: read_rare(reader)?,
            limits: reader.u32s()?,
            common: read_common(cx, reader)?,
            seldom: read_seldom(reader)?,
            to_send: reader.counted()?,
            to_read: reader.counted()?,
        };
        (reader.rest().is_empty() && frozen.agrees()).then_some(frozen)
    }

    /// Whether the sequence numbers agree with the text and with each other, so that no sum of them overflows.
    fn agrees(&self) -> bool {
        let (snd, rcv) = (&self.snd, &self.rcv);
        let end = snd.end + u32::from(self.marks.contains(Marks::FIN_QUEUED));
        let text = snd.end.since(snd.una.min(snd.end));
        let ecn = self.marks.contains(Marks::ECN) || !self.marks.contains(Marks::ACCURATE);
        ecn && snd.una.at_or_before(snd.nxt)
            && snd.nxt.at_or_before(end)
            && text.is_some_and(|len| len as usize == self.to_send.len() && len <= OCTETS_MAX)
            && rcv.nxt.at_or_before(rcv.adv)
            && rcv.wnd() <= OCTETS_MAX
            && rcv.last_ack_sent.at_or_before(rcv.nxt)
            && self.to_read.len() <= OCTETS_MAX as usize
    }

    fn build(&self, cx: &mut Context<'_>, flow: u64) -> Tcb {
        let mut tcb = Tcb {
            flow,
            timers: Timers::NONE,
            heard_at: cx.now,
            sent_at: cx.now,
            counters: self.counters,
            cc: self.cc,
            snd: self.snd,
            rcv: ReceiveSpace { text_at_ms: low_u32(cx.now.as_millis()), ..self.rcv },
            rtt: self.rtt,
            ts: Timestamps::from_parts(self.ts, cx.now),
            limits: LimitClock::from_parts(self.limits, cx.now),
            answers: AnswerLimit::default(),
            options: self.common,
            marks: self.marks,
            flight: None,
            queues: None,
            rare: None,
            state: self.state,
            limit: Limit::Idle,
            error: None,
            last_drop: None,
            acks_owed: 0,
            quick_acks: self.quick_acks,
            retries: 0,
            backoffs: 0,
            probes: 0,
        };
        tcb.keep_seldom(cx.slabs, &self.seldom);
        let Inherited { bytes_retransmitted, retransmits, out_of_order, delivered_ce, .. } = self.rare;
        let Inherited { remote_timeout_s, accurate, .. } = self.rare;
        let is_accurate = tcb.has(Marks::ACCURATE);
        if is_accurate || delivered_ce > 0 || remote_timeout_s > 0 {
            let rare = cx.slabs.rare_or_new(&mut tcb.rare);
            (rare.delivered_ce, rare.accurate) = (delivered_ce, is_accurate.then_some(accurate));
            rare.user_timeout.remote_s = remote_timeout_s;
        }
        if retransmits > 0 || out_of_order > 0 || bytes_retransmitted > 0 {
            let mishaps = cx.slabs.mishaps_or_new(&mut tcb.rare);
            (mishaps.retransmits, mishaps.out_of_order) = (retransmits, out_of_order);
            mishaps.set_bytes_retransmitted(bytes_retransmitted);
        }
        self.fill_queues(cx, &mut tcb);
        self.fill_flight(cx, &mut tcb);
        tcb.rearm(cx);
        tcb
    }

    fn fill_queues(&self, cx: &mut Context<'_>, tcb: &mut Tcb) {
        if self.to_send.is_empty() && self.to_read.is_empty() {
            return;
        }
        let una = tcb.snd.una.min(tcb.snd.end);
        let queues = cx.slabs.queues_or_new(&mut tcb.queues, una);
        queues.send.append(cx.pool, self.to_send);
        queues.send.end_unit(0, false);
        queues.send.pushes.push(tcb.snd.end);
        for piece in self.to_read.chunks(PIECE) {
            let chunk = cx.pool.copy(piece);
            queues.receive.push(cx.pool, chunk);
        }
        cx.slabs.recharge(tcb.queues);
    }

    /// What is under way counts as one run, sent now.
    fn fill_flight(&self, cx: &mut Context<'_>, tcb: &mut Tcb) {
        let len = tcb.outstanding();
        if len == 0 {
            return;
        }
        let sending = Sending {
            seq: tcb.snd.una,
            len,
            mss: tcb.full_text(cx),
            now: cx.now,
            delivered: tcb.counters.bytes_acked,
            joins: false,
        };
        let fin = tcb.fin_is_sent();
        cx.slabs.flight_or_new(&mut tcb.flight, tcb.rare).on_inherited(&sending, fin);
        tcb.set_alarm_on_sent(cx, true);
    }
}

fn read_scale(reader: &mut Reader<'_>) -> Option<WindowScale> {
    let shift = reader.u8()?;
    (shift <= WindowScale::MAX.get()).then(|| WindowScale::new(shift))
}

fn read_send_space(reader: &mut Reader<'_>) -> Option<SendSpace> {
    let [iss, una, nxt, wnd, max_wnd, wl1, wl2, end] = reader.u32s()?;
    let (scale, mss) = (read_scale(reader)?, reader.u16()?);
    let [iss, una, nxt, wl1, wl2, end] = [iss, una, nxt, wl1, wl2, end].map(SeqNumber);
    let sound = wnd <= OCTETS_MAX && max_wnd <= OCTETS_MAX && mss > 0;
    sound.then_some(SendSpace { iss, una, nxt, wnd, max_wnd, wl1, wl2, end, scale, mss })
}

fn read_receive_space(reader: &mut Reader<'_>) -> Option<ReceiveSpace> {
    let [nxt, adv, last_ack_sent, buffer] = reader.u32s()?;
    let (scale, mss) = (read_scale(reader)?, reader.u16()?);
    let [nxt, adv, last_ack_sent] = [nxt, adv, last_ack_sent].map(SeqNumber);
    let sound = (BUFFER_MIN..=OCTETS_MAX).contains(&buffer) && mss > 0;
    sound.then_some(ReceiveSpace { nxt, adv, last_ack_sent, buffer, scale, mss, text_at_ms: 0 })
}

fn read_counters(reader: &mut Reader<'_>) -> Option<Counters> {
    let (bytes_acked, bytes_received) = (reader.u64()?, reader.u64()?);
    let [delivered, segs_in, segs_out, text_segs_in, text_segs_out] = reader.u32s()?;
    let sound = bytes_acked <= COUNT_MAX && bytes_received <= COUNT_MAX;
    let delivered = delivered.min(SEGMENTS_MAX);
    let counters =
        Counters { bytes_acked, bytes_received, delivered, segs_in, segs_out, text_segs_in, text_segs_out };
    sound.then_some(counters)
}

fn read_rare(reader: &mut Reader<'_>) -> Option<Inherited> {
    let bytes_retransmitted = reader.u64()?;
    let [retransmits, out_of_order, delivered_ce, remote_timeout_s] = reader.u32s()?;
    let counts = reader.u32s()?;
    let spoilt = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    (bytes_retransmitted <= COUNT_MAX).then_some(Inherited {
        bytes_retransmitted,
        retransmits: retransmits.min(SEGMENTS_MAX),
        out_of_order: out_of_order.min(SEGMENTS_MAX),
        delivered_ce,
        remote_timeout_s,
        accurate: AccEcn::from_parts(counts, spoilt),
    })
}

fn read_common(cx: &Context<'_>, reader: &mut Reader<'_>) -> Option<CommonOptions> {
    let flags = OptionFlags::from_bits(reader.u16()?)?;
    let mss_clamp = reader.u16()?;
    let [recv_buffer_max, send_buffer_max, user_timeout_ms] = reader.u32s()?;
    if recv_buffer_max > OCTETS_MAX * 2 || send_buffer_max > OCTETS_MAX * 2 {
        return None;
    }
    let congestion = match reader.array()? {
        [USER_ALGORITHM, number] if usize::from(number) < cx.config.user_congestion.len() => {
            CongestionAlgorithm::User(number)
        }
        [USER_ALGORITHM, _] => cx.config.congestion,
        [place, _] => match *ALGORITHMS.get(usize::from(place))? {
            // A controller that was made for one connection alone stays behind with its maker.
            CongestionAlgorithm::Own => cx.config.congestion,
            algorithm => algorithm,
        },
    };
    Some(CommonOptions { flags, mss_clamp, recv_buffer_max, send_buffer_max, user_timeout_ms, congestion })
}

fn read_seldom(reader: &mut Reader<'_>) -> Option<SeldomOptions> {
    let keepalive = Keepalive { time_s: reader.u16()?, interval_s: reader.u16()?, probes: reader.u8()? };
    let [receive_low_water, notsent_low_water, window_clamp] = reader.u32s()?;
    let fin_wait2 = match reader.array()? {
        [0, 0] => FinWait2::Usual,
        [1, 0] => FinWait2::Never,
        [2, seconds] => FinWait2::Seconds(seconds),
        _ => return None,
    };
    let (max_pacing_rate, syn_retries) = (reader.u64()?, reader.u8()?);
    let choice = |octet| match octet {
        0 => Some(Some(false)),
        1 => Some(Some(true)),
        2 => Some(None),
        _ => None,
    };
    let [enabled, is_advertised, changeable] = reader.array()?;
    let [advertised_s] = reader.u32s()?;
    let user_timeout_option = UserTimeoutOption {
        enabled: choice(enabled)?,
        advertised_s: choice(is_advertised)?.filter(|is| *is).map(|_| advertised_s),
        changeable: choice(changeable)?,
    };
    Some(SeldomOptions {
        keepalive,
        receive_low_water,
        notsent_low_water,
        window_clamp,
        fin_wait2,
        max_pacing_rate,
        syn_retries,
        user_timeout_option,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format is read in the order in which it is written, so that the sum of the widths is known.
    #[test]
    fn a_reader_never_goes_beyond_its_end() {
        let mut reader = Reader::new(&[0, 0, 0, 5, 1, 2, 3]);
        assert_eq!(reader.clone().counted(), None, "five octets are said to follow, and three do");
        assert_eq!(reader.u32s::<2>(), None);
        let mut reader_2 = Reader::new(&[0, 0, 0, 2, 1, 2, 3]);
        assert_eq!(reader_2.counted(), Some(&[1, 2][..]));
        assert_eq!((reader_2.rest(), reader_2.u16(), reader_2.u8()), (&[3][..], None, Some(3)));
        assert_eq!(Reader::new(&[]).octets(usize::MAX), None);
    }
}
