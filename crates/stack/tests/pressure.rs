//! Little memory for much text: a host's own connections among themselves do without dropping any.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use common::*;
use portolan_wire::Family;

/// Writers that always have more and readers that are slow, all on one host's loopback: each end takes memory, and a
/// segment that was let in by a window finds some, though writers would fill it all.
#[test]
fn what_a_window_has_let_in_over_the_loopback_is_not_dropped() {
    let mut pair = Pair::new();
    let listener = pair.listen(A, Family::V4, 80, 16);
    let flows: Vec<_> = (0..8)
        .map(|_| {
            let client = pair.connect(A, endpoint("127.0.0.1:80"));
            pair.settle();
            (client, pair.hosts[A].accept(pair.now, listener).unwrap().0)
        })
        .collect();
    let text = pattern(128 * 1024);
    let mut received = 0;
    for turn in 0..2000u32 {
        for (n, (writer, reader)) in flows.iter().enumerate() {
            while pair.write(A, *writer, &text).is_ok() {}
            // Now this one reads, now that one.
            if (turn / 8 + n as u32).is_multiple_of(3) {
                received += pair.read(A, *reader).map_or(0, |read| read.len());
            }
        }
        pair.pass(200);
    }
    let stats = pair.hosts[A].stats();
    assert!(received > 100 << 20, "{received} octets");
    assert_eq!((stats.tcp.memory_drops, stats.tcp.retrans_segs), (0, 0));
}
