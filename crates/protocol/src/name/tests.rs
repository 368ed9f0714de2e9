extern crate std;

use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::{Rendezvous, Secret};

const ID: SocketId = SocketId([0x0f; 16]);
const KIND: Kind = Kind::new(Transport::Udp, Family::V6);

fn names() -> [Name; 4] {
    [
        Name::Rendezvous { id: ID },
        Name::Socket { id: ID, kind: KIND },
        Name::Accepted {
            id: ID,
            kind: KIND,
            local: Address::v4(Ipv4Addr::new(10, 0, 2, 15), 80),
            remote: Address::v6(Ipv6Addr::LOCALHOST, 40_000, 7),
        },
        Name::Control { id: ID, pid: 0xdead_beef },
    ]
}

#[test]
fn every_role_survives_the_round_trip() {
    for name in names() {
        let encoded = name.encode();
        assert!(!encoded.as_bytes().is_empty());
        assert_eq!(Name::decode(encoded.as_bytes()), Ok(name));
    }
}

#[test]
fn a_socket_is_readable_in_proc_net_unix() {
    let encoded = names()[1].encode();
    assert_eq!(encoded.as_bytes(), b"portolanSu60f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f");
}

#[test]
fn cut_or_lengthened_names_are_refused() {
    for name in names() {
        let encoded = name.encode();
        let octets = encoded.as_bytes();
        for len in 0..octets.len() {
            assert!(Name::decode(&octets[..len]).is_err(), "{len} octets of {name:?}");
        }
        let mut longer = [0; NameBuf::MAX];
        longer[..octets.len()].copy_from_slice(octets);
        assert_eq!(Name::decode(&longer[..octets.len() + 1]), Err(ProtocolError::TrailingOctets));
    }
}

#[test]
fn the_rendezvous_survives_the_environment() {
    let rendezvous = Rendezvous { id: ID, secret: Secret([0xa5; 16]) };
    let text = rendezvous.to_text();
    assert_eq!(Rendezvous::from_text(&text), Some(rendezvous));
    assert_eq!(Rendezvous::from_text(&text[..64]), None);
    let mut upper = text;
    upper[40] = b'A';
    assert_eq!(Rendezvous::from_text(&upper), None);
    assert_eq!(Rendezvous::from_text(b""), None);
}

proptest! {
    #[test]
    fn any_octets_are_a_name_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Name::decode(&octets);
    }

    #[test]
    fn a_decoded_name_encodes_to_the_same_octets(mut octets in proptest::collection::vec(any::<u8>(), 87), role in 0usize..4) {
        let encoded = names()[role].encode();
        let head = if role == 1 || role == 2 { 43 } else { 41 };
        octets[..head].copy_from_slice(&encoded.as_bytes()[..head]);
        octets.truncate(encoded.as_bytes().len());
        let name = Name::decode(&octets).unwrap();
        let encoded = name.encode();
        prop_assert_eq!(encoded.as_bytes(), &octets[..]);
    }
}
