use super::*;

/// Ethernet, IPv4, TCP with a SYN from 10.0.2.15:40000 to 10.0.2.4:80; 54 octets.
fn syn() -> Vec<u8> {
    let mut frame = vec![2, 0x50, 0x4f, 0, 0, 2, 2, 0x50, 0x4f, 0, 0, 15, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 4]);
    frame.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

fn takes(text: &str, octets: &[u8]) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.matches(Frame { link: LinkType::Ethernet, octets, len: octets.len() })
}

#[test]
fn primitives_and_comparisons_hold_for_a_syn() {
    for (text, expected) in [
        ("", true),
        ("tcp", true),
        ("udp", false),
        ("ip and not ip6", true),
        ("host 10.0.2.4", true),
        ("src host 10.0.2.4", false),
        ("src or dst host 10.0.2.4", true),
        ("src and dst net 10.0.2", true),
        ("net 10/8", true),
        ("net 10.0.2.0 mask 255.255.255.0", true),
        ("tcp dst port 80", true),
        ("port (22 or 80)", true),
        ("port 22 or 80", true),
        ("portrange 79-81", true),
        ("ether host 02:50:4f:00:00:0f", true),
        ("ether proto 0x800 and ip proto \\tcp", true),
        ("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", true),
        ("tcp[13] = 2 and ip[8] = 64 && len == 54", true),
        ("ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) = 0", true),
        ("(tcp[0:2] + 1) * 2 = 80002", true),
        ("less 54 and greater 54", true),
        ("not udp[0] = 0", true),
        ("not tcp[100] = 0", false), // behind the end: refused, not negated
        ("1 = 2 or tcp", true),
        ("tcp or udp and udp", false), // to the left, and equally
        ("vlan", false),
    ] {
        assert_eq!(takes(text, &syn()), expected, "{text}");
    }
}

#[test]
fn a_broadcast_is_what_the_networks_mask_makes_one() {
    let to = |d: u8, rest: [u8; 3]| {
        let mut frame = syn();
        frame[30..34].copy_from_slice(&[rest[0], rest[1], rest[2], d]);
        frame
    };
    let takes = |mask: u32, octets: &[u8]| {
        let filter = Filter::parse_for("ip broadcast", mask).unwrap();
        filter.matches(Frame { link: LinkType::Ethernet, octets, len: octets.len() })
    };
    for (frame, in_24, in_0) in [
        (to(255, [10, 0, 2]), true, false),
        (to(0, [10, 0, 2]), true, false),
        (to(255, [255, 255, 255]), true, true),
        (to(4, [10, 0, 2]), false, false),
    ] {
        assert_eq!((takes(0xffff_ff00, &frame), takes(0, &frame)), (in_24, in_0));
    }
}

#[test]
fn a_chain_of_headers_that_lies_ends_with_the_frame() {
    // IPv6 with a destination header that is said to follow itself.
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 60, 64]);
    frame.extend([0xfd; 32]);
    frame.extend([60, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..1000 {
        frame.extend([60, 0, 0, 0, 0, 0, 0, 0]);
    }
    assert!(!takes("ip6 protochain 6", &frame) && takes("ip6 protochain 60", &frame));
    for len in 0..80 {
        let _ = takes("protochain 6 or mpls or mpls 7 and ip", &frame[..len]);
    }
}

#[test]
fn a_tag_moves_what_stands_behind_it() {
    let mut tagged = syn();
    tagged.splice(12..12, [0x81, 0, 0, 7]);
    assert!(takes("vlan 7 and tcp port 80", &tagged));
    assert!(takes("vlan and host 10.0.2.15", &tagged));
    assert!(!takes("vlan 8", &tagged));
    assert!(!takes("tcp", &tagged));
}

#[test]
fn no_length_of_a_frame_and_no_filter_panics() {
    let whole = syn();
    for text in
        ["tcp port 80", "host ::1", "not ip6[40]=1", "vlan and tcp[1:4] / len > 0", "icmp6[0]=1", "arp"]
    {
        let filter = Filter::parse(text).unwrap();
        for len in 0..=whole.len() {
            for link in [
                LinkType::Ethernet,
                LinkType::Raw,
                LinkType::Null,
                LinkType::LinuxCooked,
                LinkType::LinuxCooked2,
            ] {
                filter.matches(Frame { link, octets: &whole[..len], len: 1500 });
            }
        }
    }
}

#[test]
fn nonsense_is_one_line_that_says_where() {
    let deep = "(".repeat(10_000);
    let nots = "not ".repeat(3_000);
    let minus = format!("{}1 = 1", "-".repeat(9_000));
    for text in [
        "host",
        "port 65536",
        "port frobnicate-x",
        "net 10.0.0.1/8",
        "host 1.2.3.4.5",
        "tcp[",
        "tcp[0:3] = 1",
        "and",
        "tcp and",
        "(tcp",
        "tcp)",
        "len",
        "1 / 0 = 1",
        "\u{1b}[31m",
        "tcp port",
        "ether host 1.2.3.4",
        "host 02:50:4f:00:00:0f",
        "vlan 4096",
        "mpls 1048576",
        "tcp protochain 6",
        "portrange 1-",
        "ip port 80",
        "a\u{0}",
        "=",
        &deep,
        &nots,
        &minus,
        &"x".repeat(20_000),
    ] {
        let error = Filter::parse(text).expect_err(text);
        let line = error.to_string();
        assert!(error.at <= text.len() && !line.contains(['\n', '\u{1b}', '\0']), "{text}: {line}");
    }
}

#[test]
fn a_filter_can_be_sent() {
    let filter = Filter::parse("tcp[tcpflags] & tcp-syn != 0 and not net fd00::/64").unwrap();
    assert!(!filter.is_empty());
    assert_eq!(filter, filter.clone());
}
