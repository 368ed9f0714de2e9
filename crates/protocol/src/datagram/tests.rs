extern crate std;

use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

#[test]
fn a_full_header_survives_the_round_trip() {
    let header = DatagramHeader {
        len: 65_507,
        errno: 111,
        remote: Address::v4(Ipv4Addr::new(10, 0, 2, 3), 53),
        local: Address::v6(Ipv6Addr::LOCALHOST, 1, 2),
        interface: 3,
        hop_limit: Some(64),
        traffic_class: Some(0),
        segment: Some(1200),
        wants_packet_info: true,
        timestamp: Some(Timestamp { option: 35, at_ns: 1 << 60 }),
    };
    assert_eq!(DatagramHeader::decode(&header.encode()), Ok(header));
    let bare = DatagramHeader::new(0);
    assert_eq!(DatagramHeader::decode(&bare.encode()), Ok(bare));
}

#[test]
fn an_unknown_flag_is_refused() {
    let mut octets = DatagramHeader::new(1).encode();
    octets[56] = 2;
    assert_eq!(DatagramHeader::decode(&octets), Err(ProtocolError::BadField));
}

proptest! {
    #[test]
    fn any_octets_are_a_header_or_an_error(octets in any::<[u8; DatagramHeader::LEN]>()) {
        let _ = DatagramHeader::decode(&octets);
    }
}
