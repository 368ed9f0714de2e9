use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Vec<Result<NdpOption<'_>, WireError>> {
    Options::new(bytes).collect()
}

#[test]
fn options_are_read_in_order() {
    let bytes = [1, 1, 2, 0, 0, 0, 0, 1, 5, 1, 0, 0, 0, 0, 5, 0xdc, 99, 1, 1, 2, 3, 4, 5, 6];
    assert_eq!(
        read(&bytes),
        [
            Ok(NdpOption::SourceLinkLayer(EthernetAddress([2, 0, 0, 0, 0, 1]))),
            Ok(NdpOption::Mtu(1500)),
            Ok(NdpOption::Unknown { kind: 99, data: &[1, 2, 3, 4, 5, 6] }),
        ]
    );
}

#[test]
fn rfc_4861_section_4_6_a_length_of_zero_is_an_error() {
    assert_eq!(read(&[99, 0, 0, 0, 0, 0, 0, 0, 1, 1]), [Err(WireError::BadOption)]);
}

#[test]
fn lengths_beyond_the_end_are_errors() {
    assert_eq!(read(&[1]), [Err(WireError::Truncated)]);
    for units in 2..=255 {
        assert_eq!(read(&[99, units, 0, 0, 0, 0, 0, 0]), [Err(WireError::Truncated)]);
    }
}

#[test]
fn known_options_of_other_lengths_are_errors() {
    for kind in [1, 2, 3, 5, 25] {
        let good: &[u8] = match kind {
            3 => &[4],
            25 => &[3, 5, 7, 9, 11],
            _ => &[1],
        };
        for units in 1..=12u8 {
            let mut bytes = std::vec![0; usize::from(units) * 8];
            bytes[..2].copy_from_slice(&[kind, units]);
            assert_eq!(read(&bytes)[0].is_ok(), good.contains(&units), "kind {kind}, units {units}");
        }
    }
}

#[test]
fn bad_prefixes_and_servers_are_errors() {
    let mut prefix = [0; 32];
    prefix[..3].copy_from_slice(&[3, 4, 128]);
    assert!(read(&prefix)[0].is_ok());
    prefix[2] = 129;
    assert_eq!(read(&prefix), [Err(WireError::BadOption)]);
    prefix[2] = 64;
    prefix[16..].copy_from_slice(&Address::LOOPBACK_V4.octets());
    assert_eq!(read(&prefix), [Err(WireError::BadOption)]);
    let mut rdnss = [0; 24];
    rdnss[..2].copy_from_slice(&[25, 3]);
    rdnss[8..].copy_from_slice(&Address::LOOPBACK_V4.octets());
    assert_eq!(read(&rdnss), [Err(WireError::BadOption)]);
    assert_eq!(Servers::new(&[]), None);
}

#[test]
fn a_quotation_is_cut_to_whole_units() {
    let mut out = [0; 32];
    assert_eq!(NdpOption::RedirectedHeader(&[7; 15]).emit(&mut out), Ok(16));
    assert_eq!(read(&out[..16]), [Ok(NdpOption::RedirectedHeader(&[7; 8]))]);
}

#[test]
fn o4_options_that_do_not_fit_their_length_octet_are_refused() {
    let mut out = [0; 4096];
    for len in [0, 5, 7, 8, 2039, 2046] {
        let option = NdpOption::Unknown { kind: 99, data: &[0; 4096][..len] };
        assert_eq!(option.emit(&mut out), Err(WireError::BadOption), "{len}");
    }
    assert_eq!(NdpOption::Unknown { kind: 99, data: &[0; 2038] }.emit(&mut out), Ok(2040));
    assert_eq!(NdpOption::RedirectedHeader(&[0; 4096]).emit(&mut out), Err(WireError::BadOption));
    let servers = Servers::new(&[[1; 16]; 128]).unwrap();
    assert_eq!(NdpOption::Rdnss { lifetime_s: 1, servers }.emit(&mut out), Err(WireError::BadOption));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        octets in any::<[u8; 6]>(), numbers in any::<[u32; 2]>(), flags in any::<[bool; 2]>(),
        prefix in any::<[u8; 16]>(), prefix_len in 0..=128u8,
        servers in proptest::collection::vec(any::<[u8; 16]>(), 1..5), kind in 26..=255u8,
    ) {
        let options = [
            NdpOption::SourceLinkLayer(octets.into()),
            NdpOption::TargetLinkLayer(octets.into()),
            NdpOption::PrefixInformation(PrefixInformation {
                prefix: Address::from_octets(prefix),
                prefix_len,
                on_link: flags[0],
                autonomous: flags[1],
                valid_s: numbers[0],
                preferred_s: numbers[1],
            }),
            NdpOption::RedirectedHeader(&prefix),
            NdpOption::Mtu(numbers[0]),
            NdpOption::Rdnss { lifetime_s: numbers[1], servers: Servers::new(&servers).unwrap() },
            NdpOption::Unknown { kind, data: &octets },
        ];
        let mut out = [0; 512];
        let mut len = 0;
        for option in options {
            len += option.emit(&mut out[len..]).unwrap();
        }
        prop_assert_eq!(read(&out[..len]), options.map(Ok));
    }
}
