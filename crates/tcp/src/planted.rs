//! Faults planted on purpose, so that the tests can be tested.
//!
//! `planted!(number, wrong, right)` is `right`, and nothing else, in every ordinary build. Built with
//! `--cfg planted_faults` it is `wrong` in a process whose environment says `PORTOLAN_FAULT=number`. One build holds
//! all faults; `cargo xtask planted` runs the tests once with each and writes which test found it.

/// Every planted fault: its number, and what it does wrong.
pub const FAULTS: &[(u16, &str)] = &[
    (1, "PAWS: a timestamp equal to the last counts as old"),
    (2, "PAWS: the last timestamp never expires after 24 days"),
    (3, "PAWS: TS.Recent is taken from an older timestamp"),
    (4, "the RTO is not doubled"),
    (5, "RTTVAR is left out of the RTO"),
    (6, "the RTO has no upper limit"),
    (7, "a RST anywhere in the window ends the connection"),
    (8, "a RST outside the window is challenged"),
    (9, "a segment without text at the window's right edge is acceptable"),
    (10, "a segment that only touches RCV.NXT from below is acceptable"),
    (11, "a SYN on an open connection is let through"),
    (12, "in SYN-SENT any acknowledgement number will do"),
    (13, "in SYN-SENT a RST without an acknowledgement is believed"),
    (14, "the FIN takes no sequence number"),
    (15, "a FIN beyond the window is remembered"),
    (16, "the receive window moves in steps of an octet"),
    (17, "the initial sequence number forgets the port"),
    (18, "keepalive gives up one probe early"),
];

/// Whether this process runs with fault `number`.
#[cfg(planted_faults)]
#[must_use]
pub fn is_planted(number: u16) -> bool {
    use core::sync::atomic::{AtomicU32, Ordering};
    extern crate std;
    const UNKNOWN: u32 = u32::MAX;
    static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);
    let mut chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == UNKNOWN {
        chosen = std::env::var("PORTOLAN_FAULT").ok().and_then(|word| word.parse().ok()).unwrap_or(0);
        CHOSEN.store(chosen, Ordering::Relaxed);
    }
    chosen == u32::from(number)
}

/// See [`crate::planted`].
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($number:literal, $wrong:expr, $right:expr) => {{
        #[cfg(planted_faults)]
        let value = if $crate::planted::is_planted($number) { $wrong } else { $right };
        #[cfg(not(planted_faults))]
        let value = $right;
        value
    }};
}
