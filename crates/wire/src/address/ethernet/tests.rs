use std::string::ToString;

use super::*;

#[test]
fn groups_and_stations() {
    let station = EthernetAddress([2, 0, 0, 0, 0, 1]);
    assert!(station.is_unicast() && !station.is_multicast() && !station.is_broadcast());
    assert!(EthernetAddress::BROADCAST.is_multicast() && EthernetAddress::BROADCAST.is_broadcast());
    assert!(EthernetAddress([1, 0, 0x5e, 0, 0, 1]).is_multicast());
    assert!(!EthernetAddress::default().is_unicast() && !EthernetAddress::default().is_multicast());
}

#[test]
fn texts_are_read_and_printed() {
    let address = EthernetAddress([2, 0, 0, 0xab, 0xcd, 0xef]);
    assert_eq!(address.to_string(), "02:00:00:ab:cd:ef");
    for text in ["02:00:00:ab:cd:ef", "02-00-00-AB-CD-EF"] {
        assert_eq!(text.parse(), Ok(address));
    }
    for text in [
        "",
        "02:00:00:ab:cd",
        "02:00:00:ab:cd:ef:00",
        "2:0:0:ab:cd:ef",
        "02:00:00:ab:cd:eg",
        "+2:00:00:ab:cd:ef",
        "02-00:00:ab:cd:ef",
        "020000abcdef",
        "02:00:00:ab:cd:é",
    ] {
        assert_eq!(text.parse::<EthernetAddress>(), Err(ParseAddressError::Ethernet), "{text}");
    }
}
