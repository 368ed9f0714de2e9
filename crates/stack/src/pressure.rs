//! What the host does when text takes all the memory that it may ([`portolan_tcp::Config::memory_max`]).
//!
//! New text is then refused, each connection but for a little, and windows shut. What is left to do concerns peers that
//! hold memory by doing next to nothing: one that keeps its window shut and answers every probe may keep its connection
//! for as long as it likes (RFC 9293 §3.8.6.1), and with it the text that waits. RFC 6429 §3: while memory is short, the
//! host need not bear that. The connection that has waited longest is given up first, and no more of them than it takes
//! for an eighth of what writers may fill to be free; none before it has waited for
//! [`portolan_tcp::Config::shut_window_patience_us`], so that an honest peer that is slow is spared. Before any of them,
//! text goes that has waited for as long beyond a gap: its senders have it still.

use alloc::vec::Vec;
use core::cmp::Reverse;

use portolan_tcp::{Slabs, Tcb};

use crate::connection::Connection;
use crate::stack::Stack;

/// Microseconds between two looks at all connections.
const INTERVAL_US: u64 = 1_000_000;

impl Stack {
    /// Gives up connections whose peers keep their windows shut, if memory is short. To be called when timers fire: each
    /// such connection has one, for its probes.
    pub(crate) fn relieve_memory(&mut self) {
        let now = self.engine.now;
        if self.memory_is_below(1, 1) || now.micros_since(self.relieved_at) < INTERVAL_US {
            return;
        }
        self.relieved_at = now;
        let patience_us = u64::from(self.engine.config.tcp.shut_window_patience_us);
        for index in self.waiting_for(patience_us, |tcb, slabs| tcb.gap_us(slabs, now)) {
            if self.memory_is_below(7, 8) {
                return;
            }
            self.with_tcb(index, |tcb, cx| tcb.forget_out_of_order(cx));
        }
        for index in self.waiting_for(patience_us, |tcb, slabs| tcb.shut_out_us(slabs, now)) {
            if self.memory_is_below(7, 8) {
                return;
            }
            let signals = self.with_tcb(index, |tcb, cx| tcb.give_up_shut_out(cx));
            self.settle(index, signals.unwrap_or_default());
        }
    }

    /// The connections that have waited for `least_us` at least, the one that has waited longest first.
    fn waiting_for(&self, least_us: u64, waited_us: impl Fn(&Tcb, &Slabs) -> Option<u64>) -> Vec<u32> {
        let slabs = &self.engine.slabs;
        let waited = |(index, connection): (u32, &Connection)| {
            Some((Reverse(waited_us(&connection.tcb, slabs)?), index))
        };
        let mut waiting: Vec<_> = self.flows.connections.iter().filter_map(waited).collect();
        waiting.retain(|(waited_us, _)| waited_us.0 >= least_us);
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, index)| index).collect()
    }

    /// Whether text takes less than so much of the memory that writers may fill.
    fn memory_is_below(&self, parts: usize, of: usize) -> bool {
        self.engine.slabs.memory() < self.engine.config.tcp.memory_for_writers() / of * parts
    }
}
