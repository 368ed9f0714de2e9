use super::*;
use crate::fixture::{assert_finished, pattern, tcp, udp};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn cut(offload: Offload, frame: &[u8]) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut out = Vec::new();
    let (head, tail) = frame.split_at(frame.len() / 3);
    let count =
        Segmenter::new(Medium::Ethernet).cut(&offload, [head, tail], |frame| out.push(frame.to_vec()))?;
    assert_eq!(count, out.len());
    Ok(out)
}

fn tcp_offload(start: u16, size: u16) -> Offload {
    let gso = Gso::Tcp { size, ecn: true };
    Offload { checksum: Checksum::Partial { start, offset: 16 }, gso, ..Offload::default() }
}

#[test]
fn a_partial_checksum_is_finished() {
    for version in [4, 6] {
        for (len, field) in [(0, 16), (1, 16), (1460, 16), (999, 6)] {
            let text = pattern(len);
            let (frame, start) =
                if field == 16 { tcp(version, 80, 7, 9, SYN, &text) } else { udp(version, 53, &text) };
            let checksum = Checksum::Partial { start, offset: field };
            let out = cut(Offload { checksum, ..Offload::default() }, &frame).unwrap();
            assert_eq!(out.len(), 1);
            assert_finished(&out[0]);
        }
    }
}

#[test]
fn a_finished_frame_passes_unchanged() {
    let frame = pattern(60);
    assert_eq!(cut(Offload::default(), &frame).unwrap(), [frame]);
}

#[test]
fn tcp_is_cut_into_segments_that_make_the_whole() {
    for version in [4, 6] {
        let text = pattern(10_000);
        let flags = ACK | FIN_PSH | CWR;
        let (frame, start) = tcp(version, 80, u32::MAX - 2000, 1, flags, &text);
        let out = cut(tcp_offload(start, 1448), &frame).unwrap();
        assert_eq!(out.len(), 7);
        let start = usize::from(start);
        let mut joined: Vec<u8> = Vec::new();
        for (index, segment) in out.iter().enumerate() {
            assert_finished(segment);
            let seq = u32::from_be_bytes(segment[start + 4..start + 8].try_into().unwrap());
            assert_eq!(seq, (u32::MAX - 2000).wrapping_add(joined.len() as u32));
            let expected = match index {
                0 => ACK | CWR,
                6 => ACK | FIN_PSH,
                _ => ACK,
            };
            assert_eq!(segment[start + 13], expected, "flags of segment {index}");
            if version == 4 {
                let id = u16::from_be_bytes([segment[18], segment[19]]);
                assert_eq!(id, 0xffff_u16.wrapping_add(index as u16));
            }
            joined.extend_from_slice(&segment[start + 20..]);
        }
        assert_eq!(joined, text);
    }
}

#[test]
fn udp_is_cut_into_datagrams() {
    for version in [4, 6] {
        let payload = pattern(2500);
        let (frame, start) = udp(version, 53, &payload);
        let checksum = Checksum::Partial { start, offset: 6 };
        let offload = Offload { checksum, gso: Gso::Udp { size: 1000 }, ..Offload::default() };
        let out = cut(offload, &frame).unwrap();
        let joined: Vec<u8> = out.iter().flat_map(|frame| frame[usize::from(start) + 8..].to_vec()).collect();
        out.iter().for_each(|frame| assert_finished(frame));
        assert_eq!((out.len(), joined), (3, payload));
    }
}

#[test]
fn vlan_tags_are_looked_through() {
    let (mut frame, start) = tcp(4, 80, 1, 1, ACK, &pattern(3000));
    frame.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    let out = cut(tcp_offload(start + 4, 1000), &frame).unwrap();
    assert_eq!(out.len(), 3);
    for mut segment in out {
        segment.drain(12..16);
        assert_finished(&segment);
    }
}

#[test]
fn a_frame_that_lies_is_an_error() {
    let (frame, start) = tcp(4, 80, 1, 1, ACK, &pattern(3000));
    let as_udp = Offload { gso: Gso::Udp { size: 100 }, ..tcp_offload(start, 1000) };
    assert_eq!(cut(as_udp, &frame), Err(SegmentError::Headers));
    let mut fragment = frame.clone();
    fragment[20] |= 0x20;
    assert_eq!(cut(tcp_offload(start, 1000), &fragment), Err(SegmentError::Headers));
    let mut not_ip = frame.clone();
    not_ip[12] = 0x88;
    assert_eq!(cut(tcp_offload(start, 1000), &not_ip), Err(SegmentError::Headers));
    let outside = Checksum::Partial { start: 3000, offset: 100 };
    let outside = Offload { checksum: outside, ..Offload::default() };
    assert_eq!(cut(outside, &frame), Err(SegmentError::Checksum));
}

#[test]
fn no_mutation_of_a_frame_makes_it_panic() {
    let mut state = 1_u64;
    let mut draw = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut finished = 0;
    for round in 0..20_000 {
        let version = if round % 2 == 0 { 4 } else { 6 };
        let (mut frame, start) = tcp(version, 80, 1, 1, ACK, &pattern(300));
        for _ in 0..draw(4) {
            let at = draw(80);
            frame[at] = draw(256) as u8;
        }
        frame.truncate(draw(frame.len() + 1));
        let offload = tcp_offload(draw(2 * usize::from(start)) as u16, draw(400) as u16);
        finished += usize::from(cut(offload, &frame).is_ok());
    }
    assert!(finished > 1000, "the draw must reach the cutting too, was {finished}");
}
