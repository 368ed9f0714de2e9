extern crate std;

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::name::Transport;

const SOCKET: Target = Target { id: SocketId([7; 16]), kind: Kind::new(Transport::Tcp, Family::V4) };

fn operations() -> [Operation<'static>; 20] {
    let address = Address::v4(Ipv4Addr::new(192, 0, 2, 1), 443);
    [
        Operation::Hello { secret: Secret([9; 16]) },
        Operation::Bind { socket: SOCKET, address },
        Operation::Listen { socket: SOCKET, backlog: 128 },
        Operation::Connect { socket: SOCKET, address, waits: true },
        Operation::Disconnect { socket: SOCKET },
        Operation::Shutdown { socket: SOCKET, how: 2 },
        Operation::LocalAddress { socket: SOCKET },
        Operation::RemoteAddress { socket: SOCKET },
        Operation::SetOption { socket: SOCKET, level: 6, name: 1, value: &[1, 0, 0, 0] },
        Operation::GetOption { socket: SOCKET, level: -1, name: 11 },
        Operation::TakeError { socket: SOCKET },
        Operation::OutQueue { socket: SOCKET },
        Operation::LookUpName { family: None, only_configured: true, name: b"portolan.internal" },
        Operation::LookUpName { family: Some(Family::V6), only_configured: false, name: b"" },
        Operation::LookUpAddress { address },
        Operation::Urgent { socket: SOCKET, octet: 7 },
        Operation::Undelivered { socket: SOCKET },
        Operation::Interface { nth: 1 },
        Operation::OwnName,
        Operation::CheckDestination {
            socket: SOCKET,
            address,
            source: Address::UNSPECIFIED,
            len: 3000,
            segment: Some(1200),
        },
    ]
}

#[test]
fn every_operation_survives_the_round_trip() {
    for operation in operations() {
        let request = Request { number: 0x0102_0304, operation };
        let mut message = [0; MESSAGE_MAX];
        let len = request.encode(&mut message).unwrap();
        assert_eq!(Request::decode(&message[..len]), Ok(request));
        for cut in 0..len {
            assert!(Request::decode(&message[..cut]).is_err(), "{cut} octets of {operation:?}");
        }
        assert_eq!(Request::decode(&message[..len + 1]), Err(ProtocolError::TrailingOctets));
        assert_eq!(request.encode(&mut message[..len - 1]), Err(ProtocolError::TooLong));
    }
}

#[test]
fn another_version_is_named() {
    let request = Request { number: 1, operation: operations()[0] };
    let mut message = [0; MESSAGE_MAX];
    let len = request.encode(&mut message).unwrap();
    message[0] = 0x34;
    message[1] = 0x12;
    assert_eq!(Request::decode(&message[..len]), Err(ProtocolError::Version(0x1234)));
}

#[test]
fn a_name_that_is_too_long_is_refused_both_ways() {
    let name = [b'a'; NAME_MAX + 1];
    let operation = Operation::LookUpName { family: None, only_configured: false, name: &name };
    let mut message = [0; MESSAGE_MAX];
    assert_eq!(Request { number: 1, operation }.encode(&mut message), Err(ProtocolError::TooLong));

    let operation = Operation::LookUpName { family: None, only_configured: false, name: &name[1..] };
    let len = Request { number: 1, operation }.encode(&mut message).unwrap();
    message[10] = 0;
    message[11] = 1;
    assert_eq!(Request::decode(&message[..len]), Err(ProtocolError::TooLong));
}

#[test]
fn calls_fit_their_smaller_array() {
    let value = [0; VALUE_MAX];
    let operation = Operation::SetOption { socket: SOCKET, level: 0, name: 0, value: &value };
    assert!(Request { number: 0, operation }.encode(&mut [0; crate::CALL_MAX]).is_ok());
}

proptest! {
    #[test]
    fn any_octets_are_a_request_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::decode(&octets);
    }

    #[test]
    fn any_fields_of_a_known_operation_are_total(code in 0u16..17, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut octets = [VERSION.to_le_bytes(), code.to_le_bytes()].concat();
        octets.extend_from_slice(&rest);
        if let Ok(request) = Request::decode(&octets) {
            let mut message = [0; MESSAGE_MAX];
            let len = request.encode(&mut message).unwrap();
            prop_assert_eq!(&message[..len], &octets[..]);
        }
    }
}
