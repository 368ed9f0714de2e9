//! The end of a connection: TIME-WAIT, what becomes of its record, and the summary of its life.

use alloc::boxed::Box;

use portolan_link::Chunks;
use portolan_tcp::{Error, Info, State};

use crate::connection::Connection;
use crate::demux::Slot;
use crate::event::Event;
use crate::flow::{FlowEnd, FlowSummary, LimitedBy};
use crate::list::NONE;
use crate::stack::Stack;

/// Segments that a connection may still have to send when it enters TIME-WAIT: the ACK of the peer's FIN.
const LAST_SEGMENTS: usize = 2;

impl Stack {
    /// Puts a small record in the flow table's place of a connection that is in TIME-WAIT.
    pub(super) fn enter_time_wait(&mut self, index: u32) {
        let room = self.flows.time_waits.len() < self.engine.config.time_wait_max;
        let auth = self.connection_auth(index);
        let record = self.with_tcb(index, |tcb, cx| tcb.time_wait_record(cx));
        let Some(connection) = self.flows.connections.get(index) else { return };
        let (key, ttl, tos) = (connection.key, connection.ttl, connection.tos);
        // The last ACK may still have to be sent, and the record sends only what it is asked for.
        for _ in 0..LAST_SEGMENTS {
            let plan = self.with_tcb(index, |tcb, cx| tcb.poll_segment(cx, u32::MAX, &mut Chunks::new()));
            let Some(plan) = plan.flatten() else { break };
            self.send_control(&key, &plan, ttl, tos);
        }
        // Linux: a port in TIME-WAIT is in use.
        let holds_port = self
            .flows
            .connections
            .get_mut(index)
            .filter(|_| room)
            .and_then(|connection| connection.holds_port.take());
        self.connection_ended(index);
        if let (Some(record), true) = (record, room) {
            let number = self.insert_time_wait(key, record, holds_port);
            self.auth.keep_time_wait(number, auth);
        }
    }

    /// The connection is over: nothing of it is seen on the wire any more. Its record stays while a socket or an
    /// accept queue names it, because there may be text to read.
    pub(crate) fn connection_ended(&mut self, index: u32) {
        self.end_fast_open(index);
        self.delist(index);
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        let key = connection.key;
        let hold = connection.holds_port.take();
        let first = core::mem::replace(&mut connection.in_table, false);
        let named = connection.socket != NONE || connection.listener != NONE;
        if let Some(hold) = hold {
            self.ports.release_connection(&key, hold.reuse);
        }
        if first {
            self.flows.remove(Slot::Connection(index), &key);
            self.summarize(index);
        }
        if !named {
            self.delete_connection(index);
        }
    }

    /// Deletes the record of a connection that has ended.
    pub(crate) fn delete_connection(&mut self, index: u32) {
        if let Some(connection) = self.flows.connections.remove(index) {
            connection.tcb.release(&mut self.engine.slabs, &mut self.engine.pool);
        }
    }

    /// The application lets go of a connection; it goes on by itself until it has ended.
    pub(crate) fn orphan(&mut self, index: u32, abort: bool) {
        let Some(connection) = self.flows.connections.get_mut(index) else { return };
        (connection.socket, connection.listener) = (NONE, NONE);
        if !connection.in_table {
            self.delete_connection(index);
            return;
        }
        let signals = self.with_tcb(index, |tcb, cx| if abort { tcb.abort(cx) } else { tcb.close(cx) });
        self.settle(index, signals.unwrap_or_default());
    }

    /// Reports how a flow went, if reports are wanted.
    fn summarize(&mut self, index: u32) {
        if !self.engine.config.flow_summaries {
            return;
        }
        let Some(info) = self.connection_info(index) else { return };
        let Some(connection) = self.flows.connections.get(index) else { return };
        let summary = FlowSummary {
            id: self.socket_id(connection.socket),
            trace_id: connection.tcb.trace_id(),
            flow: connection.key,
            end: if self.stopping { FlowEnd::Open } else { end_of(connection) },
            opened_at: connection.opened_at,
            established_at: connection.established_at,
            closed_at: self.engine.now,
            octets_sent: info.bytes_acked,
            octets_received: info.bytes_received,
            min_rtt_us: info.min_rtt_us,
            avg_rtt_us: info.rtt_us,
            retransmits: info.total_retransmits.into(),
            limited_by: limited_by(&info, self.engine.now.micros_since(connection.opened_at)),
        };
        self.event(Event::FlowClosed(Box::new(summary)));
    }
}

fn end_of(connection: &Connection) -> FlowEnd {
    match connection.tcb.error() {
        None if connection.tcb.state() == State::SynSent => FlowEnd::Aborted,
        None => FlowEnd::Closed,
        Some(Error::TimedOut) => FlowEnd::TimedOut,
        Some(Error::Aborted) => FlowEnd::Aborted,
        Some(_) if connection.established_at.is_none() => FlowEnd::Refused,
        Some(_) => FlowEnd::Reset,
    }
}

/// What held the sender back for the largest part of its life.
fn limited_by(info: &Info, life_us: u64) -> Option<LimitedBy> {
    if info.bytes_sent == 0 && info.bytes_received == 0 {
        return None;
    }
    let by_window = info.busy_us.saturating_sub(info.rwnd_limited_us).saturating_sub(info.sndbuf_limited_us);
    let by_app = life_us.saturating_sub(info.busy_us) + info.sndbuf_limited_us;
    let longest = info.rwnd_limited_us.max(by_window).max(by_app);
    Some(if longest == by_app {
        LimitedBy::App
    } else if longest == info.rwnd_limited_us {
        LimitedBy::Rwnd
    } else if info.total_retransmits > 0 {
        LimitedBy::Cwnd
    } else {
        LimitedBy::Wire
    })
}
