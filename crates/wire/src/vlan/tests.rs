use super::*;

#[test]
fn a_tag_keeps_its_fields_apart() {
    let tag = Tag::new(5, true, 0xabc, EtherType::ARP).unwrap();
    assert_eq!(tag.as_bytes(), &[0xba, 0xbc, 0x08, 0x06]);
    let (parsed, rest) = Tag::parse(&[0xba, 0xbc, 0x08, 0x06, 1]).unwrap();
    assert_eq!((parsed, rest), (&tag, &[1][..]));
    assert_eq!((tag.pcp(), tag.dei(), tag.vid(), tag.ethertype()), (5, true, 0xabc, EtherType::ARP));
    let tag = Tag::new(2, false, 1, EtherType::IPV4).unwrap();
    assert_eq!((tag.pcp(), tag.dei(), tag.vid(), tag.ethertype()), (2, false, 1, EtherType::IPV4));
}

#[test]
fn fields_that_do_not_fit_are_refused() {
    assert_eq!(Tag::new(8, false, 0, EtherType::IPV4), None);
    assert_eq!(Tag::new(0, false, 4096, EtherType::IPV4), None);
    for len in 0..Tag::LEN {
        assert_eq!(Tag::parse(&[0; 4][..len]), Err(WireError::Truncated));
    }
}
