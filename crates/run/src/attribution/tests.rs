use super::*;

/// An Ethernet frame with an IPv4 header of 20 octets and two ports.
fn frame(protocol: u8, source: (&str, u16), destination: (&str, u16)) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0]);
    frame.extend([0x45, 0, 0, 24, 0, 0, 0, 0, 64, protocol, 0, 0]);
    for (address, _) in [source, destination] {
        frame.extend(address.parse::<std::net::Ipv4Addr>().unwrap().octets());
    }
    frame.extend(source.1.to_be_bytes());
    frame.extend(destination.1.to_be_bytes());
    frame
}

#[test]
fn a_frame_belongs_to_who_holds_the_port_on_this_side() {
    let notes = Attribution::default();
    notes.note(TCP, 40_000, Some("10.0.2.4:80".parse().unwrap()), "curl", 7);
    notes.note(TCP, 40_000, Some("[::ffff:10.0.2.5]:80".parse().unwrap()), "wget", 8);
    notes.note(UDP, 53, None, "dns\u{1b}[1m", 9);
    let out =
        |protocol, from, to| notes.comment(Medium::Ethernet, Direction::Outbound, &frame(protocol, from, to));
    let ours = ("10.0.2.15", 40_000);
    assert_eq!(out(TCP, ours, ("10.0.2.4", 80)).as_deref(), Some("curl (pid 7)"));
    assert_eq!(out(TCP, ours, ("10.0.2.5", 80)).as_deref(), Some("wget (pid 8)"));
    assert_eq!(out(TCP, ours, ("10.0.2.6", 80)), None);
    assert_eq!(out(UDP, ours, ("10.0.2.4", 80)), None);
    let inbound = frame(TCP, ("10.0.2.4", 80), ours);
    assert_eq!(
        notes.comment(Medium::Ethernet, Direction::Inbound, &inbound).as_deref(),
        Some("curl (pid 7)")
    );
    assert_eq!(notes.comment(Medium::Ethernet, Direction::Outbound, &inbound), None);
    assert_eq!(
        notes.comment(Medium::Ip, Direction::Inbound, &inbound[14..]).as_deref(),
        Some("curl (pid 7)")
    );
    let datagram = out(UDP, ("10.0.2.15", 53), ("10.0.2.3", 1));
    assert_eq!(datagram.as_deref(), Some("dns\\u{1b}[1m (pid 9)"));
}

#[test]
fn no_frame_is_too_short() {
    let notes = Attribution::default();
    let whole = frame(TCP, ("10.0.2.4", 80), ("10.0.2.15", 1));
    for len in 0..whole.len() {
        assert_eq!(notes.comment(Medium::Ethernet, Direction::Inbound, &whole[..len]), None);
    }
}

#[test]
fn notes_are_bounded() {
    let notes = Attribution::default();
    for n in 0..200_000_u32 {
        let remote = SocketAddr::new(IpAddr::from(n.to_be_bytes()), 80);
        notes.note(TCP, 1, Some(remote), "x", 1);
    }
    assert!(notes.0.lock().unwrap().connections.len() <= NOTES_MAX);
}
