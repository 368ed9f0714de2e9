//! The invariants of a connection. Simulations and tests ask after every call; nothing else does.

use portolan_link::Instant;

use crate::flight::Flight;
use crate::tcb::{Marks, Tcb};
use crate::{Slabs, State};

impl Tcb {
    /// Whether the invariants hold.
    ///
    /// # Errors
    /// The invariant that does not.
    pub fn check(&self, slabs: &Slabs) -> Result<(), &'static str> {
        self.check_send_space(slabs)?;
        self.check_receive_space(slabs)?;
        self.check_timers()?;
        self.check_state(slabs)
    }

    fn check_send_space(&self, slabs: &Slabs) -> Result<(), &'static str> {
        let snd = &self.snd;
        if snd.una.after(snd.nxt) {
            return Err("SND.UNA =< SND.NXT");
        }
        let end = snd.end + u32::from(self.has(Marks::FIN_QUEUED));
        if self.state.is_synchronized() && snd.nxt.after(end) {
            return Err("SND.NXT is not beyond what was written");
        }
        // Before the handshake is over, text begins after the SYN.
        let una = if self.state.is_synchronized() { snd.una } else { snd.iss + 1 };
        let text_una = una.min(snd.end);
        match slabs.queues(self.queues) {
            None if self.state.is_synchronized() && text_una != snd.end => {
                return Err("unacknowledged text has a queue");
            }
            Some(queues) if self.state != State::Closed => {
                queues.send.check()?;
                if Some(queues.send.len()) != snd.end.since(text_una) || queues.send.end() != snd.end {
                    return Err("the send queue agrees with the sequence numbers");
                }
            }
            _ => {}
        }
        if self.state.is_synchronized() && self.state != State::TimeWait {
            let empty = Flight::default();
            slabs.flight(self.flight).unwrap_or(&empty).check(snd.una, snd.nxt)?;
        }
        Ok(())
    }

    fn check_receive_space(&self, slabs: &Slabs) -> Result<(), &'static str> {
        let rcv = &self.rcv;
        if rcv.nxt.after(rcv.adv) {
            return Err("RCV.NXT =< RCV.NXT + RCV.WND");
        }
        if rcv.last_ack_sent.after(rcv.nxt) {
            return Err("Last.ACK.sent =< RCV.NXT");
        }
        let Some(queues) = slabs.queues(self.queues) else { return Ok(()) };
        queues.receive.check(rcv.nxt)?;
        if !slabs.is_charged(self.queues) {
            return Err("the memory of the queues is counted");
        }
        if queues.receive.later.reaches_beyond(rcv.adv) {
            return Err("text out of order lies in the window");
        }
        Ok(())
    }

    fn check_timers(&self) -> Result<(), &'static str> {
        if self.state == State::Closed {
            return if self.timers.next().is_none() {
                Ok(())
            } else {
                Err("a closed connection has no timer")
            };
        }
        let running = self.timers.retransmit < Instant::MAX;
        if self.outstanding() > 0 && !running {
            return Err("the retransmission timer runs while something is outstanding");
        }
        if self.outstanding() > 0 && self.has(Marks::PERSIST) {
            return Err("no window probes while something is outstanding");
        }
        if self.has_final_deadline() && self.timers.idle == Instant::MAX {
            return Err("TIME-WAIT and the FIN-WAIT-2 of an orphan end");
        }
        Ok(())
    }

    fn check_state(&self, slabs: &Slabs) -> Result<(), &'static str> {
        let acked = self.fin_is_sent() && self.snd.una == self.snd.nxt;
        let consistent = match self.state {
            State::Closed => self.flight.is_none(),
            State::Listen => false,
            State::SynSent => !self.has(Marks::FIN_RECEIVED),
            State::SynReceived => self.snd.una == self.snd.iss && !self.has(Marks::FIN_RECEIVED),
            State::Established => !self.has(Marks::FIN_QUEUED) && !self.has(Marks::FIN_RECEIVED),
            State::FinWait1 => self.has(Marks::FIN_QUEUED) && !acked && !self.has(Marks::FIN_RECEIVED),
            State::FinWait2 => acked && !self.has(Marks::FIN_RECEIVED),
            State::CloseWait => !self.has(Marks::FIN_QUEUED) && self.has(Marks::FIN_RECEIVED),
            State::Closing | State::LastAck => {
                self.has(Marks::FIN_QUEUED) && !acked && self.has(Marks::FIN_RECEIVED)
            }
            State::TimeWait => acked && self.has(Marks::FIN_RECEIVED),
        };
        if !consistent {
            return Err("the state agrees with the FINs sent, acknowledged and received");
        }
        let waiting =
            slabs.queues(self.queues).is_some_and(|queues| queues.receive.fin == Some(self.rcv.nxt));
        if waiting && self.state.may_receive() {
            return Err("a FIN whose turn has come does not wait");
        }
        Ok(())
    }
}
