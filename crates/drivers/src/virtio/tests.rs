use super::*;

fn header(flags: u8, gso_type: u8, hdr_len: u16, size: u16, start: u16, offset: u16) -> [u8; HEADER_LEN] {
    let mut out = [flags, gso_type, 0, 0, 0, 0, 0, 0, 0, 0];
    for (at, field) in [hdr_len, size, start, offset].into_iter().enumerate() {
        out[2 + 2 * at..4 + 2 * at].copy_from_slice(&field.to_ne_bytes());
    }
    out
}

#[test]
fn plain_and_verified_frames_claim_no_more() {
    assert_eq!(parse(&header(0, 0, 0, 0, 0, 0), 60), Ok(Offload::default()));
    let verified = parse(&header(FLAG_DATA_VALID, 0, 0, 0, 0, 0), 60).unwrap();
    assert_eq!(verified.checksum, Checksum::Valid);
}

#[test]
fn what_is_emitted_parses_to_the_same() {
    let partial = Checksum::Partial { start: 34, offset: 16 };
    for gso in [Gso::None, Gso::Tcp { size: 1448, ecn: false }, Gso::Tcp { size: 1448, ecn: true }] {
        for is_v6 in [false, true] {
            let offload = Offload { checksum: partial, gso, ..Offload::default() };
            assert_eq!(parse(&emit(&offload, is_v6, 66), 9000), Ok(offload));
        }
    }
    let udp = Offload {
        checksum: Checksum::Partial { start: 34, offset: 6 },
        gso: Gso::Udp { size: 1200 },
        ..Offload::default()
    };
    assert_eq!(parse(&emit(&udp, false, 42), 9000), Ok(udp));
}

#[test]
fn n1_a_checksum_field_outside_the_frame_is_refused() {
    assert!(parse(&header(1, 0, 0, 0, 34, 16), 52).is_ok());
    for (start, offset) in [(34, 17), (51, 0), (u16::MAX, 0), (0, u16::MAX), (u16::MAX, u16::MAX)] {
        let fault = parse(&header(1, 0, 0, 0, start, offset), 52);
        assert_eq!(fault, Err(HeaderFault::ChecksumOutside), "{start} {offset}");
    }
}

#[test]
fn n1_segment_sizes_that_make_no_sense_are_refused() {
    assert!(parse(&header(1, 1, 0, 1448, 34, 16), 54 + 1448).is_ok());
    for (flags, size, frame_len) in [(1, 0, 3000), (1, 1448, 1501), (1, u16::MAX, 3000), (0, 1448, 3000)] {
        let fault = parse(&header(flags, 1, 0, size, 34, 16), frame_len);
        assert_eq!(fault, Err(HeaderFault::BadSegmentation), "{flags} {size} {frame_len}");
    }
}

#[test]
fn n1_unknown_and_unoffered_kinds_are_refused() {
    for kind in [2, 3, 6, 7, 0x7f, GSO_ECN, GSO_ECN | GSO_UDP_L4] {
        let fault = parse(&header(1, kind, 0, 1000, 34, 6), 3000);
        assert_eq!(fault, Err(HeaderFault::UnknownSegmentation), "{kind}");
    }
}

#[test]
fn n1_a_lying_header_length_changes_nothing() {
    for hdr_len in [0, 1, 66, 3000, u16::MAX] {
        let offload = parse(&header(1, 1, hdr_len, 1000, 34, 16), 3000).unwrap();
        assert_eq!(offload.header_len, 0);
    }
}

#[test]
fn n1_accepted_positions_always_lie_in_the_frame() {
    // Every octet drawn at random (attack row N1); the property is what the stack relies on.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut accepted = 0;
    for round in 0..200_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (state >> 8).to_ne_bytes();
        let mut header = [0; HEADER_LEN];
        header[..7].copy_from_slice(&draw[..7]);
        header[7] = (round % 3) as u8;
        header[0] &= 3;
        header[1] &= 0x85;
        let frame_len = (state >> 50) as usize;
        if let Ok(offload) = parse(&header, frame_len) {
            accepted += 1;
            if let Checksum::Partial { start, offset } = offload.checksum {
                assert!(usize::from(start) + usize::from(offset) + 2 <= frame_len);
            }
            if let Gso::Tcp { size, .. } | Gso::Udp { size } = offload.gso {
                assert!(size > 0 && usize::from(size) < frame_len);
                assert!(matches!(offload.checksum, Checksum::Partial { .. }));
            }
        }
    }
    assert!(accepted > 1000, "the draw must reach the accepting side too, was {accepted}");
}
