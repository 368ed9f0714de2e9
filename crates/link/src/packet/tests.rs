use super::*;

fn filled(pool: &mut Pool, len: usize) -> PacketBuf {
    let mut packet = PacketBuf::in_two_parts(pool, 2048, 65_536);
    let octet = |at: usize| (at % 251) as u8;
    let [head, tail] = packet.room_mut();
    let split = head.len();
    for (at, byte) in head.iter_mut().chain(tail).take(len).enumerate() {
        *byte = octet(at);
    }
    packet.set_filled(pool, len);
    assert_eq!(packet.bytes().len(), len.min(split));
    packet
}

fn text(packet: PacketBuf, pool: &mut Pool) -> Chunks {
    let mut out = Chunks::new();
    packet.into_text(pool, &mut out);
    out
}

#[test]
fn a_short_frame_needs_one_part_only() {
    let mut pool = Pool::new();
    let packet = filled(&mut pool, 60);
    assert!(packet.tail().is_empty());
    let second = PacketBuf::with_room(&mut pool, 66_000);
    assert_eq!(pool.stats().allocated, 2, "the unused second part was given back");
    drop((packet, second));
}

#[test]
fn consume_and_truncate_cross_the_parts() {
    let mut pool = Pool::new();
    for (front, keep) in [(0, 5000), (54, 4000), (2048, 100), (3000, 1), (5000, 0), (9000, 0)] {
        let mut packet = filled(&mut pool, 5000);
        packet.consume(front);
        packet.truncate(keep);
        let front = front.min(5000);
        let len = keep.min(5000 - front);
        assert_eq!((packet.len(), packet.consumed()), (len, front));
        let chunks = text(packet, &mut pool);
        let mut out = [0; 5000];
        assert_eq!(chunks.copy_to(&mut out), len);
        assert!(out[..len].iter().enumerate().all(|(at, byte)| *byte == ((front + at) % 251) as u8));
    }
}

#[test]
fn text_is_adopted_when_it_fills_half_of_its_memory_and_copied_otherwise() {
    let mut pool = Pool::new();
    let mut large = filled(&mut pool, 60_000);
    large.consume(54);
    assert_eq!(text(large, &mut pool).footprint(), 2048 + 66 * 1024);
    let mut small = PacketBuf::with_room(&mut pool, 66_000);
    small.append(&[1; 100]);
    assert_eq!(text(small, &mut pool).footprint(), 2048);
}
