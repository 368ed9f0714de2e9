use portolan_wire::{EthernetAddress, SeqNumber, icmpv4, icmpv6};

use super::*;

const STATIONS: [EthernetAddress; 2] =
    [EthernetAddress([2, 0, 0, 0, 0, 1]), EthernetAddress([2, 0, 0, 0, 0, 2])];

fn ends(v6: bool) -> [Address; 2] {
    let texts = if v6 { ["fd00::1", "fd00::2"] } else { ["10.0.0.1", "10.0.0.2"] };
    texts.map(|text| text.parse().unwrap())
}

/// A frame from the first host to the second, or back, with `len` octets of text.
fn frame(v6: bool, back: bool, ports: [u16; 2], len: usize) -> Vec<u8> {
    let (mut ends, mut stations) = (ends(v6), STATIONS);
    if back {
        ends.reverse();
        stations.reverse();
    }
    let segment_len = tcp::Header::LEN + len;
    let payload_len = u16::try_from(segment_len).unwrap();
    let ethertype = if v6 { EtherType::IPV6 } else { EtherType::IPV4 };
    let mut out = vec![7; 14 + 40 + segment_len];
    out[..14].copy_from_slice(Ethernet::new(stations[1], stations[0], ethertype).as_bytes());
    let start = 14
        + if v6 {
            let (hop_limit, next_header) = (64, protocol::TCP);
            let emit = ipv6::Emit {
                src: ends[0],
                dst: ends[1],
                next_header,
                hop_limit,
                traffic_class: 0,
                flow_label: 0,
                payload_len,
            };
            emit.emit(&mut out[14..]).unwrap()
        } else {
            let emit = ipv4::Emit {
                src: ends[0],
                dst: ends[1],
                protocol: protocol::TCP,
                ttl: 64,
                tos: 0,
                id: 0,
                dont_fragment: true,
                more_fragments: false,
                fragment_offset: 0,
                payload_len,
            };
            emit.emit(&mut out[14..]).unwrap()
        };
    out.truncate(start + segment_len);
    let emit =
        tcp::Emit { src_port: ports[0], dst_port: ports[1], seq: SeqNumber(5), ..tcp::Emit::default() };
    emit.emit(&mut out[start..]).unwrap();
    tcp::fill_checksum(ends[0], ends[1], &mut out[start..]).unwrap();
    out
}

/// Ports of a frame, and whether its checksum is right.
fn read(frame: &[u8]) -> ([u16; 2], bool) {
    let (src, dst, start) = find_tcp(frame).unwrap();
    let (header, _) = tcp::Header::parse(&frame[start..]).unwrap();
    ([header.src_port(), header.dst_port()], tcp::checksum_ok(src, dst, &frame[start..]))
}

fn percent(value: f64) -> Percent {
    Percent::new(value).unwrap()
}

#[test]
fn a_narrow_path_tells_the_sender_its_mtu() {
    for v6 in [false, true] {
        let mut obstruction = Obstruction::new(1);
        obstruction.obstacles.narrow = Some(NarrowPath { mtu: 1300, is_told: true });
        let headers = if v6 { 60 } else { 40 };
        assert_eq!(obstruction.narrow(&frame(v6, false, [1, 2], 1300 - headers)), None);
        let long = frame(v6, false, [1, 2], 1301 - headers);
        let Some(Fate::Answered(answer)) = obstruction.narrow(&long) else { panic!("v6 {v6}") };
        assert_eq!(answer[..6], STATIONS[0].0, "it goes back to its sender");
        let [src, dst] = ends(v6);
        let (told, quote) = if v6 {
            match icmpv6::parse(dst, src, &answer[54..]).unwrap() {
                (icmpv6::Message::PacketTooBig { mtu }, quote) => (mtu, quote),
                other => panic!("{other:?}"),
            }
        } else {
            assert!(ipv4::parse(&answer[14..]).unwrap().checksum_ok());
            match icmpv4::parse(&answer[34..]).unwrap() {
                (icmpv4::Message::Unreachable { code: 4, next_hop_mtu }, quote) => {
                    (next_hop_mtu.into(), quote)
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told, 1300);
        assert!(long[14..].starts_with(quote));
        obstruction.obstacles.narrow = Some(NarrowPath { mtu: 1300, is_told: false });
        assert_eq!(obstruction.narrow(&long), Some(Fate::Lost), "a black hole says nothing");
    }
}

#[test]
fn losses_in_bursts_have_the_lengths_and_the_share_of_the_model() {
    let mut obstruction = Obstruction::new(7);
    obstruction.obstacles.burst = Some(BurstLoss { begins: percent(2.0), ends: percent(20.0) });
    let packet = frame(false, false, [1, 2], 10);
    let fates: Vec<bool> = (0..20_000).map(|_| obstruction.pass(&packet) == Fate::Lost).collect();
    let lost = fates.iter().filter(|lost| **lost).count();
    let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    // 2 / (2 + 20) of all packets are lost, in bursts of five on average.
    assert!((1500..2150).contains(&lost), "{lost} lost");
    assert!((4.0..6.0).contains(&(lost as f64 / bursts as f64)), "{lost} lost in {bursts} bursts");
}

#[test]
fn a_cut_wire_passes_nothing_and_truncation_shortens() {
    let packet = frame(true, false, [1, 2], 100);
    let mut obstruction = Obstruction::new(3);
    obstruction.obstacles = Obstacles { is_cut: true, ..Obstacles::default() };
    assert_eq!(obstruction.pass(&packet), Fate::Lost);
    obstruction.obstacles = Obstacles { truncate: percent(100.0), ..Obstacles::default() };
    for _ in 0..100 {
        let Fate::Passes(cut) = obstruction.pass(&packet) else { panic!("lost") };
        assert!(cut.len() < packet.len() && packet.starts_with(cut));
    }
    obstruction.obstacles = Obstacles::default();
    assert_eq!(obstruction.pass(&packet), Fate::Passes(&packet));
}

#[test]
fn a_lie_changes_text_and_keeps_the_checksum_right() {
    for v6 in [false, true] {
        let mut obstruction = Obstruction::new(3);
        obstruction.obstacles.lies = true;
        let bare = frame(v6, false, [1, 2], 0);
        assert_eq!(obstruction.pass(&bare), Fate::Passes(&bare));
        let packet = frame(v6, false, [1, 2], 9);
        let Fate::Passes(lie) = obstruction.pass(&packet) else { panic!("lost") };
        assert_ne!(lie.last(), packet.last());
        assert!(read(lie).1);
    }
}

#[test]
fn a_nat_maps_clients_and_forgets_when_it_is_told() {
    for v6 in [false, true] {
        let mut nat = Nat::default();
        let mut out = frame(v6, false, [40_000, 80], 5);
        nat.outward(&mut out);
        assert_eq!(read(&out), ([OUTSIDE, 80], true));
        assert_eq!(nat.port_inside(OUTSIDE), Some(40_000));
        let mut back = frame(v6, true, [80, OUTSIDE], 5);
        assert!(nat.inward(&mut back));
        assert_eq!(read(&back), ([80, 40_000], true));

        let mut server = frame(v6, false, [80, 50_000], 5);
        nat.outward(&mut server);
        assert_eq!(read(&server), ([80, 50_000], true), "servers' ports pass as they are");

        nat.rebind();
        assert!(!nat.inward(&mut frame(v6, true, [80, OUTSIDE], 5)), "the old port leads nowhere");
        let mut out = frame(v6, false, [40_000, 80], 5);
        out.last_mut().map(|last| *last ^= 4).unwrap();
        nat.outward(&mut out);
        assert_eq!(read(&out), ([OUTSIDE + 1, 80], false), "and what was corrupt stays so");
    }
}

const OUTSIDE: u16 = 20_000;
