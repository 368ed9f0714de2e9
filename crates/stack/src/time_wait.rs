//! Connections in TIME-WAIT (RFC 9293 §3.6.1): records of their own, bounded in number, that outlive the connection.

use portolan_tcp::TimeWaitVerdict;
use portolan_wire::FlowKey;

use crate::connection::PortHold;
use crate::demux::{Incoming, Slot};
use crate::drop::DropReason;
use crate::link::ethernet::Frame;
use crate::list::{Linked, Links};
use crate::stack::Stack;
use crate::timer::{Kind, Owner};

/// Whom the timer of all records calls.
const OWNER: Owner = Owner { kind: Kind::TimeWait, index: 0 };

/// A connection in TIME-WAIT.
#[derive(Debug)]
pub(crate) struct TimeWaitRecord {
    pub(crate) key: FlowKey,
    pub(crate) record: portolan_tcp::TimeWait,
    /// Its place among all records: they wait equally long.
    links: Links,
    /// How it counts in the port table, as the connection did.
    pub(crate) holds_port: Option<PortHold>,
}

impl Linked for TimeWaitRecord {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Stack {
    /// Enters a record into the tables, of a flow that is in none; its index comes back.
    pub(crate) fn insert_time_wait(
        &mut self,
        key: FlowKey,
        record: portolan_tcp::TimeWait,
        holds_port: Option<PortHold>,
    ) -> u32 {
        let record = TimeWaitRecord { key, record, links: Links::NONE, holds_port };
        let index = self.flows.time_waits.insert(record);
        self.flows.insert(Slot::TimeWait(index));
        self.enqueue_time_wait(index);
        index
    }

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
                // Its wait begins again, so it is the last to end.
                self.dequeue_time_wait(index);
                self.enqueue_time_wait(index);
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

    /// The timer has fired: the records whose time is over go.
    pub(crate) fn on_time_wait_timeout(&mut self) {
        let now = self.engine.now;
        self.flows.time_wait_queue.timer_fired();
        while let Some((index, record)) = self.first_time_wait() {
            if !record.is_over(now, &self.engine.config.tcp) {
                let deadline = record.deadline(now, &self.engine.config.tcp);
                self.flows.time_wait_queue.keep_timer(&mut self.timers, deadline, OWNER);
                return;
            }
            self.delete_time_wait(index);
        }
    }

    fn first_time_wait(&self) -> Option<(u32, portolan_tcp::TimeWait)> {
        let index = self.flows.time_wait_queue.front()?;
        Some((index, self.flows.time_waits.get(index)?.record))
    }

    fn enqueue_time_wait(&mut self, index: u32) {
        let flows = &mut self.flows;
        let Some(record) = flows.time_waits.get(index) else { return };
        let deadline = record.record.deadline(self.engine.now, &self.engine.config.tcp);
        flows.time_wait_queue.push(&mut flows.time_waits, &mut self.timers, index, deadline, OWNER);
    }

    fn dequeue_time_wait(&mut self, index: u32) {
        let flows = &mut self.flows;
        flows.time_wait_queue.remove(&mut flows.time_waits, &mut self.timers, index);
    }

    pub(crate) fn delete_time_wait(&mut self, index: u32) {
        let Some(record) = self.flows.time_waits.get(index) else { return };
        let (key, holds_port) = (record.key, record.holds_port);
        if let Some(hold) = holds_port {
            self.ports.release_connection(&key, hold.reuse);
        }
        self.dequeue_time_wait(index);
        self.flows.remove(Slot::TimeWait(index), &key);
        self.auth.forget_time_wait(index);
        self.flows.time_waits.remove(index);
    }
}
