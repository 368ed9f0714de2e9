use super::*;

#[test]
fn nobody_is_asked_for_what_glibc_asks_nobody_for() {
    for name in ["a", "a.b.", "a-b", "a-.b", "_a._udp.b", "1.2"] {
        assert!(is_host_name(name.as_bytes()), "{name}");
    }
    for name in ["", "-a.b", "a b", "a+b", "*.b", "0.1.1.~1", "a@b", "\u{e9}.b"] {
        assert!(!is_host_name(name.as_bytes()), "{name}");
    }
}
