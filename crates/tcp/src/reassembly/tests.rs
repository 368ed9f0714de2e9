use std::vec::Vec;

use portolan_link::Pool;
use portolan_wire::SeqNumber;

use super::{Inserted, PIECES_MAX, Reassembly};
use crate::testing::pair::Rng;
use crate::testing::stream;

const NEXT: SeqNumber = SeqNumber(u32::MAX - 20_000);
const NO_LIMIT: usize = usize::MAX;

struct Rig {
    reassembly: Reassembly,
    pool: Pool,
}

fn rig() -> Rig {
    Rig { reassembly: Reassembly::default(), pool: Pool::new() }
}

impl Rig {
    /// Octets `at` to `at + len` of the stream arrive.
    fn put(&mut self, at: u32, len: usize, limit: usize) -> Inserted {
        let chunk = self.pool.copy(&stream(u64::from(at), len));
        let inserted = self.reassembly.insert(&mut self.pool, NEXT + at, chunk, limit);
        self.reassembly.check(NEXT).unwrap();
        inserted
    }

    fn blocks(&self, max: usize) -> Vec<(u32, u32)> {
        let offset = |seq: SeqNumber| seq.since(NEXT).unwrap();
        self.reassembly.sack_blocks(max).iter().map(|(a, b)| (offset(a), offset(b))).collect()
    }

    /// All octets from `at` on without a gap.
    fn take(&mut self, at: u32) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(chunk) = self.reassembly.pop(NEXT + at + out.len() as u32) {
            out.extend_from_slice(chunk.as_slice());
        }
        self.reassembly.check(NEXT + at + out.len() as u32).unwrap();
        out
    }
}

#[test]
fn overlaps_join_and_come_out_once() {
    let mut rig = rig();
    assert_eq!(rig.put(3000, 1500, NO_LIMIT), Inserted::Kept);
    assert_eq!(rig.put(1000, 1500, NO_LIMIT), Inserted::Kept);
    assert_eq!(rig.blocks(4), [(1000, 2500), (3000, 4500)]);
    assert_eq!(rig.put(2000, 1500, NO_LIMIT), Inserted::Kept);
    assert_eq!(rig.blocks(4), [(1000, 4500)]);
    assert_eq!(rig.put(1500, 2000, NO_LIMIT), Inserted::Duplicate);
    assert_eq!(rig.take(1000), stream(1000, 3500));
    assert!(rig.reassembly.is_empty());
}

#[test]
fn a_longer_segment_replaces_what_it_covers() {
    let mut rig = rig();
    for at in [1000, 2000, 3000] {
        rig.put(at, 100, NO_LIMIT);
    }
    rig.put(500, 5000, NO_LIMIT);
    assert_eq!(rig.reassembly.pieces.len(), 1);
    assert_eq!(rig.take(500), stream(500, 5000));
}

// RFC 2018 §4
#[test]
fn the_range_that_changed_last_is_reported_first() {
    let mut rig = rig();
    for at in [1000, 3000, 5000, 7000, 9000] {
        rig.put(at, 1000, NO_LIMIT);
    }
    assert_eq!(rig.blocks(3), [(9000, 10_000), (7000, 8000), (5000, 6000)]);
    rig.put(4000, 500, NO_LIMIT);
    assert_eq!(rig.blocks(3), [(3000, 4500), (9000, 10_000), (7000, 8000)]);
}

#[test]
fn at_the_limit_the_farthest_goes() {
    let mut rig = rig();
    for at in [6000, 4000, 2000] {
        assert_eq!(rig.put(at, 1500, 7000), Inserted::Kept);
    }
    assert_eq!(rig.put(1000, 900, 7000), Inserted::Kept);
    assert_eq!(rig.blocks(4), [(1000, 1900), (2000, 3500), (4000, 5500)]);
    assert_eq!(rig.put(8000, 100, 7000), Inserted::NoRoom);
}

// G7: SegmentSmack
#[test]
fn single_octets_side_by_side_share_buffers() {
    let mut rig = rig();
    for at in 100..10_100 {
        rig.put(at, 1, NO_LIMIT);
    }
    assert!(rig.reassembly.charge < 5 * 10_000, "{}", rig.reassembly.charge);
    assert_eq!(rig.take(100), stream(100, 10_000));
}

#[test]
fn every_other_octet_is_bounded_by_memory_and_by_number() {
    let mut rig = rig();
    for at in (2..40_000).step_by(2) {
        rig.reassembly.insert(&mut rig.pool, NEXT + at, portolan_link::Chunk::from(stream(0, 1)), 200_000);
    }
    assert!(rig.reassembly.charge <= 200_000);
    for at in (2..40_000).step_by(2) {
        rig.reassembly.insert(&mut rig.pool, NEXT + at, portolan_link::Chunk::from(stream(0, 1)), NO_LIMIT);
    }
    assert!(rig.reassembly.pieces.len() <= PIECES_MAX);
    rig.reassembly.check(NEXT).unwrap();
}

/// Against a model: one flag for each octet.
#[test]
fn random_arrivals_agree_with_a_model() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut rig = rig();
        let mut model = [false; 30_000];
        for _ in 0..60 {
            let (at, len) = (1 + rng.below(25_000), 1 + rng.below(4_000));
            rig.put(at as u32, len as usize, NO_LIMIT);
            model[at as usize..(at + len) as usize].fill(true);
        }
        let mut at = 0;
        while at < model.len() {
            let len = model[at..].iter().take_while(|there| **there).count();
            assert_eq!(rig.take(at as u32), stream(at as u64, len));
            at += len + 1;
        }
        assert!(rig.reassembly.is_empty());
        assert_eq!(rig.reassembly.charge, 0);
    }
}
