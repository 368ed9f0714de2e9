use super::*;

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, body, &len].concat()
}

/// A section, an interface with microseconds and an offset of ten seconds, a packet with a comment, statistics.
fn file() -> Vec<u8> {
    let section = [&BYTE_ORDER_MAGIC.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let interface = [&[1, 0, 0, 0, 0, 0, 0, 0, 14, 0, 8, 0][..], &10_u64.to_le_bytes(), &[0; 4]].concat();
    let head = [0, 0, 5_000_000, 5, 99].map(u32::to_le_bytes).concat();
    let packet = [&head[..], b"abcde\0\0\0", &[1, 0, 2, 0, b'h', b'i', 0, 0, 0, 0, 0, 0]].concat();
    let statistics = [&[0; 12][..], &[5, 0, 8, 0], &7_u64.to_le_bytes(), &[0; 4]].concat();
    [block(SECTION_HEADER, &section), block(1, &interface), block(6, &packet), block(5, &statistics)].concat()
}

fn read(octets: &[u8]) -> (Vec<Packet>, Option<ReadError>, u64) {
    let mut packets = Vec::new();
    let mut reader = match Reader::new(octets) {
        Ok(reader) => reader,
        Err(error) => return (packets, Some(error), 0),
    };
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None, reader.dropped()),
            Err(error) => return (packets, Some(error), reader.dropped()),
        }
    }
}

#[test]
fn times_comments_and_losses_are_read() {
    let (packets, error, dropped) = read(&file());
    assert!(error.is_none(), "{error:?}");
    let expected = Packet {
        nanos: 15_000_000_000,
        link: LinkType::Ethernet,
        octets: b"abcde".to_vec(),
        len: 99,
        comment: Some("hi".into()),
    };
    assert_eq!((packets, dropped), (vec![expected], 7));
}

#[test]
fn a_simple_packet_is_of_the_first_interface() {
    let simple = block(SIMPLE_PACKET, &[&3_u32.to_le_bytes()[..], b"xyz\0"].concat());
    let (packets, error, _) = read(&[file(), simple].concat());
    assert!(error.is_none());
    assert_eq!((packets[1].octets.as_slice(), packets[1].len, packets[1].nanos), (&b"xyz"[..], 3, 0));
}

#[test]
fn no_octet_and_no_end_makes_it_panic_or_take_much() {
    let whole = file();
    for len in 0..whole.len() {
        read(&whole[..len]);
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            let (packets, _, _) = read(&changed);
            assert!(packets.iter().all(|packet| packet.octets.len() <= whole.len()));
        }
    }
}
