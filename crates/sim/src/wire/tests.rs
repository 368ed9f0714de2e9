use portolan_link::{Checksum, Chunk, Gso, TxBatch};

use super::*;

fn entry(offload: Offload) -> TxBatch {
    let mut batch = TxBatch::new(1);
    let entry = batch.push().unwrap();
    entry.set_head_len(60).fill(7);
    entry.text.push(Chunk::from(vec![9; 5000]));
    entry.offload = offload;
    batch
}

fn arrive(lane: &mut Lane) -> Vec<PacketBuf> {
    let (mut pool, mut batch) = (Pool::new(), RxBatch::new(16));
    lane.arrive(Instant::ZERO, &mut pool, &mut batch);
    batch.drain().collect()
}

#[test]
fn a_whole_wire_hands_offloads_over() {
    let offload = Offload {
        checksum: Checksum::Partial { start: 34, offset: 16 },
        gso: Gso::Tcp { size: 1000, ecn: false },
        ..Offload::default()
    };
    let mut lane = Lane::new(Impairment::default(), true, 1);
    let mut seen = 0;
    assert!(lane.push(Instant::ZERO, entry(offload).front().unwrap(), |packet| seen = packet.len()));
    assert_eq!(seen, 5060);
    assert!(lane.next_deadline().is_some());
    let packets = arrive(&mut lane);
    assert_eq!((packets.len(), packets[0].len(), packets[0].offload), (1, 5060, offload));
    assert_eq!(lane.next_deadline(), None);
}

#[test]
fn an_offload_that_contradicts_its_frame_is_told() {
    let offload = Offload { gso: Gso::Tcp { size: 1000, ecn: false }, ..Offload::default() };
    let mut lane = Lane::new(Impairment::default(), false, 1);
    assert!(!lane.push(Instant::ZERO, entry(offload).front().unwrap(), |_| ()));
    assert!(lane.push(Instant::ZERO, entry(Offload::default()).front().unwrap(), |_| ()));
    assert_eq!(arrive(&mut lane).len(), 1);
}
