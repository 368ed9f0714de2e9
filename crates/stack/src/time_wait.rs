//! Connections in TIME-WAIT (RFC 9293 §3.6.1): records of their own, bounded in number, that outlive the connection.

use portolan_tcp::TimeWaitVerdict;
use portolan_wire::FlowKey;

use crate::connection::PortHold;
use crate::demux::{Incoming, Slot};
use crate::drop::DropReason;
use crate::link::ethernet::Frame;
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};

/// A connection in TIME-WAIT.
#[derive(Debug)]
pub(crate) struct TimeWaitRecord {
    pub(crate) key: FlowKey,
    pub(crate) record: portolan_tcp::TimeWait,
    pub(crate) timer: Option<TimerId>,
    /// How it counts in the port table, as the connection did.
    pub(crate) holds_port: Option<PortHold>,
}

impl Stack {
    /// A segment for a connection in TIME-WAIT.
    pub(crate) fn time_wait_input(
        &mut self,
        index: u32,
        incoming: &Incoming,
        frame: &mut Frame,
    ) -> Result<(), DropReason> {
        let now = self.engine.now;
        let Some(record) = self.flows.time_waits.get_mut(index) else { return Err(DropReason::TcpSegment) };
        let verdict = record.record.on_segment(now, &self.engine.config.tcp, &incoming.segment);
        let (key, ack) = (record.key, record.record.ack(now));
        match verdict {
            TimeWaitVerdict::Ack(plan) => {
                self.send_control(&key, &plan, self.engine.config.hop_limit, 0);
                self.keep_time_wait_timer(index);
                Ok(())
            }
            TimeWaitVerdict::Challenge(plan) => {
                self.send_control(&key, &plan, self.engine.config.hop_limit, 0);
                Err(DropReason::TcpSegment)
            }
            // RFC 9293 §3.10.7.4, RFC 6191: a new connection may begin where the old one ended.
            TimeWaitVerdict::Reopen { min_iss } if self.taker(incoming, frame.link).is_some() => {
                self.delete_time_wait(index);
                self.no_flow_input(incoming, frame, Some(min_iss))
            }
            // Where nobody listens, none begins, and a forged SYN must not end TIME-WAIT before its time (RFC 1337).
            TimeWaitVerdict::Reopen { .. } => {
                self.send_control(&key, &ack, self.engine.config.hop_limit, 0);
                Err(DropReason::TcpNoConnection)
            }
            TimeWaitVerdict::Delete => {
                self.delete_time_wait(index);
                Ok(())
            }
            TimeWaitVerdict::Ignore => Err(DropReason::TcpSegment),
        }
    }

    /// A TIME-WAIT record's timer has fired: the record goes, unless something has prolonged it since.
    pub(crate) fn on_time_wait_timeout(&mut self, index: u32) {
        let now = self.engine.now;
        let Some(record) = self.flows.time_waits.get_mut(index) else { return };
        record.timer = None;
        if record.record.deadline() <= now {
            self.delete_time_wait(index);
        } else {
            self.keep_time_wait_timer(index);
        }
    }

    fn keep_time_wait_timer(&mut self, index: u32) {
        if let Some(record) = self.flows.time_waits.get_mut(index)
            && record.timer.is_none()
        {
            let owner = Owner { kind: Kind::TimeWait, index };
            record.timer = Some(self.timers.set(record.record.deadline(), owner));
        }
    }

    pub(crate) fn delete_time_wait(&mut self, index: u32) {
        let Some(record) = self.flows.time_waits.get_mut(index) else { return };
        let key = record.key;
        if let Some(timer) = record.timer.take() {
            self.timers.cancel(timer);
        }
        if let Some(hold) = record.holds_port {
            self.ports.release_connection(&key, hold.reuse);
        }
        self.flows.remove(Slot::TimeWait(index), &key);
        self.auth.forget_time_wait(index);
        self.flows.time_waits.remove(index);
    }
}
