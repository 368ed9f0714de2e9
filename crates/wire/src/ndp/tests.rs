use proptest::prelude::*;

use super::*;

/// The body of `message` behind the checksum.
fn body(message: Message, out: &mut [u8]) -> Result<usize, WireError> {
    let mut writer = Writer::new(out);
    message.emit(&mut writer)?;
    Ok(writer.written())
}

#[test]
fn a_router_advertisement_has_all_its_fields() {
    let bytes = [64, 0xc8, 7, 8, 0, 0, 0x75, 0x30, 0, 0, 3, 0xe8, 1, 1];
    let (message, options) = Message::parse(134, 0, &bytes).unwrap();
    let expected = RouterAdvertisement {
        hop_limit: 64,
        managed: true,
        other_config: true,
        preference: Preference::High,
        lifetime_s: 0x0708,
        reachable_ms: 30_000,
        retrans_ms: 1_000,
    };
    assert_eq!(message, Message::RouterAdvertisement(expected));
    assert_eq!(options, [1, 1]);
    let mut out = [0; 12];
    assert_eq!(body(message, &mut out), Ok(12));
    assert_eq!(out, bytes[..12]);
}

#[test]
fn the_reserved_preference_is_medium() {
    for (flags, preference) in [
        (0x00, Preference::Medium),
        (0x08, Preference::High),
        (0x10, Preference::Medium),
        (0x18, Preference::Low),
    ] {
        assert_eq!(Preference::from_flags(flags), preference);
    }
}

#[test]
fn rfc_4861_section_7_1_bad_messages_are_refused() {
    let mut out = [0; 36];
    let (target, destination) = ("fe80::1".parse().unwrap(), "2001:db8::9".parse().unwrap());
    let group = Address::ALL_NODES;
    for (message, good) in [
        (Message::NeighborSolicitation { target }, true),
        (Message::NeighborSolicitation { target: group }, false),
        (Message::Redirect { target, destination }, true),
        (Message::Redirect { target, destination: group }, false),
    ] {
        let len = body(message, &mut out).unwrap();
        assert_eq!(Message::parse(message.ty(), 0, &out[..len]).is_ok(), good, "{message:?}");
        assert_eq!(Message::parse(message.ty(), 1, &out[..len]), Err(WireError::BadHeader));
    }
    assert_eq!(Message::parse(138, 0, &out), Err(WireError::BadHeader));
    // A mapped target would be taken for an IPv4 address.
    out[4..20].copy_from_slice(&Address::LOOPBACK_V4.octets());
    assert_eq!(Message::parse(135, 0, &out), Err(WireError::BadHeader));
    let target = Address::LOOPBACK_V4;
    assert_eq!(body(Message::NeighborSolicitation { target }, &mut out), Err(WireError::BadHeader));
}

fn any_unicast() -> impl Strategy<Value = Address> {
    any::<[u8; 16]>().prop_map(|mut octets| {
        octets[0] &= 0x7f;
        octets[1] |= 1;
        Address::from_octets(octets)
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        Just(Message::RouterSolicitation),
        (any::<u8>(), any::<[bool; 2]>(), 0..3u8, any::<u16>(), any::<[u32; 2]>()).prop_map(
            |(hop_limit, [managed, other_config], preference, lifetime_s, [reachable_ms, retrans_ms])| {
                Message::RouterAdvertisement(RouterAdvertisement {
                    hop_limit,
                    managed,
                    other_config,
                    preference: [Preference::Low, Preference::Medium, Preference::High]
                        [usize::from(preference)],
                    lifetime_s,
                    reachable_ms,
                    retrans_ms,
                })
            }
        ),
        any_unicast().prop_map(|target| Message::NeighborSolicitation { target }),
        (any_unicast(), any::<[bool; 3]>()).prop_map(|(target, [router, solicited, override_cached])| {
            Message::NeighborAdvertisement { target, router, solicited, override_cached }
        }),
        (any_unicast(), any_unicast())
            .prop_map(|(target, destination)| Message::Redirect { target, destination }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_no_part_of_it(message in any_message()) {
        let mut out = [0; 40];
        let len = body(message, &mut out).unwrap();
        prop_assert_eq!(Message::parse(message.ty(), 0, &out[..len]), Ok((message, &[][..])));
        for short in 0..len {
            prop_assert_eq!(Message::parse(message.ty(), 0, &out[..short]), Err(WireError::Truncated));
        }
    }
}
