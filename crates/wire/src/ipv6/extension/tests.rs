use std::vec::Vec;

use super::*;
use crate::ipv6;

const UDP: u8 = protocol::UDP;

/// A packet whose extension headers are these: kind and octets, without the next header octet.
fn packet(headers: &[(u8, &[u8])], last: u8, payload: &[u8]) -> Vec<u8> {
    let kinds: Vec<u8> = headers.iter().map(|(kind, _)| *kind).chain([last]).collect();
    let mut body = Vec::new();
    for ((_, rest), next) in headers.iter().zip(&kinds[1..]) {
        body.push(*next);
        body.extend(*rest);
    }
    body.extend(payload);
    let mut out = std::vec![0; 40];
    ipv6::Emit {
        src: "fe80::1".parse().unwrap(),
        dst: "fe80::2".parse().unwrap(),
        next_header: kinds[0],
        hop_limit: 1,
        payload_len: body.len() as u16,
        ..ipv6::Emit::default()
    }
    .emit(&mut out)
    .unwrap();
    out.extend(body);
    out
}

fn walk_of(bytes: &[u8]) -> Result<Upper<'_>, ExtensionError> {
    ipv6::parse(bytes).unwrap().extensions()
}

/// An options header of 8 octets with one option of `kind` and 4 octets of data.
fn option(kind: u8) -> [u8; 7] {
    [0, kind, 4, 0, 0, 0, 0]
}

const PADDED: &[u8] = &[0, PADN, 4, 0, 0, 0, 0];

#[test]
fn a_packet_without_headers_has_its_upper_layer_at_40() {
    let bytes = packet(&[], UDP, &[1, 2, 3]);
    let upper = walk_of(&bytes).unwrap();
    assert_eq!((upper.protocol, upper.offset, upper.next_header_at), (UDP, 40, 6));
    assert_eq!(upper.payload, [1, 2, 3]);
    assert_eq!((upper.fragment, upper.router_alert), (None, None));
}

#[test]
fn every_kind_of_header_is_walked() {
    let bytes = packet(
        &[
            (protocol::HOP_BY_HOP, &[0, ROUTER_ALERT, 2, 0, 0, PADN, 0]),
            (protocol::DESTINATION_OPTIONS, &[1, 0, 0, 0, 0x1e, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (protocol::ROUTING, &[0, 4, 0, 0, 0, 0, 0]),
            (protocol::FRAGMENT, &[0xff, 0, 0, 0, 0, 0, 9]),
        ],
        UDP,
        &[5; 8],
    );
    let upper = walk_of(&bytes).unwrap();
    assert_eq!((upper.protocol, upper.offset, upper.next_header_at), (UDP, 80, 72));
    assert_eq!(upper.payload, [5; 8]);
    assert_eq!(upper.router_alert, Some(0));
    let fragment = Fragment { offset: 0, more: false, id: 9, next_header: UDP, at: 72 };
    assert_eq!(upper.fragment, Some(fragment));
    assert!(fragment.is_atomic());
}

#[test]
fn a_later_fragment_ends_the_walk() {
    // What follows would be read as a Destination Options header without end.
    let bytes = packet(&[(protocol::FRAGMENT, &[0, 0, 9, 0, 0, 0, 7])], 60, &[0xff; 8]);
    let upper = walk_of(&bytes).unwrap();
    assert_eq!((upper.protocol, upper.offset), (60, 48));
    let fragment = upper.fragment.unwrap();
    assert_eq!((fragment.offset, fragment.more, fragment.id), (8, true, 7));
    assert!(!fragment.is_atomic());
}

#[test]
fn a_fragment_header_is_written_as_it_is_read() {
    let fragment = Fragment { offset: 1448, more: true, id: 0xdead_beef, next_header: UDP, at: 40 };
    let mut header = [0; 8];
    assert_eq!(fragment.emit(&mut header), Ok(8));
    let bytes = packet(&[(protocol::FRAGMENT, &header[1..])], UDP, &[]);
    assert_eq!(walk_of(&bytes).unwrap().fragment, Some(fragment));
    assert_eq!(fragment.emit(&mut header[..7]), Err(WireError::Truncated));
    assert_eq!(Fragment { offset: 4, ..fragment }.emit(&mut header), Err(WireError::BadHeader));
}

#[test]
fn the_router_alert_of_mld_is_written_as_it_is_read() {
    let header = router_alert(protocol::ICMPV6, 0);
    let bytes = packet(&[(protocol::HOP_BY_HOP, &header[1..])], protocol::ICMPV6, &[]);
    assert_eq!(walk_of(&bytes).unwrap().router_alert, Some(0));
    assert_eq!(header[0], protocol::ICMPV6);
}

#[test]
fn b4_at_most_eight_headers() {
    for count in 0..=200 {
        let headers = std::vec![(protocol::DESTINATION_OPTIONS, PADDED); count];
        let bytes = packet(&headers, UDP, &[]);
        match walk_of(&bytes) {
            Ok(upper) => assert!(count <= MAX_HEADERS && upper.protocol == UDP),
            Err(error) => {
                assert!(count > MAX_HEADERS);
                assert_eq!(error, ExtensionError::silent(WireError::BadHeader));
            }
        }
    }
}

#[test]
fn b4_at_most_eight_options_that_are_not_padding() {
    for count in 0..=20u8 {
        // Two octets each, of a kind that is skipped, then padding up to 7 + 40 octets.
        let mut header = std::vec![5];
        for _ in 0..count {
            header.extend([0x1e, 0]);
        }
        header.resize(47, PAD1);
        let bytes = packet(&[(protocol::DESTINATION_OPTIONS, &header)], UDP, &[]);
        assert_eq!(walk_of(&bytes).is_ok(), usize::from(count) <= MAX_OPTIONS);
    }
}

#[test]
fn b4_every_option_length_ends_within_its_header() {
    for len in 0..=255u8 {
        for kind in [PADN, ROUTER_ALERT, 0x1e] {
            let bytes = packet(&[(protocol::HOP_BY_HOP, &[0, kind, len, 0, 0, 0, 0])], UDP, &[0; 300]);
            // An option that passes the header's end is malformed although the packet has more octets.
            let fits = match kind {
                ROUTER_ALERT => len == 2,
                _ => len <= 4,
            };
            match walk_of(&bytes) {
                Ok(_) => assert!(fits),
                Err(error) => {
                    assert!(!fits);
                    assert_eq!(error, ExtensionError::told(WireError::BadOption, CODE_FIELD, 43));
                }
            }
        }
    }
}

#[test]
fn b4_a_header_longer_than_the_packet_is_dropped() {
    for units in 1..=255 {
        let bytes = packet(&[(protocol::DESTINATION_OPTIONS, &[units, 0, 0, 0, 0, 0, 0])], UDP, &[]);
        assert_eq!(walk_of(&bytes), Err(ExtensionError::silent(WireError::Truncated)));
    }
    let whole = packet(&[(protocol::DESTINATION_OPTIONS, PADDED)], UDP, &[]);
    for len in 0..8u8 {
        let mut bytes = whole[..40 + usize::from(len)].to_vec();
        bytes[5] = len;
        assert_eq!(walk_of(&bytes), Err(ExtensionError::silent(WireError::Truncated)));
    }
}

#[test]
fn b5_segments_left_are_refused_for_every_routing_type() {
    for ty in 0..=255 {
        for left in 0..=255 {
            let bytes = packet(&[(protocol::ROUTING, &[0, ty, left, 0, 0, 0, 0])], UDP, &[]);
            let expected = ExtensionError::told(WireError::BadHeader, CODE_FIELD, 42);
            assert_eq!(walk_of(&bytes).err(), (left > 0).then_some(expected), "type {ty}, left {left}");
        }
    }
}

#[test]
fn rfc_8200_section_4_2_unknown_options_by_their_action_bits() {
    for kind in 0..=255 {
        if matches!(kind, PAD1 | PADN | ROUTER_ALERT) {
            continue;
        }
        let bytes = packet(&[(protocol::DESTINATION_OPTIONS, &option(kind))], UDP, &[]);
        let report = walk_of(&bytes).err().map(|error| error.report);
        let expected = match kind >> 6 {
            0 => None,
            1 => Some(Report::Never),
            2 => Some(Report::Always { code: 2, pointer: 42 }),
            _ => Some(Report::UnlessMulticast { code: 2, pointer: 42 }),
        };
        assert_eq!(report, expected, "option {kind}");
    }
}

#[test]
fn b2_a_jumbo_payload_is_an_unknown_option() {
    let bytes = packet(&[(protocol::HOP_BY_HOP, &option(0xc2))], UDP, &[]);
    let report = Report::UnlessMulticast { code: 2, pointer: 42 };
    assert_eq!(walk_of(&bytes), Err(ExtensionError { error: WireError::BadOption, report }));
    // As RFC 2675 sends it, with a payload length of 0, there is no header to read at all.
    let mut bytes = bytes;
    bytes[5] = 0;
    assert_eq!(walk_of(&bytes), Err(ExtensionError::silent(WireError::Truncated)));
}

#[test]
fn hop_by_hop_options_stand_first_only() {
    let bytes = packet(&[(60, PADDED), (protocol::HOP_BY_HOP, PADDED)], UDP, &[]);
    assert_eq!(walk_of(&bytes), Err(ExtensionError::told(WireError::BadHeader, CODE_NEXT_HEADER, 40)));
}

#[test]
fn a_fragment_of_a_fragment_is_refused() {
    let header: (u8, &[u8]) = (protocol::FRAGMENT, &[0, 0, 0, 0, 0, 0, 1]);
    let bytes = packet(&[header, header], UDP, &[]);
    assert_eq!(walk_of(&bytes), Err(ExtensionError::told(WireError::BadHeader, CODE_FIELD, 40)));
}

#[test]
fn rfc_7112_a_first_fragment_holds_the_whole_chain() {
    let bytes =
        packet(&[(protocol::FRAGMENT, &[0, 0, 1, 0, 0, 0, 1]), (60, &[9, 0, 0, 0, 0, 0, 0])], UDP, &[]);
    assert_eq!(walk_of(&bytes), Err(ExtensionError::told(WireError::Truncated, CODE_INCOMPLETE, 0)));
}
