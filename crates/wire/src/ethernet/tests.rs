use super::*;

const FRAME: [u8; 16] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0xaa, 0xbb];

// RFC 1122 §2.3.3, LINK-7
#[test]
fn a_header_lies_in_the_bytes() {
    let (header, rest) = Header::parse(&FRAME).unwrap();
    assert_eq!(header.dst(), EthernetAddress([2, 0, 0, 0, 0, 1]));
    assert_eq!(header.src(), EthernetAddress([2, 0, 0, 0, 0, 2]));
    assert_eq!(header.ethertype(), EtherType::IPV6);
    assert_eq!(rest, [0xaa, 0xbb]);
    let built = Header::new(header.dst(), header.src(), header.ethertype());
    assert_eq!(built.as_bytes(), &FRAME[..14]);
}

#[test]
fn every_truncation_is_refused() {
    for len in 0..Header::LEN {
        assert_eq!(Header::parse(&FRAME[..len]), Err(WireError::Truncated));
    }
}

#[test]
fn lengths_are_no_types() {
    assert!(EtherType(0).is_length() && EtherType(1500).is_length());
    assert!(!EtherType(1501).is_length() && !EtherType::IPV4.is_length());
}
