use std::vec::Vec;

use portolan_wire::{Address, Endpoint, FlowKey, SeqNumber, protocol};

use super::ao::traffic_key_of;
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// A vector of RFC 9235: the packet, its sender's and its receiver's initial numbers, traffic key.
struct Vector {
    algorithm: AoAlgorithm,
    covers_options: bool,
    numbers: (u32, u32),
    packet: &'static str,
    traffic_key: &'static str,
}

/// RFC 9235 §4 to §7: both algorithms, both families, with and without options.
const VECTORS: &[Vector] = &[
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        numbers: (0xfbfb_ab5a, 0),
        packet:
            "45 e0 00 4c dd 0f 40 00 ff 06 bf 6b 0a 0b 0c 0d ac 1b 1c 1d e9 d7 00 b3 fb fb ab 5a 00 00 00 00
            e0 02 ff ff ca c4 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 15 5a b7 00 00 00 00 1d 10 3d 54
            2e e4 37 c6 f8 ed e6 d7 c4 d6 02 e7",
        traffic_key: "6d 63 ef 1b 02 fe 15 09 d4 b1 40 27 07 fd 7b 04 16 ab b7 4f",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        numbers: (0x11c1_4261, 0xfbfb_ab5a),
        packet:
            "45 e0 00 4c 65 06 40 00 ff 06 37 75 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 e9 d7 11 c1 42 61 fb fb ab 5b
            e0 12 ff ff 37 76 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 84 a5 0b eb 00 15 5a b7 1d 10 54 3d
            ee ab 0f e2 4c 30 10 81 51 16 b3 be",
        traffic_key: "d9 e2 17 e4 83 4a 80 ca 2f 3f d8 de 2e 41 b8 e6 79 7f ea 96",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        numbers: (0xfbfb_ab5a, 0x11c1_4261),
        packet:
            "45 e0 00 87 36 a1 40 00 ff 06 65 9f 0a 0b 0c 0d ac 1b 1c 1d e9 d7 00 b3 fb fb ab 5b 11 c1 42 62
            c0 18 01 04 a1 62 00 00 01 01 08 0a 00 15 5a c1 84 a5 0b eb 1d 10 3d 54 70 64 cf 99 8c c6 c3 15
            c2 c2 e2 bf ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da bf 00 b4 0a 0b 0c 0d
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da bf 02 08 40
            06 00 64 00 01 01 00",
        traffic_key: "d2 e5 9c 65 ff c7 b1 a3 93 47 65 64 63 b7 0e dc 24 a1 3d 71",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: false,
        numbers: (0xcb0e_fbee, 0),
        packet:
            "45 e0 00 4c 53 99 40 00 ff 06 48 e2 0a 0b 0c 0d ac 1b 1c 1d ff 12 00 b3 cb 0e fb ee 00 00 00 00
            e0 02 ff ff 54 1f 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 02 4c ce 00 00 00 00 1d 10 3d 54
            80 af 3c fe b8 53 68 93 7b 8f 9e c2",
        traffic_key: "30 ea a1 56 0c f0 be 57 da b5 c0 45 22 9f b1 0a 42 3c d7 ea",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: false,
        numbers: (0xacd5_b5e1, 0xcb0e_fbee),
        packet:
            "45 e0 00 87 54 37 40 00 ff 06 48 09 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 ff 12 ac d5 b5 e2 cb 0e fc 32
            c0 18 01 00 46 b6 00 00 01 01 08 0a 57 67 72 f3 00 02 4c ce 1d 10 54 3d 97 76 6e 48 ac 26 2d e9
            ae 61 b4 f9 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da c0 00 b4 ac 1b 1c 1d
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da c0 02 08 40
            06 00 64 00 01 01 00",
        traffic_key: "b5 b2 89 6b b3 66 4e 81 76 b0 ed c6 e7 99 52 41 01 a8 30 7f",
    },
    Vector {
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: true,
        numbers: (0x787a_1ddf, 0),
        packet:
            "45 e0 00 4c 7b 9f 40 00 ff 06 20 dc 0a 0b 0c 0d ac 1b 1c 1d c4 fa 00 b3 78 7a 1d df 00 00 00 00
            e0 02 ff ff 5a 0f 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 01 7e d0 00 00 00 00 1d 10 3d 54
            e4 77 e9 9c 80 40 76 54 98 e5 50 91",
        traffic_key: "f5 b8 b3 d5 f3 4f db b6 eb 8d 4a b9 66 0e 60 e3",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        numbers: (0x176a_833f, 0),
        packet:
            "6e 08 91 dc 00 38 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 fd 00 00 00 00 00 00 00
            00 00 00 00 00 00 00 02 f7 e4 00 b3 17 6a 83 3f 00 00 00 00 e0 02 ff ff 47 21 00 00 02 04 05 a0
            01 03 03 08 04 02 08 0a 00 41 d0 87 00 00 00 00 1d 10 3d 54 90 33 ec 3d 73 34 b6 4c 5e dd 03 9f",
        traffic_key: "62 5e c0 9d 57 58 36 ed c9 b6 42 84 18 bb f0 69 89 a3 61 bb",
    },
    Vector {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: false,
        numbers: (0xeba3_734d, 0x020c_1e69),
        packet:
            "6e 0a 7e 1f 00 73 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00
            00 00 00 00 00 00 00 01 00 b3 c6 cd eb a3 73 4e 02 0c 1e ad c0 18 01 00 71 6a 00 00 01 01 08 0a
            5e c9 9b 7a 00 9d b9 65 1d 10 54 3d 55 9a 81 94 45 b4 fd e9 8d 9e 13 17 ff ff ff ff ff ff ff ff
            ff ff ff ff ff ff ff ff 00 43 01 04 fd e8 00 b4 01 01 01 7a 26 02 06 01 04 00 01 00 01 02 02 80
            00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 fd e8 02 08 40 06 00 64 00 01 01 00",
        traffic_key: "40 51 08 94 7f 99 65 75 e7 bd bc 26 d4 02 16 a2 c7 fa 91 bd",
    },
    Vector {
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: true,
        numbers: (0xa674_4ecb, 0x193c_ccec),
        packet:
            "6e 06 15 20 00 73 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00
            00 00 00 00 00 00 00 01 00 b3 f8 5a a6 74 4e cc 19 3c cd 30 c0 18 01 00 52 f4 00 00 01 01 08 0a
            71 da ab d3 13 e4 ab a3 1d 10 54 3d c1 06 9b 7d fd 3d 69 3a 6d f3 f2 89 ff ff ff ff ff ff ff ff
            ff ff ff ff ff ff ff ff 00 43 01 04 fd e8 00 b4 01 01 01 7a 26 02 06 01 04 00 01 00 01 02 02 80
            00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 fd e8 02 08 40 06 00 64 00 01 01 00",
        traffic_key: "cf 1b 1e 22 5e 06 a6 36 16 76 4a 06 7b 46 f4 b1",
    },
];

/// The flow of an IP packet as its sender sees it, and its TCP segment.
fn taken_apart(packet: &[u8]) -> (FlowKey, &[u8]) {
    let (src, dst, segment) = match packet[0] >> 4 {
        4 => {
            let v4 = |at: usize| Address::v4(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
            (v4(12), v4(16), &packet[20..])
        }
        _ => {
            let v6 = |at: usize| Address::from_octets(packet[at..at + 16].try_into().unwrap());
            (v6(8), v6(24), &packet[40..])
        }
    };
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    let (local, remote) = (Endpoint::new(src, port(0)), Endpoint::new(dst, port(2)));
    (FlowKey { local, remote, protocol: protocol::TCP, zone: 0 }, segment)
}

fn reversed(flow: &FlowKey) -> FlowKey {
    FlowKey { local: flow.remote, remote: flow.local, ..*flow }
}

fn key(algorithm: AoAlgorithm, send_id: u8, recv_id: u8) -> AoKey {
    AoKey { send_id, recv_id, algorithm, covers_options: true, master: b"testvector".to_vec() }
}

fn ao(keys: Vec<AoKey>, iss: u32, irs: Option<u32>) -> Auth {
    Auth::Ao(Ao::new(keys, SeqNumber(iss), irs.map(SeqNumber)).unwrap().into())
}

/// RFC 5925 §5, RFC 5926 §3, with the numbers of RFC 9235.
#[test]
fn segments_are_signed_and_verified_as_rfc_9235_says() {
    for (number, vector) in VECTORS.iter().enumerate() {
        let packet = hex(vector.packet);
        let (flow, segment) = taken_apart(&packet);
        let (src_isn, dst_isn) = vector.numbers;
        let (header, text) = segment.split_at(usize::from(segment[12] >> 4) * 4);
        // Both names stand in the option: 61 for the client's keys, 84 for the server's.
        let option = header.windows(2).position(|octets| octets == [29, 16]).unwrap();
        let (own, peer) = (header[option + 2], header[option + 3]);
        let sender = AoKey { covers_options: vector.covers_options, ..key(vector.algorithm, own, peer) };
        let receiver = AoKey { send_id: peer, recv_id: own, ..sender.clone() };
        let sides = ((flow.local, SeqNumber(src_isn)), (flow.remote, SeqNumber(dst_isn)));
        assert_eq!(traffic_key_of(&sender, sides.0, sides.1), hex(vector.traffic_key), "vector {number}");
        let mac = ao(vec(&sender), src_isn, Some(dst_isn)).sign(&flow, header, &[text]).unwrap();
        assert_eq!(mac.as_bytes(), &header[option + 4..option + 16], "vector {number}");
        let irs = (dst_isn != 0).then_some(src_isn);
        let verifier = ao(vec(&receiver), dst_isn, irs);
        let halves = text.split_at(text.len() / 2);
        let verify = |header: &[u8], text: &[&[u8]]| verifier.clone().verify(&reversed(&flow), header, text);
        assert_eq!(verify(header, &[halves.0, halves.1]), Ok(()), "vector {number}");
        // Any octet that is covered matters; the checksum is not.
        for at in (0..header.len()).filter(|at| !(16..18).contains(at)) {
            let covered = vector.covers_options || at < 20 || (option..option + 16).contains(&at);
            let mut forged = header.to_vec();
            forged[at] ^= 0x10;
            let verdict = verify(&forged, &[text]);
            assert!(verdict.is_err() || !covered && at != 12, "vector {number}, octet {at}");
        }
        if !text.is_empty() {
            assert_eq!(verify(header, &[&text[1..]]), Err(AuthError::Forged));
        }
    }
}

fn vec(key: &AoKey) -> Vec<AoKey> {
    Vec::from([key.clone()])
}

fn flow() -> FlowKey {
    let end = |host, port| Endpoint::new(Address::v4(10, 0, 0, host), port);
    FlowKey { local: end(1, 1000), remote: end(2, 179), protocol: protocol::TCP, zone: 0 }
}

/// A signed segment without text, as octets.
fn signed(auth: &mut Auth, flow: &FlowKey, seq: u32, flags: Flags) -> Vec<u8> {
    let header = portolan_wire::tcp::Emit {
        src_port: flow.local.port,
        dst_port: flow.remote.port,
        seq: SeqNumber(seq),
        flags,
        options: portolan_wire::tcp::Options { signature: Some(auth.signature()), ..Default::default() },
        ..Default::default()
    };
    let mut octets = std::vec![0; header.len()];
    header.emit(&mut octets).unwrap();
    let mac = auth.sign(flow, &octets, &[b"text"]).unwrap();
    auth.signature().put(&mut octets, mac.as_bytes()).unwrap();
    octets
}

/// RFC 5925 §6.2: what is signed after 2^32 octets differs from what was signed before.
#[test]
fn the_extension_keeps_old_segments_out() {
    let keys = || Vec::from([key(AoAlgorithm::HmacSha1, 1, 1)]);
    let (mut a, mut b) = (ao(keys(), 100, Some(200)), ao(keys(), 200, Some(100)));
    let first = signed(&mut a, &flow(), 5_000, Flags::ACK);
    assert_eq!(b.verify(&reversed(&flow()), &first, &[b"text"]), Ok(()));
    for step in 1..=4_u32 {
        let next = signed(&mut a, &flow(), 5_000_u32.wrapping_add(step.wrapping_mul(1 << 30)), Flags::ACK);
        assert_eq!(b.verify(&reversed(&flow()), &next, &[b"text"]), Ok(()), "step {step}");
    }
    let again = signed(&mut a, &flow(), 5_000, Flags::ACK);
    assert_ne!(again, first, "the same number, 4 GiB later");
    assert_eq!(b.verify(&reversed(&flow()), &again, &[b"text"]), Ok(()));
    assert_eq!(b.verify(&reversed(&flow()), &first, &[b"text"]), Err(AuthError::Forged), "replayed");
}

/// RFC 5925 §7.5.2.e: a change of keys, without losing a segment.
#[test]
fn a_key_follows_another_when_it_is_asked_for() {
    let keys = |old: (u8, u8), new: (u8, u8)| {
        Vec::from([key(AoAlgorithm::HmacSha1, old.0, old.1), key(AoAlgorithm::Aes128Cmac, new.0, new.1)])
    };
    let (mut a, mut b) = (ao(keys((1, 2), (3, 4)), 100, Some(200)), ao(keys((2, 1), (4, 3)), 200, Some(100)));
    let names = |auth: &Auth| match auth {
        Auth::Ao(ao) => ao.names(),
        Auth::Md5(_) => unreachable!(),
    };
    let Auth::Ao(asking) = &mut a else { unreachable!() };
    assert!(!asking.ask_for(77) && asking.ask_for(4));
    let segment = signed(&mut a, &flow(), 101, Flags::ACK);
    assert_eq!((names(&a), names(&b)), ((1, 4), (2, 1)));
    assert_eq!(b.verify(&reversed(&flow()), &segment, &[b"text"]), Ok(()));
    assert_eq!(names(&b), (4, 1), "it signs with what was asked for");
    let answer = signed(&mut b, &reversed(&flow()), 201, Flags::ACK);
    assert_eq!(a.verify(&flow(), &answer, &[b"text"]), Ok(()));
    let Auth::Ao(asking) = &mut a else { unreachable!() };
    assert!(!asking.remove(3, 4), "it is asked for");
    let mut unknown = answer.clone();
    unknown[22] = 99;
    assert_eq!(a.verify(&flow(), &unknown, &[b"text"]), Err(AuthError::UnknownKey));
}

/// RFC 2385 §2, computed by hand from its definition.
#[test]
fn md5_covers_pseudo_header_fixed_header_text_and_key() {
    let mut auth = Auth::Md5(Md5Key::new(b"password").unwrap());
    let octets = signed(&mut auth, &flow(), 7, Flags::ACK | Flags::PSH);
    let mut input = Vec::from([10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 44]);
    input.extend(&octets[..20]);
    input.extend(b"textpassword");
    let expected: [u8; 16] = <::md5::Md5 as ::md5::Digest>::digest(&input).into();
    assert_eq!(octets[24..40], expected);
    let back = reversed(&flow());
    assert_eq!(auth.verify(&back, &octets, &[b"te", b"xt"]), Ok(()));
    assert_eq!(auth.verify(&back, &octets, &[b"texT"]), Err(AuthError::Forged));
    assert_eq!(auth.verify(&flow(), &octets, &[b"text"]), Err(AuthError::Forged));
    let mut other = Auth::Md5(Md5Key::new(b"passwore").unwrap());
    assert_eq!(other.verify(&back, &octets, &[b"text"]), Err(AuthError::Forged));
    let mut plain = octets[..20].to_vec();
    plain[12] = 5 << 4;
    assert_eq!(auth.verify(&back, &plain, &[b"text"]), Err(AuthError::Unsigned));
    assert_eq!(Md5Key::new(b""), None);
    assert_eq!(Md5Key::new(&[1; 81]), None);
    assert!(Md5Key::new(&[1; 80]).is_some());
}

/// No octets make a verification panic, and two signatures are none.
#[test]
fn octets_of_any_kind_are_judged() {
    let mut rng = crate::testing::pair::Rng::new(11);
    let mut auths = [
        Auth::Md5(Md5Key::new(b"k").unwrap()),
        ao(Vec::from([key(AoAlgorithm::Aes128Cmac, 1, 1)]), 1, Some(2)),
        ao(Vec::from([key(AoAlgorithm::HmacSha1, 1, 1)]), 1, None),
    ];
    for _ in 0..20_000 {
        let mut octets: Vec<u8> = (0..rng.below(64))
            .map(|_| [0, 1, 2, 19, 29, 18, 16, rng.next() as u8][rng.below(8) as usize])
            .collect();
        if let Some(offset) = octets.get_mut(12) {
            *offset = (5 + rng.below(11) as u8) << 4;
        }
        for auth in &mut auths {
            assert!(auth.verify(&flow(), &octets, &[b"text"]).is_err());
        }
    }
    let mut auth = Auth::Md5(Md5Key::new(b"k").unwrap());
    let mut twice = signed(&mut auth, &flow(), 7, Flags::ACK);
    twice.extend([29, 4, 0, 0]);
    twice[12] = 11 << 4;
    assert_eq!(auth.verify(&reversed(&flow()), &twice, &[b"text"]), Err(AuthError::Forged));
}
