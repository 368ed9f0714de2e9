use std::vec::Vec;

use super::*;

fn read(bytes: &[u8]) -> Vec<Result<Ipv4Option<'_>, MalformedOption>> {
    Options::new(bytes).collect()
}

fn malformed(pointer: u8) -> Result<Ipv4Option<'static>, MalformedOption> {
    Err(MalformedOption { pointer })
}

#[test]
fn options_are_read_in_order() {
    let bytes = [1, 148, 4, 0, 0, 130, 3, 9, 7, 7, 4, 10, 0, 0, 1, 0, 99];
    let Ok(Ipv4Option::RecordRoute(route)) = read(&bytes)[3] else { panic!("no route") };
    assert_eq!(route.addresses().collect::<Vec<_>>(), [Address::v4(10, 0, 0, 1)]);
    assert!(!route.is_exhausted());
    assert_eq!(
        read(&bytes),
        [
            Ok(Ipv4Option::NoOperation),
            Ok(Ipv4Option::RouterAlert(0)),
            Ok(Ipv4Option::Unknown { kind: 130, data: &[9] }),
            Ok(Ipv4Option::RecordRoute(Route { pointer: 4, data: &[10, 0, 0, 1] })),
            Ok(Ipv4Option::EndOfList),
        ]
    );
}

#[test]
fn b3_source_routes_are_recognised_full_or_not() {
    for kind in [131, 137] {
        for (pointer, exhausted) in [(4, false), (8, true)] {
            let bytes = [kind, 7, pointer, 192, 0, 2, 1];
            let (Ok(Ipv4Option::LooseSourceRoute(route)) | Ok(Ipv4Option::StrictSourceRoute(route))) =
                read(&bytes)[0]
            else {
                panic!("no route")
            };
            assert_eq!(route.is_exhausted(), exhausted);
        }
    }
}

#[test]
fn b3_malformed_options_name_the_wrong_octet() {
    for (bytes, pointer) in [
        (&[7][..], 20),                   // no length
        (&[7, 0], 21),                    // length 0
        (&[7, 1], 21),                    // length 1
        (&[1, 7, 8, 4, 0], 22),           // beyond the end
        (&[7, 2], 21),                    // no room for a pointer
        (&[7, 7, 3, 0, 0, 0, 0], 22),     // pointer below 4
        (&[7, 7, 5, 0, 0, 0, 0], 22),     // no room for a whole address
        (&[68, 8, 4, 0, 0, 0, 0, 0], 22), // pointer below 5
        (&[68, 8, 5, 1, 0, 0, 0, 0], 22), // no room for address and time
        (&[68, 8, 5, 2, 0, 0, 0, 0], 23), // unknown flag
        (&[68, 3, 5], 21),                // no room for flags
        (&[148, 3, 0], 21),               // router alert of another length
    ] {
        assert_eq!(read(bytes).last(), Some(&malformed(pointer)), "{bytes:?}");
    }
}

#[test]
fn timestamps_are_read() {
    let bytes = [68, 8, 5, 0x30, 1, 2, 3, 4];
    let timestamp = Ipv4Option::Timestamp { pointer: 5, overflow: 3, flags: 0, data: &[1, 2, 3, 4] };
    assert_eq!(read(&bytes), [Ok(timestamp)]);
    assert!(read(&[68, 12, 13, 0x31, 0, 0, 0, 0, 0, 0, 0, 0])[0].is_ok(), "a full one is no error");
}

#[test]
fn b3_every_type_length_and_pointer_ends() {
    for kind in 0..=255 {
        for len in 0..=41 {
            for pointer in [0, 1, 3, 4, 5, 8, 37, 40, 41, 255] {
                let mut bytes = [0xff; 44];
                bytes[..3].copy_from_slice(&[kind, len, pointer]);
                let read = read(&bytes);
                assert!(read.len() <= 40);
                assert!(read.iter().rev().skip(1).all(Result::is_ok), "an error ends the list");
            }
        }
    }
}
