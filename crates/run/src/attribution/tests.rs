use super::*;

/// An Ethernet frame with an IPv4 header of 20 octets and two ports.
fn frame(protocol: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 0, 24, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 4]);
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame
}

#[test]
fn a_frame_belongs_to_who_holds_the_port_on_this_side() {
    let owners = Owners::default();
    let pid = std::process::id();
    owners.note(TCP, 40_000, pid);
    let of = |direction, frame: &[u8]| comment(&owners, Medium::Ethernet, direction, frame);
    let mine = of(Direction::Outbound, &frame(TCP, 40_000, 80)).unwrap();
    assert!(mine.ends_with(&format!(" (pid {pid})")) && mine.len() > 10, "{mine}");
    let inbound = frame(TCP, 80, 40_000);
    assert_eq!(of(Direction::Inbound, &inbound).as_ref(), Some(&mine));
    assert_eq!(of(Direction::Outbound, &inbound), None);
    assert_eq!(of(Direction::Outbound, &frame(UDP, 40_000, 80)), None);
    assert_eq!(comment(&owners, Medium::Ip, Direction::Inbound, &inbound[14..]), Some(mine));
}

#[test]
fn no_frame_is_too_short() {
    let owners = Owners::default();
    owners.note(TCP, 1, 1);
    let whole = frame(TCP, 80, 1);
    for len in 0..whole.len() {
        assert_eq!(comment(&owners, Medium::Ethernet, Direction::Inbound, &whole[..len]), None);
    }
}
