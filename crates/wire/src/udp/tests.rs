use std::vec;

use proptest::prelude::*;

use super::*;

fn ends(v6: bool) -> (Address, Address) {
    if v6 {
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
    } else {
        (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2))
    }
}

#[test]
fn b1_every_length_is_refused_or_exact() {
    for there in 0..20usize {
        for stated in (0..=20u16).chain([65_535]) {
            let mut bytes = [5; 20];
            bytes[4..6].copy_from_slice(&stated.to_be_bytes());
            let stated = usize::from(stated);
            match parse(&bytes[..there]) {
                Ok((_, payload)) => {
                    assert!((8..=there).contains(&stated));
                    assert_eq!(payload, &bytes[8..stated]);
                }
                Err(error) => {
                    let expected =
                        if there < 8 || stated >= 8 { WireError::Truncated } else { WireError::BadLength };
                    assert_eq!(error, expected);
                    assert!(there < 8 || !(8..=there).contains(&stated));
                }
            }
        }
    }
}

#[test]
fn no_checksum_is_for_ipv4_only() {
    let mut bytes = [0; 8];
    Emit { src_port: 1, dst_port: 2, payload_len: 0 }.emit(&mut bytes).unwrap();
    for v6 in [false, true] {
        let (src, dst) = ends(v6);
        assert_eq!(checksum_ok(src, dst, &bytes), !v6);
    }
}

#[test]
fn a_sum_of_zero_is_sent_as_ones() {
    // Two octets of payload make the sum what it needs to be.
    let (src, dst) = ends(false);
    let mut bytes = [0; 10];
    Emit { src_port: 1, dst_port: 2, payload_len: 2 }.emit(&mut bytes).unwrap();
    let rest = checksum::transport(src, dst, protocol::UDP, &bytes);
    bytes[8..].copy_from_slice(&rest.to_be_bytes());
    fill_checksum(src, dst, &mut bytes).unwrap();
    assert_eq!(parse(&bytes).unwrap().0.checksum(), 0xffff);
    assert!(checksum_ok(src, dst, &bytes));
}

#[test]
fn o4_a_payload_that_does_not_fit_is_refused() {
    let longest = Emit { payload_len: 65_527, ..Emit::default() };
    assert_eq!(longest.emit(&mut [0; 8]), Ok(8));
    assert_eq!(Emit { payload_len: 65_528, ..longest }.emit(&mut [0; 8]), Err(WireError::BadLength));
    assert_eq!(longest.emit(&mut [0; 7]), Err(WireError::Truncated));
    assert_eq!(fill_checksum(ends(false).0, ends(false).1, &mut [0; 7]), Err(WireError::Truncated));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        ports in any::<[u16; 2]>(), payload in proptest::collection::vec(any::<u8>(), 0..100),
        v6 in any::<bool>(), bit in 0usize..800,
    ) {
        let (src, dst) = ends(v6);
        let mut bytes = vec![0; 8];
        let emit = Emit { src_port: ports[0], dst_port: ports[1], payload_len: payload.len() as u16 };
        emit.emit(&mut bytes).unwrap();
        bytes.extend(&payload);
        fill_checksum(src, dst, &mut bytes).unwrap();
        let (header, read) = parse(&bytes).unwrap();
        prop_assert_eq!((header.src_port(), header.dst_port(), read), (ports[0], ports[1], &payload[..]));
        // What follows the datagram is not its own.
        let mut padded = bytes.clone();
        padded.extend([1, 2, 3]);
        prop_assert!(checksum_ok(src, dst, &padded));
        // B14: one flipped bit is noticed. In the length it makes another datagram, and a checksum of 0 is
        // none.
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assume!(!(32..48).contains(&bit) && bytes[6..8] != [0, 0]);
        prop_assert!(!checksum_ok(src, dst, &bytes));
    }
}
