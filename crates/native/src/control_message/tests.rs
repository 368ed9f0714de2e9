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
    Ancillary::parse(&control, Family::V4).unwrap().apply(&mut header);
    assert_eq!(header.local, Address::v4(Ipv4Addr::new(10, 0, 2, 15), 0));
    assert_eq!((header.interface, header.hop_limit, header.traffic_class), (3, Some(7), Some(16)));
}

#[test]
fn the_length_of_each_datagram_is_read_and_told() {
    let control = message(libc::SOL_UDP, libc::UDP_SEGMENT, &1200_u16.to_ne_bytes());
    let mut header = DatagramHeader::new(0);
    Ancillary::parse(&control, Family::V6).unwrap().apply(&mut header);
    assert_eq!(header.segment, Some(1200));
    let expected = message(libc::SOL_UDP, libc::UDP_GRO, &1200_i32.to_ne_bytes());
    assert_eq!(Report::new(&header, Family::V6, 64).as_bytes(), expected);
    let of_an_int = message(libc::SOL_UDP, libc::UDP_SEGMENT, &1200_i32.to_ne_bytes());
    assert!(Ancillary::parse(&of_an_int, Family::V6).is_err());
}

#[test]
fn malformed_messages_are_refused_and_odd_tails_are_not() {
    let good = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &(-1_i32).to_ne_bytes());
    assert_eq!(Ancillary::parse(&good, Family::V6).unwrap().hop_limit, None);
    assert!(Ancillary::parse(&good[..HEADER_LEN + 1], Family::V6).is_err(), "longer than the buffer");
    assert!(
        Ancillary::parse(&message(libc::IPPROTO_IP, libc::IP_TTL, &256_i32.to_ne_bytes()), Family::V4)
            .is_err()
    );
    let mark = message(libc::SOL_SOCKET, libc::SO_MARK, &[0; 4]);
    assert!(Ancillary::parse(&mark, Family::V4).unwrap().has_mark());
    let rights = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4]);
    assert!(Ancillary::parse(&rights, Family::V4).is_ok(), "another family's business");
    let unknown = message(libc::IPPROTO_IP, 99, &[0; 4]);
    assert!(Ancillary::parse(&unknown, Family::V4).is_err());
    assert!(Ancillary::parse(&[0; HEADER_LEN], Family::V4).is_err(), "a length of zero would never end");
    assert!(Ancillary::parse(&[1; HEADER_LEN - 1], Family::V4).is_ok());
    for len in 0..64 {
        // Whatever the octets, an answer comes.
        let _ = Ancillary::parse(&vec![0xff; len], Family::V6);
    }
}

#[test]
fn reports_are_cut_as_the_kernel_cuts_them() {
    let mut header = DatagramHeader::new(0);
    header.local = Address::v4(Ipv4Addr::LOCALHOST, 0);
    header.remote = header.local;
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

#[test]
fn a_timestamp_is_in_the_form_that_was_asked_for() {
    for (option, len, rest) in [
        (libc::SO_TIMESTAMP, 16, 5_u64),
        (libc::SO_TIMESTAMPNS, 16, 5_678),
        (libc::SO_TIMESTAMPING, 48, 5_678),
        (SO_TIMESTAMP_NEW, 16, 5),
        (SO_TIMESTAMPING_NEW, 48, 5_678),
    ] {
        let mut header = DatagramHeader::new(0);
        header.timestamp = Some(Timestamp { option: u8::try_from(option).unwrap(), at_ns: 7_000_005_678 });
        let report = Report::new(&header, Family::V4, 128);
        let octets = report.as_bytes();
        assert_eq!(octets.len(), HEADER_LEN + len, "{option}");
        assert_eq!((int(octets, 8), int(octets, 12)), (libc::SOL_SOCKET, option));
        assert_eq!(octets[16..24], 7_u64.to_ne_bytes());
        assert_eq!(octets[24..32], rest.to_ne_bytes(), "{option}");
    }
}

#[test]
fn all_messages_together_fit() {
    let mut header = DatagramHeader::new(0);
    header.timestamp = Some(Timestamp { option: 37, at_ns: 1 });
    header.wants_packet_info = true;
    (header.hop_limit, header.traffic_class) = (Some(1), Some(2));
    let report = Report::new(&header, Family::V6, 4096);
    assert_eq!((report.as_bytes().len(), report.is_cut()), (64 + 40 + 24 + 24, false));
}

#[test]
fn an_error_names_who_says_so() {
    let from = Address::v4(Ipv4Addr::new(192, 0, 2, 9), 0);
    let error = ErrorReport { errno: 113, ty: 11, code: 0, info: 0, from, to: from, text: b"" };
    let report = Report::of_error(&error, Family::V4, 128);
    let octets = report.as_bytes();
    assert_eq!((octets.len(), report.is_cut()), (HEADER_LEN + 32, false));
    assert_eq!((int(octets, 8), int(octets, 12)), (libc::IPPROTO_IP, libc::IP_RECVERR));
    assert_eq!((int(octets, 16), &octets[20..23]), (113, &[libc::SO_EE_ORIGIN_ICMP, 11, 0][..]));
    assert_eq!(octets[36..40], [192, 0, 2, 9]);
    let cut = Report::of_error(&error, Family::V6, 40);
    assert_eq!((cut.as_bytes().len(), cut.is_cut()), (40, true));
    assert_eq!(int(cut.as_bytes(), 12), libc::IPV6_RECVERR);
}
