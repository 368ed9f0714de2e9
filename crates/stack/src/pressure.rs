//! What the host does when text takes all the memory that it may ([`portolan_tcp::Config::memory_max`]).
//!
//! New text is then refused, each connection but for a little, and windows shut. What is left to do concerns peers that
//! hold memory by doing next to nothing: one that keeps its window shut and answers every probe may keep its connection
//! for as long as it likes (RFC 9293 §3.8.6.1), and with it the text that waits. RFC 6429 §3: while memory is short, the
//! host need not bear that. The connection that has waited longest is given up first, and no more of them than it takes
//! to have an eighth of the memory free; none before it has waited for
//! [`portolan_tcp::Config::shut_window_patience_us`], so that an honest peer that is slow is spared.

use alloc::vec::Vec;
use core::cmp::Reverse;

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
        let mut shut_out: Vec<(Reverse<u64>, u32)> = self
            .flows
            .connections
            .iter()
            .filter_map(|(index, connection)| Some((Reverse(connection.tcb.shut_out_us(now)?), index)))
            .filter(|(waited_us, _)| waited_us.0 >= patience_us)
            .collect();
        shut_out.sort_unstable();
        for (_, index) in shut_out {
            if self.memory_is_below(7, 8) {
                return;
            }
            let signals = self.with_tcb(index, |tcb, cx| tcb.give_up_shut_out(cx));
            self.settle(index, signals.unwrap_or_default());
        }
    }

    /// Whether text takes less than so much of the memory that it may.
    fn memory_is_below(&self, parts: usize, of: usize) -> bool {
        self.engine.slabs.memory() < self.engine.config.tcp.memory_max / of * parts
    }
}
