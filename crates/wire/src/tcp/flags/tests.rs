use std::string::ToString;

use super::*;

#[test]
fn sets_of_flags() {
    let syn_ack = Flags::SYN | Flags::ACK;
    assert!(syn_ack.contains(Flags::SYN) && syn_ack.contains(syn_ack) && !syn_ack.contains(Flags::FIN));
    assert!(!Flags::SYN.contains(syn_ack) && Flags::SYN.intersects(syn_ack));
    assert!(!syn_ack.intersects(Flags::FIN | Flags::RST));
    assert_eq!(syn_ack.without(Flags::ACK), Flags::SYN);
    let mut flags = Flags::NONE;
    flags |= Flags::PSH;
    assert_eq!(flags, Flags::PSH);
    assert_eq!(Flags::from_bits(0xffff), Flags::ALL, "the data offset and reserved bits are no flags");
}

#[test]
fn flags_are_printed_as_tcpdump_does() {
    for (flags, text) in [
        (Flags::NONE, "none"),
        (Flags::SYN, "S"),
        (Flags::SYN | Flags::ACK, "S."),
        (Flags::PSH | Flags::ACK, "P."),
        (Flags::FIN | Flags::PSH | Flags::ACK, "FP."),
        (Flags::SYN | Flags::ECE | Flags::CWR, "SEW"),
        (Flags::ALL, "FSRP.UEWe"),
    ] {
        assert_eq!(flags.to_string(), text);
    }
}
