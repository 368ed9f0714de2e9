//! TCP_INFO, TCP_CC_INFO and SO_MEMINFO: structures of Linux's headers, in the machine's byte order.

use portolan_stack::{Info, State};

use crate::Errno;
use crate::machine::Machine;
use crate::machine::file::Fd;

/// Octets of `struct tcp_info` with the fields for accurate ECN (linux/tcp.h of Linux 6.18).
const LEN: usize = 280;

/// TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK and TCPI_OPT_WSCALE.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WSCALE: u8 = 4;

impl Machine {
    /// `struct tcp_info` of a socket.
    pub(crate) fn tcp_info(&mut self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let id = self.files.socket(fd)?.id;
        match self.stack.info(id) {
            Ok(info) => Ok(encode(&info)),
            Err(_) => {
                let mut out = vec![0; LEN];
                if let Some(first) = out.first_mut() {
                    *first = number(self.stack.state(id)?);
                }
                Ok(out)
            }
        }
    }

    /// The nine figures of SO_MEMINFO.
    pub(crate) fn memory_info(&mut self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let socket = self.files.socket(fd)?;
        let id = socket.id;
        let received = self.stack.receive_queued(id).unwrap_or(0);
        let queued = self.stack.send_queued(id).unwrap_or(0);
        let (receive_buffer, send_buffer) = (self.buffer_size(fd, false)?, self.buffer_size(fd, true)?);
        let figures = [received, receive_buffer, 0, send_buffer, 0, queued, 0, 0, 0];
        Ok(figures.into_iter().flat_map(u32::to_ne_bytes).collect())
    }
}

/// Linux's numbers of net/tcp_states.h.
fn number(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}

fn encode(info: &Info) -> Vec<u8> {
    let mut out = vec![0; LEN];
    let mss = u32::from(info.snd_mss).max(1);
    let segments = |octets: u32| octets.div_ceil(mss);
    let wscale = info.snd_wscale > 0 || info.rcv_wscale > 0;
    let options = [(info.timestamps, TIMESTAMPS), (info.sack, SACK), (wscale, WSCALE)];
    let options = options.iter().filter(|(on, _)| *on).fold(0, |bits, (_, bit)| bits | bit);
    let octets = [
        (0, number(info.state)),
        (2, info.retransmits),
        (3, info.probes),
        (4, info.backoff),
        (5, options),
        (6, info.snd_wscale & 15 | info.rcv_wscale << 4),
        (7, u8::from(info.app_limited)),
    ];
    for (at, value) in octets {
        put(&mut out, at, &[value]);
    }
    let words = [
        (8, info.rto_us),
        (16, u32::from(info.snd_mss)),
        (20, u32::from(info.rcv_mss)),
        (24, segments(info.unacked)),
        (28, segments(info.sacked)),
        (32, segments(info.lost)),
        (68, info.rtt_us),
        (72, info.rttvar_us),
        (76, info.ssthresh_segments.min(0x7fff_ffff)),
        (80, info.cwnd_segments),
        (84, u32::from(info.snd_mss)),
        (88, info.reordering),
        (96, info.rcv_space),
        (100, info.total_retransmits),
        (136, info.segs_out),
        (140, info.segs_in),
        (144, info.not_sent),
        (148, info.min_rtt_us),
        (228, info.snd_wnd),
        (232, info.rcv_wnd),
    ];
    for (at, value) in words {
        put(&mut out, at, &value.to_ne_bytes());
    }
    let long_words = [
        (104, u64::MAX),
        (112, u64::MAX),
        (120, info.bytes_acked),
        (128, info.bytes_received),
        (168, info.busy_us),
        (176, info.rwnd_limited_us),
        (184, info.sndbuf_limited_us),
        (200, info.bytes_sent),
        (208, info.bytes_retransmitted),
    ];
    for (at, value) in long_words {
        put(&mut out, at, &value.to_ne_bytes());
    }
    let delivered = u32::try_from(info.delivered.div_ceil(u64::from(mss))).unwrap_or(u32::MAX);
    put(&mut out, 192, &delivered.to_ne_bytes());
    out
}

fn put(out: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(field) = out.get_mut(at..at + octets.len()) {
        field.copy_from_slice(octets);
    }
}
