use proptest::prelude::*;

use super::*;

fn ends() -> (Address, Address) {
    ("fe80::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
}

#[test]
fn the_checksum_covers_the_addresses() {
    let (src, dst) = ends();
    let message = Message::EchoRequest { ident: 0x1234, seq: 7 };
    let mut out = [0; 11];
    assert_eq!(message.emit(src, dst, b"abc", &mut out), Ok(11));
    assert_eq!((&out[..2], &out[4..]), (&[128, 0][..], &b"\x12\x34\x00\x07abc"[..]));
    assert_eq!(parse(src, dst, &out), Ok((message, &b"abc"[..])));
    assert_eq!(parse(src, src, &out), Err(WireError::BadChecksum));
}

#[test]
fn b14_every_flipped_bit_is_noticed() {
    let (src, dst) = ends();
    let mut out = [0; 24];
    let message = ndp::Message::NeighborSolicitation { target: dst };
    Message::Ndp(message).emit(src, dst, &[], &mut out).unwrap();
    for bit in 0..out.len() * 8 {
        out[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(src, dst, &out).err(), Some(WireError::BadChecksum), "bit {bit}");
        out[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_truncation_is_refused() {
    let (src, dst) = ends();
    let redirect = Message::Ndp(ndp::Message::Redirect { target: src, destination: dst });
    for message in [Message::PacketTooBig { mtu: 1280 }, redirect] {
        let mut out = [0; 40];
        let whole = message.emit(src, dst, &[], &mut out).unwrap();
        for len in 0..whole {
            assert_eq!(parse_unchecked(&out[..len]), Err(WireError::Truncated));
            assert!(parse(src, dst, &out[..len]).is_err());
            assert_eq!(message.emit(src, dst, &[], &mut [0; 40][..len]), Err(WireError::Truncated));
        }
    }
}

#[test]
fn the_code_of_packet_too_big_is_ignored() {
    // RFC 4443 §3.2.
    let bytes = [2, 9, 0, 0, 0, 0, 5, 0];
    assert_eq!(parse_unchecked(&bytes).unwrap().0, Message::PacketTooBig { mtu: 1280 });
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<[u16; 2]>().prop_map(|[ident, seq]| Message::EchoRequest { ident, seq }),
        any::<[u16; 2]>().prop_map(|[ident, seq]| Message::EchoReply { ident, seq }),
        any::<u8>().prop_map(|code| Message::Unreachable { code }),
        any::<u32>().prop_map(|mtu| Message::PacketTooBig { mtu }),
        any::<u8>().prop_map(|code| Message::TimeExceeded { code }),
        (any::<u8>(), any::<u32>()).prop_map(|(code, pointer)| Message::ParameterProblem { code, pointer }),
        (138..=255u8, any::<u8>()).prop_map(|(ty, code)| Message::Other { ty, code }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        message in any_message(), data in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let (src, dst) = ends();
        let mut out = [0; 64];
        let len = message.emit(src, dst, &data, &mut out).unwrap();
        prop_assert_eq!(parse(src, dst, &out[..len]), Ok((message, &data[..])));
    }
}
