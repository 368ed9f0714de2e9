use proptest::prelude::*;

use super::*;

const REQUEST: [u8; 28] =
    [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];

#[test]
fn a_request_is_read_and_written() {
    let packet = Packet {
        op: Op::Request,
        sender_mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        sender_ip: Address::v4(10, 0, 0, 1),
        target_mac: EthernetAddress::default(),
        target_ip: Address::v4(10, 0, 0, 2),
    };
    assert_eq!(packet.emit(), REQUEST);
    let mut padded = [0; 46];
    padded[..28].copy_from_slice(&REQUEST);
    assert_eq!(Packet::parse(&padded), Ok(packet));
}

#[test]
fn other_address_types_and_lengths_are_refused() {
    for at in 0..6 {
        for value in 0..=255 {
            let mut bytes = REQUEST;
            bytes[at] = value;
            let expected = if value == REQUEST[at] { None } else { Some(WireError::BadHeader) };
            assert_eq!(Packet::parse(&bytes).err(), expected, "octet {at} = {value}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for len in 0..28 {
        assert_eq!(Packet::parse(&REQUEST[..len]), Err(WireError::Truncated));
    }
}

#[test]
fn an_ipv6_address_does_not_get_into_a_packet() {
    let packet = Packet { sender_ip: Address::LOOPBACK_V6, ..Packet::parse(&REQUEST).unwrap() };
    assert_eq!(Packet::parse(&packet.emit()).unwrap().sender_ip, Address::V4_UNSPECIFIED);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        macs in any::<[[u8; 6]; 2]>(), ips in any::<[[u8; 4]; 2]>(), op in any::<u16>(),
    ) {
        let op = match op % 3 { 0 => Op::Request, 1 => Op::Reply, _ => Op::Other(op | 4) };
        let packet = Packet {
            op,
            sender_mac: macs[0].into(),
            sender_ip: ips[0].into(),
            target_mac: macs[1].into(),
            target_ip: ips[1].into(),
        };
        prop_assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
    }
}
