//! The controller of a connection: what is kept always, and what only while there is something to send.

use alloc::boxed::Box;
use core::fmt;

use super::usage::Usage;
use super::validation::Validation;
use super::{Bbr, CcContext, CcInfo, CongestionAlgorithm, CongestionControl, Cubic, Dctcp, NewReno};
use crate::pacing::Pacing;
use crate::slab::{Reuse, Slot};
use crate::tcb::Tcb;
use crate::{Config, Context};

/// The figures of a connection's controller, and where the controller is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    cwnd: u32,
    ssthresh: u32,
    pub(crate) slot: Option<Slot>,
}

impl Congestion {
    /// RFC 6928's window; or one segment, if the handshake lost a SYN (RFC 5681 §3.1).
    pub(crate) fn new(config: &Config, mss: u16, syn_lost: bool) -> Congestion {
        let segments = if syn_lost { 1 } else { config.initial_window.max(1) };
        Congestion { cwnd: u32::from(segments) * u32::from(mss), ssthresh: u32::MAX, slot: None }
    }

    /// The figures of a connection that was handed over; `None` for a window that no controller has.
    pub(crate) fn restored(cwnd: u32, ssthresh: u32) -> Option<Congestion> {
        (1..=super::WINDOW_MAX).contains(&cwnd).then_some(Congestion { cwnd, ssthresh, slot: None })
    }

    /// The congestion window in octets.
    pub(crate) fn window(&self) -> u32 {
        self.cwnd
    }

    /// The slow-start threshold in octets.
    pub(crate) fn threshold(&self) -> u32 {
        self.ssthresh
    }

    pub(crate) fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }
}

/// A controller, by value where it is small.
pub(crate) enum Controller {
    NewReno(NewReno),
    Cubic(Cubic),
    Dctcp(Dctcp),
    Bbr(Box<Bbr>),
    Custom(Box<dyn CongestionControl>),
}

impl Controller {
    fn new(config: &Config, algorithm: CongestionAlgorithm, cwnd: u32, ssthresh: u32) -> Controller {
        match algorithm {
            CongestionAlgorithm::NewReno => Controller::NewReno(NewReno::new(cwnd, ssthresh)),
            CongestionAlgorithm::Dctcp => Controller::Dctcp(Dctcp::new(cwnd, ssthresh)),
            CongestionAlgorithm::Bbr => Controller::Bbr(Box::new(Bbr::new(cwnd))),
            CongestionAlgorithm::User(number) => match config.user_congestion.get(usize::from(number)) {
                Some(user) => Controller::Custom((user.new)(cwnd, ssthresh)),
                None => Controller::Cubic(Cubic::new(cwnd, ssthresh)),
            },
            CongestionAlgorithm::Cubic | CongestionAlgorithm::Own => {
                Controller::Cubic(Cubic::new(cwnd, ssthresh))
            }
        }
    }

    pub(crate) fn get(&self) -> &dyn CongestionControl {
        match self {
            Controller::NewReno(reno) => reno,
            Controller::Cubic(cubic) => cubic,
            Controller::Dctcp(dctcp) => dctcp,
            Controller::Bbr(bbr) => bbr.as_ref(),
            Controller::Custom(custom) => custom.as_ref(),
        }
    }

    fn get_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Controller::NewReno(reno) => reno,
            Controller::Cubic(cubic) => cubic,
            Controller::Dctcp(dctcp) => dctcp,
            Controller::Bbr(bbr) => bbr.as_mut(),
            Controller::Custom(custom) => custom.as_mut(),
        }
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Controller::NewReno(reno) => reno.fmt(f),
            Controller::Cubic(cubic) => cubic.fmt(f),
            Controller::Dctcp(dctcp) => dctcp.fmt(f),
            Controller::Bbr(bbr) => bbr.fmt(f),
            Controller::Custom(custom) => write!(f, "{} {{ cwnd: {} }}", custom.name(), custom.window()),
        }
    }
}

/// What congestion control remembers of a busy connection.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) controller: Controller,
    pub(crate) usage: Usage,
    pub(crate) pacing: Pacing,
    pub(crate) validation: Validation,
}

impl Record {
    /// Whether the controller can be made again from cwnd and ssthresh. A user's cannot, and BBR's model of the path
    /// is more than that.
    pub(crate) fn is_replaceable(&self) -> bool {
        !matches!(self.controller, Controller::Custom(_) | Controller::Bbr(_))
    }
}

impl Default for Record {
    fn default() -> Record {
        Record {
            controller: Controller::NewReno(NewReno::new(0, u32::MAX)),
            usage: Usage::NONE,
            pacing: Pacing::IDLE,
            validation: Validation::NEW,
        }
    }
}

impl Reuse for Record {
    fn reset(&mut self) {
        *self = Record::default();
    }

    fn heap_octets(&self) -> usize {
        match &self.controller {
            Controller::NewReno(_) | Controller::Cubic(_) | Controller::Dctcp(_) => 0,
            Controller::Bbr(bbr) => size_of_val(bbr.as_ref()),
            Controller::Custom(custom) => size_of_val(custom.as_ref()),
        }
    }
}

impl Tcb {
    /// The record, which is made if there is none.
    pub(crate) fn congestion_record<'a>(&mut self, cx: &'a mut Context<'_>) -> &'a mut Record {
        let is_new = self.cc.slot.is_none();
        let algorithm = self.options.congestion;
        let record = cx.slabs.congestion_or_new(&mut self.cc.slot);
        if is_new {
            record.controller = Controller::new(cx.config, algorithm, self.cc.cwnd, self.cc.ssthresh);
        }
        record
    }

    /// Runs one call of the controller, with what was in flight and outstanding before the event, and takes over what
    /// it makes of it.
    pub(crate) fn control(
        &mut self,
        cx: &mut Context<'_>,
        in_flight: u32,
        outstanding: u32,
        call: impl FnOnce(&mut dyn CongestionControl, &mut CcContext<'_>),
    ) {
        let mut cc_cx = self.cc_context(cx, in_flight, outstanding);
        let controller = self.congestion_record(cx).controller.get_mut();
        call(controller, &mut cc_cx);
        (self.cc.cwnd, self.cc.ssthresh) = (controller.window(), controller.threshold());
    }

    pub(super) fn cc_context<'a>(&self, cx: &Context<'a>, in_flight: u32, outstanding: u32) -> CcContext<'a> {
        CcContext {
            now: cx.now,
            mss: self.full_text(cx),
            srtt_us: self.rtt.srtt_us(),
            rto_us: self.rtt.rto_us(cx.config, 0),
            in_flight,
            outstanding,
            una: self.snd.una,
            nxt: self.snd.nxt,
            random: cx.random,
            config: cx.config,
        }
    }

    /// Replaces the congestion controller by one of the caller's own.
    pub fn set_congestion_control(&mut self, cx: &mut Context<'_>, control: Box<dyn CongestionControl>) {
        let figures = self.figures(cx);
        self.options.congestion = CongestionAlgorithm::Own;
        (self.cc.cwnd, self.cc.ssthresh) = (control.window(), control.threshold());
        self.congestion_record(cx).controller = Controller::Custom(control);
        self.trace_changes(cx, figures);
    }

    /// Replaces the congestion controller by one of the host's; the window stays as it is.
    pub(crate) fn set_algorithm(&mut self, cx: &mut Context<'_>, algorithm: CongestionAlgorithm) {
        if algorithm == self.options.congestion || algorithm == CongestionAlgorithm::Own {
            return;
        }
        self.options.congestion = algorithm;
        let (cwnd, ssthresh) = (self.cc.cwnd, self.cc.ssthresh);
        if let Some(record) = cx.slabs.congestion_mut(self.cc.slot) {
            record.controller = Controller::new(cx.config, algorithm, cwnd, ssthresh);
        }
    }

    /// The name of the congestion controller (`TCP_CONGESTION`).
    #[must_use]
    pub fn congestion_name(&self, cx: &Context<'_>) -> &'static str {
        match cx.slabs.congestion(self.cc.slot) {
            Some(record) => record.controller.get().name(),
            None => self.options.congestion.name(cx.config),
        }
    }

    /// What the congestion controller says of itself (`TCP_CC_INFO`).
    #[must_use]
    pub fn congestion_info(&self, cx: &Context<'_>) -> CcInfo {
        cx.slabs.congestion(self.cc.slot).map_or(CcInfo::None, |record| record.controller.get().info())
    }
}

#[cfg(test)]
mod tests;
