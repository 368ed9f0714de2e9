use proptest::prelude::*;

use super::*;

/// What a ping sends: type 8, code 0, checksum, identifier 1, sequence 2, data.
const ECHO: [u8; 12] = [8, 0, 0x30, 0x36, 0, 1, 0, 2, 0x61, 0x62, 0x66, 0x64];

#[test]
fn an_echo_request_is_read_and_written() {
    let message = Message::EchoRequest { ident: 1, seq: 2 };
    let mut out = [0; 12];
    assert_eq!(message.emit(&ECHO[8..], &mut out), Ok(12));
    assert_eq!(out, ECHO);
    assert_eq!(parse(&ECHO), Ok((message, &ECHO[8..])));
}

#[test]
fn b14_every_flipped_bit_is_noticed() {
    for bit in 0..ECHO.len() * 8 {
        let mut bytes = ECHO;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(&bytes).err(), Some(WireError::BadChecksum), "bit {bit}");
    }
}

#[test]
fn short_messages_are_refused() {
    for len in 0..8 {
        assert_eq!(parse(&ECHO[..len]).err(), Some(WireError::Truncated));
        assert_eq!(
            Message::EchoReply { ident: 0, seq: 0 }.emit(&[], &mut [0; 8][..len]),
            Err(WireError::Truncated)
        );
    }
    // A message without a name needs only what all have.
    let mut out = [0; 4];
    assert_eq!(Message::Other { ty: 13, code: 0 }.emit(&[], &mut out), Ok(4));
    assert_eq!(parse(&out), Ok((Message::Other { ty: 13, code: 0 }, &[][..])));
}

#[test]
fn the_mtu_counts_with_its_code_only() {
    let mut bytes = [3, 4, 0, 0, 0, 0, 0x05, 0xdc];
    assert_eq!(parse_unchecked(&bytes).unwrap().0, Message::Unreachable { code: 4, next_hop_mtu: 1500 });
    bytes[1] = 3;
    assert_eq!(parse_unchecked(&bytes).unwrap().0, Message::Unreachable { code: 3, next_hop_mtu: 0 });
}

#[test]
fn a_redirect_names_an_ipv4_router() {
    let message = Message::Redirect { code: 1, gateway: Address::LOOPBACK_V6 };
    assert_eq!(message.emit(&[], &mut [0; 8]), Err(WireError::BadHeader));
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<[u16; 2]>().prop_map(|[ident, seq]| Message::EchoRequest { ident, seq }),
        any::<[u16; 2]>().prop_map(|[ident, seq]| Message::EchoReply { ident, seq }),
        any::<u16>().prop_map(|next_hop_mtu| Message::Unreachable { code: 4, next_hop_mtu }),
        (5..=255u8).prop_map(|code| Message::Unreachable { code, next_hop_mtu: 0 }),
        (any::<u8>(), any::<[u8; 4]>())
            .prop_map(|(code, gateway)| Message::Redirect { code, gateway: gateway.into() }),
        any::<u8>().prop_map(|code| Message::TimeExceeded { code }),
        any::<u8>().prop_map(|pointer| Message::ParameterProblem { pointer }),
        (13..=255u8, any::<u8>()).prop_map(|(ty, code)| Message::Other { ty, code }),
        (1..=255u8).prop_map(|code| Message::Other { ty: PARAMETER_PROBLEM, code }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        message in any_message(), data in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut out = [0; 64];
        let len = message.emit(&data, &mut out).unwrap();
        prop_assert_eq!(parse(&out[..len]), Ok((message, &data[..])));
    }
}
