use super::*;

#[test]
fn errors_are_told_apart() {
    for name in ["", "sixteen-octets-x", "a/b", ".."] {
        let error = Packet::open(name, None, true).unwrap_err();
        assert!(matches!(error, PacketError::BadName { .. }), "{error}");
    }
    let error = Packet::open("no-such-if", None, true).unwrap_err();
    assert_eq!(error, PacketError::NotFound { name: "no-such-if".to_owned() });
    let error = Packet::open("lo", None, true).unwrap_err();
    assert_eq!(error, PacketError::NotEthernet { name: "lo".to_owned() });
    assert!(!error.to_string().contains('\n'));
}
