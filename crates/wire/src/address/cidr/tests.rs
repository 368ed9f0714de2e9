use std::string::ToString;

use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

#[test]
fn a_prefix_decides_what_is_contained() {
    for (network, inside, outside) in [
        ("10.0.0.1/24", "10.0.0.255", "10.0.1.0"),
        ("10.0.0.1/32", "10.0.0.1", "10.0.0.0"),
        ("10.0.0.0/31", "10.0.0.1", "10.0.0.2"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("fd00::1/64", "fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::"),
        ("fd00::1/128", "fd00::1", "fd00::2"),
        ("::/0", "ff02::1", "10.0.0.1"),
        ("2001:db8:8000::/33", "2001:db8:ffff::", "2001:db8:7fff::"),
    ] {
        assert!(cidr(network).contains(inside.parse().unwrap()), "{network} {inside}");
        assert!(!cidr(network).contains(outside.parse().unwrap()), "{network} {outside}");
    }
}

#[test]
fn network_and_broadcast() {
    let c = cidr("10.1.2.3/20");
    assert_eq!(c.address(), Address::v4(10, 1, 2, 3));
    assert_eq!(c.prefix_len(), 20);
    assert_eq!(c.network(), Address::v4(10, 1, 0, 0));
    assert_eq!(c.broadcast(), Some(Address::v4(10, 1, 15, 255)));
    assert_eq!(cidr("1.2.3.4/0").network(), Address::V4_UNSPECIFIED);
    assert_eq!(cidr("1.2.3.4/0").broadcast(), Some(Address::BROADCAST));
    for none in ["10.0.0.0/31", "10.0.0.0/32", "fd00::1/64"] {
        assert_eq!(cidr(none).broadcast(), None, "{none}");
    }
    assert_eq!(cidr("fd00::1/0").network(), Address::UNSPECIFIED);
    assert_eq!(cidr("fd00:1::1/16").network().to_string(), "fd00::");
    assert_eq!(Cidr::host(Address::LOOPBACK_V4), cidr("127.0.0.1/32"));
}

#[test]
fn texts_are_read_and_printed() {
    for text in ["10.0.0.1/24", "fd00::1/64", "0.0.0.0/0", "::/128"] {
        assert_eq!(cidr(text).to_string(), text);
    }
    for (text, error) in [
        ("10.0.0.1", ParseAddressError::PrefixLength),
        ("10.0.0.1/", ParseAddressError::PrefixLength),
        ("10.0.0.1/+8", ParseAddressError::PrefixLength),
        ("10.0.0.1/-1", ParseAddressError::PrefixLength),
        ("10.0.0.1/33", ParseAddressError::PrefixTooLong(32)),
        ("10.0.0.1/999", ParseAddressError::PrefixTooLong(32)),
        ("fd00::1/129", ParseAddressError::PrefixTooLong(128)),
        ("10.0.0/8", ParseAddressError::Address),
    ] {
        assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
    }
    assert_eq!(Cidr::new(Address::LOOPBACK_V4, 33), None);
    assert_eq!(Cidr::new(Address::LOOPBACK_V6, 129), None);
}
