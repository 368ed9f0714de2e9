use portolan_drivers::wire::{WireEnd, pair};
use portolan_link::{Checksum, Chunk, Gso, Medium, Offload};
use portolan_wire::tcp::{self, Flags};
use portolan_wire::{Address, ipv4};

use super::*;

const CAPS: LinkCaps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 65_535, checksum: true };
const HEADERS: usize = 40;

fn shaped(outbound: &str, inbound: &str) -> (ShapedLink<WireEnd>, WireEnd) {
    let (ours, theirs) = pair(CAPS, CAPS);
    let parse = |text: &str| text.parse::<Schedule>().unwrap();
    (ShapedLink::new(ours, parse(outbound), parse(inbound), 1), theirs)
}

/// Pushes an IPv4 TCP super-segment with `len` octets of text, to be cut at 1000.
fn push_super_segment(batch: &mut TxBatch, len: usize) {
    let (src, dst) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));
    let entry = batch.push().unwrap();
    let head = entry.set_head_len(HEADERS);
    head.fill(0);
    head[0] = 0x45;
    head[2..4].copy_from_slice(&((HEADERS + len) as u16).to_be_bytes());
    head[8..10].copy_from_slice(&[64, 6]);
    head[12..16].copy_from_slice(&src.v4_octets().unwrap());
    head[16..20].copy_from_slice(&dst.v4_octets().unwrap());
    head[32..34].copy_from_slice(&[0x50, 0x10]);
    entry.text.push(Chunk::from((0..len).map(|at| at as u8).collect::<Vec<u8>>()));
    entry.offload = Offload {
        checksum: Checksum::Partial { start: 20, offset: 16 },
        gso: Gso::Tcp { size: 1000, ecn: false },
        ..Offload::default()
    };
}

fn receive(link: &mut impl Link, now: Instant) -> Vec<PacketBuf> {
    let (mut pool, mut batch) = (Pool::new(), RxBatch::new(256));
    link.receive(now, &mut pool, &mut batch).unwrap();
    batch.drain().collect()
}

fn assert_plain_tcp(packet: &PacketBuf, text_len: usize) {
    assert_eq!(packet.offload, Offload::default());
    let ip = ipv4::parse(packet.bytes()).unwrap();
    assert!(tcp::checksum_ok(ip.header.src(), ip.header.dst(), ip.payload));
    let (header, _, text) = tcp::parse(ip.payload).unwrap();
    assert!(header.flags().contains(Flags::ACK));
    assert_eq!(text.len(), text_len);
}

#[test]
fn super_segments_are_cut_before_the_wire_in_both_directions() {
    let (mut ours, mut theirs) = shaped("delay 20ms", "delay 30ms");
    let mut batch = TxBatch::new(4);
    push_super_segment(&mut batch, 2500);
    assert_eq!(ours.transmit(Instant::ZERO, &mut batch), Ok(1));
    push_super_segment(&mut batch, 2500);
    assert_eq!(theirs.transmit(Instant::ZERO, &mut batch), Ok(1));

    assert!(receive(&mut ours, Instant::ZERO).is_empty());
    assert_eq!(ours.next_deadline(), Some(Instant::from_millis(20)));
    ours.handle_timeout(Instant::from_millis(19));
    assert!(receive(&mut theirs, Instant::ZERO).is_empty());
    ours.handle_timeout(Instant::from_millis(20));
    let out = receive(&mut theirs, Instant::ZERO);
    assert_eq!(ours.next_deadline(), Some(Instant::from_millis(30)));
    ours.handle_timeout(Instant::from_millis(30));
    let inward = receive(&mut ours, Instant::from_millis(30));
    for packets in [out, inward] {
        assert_eq!(packets.len(), 3);
        for (packet, len) in packets.iter().zip([1000, 1000, 500]) {
            assert_plain_tcp(packet, len);
        }
    }
    assert_eq!(ours.next_deadline(), None);
}

#[test]
fn a_full_inner_link_is_tried_again() {
    let (mut ours, mut theirs) = shaped("delay 1us limit 2000", "limit 1000");
    let mut batch = TxBatch::new(16);
    for _ in 0..10 {
        push_super_segment(&mut batch, 60_000);
    }
    assert_eq!(ours.transmit(Instant::ZERO, &mut batch), Ok(10), "a wire with faults takes all");
    let mut got = receive(&mut theirs, Instant::ZERO).len();
    let mut now = Instant::ZERO;
    while let Some(at) = ours.next_deadline() {
        assert!(at > now, "time passes between attempts");
        now = at;
        ours.handle_timeout(now);
        got += receive(&mut theirs, now).len();
    }
    assert_eq!(got, 600);
}

#[test]
fn corruption_is_seen_by_the_checksum() {
    let (mut ours, mut theirs) = shaped("corrupt 100%", "limit 1");
    let mut batch = TxBatch::new(4);
    push_super_segment(&mut batch, 30_000);
    ours.transmit(Instant::ZERO, &mut batch).unwrap();
    let packets = receive(&mut theirs, Instant::ZERO);
    assert_eq!(packets.len(), 30);
    for packet in packets {
        let bytes = packet.bytes();
        let intact = ipv4::parse(bytes).is_ok_and(|ip| {
            ip.payload.len() == HEADERS - 20 + 1000
                && tcp::checksum_ok(ip.header.src(), ip.header.dst(), ip.payload)
        });
        assert!(!intact, "a flipped bit must not get through");
    }
}

#[test]
fn what_contradicts_itself_is_dropped_and_counted() {
    let (mut ours, mut theirs) = shaped("delay 1ms", "delay 1ms");
    let mut batch = TxBatch::new(1);
    let entry = batch.push().unwrap();
    entry.set_head_len(10);
    entry.offload.gso = Gso::Tcp { size: 5, ecn: false };
    theirs.transmit(Instant::ZERO, &mut batch).unwrap();
    assert!(receive(&mut ours, Instant::from_millis(5)).is_empty());
    assert_eq!(ours.unusable(), [0, 1]);
}

#[test]
fn the_end_of_the_wire_is_told_after_what_is_still_on_it() {
    let (mut ours, mut theirs) = shaped("limit 1", "delay 10ms");
    let mut batch = TxBatch::new(1);
    push_super_segment(&mut batch, 100);
    theirs.transmit(Instant::ZERO, &mut batch).unwrap();
    drop(theirs);
    assert!(receive(&mut ours, Instant::ZERO).is_empty());
    assert_eq!(receive(&mut ours, Instant::from_millis(10)).len(), 1);
    let error = ours.receive(Instant::from_millis(11), &mut Pool::new(), &mut RxBatch::new(4));
    assert_eq!(error, Err(LinkError::Gone));
}

#[test]
fn without_faults_frames_pass_as_they_are() {
    let (mut ours, mut theirs) = shaped("none", "none");
    let mut batch = TxBatch::new(4);
    push_super_segment(&mut batch, 2500);
    assert_eq!(ours.transmit(Instant::ZERO, &mut batch), Ok(1));
    let packets = receive(&mut theirs, Instant::ZERO);
    assert_eq!(packets.len(), 1, "nobody cut it");
    assert_eq!(packets[0].offload.gso, Gso::Tcp { size: 1000, ecn: false });
    assert_eq!(ours.next_deadline(), None);
}

#[test]
fn a_change_holds_from_the_next_packet_on_and_leaves_those_on_their_way() {
    let (mut ours, mut theirs) = shaped("none", "none");
    let handle = ours.handle();
    let send = |link: &mut ShapedLink<WireEnd>, at| {
        let mut batch = TxBatch::new(1);
        push_super_segment(&mut batch, 100);
        link.transmit(at, &mut batch).unwrap();
    };
    let at = Instant::from_millis(1000);
    handle.set(Some("delay 20ms".parse().unwrap()), None);
    send(&mut ours, at);
    assert!(receive(&mut theirs, at).is_empty());
    handle.set(Some("none".parse().unwrap()), Some("loss 100%".parse().unwrap()));
    let due = Instant::from_millis(1020);
    assert_eq!(ours.next_deadline(), Some(due));
    send(&mut ours, at);
    assert_eq!(receive(&mut theirs, at).len(), 1, "the later packet is not delayed any more");
    ours.handle_timeout(due);
    assert_eq!(receive(&mut theirs, due).len(), 1, "the earlier one arrives when it was to");
    let mut batch = TxBatch::new(1);
    push_super_segment(&mut batch, 100);
    theirs.transmit(due, &mut batch).unwrap();
    assert!(receive(&mut ours, due).is_empty(), "lost");
    let [up, down] = handle.shown();
    assert_eq!((up.to_string(), down.to_string()), ("none".into(), "loss 100% limit 1000".into()));
}
