//! State of features that few connections use.
//!
//! A connection that uses none of them pays four octets for the slot. The record is taken at the first use, and given
//! back with the connection or when a connection at rest uses none of them any more. What merely counts is in
//! [`Mishaps`], which is smaller: losses and reordering are not rare.

use alloc::boxed::Box;

use portolan_wire::SeqNumber;

use crate::SeldomOptions;
use crate::auth::Auth;
use crate::ecn::{AccEcn, Echo};
use crate::fast_open::FastOpenState;
use crate::mishaps::Mishaps;
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
    pub(crate) urgent: Urgent,
    pub(crate) mishaps: Mishaps,
    /// The search for the size of segments that the path takes.
    pub(crate) size_search: Option<SizeSearch>,
    /// What the peer says of its patience (RFC 5482), and was told of ours.
    pub(crate) user_timeout: UserTimeoutState,
    /// What signs its segments.
    pub(crate) auth: Option<Box<Auth>>,
}

impl Rare {
    /// Whether it holds nothing but what [`Mishaps`] holds as well.
    pub(crate) fn is_plain(&self) -> bool {
        self.options == SeldomOptions::default()
            && self.fast_open == FastOpenState::default()
            && self.urgent == Urgent::default()
            && self.echo.is_none()
            && self.accurate.is_none()
            && self.delivered_ce == 0
            && self.size_search.is_none()
            && self.user_timeout == UserTimeoutState::default()
            && self.auth.is_none()
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
            urgent: Urgent::default(),
            mishaps: Mishaps::default(),
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
