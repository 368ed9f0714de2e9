use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::string::ToString;

use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn ipv6_is_printed_in_the_form_of_rfc_5952() {
    // §4.1 leading zeros, §4.2.1 as short as possible, §4.2.2 not for one field, §4.2.3 the longest run, the
    // first of equal ones, §4.3 lower case.
    for (text, canonical) in [
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::ABCD", "2001:db8::abcd"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("0:0:0:0:0:0:0:1", "::1"),
    ] {
        assert_eq!(address(text).to_string(), canonical);
    }
}

#[test]
fn ipv4_is_printed_as_a_quad_and_so_is_its_mapped_form() {
    assert_eq!(address("192.0.2.1").to_string(), "192.0.2.1");
    assert_eq!(address("::ffff:192.0.2.1"), Address::v4(192, 0, 2, 1));
    assert_eq!(std::format!("[{:>10}]", address("10.0.0.1")), "[  10.0.0.1]");
}

#[test]
fn texts_that_are_no_address_are_refused() {
    for text in ["", "1.2.3", "010.0.0.1", "1.2.3.256", "::1::", "fe80::1%eth0", "[::1]", " 1.2.3.4"] {
        assert_eq!(text.parse::<Address>(), Err(ParseAddressError::Address), "{text}");
    }
}

#[test]
fn families_are_told_apart() {
    let v4 = Address::v4(127, 0, 0, 1);
    assert!(v4.is_v4() && !v4.is_v6());
    assert_eq!(v4.v4_octets(), Some([127, 0, 0, 1]));
    assert_eq!(v4.to_ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(v4.family().bits(), 32);
    // The IPv4-compatible form (RFC 4291 §2.5.5.1) is IPv6.
    for v6 in [address("::1.2.3.4"), address("::1"), address("::fffe:1.2.3.4"), address("1::ffff:1.2.3.4")] {
        assert!(v6.is_v6() && v6.v4_octets().is_none());
        assert_eq!(v6.family(), Family::V6);
    }
    assert_eq!(Address::from(Ipv6Addr::LOCALHOST), Address::LOOPBACK_V6);
    assert_eq!(IpAddr::from(Address::LOOPBACK_V6), IpAddr::V6(Ipv6Addr::LOCALHOST));
}

#[test]
fn kinds_of_addresses() {
    let kinds = |text: &str| {
        let a = address(text);
        [
            a.is_unspecified(),
            a.is_loopback(),
            a.is_multicast(),
            a.is_broadcast(),
            a.is_link_local(),
            a.is_global_scope(),
        ]
        .map(u8::from)
    };
    for (text, expected) in [
        ("0.0.0.0", [1, 0, 0, 0, 0, 0]),
        ("::", [1, 0, 0, 0, 0, 0]),
        ("127.255.255.254", [0, 1, 0, 0, 0, 0]),
        ("::1", [0, 1, 0, 0, 0, 0]),
        ("224.0.0.1", [0, 0, 1, 0, 0, 0]),
        ("239.255.255.255", [0, 0, 1, 0, 0, 0]),
        ("ff02::1", [0, 0, 1, 0, 0, 0]),
        ("255.255.255.255", [0, 0, 0, 1, 0, 0]),
        ("169.254.1.1", [0, 0, 0, 0, 1, 0]),
        ("fe80::1", [0, 0, 0, 0, 1, 0]),
        ("febf::1", [0, 0, 0, 0, 1, 0]),
        ("fec0::1", [0, 0, 0, 0, 0, 1]),
        ("10.0.0.1", [0, 0, 0, 0, 0, 1]),
        ("fd00::1", [0, 0, 0, 0, 0, 1]),
        ("2001:db8::1", [0, 0, 0, 0, 0, 1]),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn groups_of_an_address() {
    // RFC 4291 §2.7.1 has this example.
    assert_eq!(address("4037::01:800:200e:8c6c").solicited_node(), address("ff02::1:ff0e:8c6c"));
    assert_eq!(address("ff02::1:ff0e:8c6c").multicast_ethernet().to_string(), "33:33:ff:0e:8c:6c");
    assert_eq!(address("224.0.0.251").multicast_ethernet().to_string(), "01:00:5e:00:00:fb");
    assert_eq!(address("239.129.2.3").multicast_ethernet().to_string(), "01:00:5e:01:02:03");
}

#[test]
fn a_mapped_address_has_no_business_on_a_wire() {
    assert_eq!(Address::from_ipv6_wire(Address::LOOPBACK_V4.octets()), Err(WireError::BadHeader));
    assert_eq!(Address::from_ipv6_wire(Address::LOOPBACK_V6.octets()), Ok(Address::LOOPBACK_V6));
}
