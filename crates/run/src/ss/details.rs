//! A connection's figures in the words, units and order of `ss -i`. What is zero is left out, as there.

use std::fmt::Write as _;

use crate::admin::message::{SocketRow, SocketState, TcpFigures};
use crate::summary::escape;

/// Segments that Linux assumes to be reordered when it has seen none.
const REORDERING: u32 = 3;

/// The figures on one line. Rates are bits per second: plain numbers if `numeric`, else with a unit.
pub(super) fn render(tcp: &TcpFigures, numeric: bool) -> String {
    let mut words = Words(String::new());
    for (is_set, word) in [
        (tcp.ts, "ts"),
        (tcp.sack, "sack"),
        (tcp.ecn, "ecn"),
        (tcp.ecnseen, "ecnseen"),
        (tcp.fastopen, "fastopen"),
    ] {
        words.flag(word, is_set);
    }
    words.flag(&escape(&tcp.congestion), !tcp.congestion.is_empty());
    round_trip(&mut words, tcp);
    for (word, value) in [
        ("mss", tcp.mss.into()),
        ("pmtu", tcp.pmtu.into()),
        ("rcvmss", tcp.rcvmss.into()),
        ("advmss", tcp.advmss.into()),
        ("cwnd", tcp.cwnd.into()),
        ("ssthresh", tcp.ssthresh.unwrap_or(0).into()),
        ("bytes_sent", tcp.bytes_sent),
        ("bytes_retrans", tcp.bytes_retrans),
        ("bytes_acked", tcp.bytes_acked),
        ("bytes_received", tcp.bytes_received),
        ("segs_out", tcp.segs_out.into()),
        ("segs_in", tcp.segs_in.into()),
        ("data_segs_out", tcp.data_segs_out.into()),
        ("data_segs_in", tcp.data_segs_in.into()),
    ] {
        words.count(word, value);
    }
    rates(&mut words, tcp, numeric);
    words.count("delivered", tcp.delivered.into());
    words.count("delivered_ce", tcp.delivered_ce.into());
    words.flag("app_limited", tcp.app_limited);
    limits(&mut words, tcp);
    words.count("unacked", tcp.unacked.into());
    words.put(tcp.retrans > 0 || tcp.retrans_total > 0, || {
        format!("retrans:{}/{}", tcp.retrans, tcp.retrans_total)
    });
    words.count("lost", tcp.lost.into());
    words.count("sacked", tcp.sacked.into());
    words.count("dsack_dups", tcp.dsack_dups.into());
    words.put(tcp.reordering != REORDERING, || format!("reordering:{}", tcp.reordering));
    words.count("reord_seen", tcp.reord_seen.into());
    words.put(tcp.rcv_rtt_us > 0, || format!("rcv_rtt:{}", ms(tcp.rcv_rtt_us.into())));
    words.count("rcv_space", tcp.rcv_space.into());
    words.count("rcv_ssthresh", tcp.rcv_ssthresh.into());
    words.count("notsent", tcp.notsent.into());
    words.put(tcp.minrtt_us > 0, || format!("minrtt:{}", ms(tcp.minrtt_us.into())));
    words.count("rcv_ooopack", tcp.rcv_ooopack.into());
    words.count("snd_wnd", tcp.snd_wnd.into());
    words.count("rcv_wnd", tcp.rcv_wnd.into());
    words.0
}

fn round_trip(words: &mut Words, tcp: &TcpFigures) {
    words.put(tcp.wscale != (0, 0), || format!("wscale:{},{}", tcp.wscale.0, tcp.wscale.1));
    words.put(tcp.rto_us > 0, || format!("rto:{}", ms(tcp.rto_us)));
    words.count("backoff", tcp.backoff.into());
    words.put(tcp.rtt_us > 0, || format!("rtt:{}/{}", ms(tcp.rtt_us.into()), ms(tcp.rttvar_us.into())));
    words.put(tcp.ato_us > 0, || format!("ato:{}", ms(tcp.ato_us.into())));
}

fn rates(words: &mut Words, tcp: &TcpFigures, numeric: bool) {
    let bits = |octets: u64| rate(octets as f64 * 8.0, numeric);
    words.put(tcp.rtt_us > 0 && tcp.mss > 0 && tcp.cwnd > 0, || {
        let window = f64::from(tcp.cwnd) * f64::from(tcp.mss) * 8.0;
        format!("send {}bps", rate(window * 1e6 / f64::from(tcp.rtt_us), numeric))
    });
    words.count("lastsnd", tcp.lastsnd_ms.into());
    words.count("lastrcv", tcp.lastrcv_ms.into());
    words.count("lastack", tcp.lastack_ms.into());
    if let Some(pacing) = tcp.pacing_rate {
        let limit = tcp.max_pacing_rate.map_or(String::new(), |limit| format!("/{}bps", bits(limit)));
        words.put(true, || format!("pacing_rate {}bps{limit}", bits(pacing)));
    }
    words.put(tcp.delivery_rate > 0, || format!("delivery_rate {}bps", bits(tcp.delivery_rate)));
}

fn limits(words: &mut Words, tcp: &TcpFigures) {
    if tcp.busy_us == 0 {
        return;
    }
    words.put(true, || format!("busy:{}ms", tcp.busy_us / 1000));
    for (word, us) in [("rwnd_limited", tcp.rwnd_limited_us), ("sndbuf_limited", tcp.sndbuf_limited_us)] {
        let share = 100.0 * us as f64 / tcp.busy_us as f64;
        words.put(us > 0, || format!("{word}:{}ms({share:.1}%)", us / 1000));
    }
}

/// The timer of `-o`: which, how long it still runs, and how often it ended without an answer.
pub(super) fn timer(row: &SocketRow) -> String {
    let Some(timer) = &row.timer else { return String::new() };
    format!("timer:({},{},{})", escape(&timer.name), time_left(timer.left_ms), timer.retrans)
}

/// In ss's units: with minutes no milliseconds, with many of either no smaller ones.
fn time_left(left_ms: u64) -> String {
    let (minutes, seconds, millis) = (left_ms / 60_000, left_ms / 1000 % 60, left_ms % 1000);
    let seconds = if minutes > 9 { 0 } else { seconds };
    let millis = if minutes > 0 || seconds > 9 { 0 } else { millis };
    let mut out = String::new();
    if minutes > 0 {
        let _ = write!(out, "{minutes}min");
    }
    if seconds > 0 {
        let _ = write!(out, "{seconds}{}", if millis > 0 { "." } else { "sec" });
    }
    if millis > 0 {
        let _ = write!(out, "{millis:03}ms");
    }
    out
}

/// The memory of `-m`: what is queued both ways (r, w) and may be (rb, tb), in octets. Our sockets hold nothing ahead and
/// have no backlog, so that the rest is 0.
pub(super) fn memory(row: &SocketRow) -> String {
    let Some(buffers) = row.buffers else { return String::new() };
    // A listener counts connections.
    let is_listener = row.state == SocketState::Listening;
    let (read, written) = if is_listener { (0, 0) } else { (row.recv_q, row.send_q) };
    format!("skmem:(r{read},rb{},t0,tb{},f0,w{written},o0,bl0,d0)", buffers.receive, buffers.send)
}

/// Words with a space between them.
struct Words(String);

impl Words {
    fn put(&mut self, is_wanted: bool, word: impl FnOnce() -> String) {
        if is_wanted {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(&word());
        }
    }

    fn flag(&mut self, word: &str, is_set: bool) {
        self.put(is_set, || word.to_owned());
    }

    fn count(&mut self, word: &str, value: u64) {
        self.put(value > 0, || {
            let mut out = String::new();
            let _ = write!(out, "{word}:{value}");
            out
        });
    }
}

/// Microseconds in milliseconds, without zeros at the end.
fn ms(us: u64) -> String {
    let (whole, rest) = (us / 1000, us % 1000);
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn rate(bits: f64, numeric: bool) -> String {
    match bits {
        _ if numeric => format!("{bits:.0}"),
        1e6.. => format!("{:.1}M", bits / 1e6),
        1e3.. => format!("{:.1}K", bits / 1e3),
        _ => format!("{bits:.0}"),
    }
}

#[cfg(test)]
mod tests;
