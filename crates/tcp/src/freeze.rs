//! A live connection as octets, and back: what a hand-over from one process to the next needs.
//!
//! [`Tcb::freeze`] writes what Linux's TCP_REPAIR can express: sequence numbers, windows, agreed options, timestamps,
//! the estimate of the round trip, congestion window and threshold, the application's options, and the text that
//! waits both ways. [`Tcb::thaw`] reads it. What a peer repeats by itself is left out: text out of order (RFC 2018 §8
//! allows a receiver to forget it), timers, and which segments were sent when. What was under way counts as sent at
//! the moment of the thaw, and is sent again if it was lost.
//!
//! The octets hold no secret of the host. They come from outside all the same: every number is judged before it is
//! used, and nothing is allocated beyond the text that is really there.
//!
//! The format, all numbers in network order: a version; state, marks, numbers of fixed width in the order of `freeze`;
//! then the text to be sent and the text to be read, each after its length.

mod reader;
mod thaw;

use alloc::vec::Vec;
use core::fmt;

use crate::ecn::AccEcn;
use crate::mishaps::Mishaps;
use crate::rare::Rare;
use crate::tcb::{Counters, Marks, ReceiveSpace, SendSpace, Tcb};
use crate::{
    CommonOptions, CongestionAlgorithm, Context, FinWait2, Keepalive, SeldomOptions, State, UserTimeoutOption,
};

pub use reader::Reader;
pub use thaw::ThawError;

/// The first octet. It changes whenever the meaning of any other does.
const VERSION: u8 = 1;

/// The states that can be frozen, by their number in the format.
const STATES: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

/// What is agreed or known, and stays so in another process.
const LASTING: Marks = Marks::PASSIVE
    .union(Marks::SACK)
    .union(Marks::TIMESTAMPS)
    .union(Marks::FIN_QUEUED)
    .union(Marks::FIN_RECEIVED)
    .union(Marks::READ_SHUT)
    .union(Marks::INTERACTIVE)
    .union(Marks::HELD)
    .union(Marks::ECN)
    .union(Marks::ECE_DUE)
    .union(Marks::CWR_DUE)
    .union(Marks::ECN_SEEN)
    .union(Marks::ACCURATE)
    .union(Marks::SYN_DATA);

/// The algorithms by their number in the format; a user's own is told by its number instead.
const ALGORITHMS: [CongestionAlgorithm; 5] = [
    CongestionAlgorithm::Own,
    CongestionAlgorithm::Cubic,
    CongestionAlgorithm::NewReno,
    CongestionAlgorithm::Bbr,
    CongestionAlgorithm::Dctcp,
];

/// The number of [`CongestionAlgorithm::User`] in the format.
const USER_ALGORITHM: u8 = 255;

/// Why a connection cannot be frozen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FreezeError {
    /// Its handshake is not over, or it has ended, or is in TIME-WAIT.
    NotOpen,
    /// It signs its segments, and its keys are the application's, to be kept and not to be written down.
    Signed,
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FreezeError::NotOpen => f.write_str("the connection is not open"),
            FreezeError::Signed => f.write_str("the connection signs its segments"),
        }
    }
}

impl core::error::Error for FreezeError {}

impl Tcb {
    /// The connection as octets. It stays as it is; whoever hands it over calls [`Tcb::forget`] afterwards.
    ///
    /// # Errors
    /// `NotOpen` outside of the states in which both SYNs are acknowledged and the connection has not ended;
    /// `Signed`.
    pub fn freeze(&self, cx: &Context<'_>) -> Result<Vec<u8>, FreezeError> {
        let state = (0..).zip(STATES).find(|&(_, state)| state == self.state);
        let Some((state, _)) = state.filter(|_| !self.has(Marks::UNPROVEN)) else {
            return Err(FreezeError::NotOpen);
        };
        if self.auth(cx.slabs).is_some() {
            return Err(FreezeError::Signed);
        }
        let mut out = Vec::new();
        out.extend([VERSION, state]);
        put_u32s(&mut out, &[(self.marks & LASTING).bits()]);
        put_send_space(&mut out, &self.snd);
        put_receive_space(&mut out, &self.rcv);
        put_u32s(&mut out, &self.ts.to_parts(cx.now));
        put_u32s(&mut out, &self.rtt.to_parts());
        put_u32s(&mut out, &[self.cc.window(), self.cc.threshold()]);
        out.push(self.quick_acks);
        put_counters(&mut out, &self.counters);
        put_mishaps(&mut out, &cx.slabs.mishaps(self.rare));
        put_rare(&mut out, cx.slabs.rare(self.rare));
        let mut limits = self.limits;
        limits.count(cx.now, self.limit);
        put_u32s(&mut out, &limits.to_parts());
        put_common(&mut out, &self.options);
        put_seldom(&mut out, &self.seldom(cx.slabs));
        self.put_text(cx, &mut out);
        Ok(out)
    }

    /// Forgets the connection without a word to the peer: somebody else goes on with it.
    pub fn forget(&mut self, cx: &mut Context<'_>) {
        let _ = self.end(cx, None);
        cx.slabs.give_queues(&mut self.queues, cx.pool);
    }

    fn put_text(&self, cx: &Context<'_>, out: &mut Vec<u8>) {
        let queues = cx.slabs.queues(self.queues);
        put_u32s(out, &[queues.map_or(0, |queues| queues.send.len())]);
        if let Some(queues) = queues {
            queues.send.copy_to(out);
        }
        let len = queues.map_or(0, |queues| queues.receive.len());
        put_u32s(out, &[len]);
        let start = out.len();
        out.resize(start + len as usize, 0);
        if let (Some(queues), Some(room)) = (queues, out.get_mut(start..)) {
            queues.receive.peek(room);
        }
    }
}

fn put_u32s(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| out.extend(value.to_be_bytes()));
}

fn put_u16s(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| out.extend(value.to_be_bytes()));
}

fn put_u64s(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| out.extend(value.to_be_bytes()));
}

fn put_send_space(out: &mut Vec<u8>, snd: &SendSpace) {
    let SendSpace { iss, una, nxt, wnd, max_wnd, wl1, wl2, end, scale, mss } = *snd;
    put_u32s(out, &[iss.0, una.0, nxt.0, wnd, max_wnd, wl1.0, wl2.0, end.0]);
    out.push(scale.get());
    put_u16s(out, &[mss]);
}

fn put_receive_space(out: &mut Vec<u8>, rcv: &ReceiveSpace) {
    let ReceiveSpace { nxt, adv, last_ack_sent, buffer, scale, mss, text_at_ms: _ } = *rcv;
    put_u32s(out, &[nxt.0, adv.0, last_ack_sent.0, buffer]);
    out.push(scale.get());
    put_u16s(out, &[mss]);
}

fn put_counters(out: &mut Vec<u8>, counters: &Counters) {
    let Counters { bytes_acked, bytes_received, delivered, segs_in, segs_out, text_segs_in, text_segs_out } =
        *counters;
    put_u64s(out, &[bytes_acked, bytes_received]);
    put_u32s(out, &[delivered, segs_in, segs_out, text_segs_in, text_segs_out]);
}

fn put_mishaps(out: &mut Vec<u8>, mishaps: &Mishaps) {
    put_u64s(out, &[mishaps.bytes_retransmitted()]);
    put_u32s(out, &[mishaps.retransmits, mishaps.out_of_order]);
}

/// The counters of ECN.
fn put_rare(out: &mut Vec<u8>, rare: Option<&Rare>) {
    let none = Rare::default();
    let rare = rare.unwrap_or(&none);
    put_u32s(out, &[rare.delivered_ce, rare.user_timeout.remote_s]);
    let (counts, spoilt) = rare.accurate.unwrap_or(AccEcn::NEW).to_parts();
    put_u32s(out, &counts);
    out.push(spoilt.into());
}

fn put_common(out: &mut Vec<u8>, options: &CommonOptions) {
    let CommonOptions { flags, mss_clamp, recv_buffer_max, send_buffer_max, .. } = *options;
    put_u16s(out, &[flags.bits(), mss_clamp]);
    put_u32s(out, &[recv_buffer_max, send_buffer_max, options.user_timeout_ms]);
    out.extend(match options.congestion {
        CongestionAlgorithm::User(number) => [USER_ALGORITHM, number],
        algorithm => {
            let place = (0..).zip(ALGORITHMS).find(|&(_, other)| other == algorithm);
            [place.map_or(0, |(place, _)| place), 0]
        }
    });
}

fn put_seldom(out: &mut Vec<u8>, options: &SeldomOptions) {
    let Keepalive { time_s, interval_s, probes } = options.keepalive;
    put_u16s(out, &[time_s, interval_s]);
    out.push(probes);
    let &SeldomOptions { receive_low_water, notsent_low_water, window_clamp, fin_wait2, .. } = options;
    put_u32s(out, &[receive_low_water, notsent_low_water, window_clamp]);
    out.extend(match fin_wait2 {
        FinWait2::Usual => [0, 0],
        FinWait2::Never => [1, 0],
        FinWait2::Seconds(seconds) => [2, seconds],
    });
    put_u64s(out, &[options.max_pacing_rate]);
    out.push(options.syn_retries);
    let UserTimeoutOption { enabled, advertised_s, changeable } = options.user_timeout_option;
    out.extend([enabled, advertised_s.map(|_| true), changeable].map(|choice| choice.map_or(2, u8::from)));
    put_u32s(out, &[advertised_s.unwrap_or(0)]);
}

#[cfg(test)]
mod tests;
