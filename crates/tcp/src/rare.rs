//! State of features that few connections use.
//!
//! A connection that uses none of them pays four octets for the slot. The record is taken at the first use and
//! given back with the connection.

use alloc::boxed::Box;

use portolan_link::Instant;
use portolan_wire::SeqNumber;

use crate::SeldomOptions;
use crate::auth::Auth;
use crate::ecn::{AccEcn, Echo};
use crate::fast_open::FastOpenState;
use crate::size_search::SizeSearch;
use crate::slab::Reuse;
use crate::urgent::Urgent;
use crate::user_timeout::UserTimeoutState;

/// What the rarely used features of one connection remember.
#[derive(Debug)]
pub(crate) struct Rare {
    /// The number of a RST to send; see [`crate::tcb::Marks::STRAY_RESET_DUE`].
    pub(crate) stray: SeqNumber,
    pub(crate) fast_open: FastOpenState,
    pub(crate) options: SeldomOptions,
    /// An ACK that is owed for octets before the mark changed.
    pub(crate) echo: Option<Echo>,
    pub(crate) accurate: Option<AccEcn>,
    /// Octets that the peer says were marked.
    pub(crate) delivered_ce: u32,
    /// Octets of text sent again, and the segments, SYNs counted.
    pub(crate) bytes_retransmitted: u64,
    pub(crate) retransmits: u32,
    /// Segments that came out of order.
    pub(crate) out_of_order: u32,
    pub(crate) timeouts: Timeouts,
    pub(crate) urgent: Urgent,
    /// The search for the size of segments that the path takes.
    pub(crate) size_search: Option<SizeSearch>,
    /// What the peer says of its patience (RFC 5482), and was told of ours.
    pub(crate) user_timeout: UserTimeoutState,
    /// What signs its segments.
    pub(crate) auth: Option<Box<Auth>>,
}

/// Retransmission timeouts so far, for [`crate::Info`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    pub(crate) total: u16,
    /// Rows of timeouts that an acknowledgement ended.
    pub(crate) recoveries: u16,
    /// How long they took, in milliseconds.
    pub(crate) time_ms: u32,
    /// When the present row began.
    began_at: Option<Instant>,
}

impl Timeouts {
    /// The retransmission timer ran out.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.total = self.total.saturating_add(1);
        self.began_at.get_or_insert(now);
    }

    /// An acknowledgement brought something new.
    pub(crate) fn end(&mut self, now: Instant) {
        if let Some(began_at) = self.began_at.take() {
            self.recoveries = self.recoveries.saturating_add(1);
            let took_ms = now.micros_since(began_at) / 1_000;
            self.time_ms = self.time_ms.saturating_add(u32::try_from(took_ms).unwrap_or(u32::MAX));
        }
    }
}

impl Default for Rare {
    fn default() -> Rare {
        Rare {
            stray: SeqNumber(0),
            fast_open: FastOpenState::default(),
            options: SeldomOptions::default(),
            echo: None,
            accurate: None,
            delivered_ce: 0,
            bytes_retransmitted: 0,
            retransmits: 0,
            out_of_order: 0,
            timeouts: Timeouts::default(),
            urgent: Urgent::default(),
            size_search: None,
            user_timeout: UserTimeoutState::default(),
            auth: None,
        }
    }
}

impl Reuse for Rare {
    fn reset(&mut self) {
        *self = Rare::default();
    }

    fn heap_octets(&self) -> usize {
        self.auth.as_ref().map_or(0, |auth| size_of::<Auth>() + auth.heap_octets())
    }
}
