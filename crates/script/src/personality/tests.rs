use super::*;

#[test]
fn personalities_are_known_by_their_names() {
    assert_eq!("linux".parse(), Ok(Personality::Linux));
    assert_eq!("freebsd".parse(), Ok(Personality::Freebsd));
    assert_eq!("Linux".parse::<Personality>(), Err(UnknownPersonality));
    assert_eq!(Personality::default(), Personality::Linux);
}

#[test]
fn personalities_differ_in_every_habit_that_a_peer_or_a_program_can_see() {
    let [linux, freebsd] =
        [Personality::Linux, Personality::Freebsd].map(|personality| personality.config().tcp);
    assert_eq!((linux.option_order, freebsd.option_order), (OptionOrder::Linux, OptionOrder::Freebsd));
    assert!(linux.quick_acks > 0 && freebsd.quick_acks == 0);
    assert!(linux.super_segments_by_rate && !freebsd.super_segments_by_rate);
    assert!(linux.push_super_segments && !freebsd.push_super_segments);
    assert_ne!(linux.recv_buffer, freebsd.recv_buffer);
    assert_ne!(linux.send_buffer, freebsd.send_buffer);
    assert!(!linux.oob_inline && !freebsd.oob_inline, "SO_OOBINLINE is off everywhere");
    assert!(Personality::Freebsd.gso_max() < Personality::Linux.gso_max());
}
