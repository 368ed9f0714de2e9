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
    (9, "a segment without length at the window's right edge is not acceptable"),
    (10, "a segment that only touches RCV.NXT from below is acceptable"),
    (11, "a SYN on an open connection is let through"),
    (12, "in SYN-SENT any acknowledgement number will do"),
    (13, "in SYN-SENT a RST without an acknowledgement is believed"),
    (14, "the FIN takes no sequence number"),
    (15, "a FIN beyond the window is remembered"),
    (16, "the receive window moves in steps of an octet"),
    (17, "the initial sequence number forgets the port"),
    (18, "keepalive gives up one probe early"),
    (19, "RACK leaves no time for reordering"),
    (20, "RACK takes all that was sent at the same time for sent earlier"),
    (21, "RACK takes the arrival of an original for that of its retransmission"),
    (22, "the loss probe is sent after one round trip and not two"),
    (23, "a loss probe that was for nothing counts as a repaired loss"),
    (24, "PRR rounds what may be sent down and not up"),
    (25, "PRR adds a segment though there are new losses"),
    (26, "F-RTO: any progress proves a timeout spurious"),
    (27, "F-RTO is tried although fast recovery was under way"),
    (28, "D-SACK: what is new in a segment is reported as duplicate, too"),
    (29, "a SACK block may not end at SND.NXT"),
    (30, "more duplicates are believed than segments were sent again"),
    (31, "a reduction is taken back one D-SACK too early"),
    (32, "what was reported by SACK is delivered again by the cumulative acknowledgement"),
    (33, "a peer that withdraws its SACKs is not noticed"),
    (34, "Karn: a retransmission measures the round trip"),
    (35, "CUBIC: no fast convergence"),
    (36, "CUBIC: the Reno-friendly estimate grows as Reno does, though it backs off less"),
    (37, "HyStart++: conservative slow start never goes back"),
    (38, "HyStart++: conservative slow start is not conservative"),
    (39, "pacing makes up for all of the time that a train is late"),
    (40, "ECN: the receiver goes on echoing after CWR"),
    (41, "ECN is agreed on with a peer that reflects what it does not know"),
    (42, "ECN: the window is reduced for every echo and not once per round trip"),
    (43, "Fast Open: a cookie is good for every client"),
    (44, "Fast Open: those that were reset do not count as pending"),
    (45, "a SYN cookie is good only in the epoch in which it was made"),
    (46, "a SYN cookie rounds the MSS up"),
    (47, "the accept queue holds one connection too few"),
    (48, "Nagle without Minshall: a small segment waits for full ones, too"),
    (49, "TCP_CORK holds nothing back"),
    (50, "the window of a SYN-ACK is scaled"),
    (51, "autotuning leaves no room for growth"),
    (52, "probes of a shut window do not back off"),
    (53, "a peer that answers every probe of its shut window is given up"),
    (54, "only every third segment is acknowledged at once"),
    (55, "the timer of a delayed ACK begins again with each segment"),
    (56, "a RST ends TIME-WAIT"),
    (57, "in TIME-WAIT an old SYN opens a new connection"),
    (58, "challenge ACKs have no limit"),
    (59, "an ACK of octets that were never sent is an old one (CVE-2023-52881)"),
    (60, "TS.Recent is taken from a segment that is out of order"),
    (61, "reassembly: text that overlaps the next piece is not cut"),
    (62, "reassembly: text that has arrived in order meanwhile is delivered twice"),
    (63, "the checksum leaves out the second part of a packet"),
    (64, "a marked segment is merged with one that is not"),
    (65, "an ephemeral port is chosen whose flow exists"),
    (66, "ephemeral ports are the same for every destination"),
    (67, "a SYN with ACK opens a connection"),
    (68, "PAWS comes after the window check"),
    (69, "a congestion window grows that nobody fills"),
    (70, "the window is not reduced after idle"),
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
