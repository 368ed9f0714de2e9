use std::os::fd::AsFd;

use portolan_link::Offload;
use rustix::net::{AddressFamily, SocketType, socketpair};

use super::*;

const NOW: Instant = Instant::ZERO;

/// A member without anybody, and one end of a connection that it takes for another member.
fn member() -> (Lan, OwnedFd) {
    let pair = || socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None).unwrap();
    // Nobody comes to a listener that is none.
    let ((listener, _), (ours, theirs)) = (pair(), pair());
    (Lan::new(1500, true, listener, vec![ours]).unwrap(), theirs)
}

fn receive(lan: &mut Lan) -> Vec<Vec<u8>> {
    let (mut pool, mut batch) = (Pool::default(), RxBatch::new(64));
    lan.receive(NOW, &mut pool, &mut batch).unwrap();
    batch.drain().map(|packet| [packet.bytes(), packet.tail()].concat()).collect()
}

fn send(fd: impl AsFd, octets: &[u8]) {
    rustix::net::send(fd, octets, rustix::net::SendFlags::empty()).unwrap();
}

fn frame(to: [u8; 6], from: [u8; 6], len: usize) -> Vec<u8> {
    [&to[..], &from, &[0x08, 0x00], &vec![7; len]].concat()
}

fn transmit(lan: &mut Lan, frame: &[u8]) {
    let mut batch = TxBatch::new(1);
    let entry = batch.push().unwrap();
    entry.set_head_len(frame.len()).copy_from_slice(frame);
    entry.offload = Offload::default();
    lan.transmit(NOW, &mut batch).unwrap();
}

fn heard(fd: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 70_000];
    let (len, _) = rustix::net::recv(fd, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT).ok()?;
    (len > 0).then(|| buffer[virtio::HEADER_LEN..len].to_vec())
}

#[test]
fn nonsense_is_dropped_and_counted() {
    let (mut lan, theirs) = member();
    let good = [&[0; virtio::HEADER_LEN][..], &frame([2; 6], [4; 6], 50)].concat();
    send(&theirs, &good[..1]);
    send(&theirs, &good[..virtio::HEADER_LEN - 1]);
    // A checksum beyond the frame.
    let mut bad = good.clone();
    (bad[0], bad[7]) = (1, 0xff);
    send(&theirs, &bad);
    send(&theirs, &good);
    assert_eq!(receive(&mut lan), [frame([2; 6], [4; 6], 50)]);
    assert_eq!(lan.stats().bad_headers, 3);
}

#[test]
fn a_station_that_was_heard_is_sent_to_alone() {
    let pair = || socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None).unwrap();
    let ((listener, _), (a, to_a), (b, to_b)) = (pair(), pair(), pair());
    let mut lan = Lan::new(1500, true, listener, vec![a, b]).unwrap();
    let (station_a, own) = ([2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 1]);
    let unicast = frame(station_a, own, 60);
    transmit(&mut lan, &unicast);
    assert_eq!((heard(&to_a), heard(&to_b)), (Some(unicast.clone()), Some(unicast.clone())), "a stranger");
    send(&to_a, &[&[0; virtio::HEADER_LEN][..], &frame(own, station_a, 60)].concat());
    assert_eq!(receive(&mut lan).len(), 1);
    transmit(&mut lan, &unicast);
    assert_eq!((heard(&to_a), heard(&to_b)), (Some(unicast), None));
    let broadcast = frame([0xff; 6], own, 60);
    transmit(&mut lan, &broadcast);
    assert_eq!((heard(&to_a), heard(&to_b)), (Some(broadcast.clone()), Some(broadcast)));
}

#[test]
fn a_member_that_does_not_read_loses_frames_and_one_that_reads_gets_them_in_order() {
    let (mut lan, theirs) = member();
    let mut sent = 0u32;
    while lan.stats().lost == 0 {
        let mut numbered = frame([2; 6], [4; 6], 60_000);
        numbered[14..18].copy_from_slice(&sent.to_be_bytes());
        let mut batch = TxBatch::new(1);
        let entry = batch.push().unwrap();
        entry.set_head_len(14).copy_from_slice(&numbered[..14]);
        entry.text.push(Pool::default().copy(&numbered[14..]));
        lan.transmit(NOW, &mut batch).unwrap();
        sent += 1;
        assert!(sent < 1000, "nothing bounds what waits");
    }
    let mut next = 0u32;
    loop {
        while let Some(frame) = heard(&theirs) {
            assert_eq!(frame[14..18], next.to_be_bytes());
            next += 1;
        }
        receive(&mut lan);
        if next == sent - 1 {
            break;
        }
    }
}

#[test]
fn a_member_that_has_gone_is_forgotten() {
    let (mut lan, theirs) = member();
    drop(theirs);
    assert!(receive(&mut lan).is_empty());
    assert!(lan.members.iter().all(Option::is_none));
    transmit(&mut lan, &frame([0xff; 6], [4; 6], 60));
}
