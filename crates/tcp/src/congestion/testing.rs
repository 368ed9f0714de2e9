//! What the tests of the controllers have in common: a connection that is not there.

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{AckSample, CcContext, CongestionControl};
use crate::Config;

/// The path of a controller under test: segments of 1,000 octets, one window in each round trip.
pub(crate) struct Path {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) una: u32,
    pub(crate) nxt: u32,
    pub(crate) srtt_us: u32,
    pub(crate) rto_us: u32,
}

impl Path {
    pub(crate) fn new(config: Config) -> Path {
        Path { config, now: Instant::from_millis(1_000), una: 0, nxt: 0, srtt_us: 100_000, rto_us: 300_000 }
    }

    pub(crate) fn cx(&self) -> CcContext<'_> {
        let outstanding = self.nxt - self.una;
        CcContext {
            now: self.now,
            mss: 1000,
            srtt_us: self.srtt_us,
            rto_us: self.rto_us,
            in_flight: outstanding,
            outstanding,
            una: SeqNumber(self.una),
            nxt: SeqNumber(self.nxt),
            random: 7,
            config: &self.config,
        }
    }

    pub(crate) fn pass(&mut self, micros: u64) {
        self.now = self.now.plus_micros(micros);
    }

    /// Fills the window, then acknowledges all of it in steps of `per_ack` octets, evenly over `rtt_us`.
    pub(crate) fn round(&mut self, control: &mut dyn CongestionControl, per_ack: u32, rtt_us: u32) {
        self.nxt = self.una + control.window();
        let end = self.nxt;
        let acks = (end - self.una).div_ceil(per_ack);
        for _ in 0..acks {
            self.pass(u64::from(rtt_us / acks));
            let acked = per_ack.min(end - self.una);
            self.ack(control, acked, Some(rtt_us));
        }
    }

    /// One ACK, and then the window is filled again.
    pub(crate) fn ack(&mut self, control: &mut dyn CongestionControl, acked: u32, rtt_us: Option<u32>) {
        let mut cx = self.cx();
        cx.una = SeqNumber(self.una + acked);
        control.on_ack(&mut cx, &AckSample { rtt_us, ..ack(acked) });
        self.una += acked;
        self.nxt = self.nxt.max(self.una + control.window());
    }
}

/// An ACK of text that filled the window.
pub(crate) fn ack(acked: u32) -> AckSample {
    AckSample {
        acked,
        delivered: acked,
        lost: 0,
        delivered_total: 0,
        prior_in_flight: 0,
        marked: 0,
        rtt_us: None,
        rate: None,
        window_limited: true,
        app_limited: false,
        in_recovery: false,
    }
}
