use std::string::ToString;

use super::*;

#[test]
fn endpoints_are_read_and_printed() {
    for text in ["1.2.3.4:80", "[::1]:80", "[2001:db8::1]:65535"] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(Endpoint::from(endpoint.to_socket_addr()), endpoint);
    }
    for text in ["1.2.3.4", "::1:80", "1.2.3.4:65536", "1.2.3.4:", ":80", "[::1]"] {
        assert_eq!(text.parse::<Endpoint>(), Err(ParseAddressError::Endpoint), "{text}");
    }
}

#[test]
fn the_other_end_sees_the_flow_reversed() {
    let local = Endpoint::new(Address::v4(10, 0, 0, 1), 80);
    let remote = Endpoint::new(Address::v4(10, 0, 0, 2), 5000);
    let key = FlowKey { local, remote, protocol: 6, zone: 3 };
    assert_eq!(key.reversed(), FlowKey { local: remote, remote: local, protocol: 6, zone: 3 });
    assert_eq!(key.reversed().reversed(), key);
}
