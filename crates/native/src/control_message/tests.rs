use super::*;

/// A control message as a program writes it.
fn message(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
    let mut octets = (HEADER_LEN + data.len()).to_ne_bytes().to_vec();
    octets.extend(level.to_ne_bytes());
    octets.extend(kind.to_ne_bytes());
    octets.extend(data);
    octets.resize(octets.len().next_multiple_of(ALIGNMENT), 0);
    octets
}

#[test]
fn source_hop_limit_and_class_are_read() {
    let mut info = 3_i32.to_ne_bytes().to_vec();
    info.extend([10, 0, 2, 15]);
    info.extend([0; 4]);
    let mut control = message(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
    control.extend(message(libc::IPPROTO_IP, libc::IP_TTL, &7_i32.to_ne_bytes()));
    control.extend(message(libc::IPPROTO_IP, libc::IP_TOS, &[16]));
    let mut header = DatagramHeader::new(0);
    Ancillary::parse(&control).unwrap().apply(&mut header);
    assert_eq!(header.local, Address::v4(Ipv4Addr::new(10, 0, 2, 15), 0));
    assert_eq!((header.interface, header.hop_limit, header.traffic_class), (3, Some(7), Some(16)));
}

#[test]
fn malformed_messages_are_refused_and_odd_tails_are_not() {
    let good = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &(-1_i32).to_ne_bytes());
    assert_eq!(Ancillary::parse(&good).unwrap().hop_limit, None);
    assert!(Ancillary::parse(&good[..HEADER_LEN + 1]).is_err(), "longer than the buffer");
    assert!(Ancillary::parse(&message(libc::IPPROTO_IP, libc::IP_TTL, &256_i32.to_ne_bytes())).is_err());
    assert!(Ancillary::parse(&message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4])).is_err());
    assert!(Ancillary::parse(&[0; HEADER_LEN]).is_err(), "a length of zero would never end");
    assert!(Ancillary::parse(&[1; HEADER_LEN - 1]).is_ok());
    for len in 0..64 {
        // Whatever the octets, an answer comes.
        let _ = Ancillary::parse(&vec![0xff; len]);
    }
}

#[test]
fn reports_are_cut_as_the_kernel_cuts_them() {
    let mut header = DatagramHeader::new(0);
    header.local = Address::v4(Ipv4Addr::LOCALHOST, 0);
    header.wants_packet_info = true;
    header.hop_limit = Some(9);
    let whole = Report::new(&header, Family::V4, 128);
    assert_eq!((whole.as_bytes().len(), whole.is_cut()), (32 + 24, false));
    // The second message has room for its header only.
    let cut = Report::new(&header, Family::V4, 32 + HEADER_LEN);
    assert_eq!((cut.as_bytes().len(), cut.is_cut()), (32 + HEADER_LEN, true));
    assert_eq!(word(&cut.as_bytes()[32..], 0), HEADER_LEN);
    // No room for a header: nothing.
    let none = Report::new(&header, Family::V4, HEADER_LEN - 1);
    assert_eq!((none.as_bytes().len(), none.is_cut()), (0, true));
}
