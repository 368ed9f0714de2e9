extern crate std;

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::interface::join;

#[test]
fn every_reply_survives_the_round_trip() {
    let list = [Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets(), Ipv6Addr::LOCALHOST.octets()];
    let replies = [
        Reply::Done,
        Reply::Connecting,
        Reply::Spent,
        Reply::Failed(98),
        Reply::Address(Address::v4(Ipv4Addr::LOCALHOST, 80)),
        Reply::Value(&[1, 2, 3]),
        Reply::Count(u32::MAX),
        Reply::Addresses { canonical: b"portolan.internal", addresses: AddressList::new(&list) },
        Reply::HostName(b"portolan.internal"),
        Reply::Interface(Interface {
            index: 2,
            mtu: 1500,
            ethernet: Some([2, 0, 0, 0, 0, 1]),
            name: b"portolan0",
            addresses: &[join(Ipv6Addr::LOCALHOST, 128), join(Ipv6Addr::UNSPECIFIED, 0)],
        }),
        Reply::Interface(Interface { index: 1, mtu: 65_535, ethernet: None, name: b"", addresses: &[] }),
        Reply::LookUpFailed(LookUpFailure::NotFound),
        Reply::LookUpFailed(LookUpFailure::NoData),
        Reply::LookUpFailed(LookUpFailure::TryAgain),
        Reply::LookUpFailed(LookUpFailure::Failed),
    ];
    for reply in replies {
        let mut message = [0; MESSAGE_MAX];
        let len = reply.encode(77, &mut message).unwrap();
        assert_eq!(Reply::decode(&message[..len]), Ok((77, reply)));
        for cut in 0..len {
            assert!(Reply::decode(&message[..cut]).is_err(), "{cut} octets of {reply:?}");
        }
    }
}

#[test]
fn an_interface_with_all_its_addresses_fits_a_call() {
    let addresses = [join(Ipv6Addr::LOCALHOST, 128); crate::interface::INTERFACE_ADDRESSES_MAX];
    let interface = Interface { index: 9, mtu: 0, ethernet: None, name: &[b'a'; 15], addresses: &addresses };
    assert!(Reply::Interface(interface).encode(1, &mut [0; crate::CALL_MAX]).is_ok());
}

#[test]
fn a_long_list_is_cut_and_fits() {
    let list = [[1; 16]; ADDRESSES_MAX + 5];
    let reply = Reply::Addresses { canonical: &[b'a'; NAME_MAX], addresses: AddressList::new(&list) };
    let mut message = [0; MESSAGE_MAX];
    let len = reply.encode(1, &mut message).unwrap();
    let Ok((1, Reply::Addresses { addresses, .. })) = Reply::decode(&message[..len]) else {
        panic!("not a list of addresses");
    };
    assert_eq!(addresses.iter().count(), ADDRESSES_MAX);
}

#[test]
fn the_longest_value_fits_a_call() {
    assert!(Reply::Value(&[0; VALUE_MAX]).encode(0, &mut [0; crate::CALL_MAX]).is_ok());
}

#[test]
fn a_failure_has_an_errno() {
    let mut message = [0; 12];
    Reply::Failed(1).encode(5, &mut message).unwrap();
    message[8] = 0;
    assert_eq!(Reply::decode(&message), Err(ProtocolError::BadField));
}

proptest! {
    #[test]
    fn any_octets_are_a_reply_or_an_error(code in 0u16..12, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut octets = [VERSION.to_le_bytes(), code.to_le_bytes()].concat();
        octets.extend_from_slice(&rest);
        if let Ok((number, reply)) = Reply::decode(&octets) {
            let mut message = [0; MESSAGE_MAX];
            let len = reply.encode(number, &mut message).unwrap();
            prop_assert_eq!(&message[..len], &octets[..]);
        }
    }
}
