use super::*;

fn packet(octets: Vec<u8>, nanos: u64) -> Packet {
    let len = octets.len() as u32;
    Packet { nanos, link: LinkType::Ethernet, octets, len, comment: None }
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0x50, 0x4f, 0, 0, 2, 10, 0, 2, 2]);
    frame.extend([2, 0x50, 0x4f, 0, 0, 15, 10, 0, 2, 15]);
    frame
}

/// IPv6 with a fragment header, ICMP, TCP with options, or DNS behind it: whatever comes.
fn ip(version: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    let len = payload.len() as u16;
    if version == 4 {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + len).to_be_bytes());
        frame.extend([0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend([0xfd; 32]);
    }
    frame.extend(payload);
    frame
}

fn samples() -> Vec<Vec<u8>> {
    let tcp = [
        0, 80, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 2, 0xa0, 0x12, 1, 0, 0, 0, 0, 9, 2, 4, 5, 0xb4, 4, 2, 8, 10,
        0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7, b'G', b'E', b'T', b' ', b'/', b'\r', b'\n', b'a', b'\n',
    ];
    let dns = [
        0, 53, 0x9c, 0x40, 0, 43, 0, 0, 0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1,
        0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4,
    ];
    let quoted = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &ip(4, 17, &dns)[14..]].concat();
    let quoted6 = [&[1, 4, 0, 0, 0, 0, 0, 0][..], &ip(6, 17, &dns)[14..]].concat();
    let fragment = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &dns].concat();
    vec![
        arp(),
        ip(4, 6, &tcp),
        ip(6, 6, &tcp),
        ip(4, 17, &dns),
        ip(6, 44, &fragment),
        ip(4, 1, &quoted),
        ip(6, 58, &quoted6),
        ip(4, 47, &[1, 2, 3]),
    ]
}

#[test]
fn packets_are_lines() {
    let style = Style { numeric: true, time: 2, ..Style::default() };
    let mut printer = Printer::new(style);
    let lines: Vec<String> =
        samples().into_iter().map(|octets| printer.line(&packet(octets, 1_500_000))).collect();
    let expected = [
        "ARP, Reply 10.0.2.2 is-at 02:50:4f:00:00:02, length 28",
        "IP 10.0.2.15.80 > 10.0.2.2.40000: Flags [S.], seq 1:10, ack 2, win 256, options [mss 1460,sackOK,TS val 1 ecr \
         2,nop,wscale 7], length 9: HTTP: GET /",
        "IP6 fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd.80 > fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd.40000: Flags [S.], \
         seq 1:10, ack 2, win 256, options [mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7], length 9: HTTP: GET /",
        "IP 10.0.2.15.53 > 10.0.2.2.40000: 7 1/0/0 A 1.2.3.4 (35)",
        "IP6 fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd > fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd: frag (0|43) 53 > 40000: \
         7 1/0/0 A 1.2.3.4 (35)",
        "IP 10.0.2.15 > 10.0.2.2: ICMP 10.0.2.2 udp port 40000 unreachable, length 71",
        "IP6 fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd > fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd: ICMP6, destination \
         unreachable, unreachable port, fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd udp port 40000, length 91",
        "IP 10.0.2.15 > 10.0.2.2: ip-proto-47 3",
    ];
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(*line, format!("0.001500 {expected}"));
    }
}

#[test]
fn no_octet_and_no_length_makes_it_panic() {
    for verbose in [false, true] {
        let style = Style { verbose, octets: true, ..Style::default() };
        let mut printer = Printer::new(style);
        for sample in samples() {
            for link in [
                LinkType::Ethernet,
                LinkType::Raw,
                LinkType::Null,
                LinkType::LinuxCooked,
                LinkType::LinuxCooked2,
            ] {
                for len in 0..=sample.len() {
                    printer.line(&Packet { link, len: 1500, ..packet(sample[..len].to_vec(), u64::MAX) });
                }
            }
            for at in 0..sample.len() {
                for value in [0, 0x0f, 0x7f, 0xc0, 0xff] {
                    let mut changed = sample.clone();
                    changed[at] = value;
                    let line = printer.line(&packet(changed, 0));
                    assert!(line.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{line:?}");
                }
            }
        }
    }
}
