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

fn wire(whole: bool) -> Wire {
    Wire::new(&WireOptions { whole, ..WireOptions::default() }, [1, 2])
}

fn arrive(wire: &mut Wire) -> Vec<PacketBuf> {
    let (mut pool, mut batch) = (Pool::new(), RxBatch::new(16));
    wire.arrive(Instant::ZERO, 1, &mut pool, &mut batch, |_| ());
    batch.drain().collect()
}

#[test]
fn a_whole_wire_hands_offloads_over() {
    let offload = Offload {
        checksum: Checksum::Partial { start: 34, offset: 16 },
        gso: Gso::Tcp { size: 1000, ecn: false },
        ..Offload::default()
    };
    let mut wire = wire(true);
    let mut seen = 0;
    assert!(wire.push(Instant::ZERO, 0, entry(offload).front().unwrap(), |packet| seen = packet.len()));
    assert_eq!(seen, 5060);
    assert!(wire.next_arrival(1).is_some());
    let packets = arrive(&mut wire);
    assert_eq!((packets.len(), packets[0].len(), packets[0].offload), (1, 5060, offload));
    assert_eq!(wire.next_arrival(1), None);
}

#[test]
fn an_offload_that_contradicts_its_frame_is_told() {
    let offload = Offload { gso: Gso::Tcp { size: 1000, ecn: false }, ..Offload::default() };
    let mut wire = wire(false);
    assert!(!wire.push(Instant::ZERO, 0, entry(offload).front().unwrap(), |_| ()));
    assert!(wire.push(Instant::ZERO, 0, entry(Offload::default()).front().unwrap(), |_| ()));
    assert_eq!(arrive(&mut wire).len(), 1);
}
