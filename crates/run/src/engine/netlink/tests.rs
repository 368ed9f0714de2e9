use std::net::Ipv4Addr;

use portolan_protocol::Address;

use super::*;

fn loopback() -> Interface {
    Interface {
        index: 1,
        mtu: 65_536,
        ethernet: None,
        name: b"lo".to_vec(),
        addresses: vec![(Address::v4(Ipv4Addr::LOCALHOST, 0), 8)],
    }
}

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer { parts: Vec::new(), part: Vec::new(), port: 0 };
    writer.push(kind, flags, 7, body);
    writer.finish().concat()
}

/// Kinds of the messages in an answer.
fn kinds(parts: &[Vec<u8>]) -> Vec<u16> {
    let mut kinds = Vec::new();
    for part in parts {
        let mut rest = part.as_slice();
        while let Some((header, _)) = rest.split_first_chunk::<HEADER_LEN>() {
            let len = u32::from_ne_bytes(header[..4].try_into().unwrap()) as usize;
            assert!(len >= HEADER_LEN && header[8] == 7 && header[12] == 9, "{header:?}");
            kinds.push(u16::from_ne_bytes([header[4], header[5]]));
            rest = &rest[len.next_multiple_of(4)..];
        }
    }
    kinds
}

#[test]
fn a_dump_ends_with_done() {
    let all = [loopback()];
    assert_eq!(kinds(&replies(&request(GET_LINK, FLAG_DUMP, &[0]), 9, &all)), [NEW_LINK, DONE]);
    assert_eq!(kinds(&replies(&request(GET_ADDRESS, FLAG_DUMP, &[2]), 9, &all)), [NEW_ADDRESS, DONE]);
    assert_eq!(kinds(&replies(&request(GET_ADDRESS, FLAG_DUMP, &[10]), 9, &all)), [DONE], "no IPv6 address");
    assert_eq!(kinds(&replies(&request(26, FLAG_DUMP, &[0]), 9, &all)), [DONE], "no routes");
}

#[test]
fn changes_are_refused() {
    let answer = replies(&request(NEW_ADDRESS, FLAG_ACK, &[0; 8]), 9, &[loopback()]);
    assert_eq!(kinds(&answer), [ERROR]);
    assert_eq!(answer[0][16..20], (-libc::EPERM).to_ne_bytes());
}

#[test]
fn any_octets_are_answered_without_harm() {
    let good = request(GET_LINK, FLAG_DUMP, &[0; 16]);
    for len in 0..good.len() {
        replies(&good[..len], 9, &[loopback()]);
        let mut bad = good.clone();
        bad[len] = 0xff;
        replies(&bad, 9, &[loopback()]);
    }
}
