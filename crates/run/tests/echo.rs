//! Pings at the gateway: its own addresses answer, others only as the machine's ping socket has it. And packets that
//! other gateways fell to.

mod support;

use std::time::Duration;

use portolan_drivers::wire::WireEnd;
use portolan_link::{Chunk, HEAD_MAX, Instant, Link, Pool, RxBatch, TxBatch};
use portolan_run::gateway::icmp;
use portolan_wire::icmpv4::{self, Message};
use portolan_wire::{Address, EthernetAddress, arp, ethernet, ipv4};

const COMMAND: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 15]);

/// The command's end of the wire, by hand.
struct Station {
    end: WireEnd,
    pool: Pool,
}

impl Station {
    fn new() -> Station {
        Station { end: support::gateway_on_a_wire(), pool: Pool::new() }
    }

    fn send(&mut self, ethertype: ethernet::EtherType, to: EthernetAddress, packet: &[u8]) {
        let mut batch = TxBatch::new(1);
        let header = ethernet::Header::new(to, COMMAND, ethertype);
        let frame = [zerocopy::IntoBytes::as_bytes(&header), packet].concat();
        let (head, text) = frame.split_at(frame.len().min(HEAD_MAX));
        let entry = batch.push().unwrap();
        entry.set_head_len(head.len()).copy_from_slice(head);
        entry.text.push(Chunk::from(text.to_vec()));
        assert_eq!(self.end.transmit(Instant::ZERO, &mut batch), Ok(1));
    }

    /// The next ICMP message for us; ARP requests are answered meanwhile.
    async fn receive(&mut self) -> Option<(Message, Vec<u8>)> {
        for _ in 0..200 {
            let mut batch = RxBatch::new(8);
            self.end.receive(Instant::ZERO, &mut self.pool, &mut batch).unwrap();
            for frame in batch.drain().map(|frame| frame.bytes().to_vec()).collect::<Vec<_>>() {
                let (header, rest) = ethernet::Header::parse(&frame).unwrap();
                if header.ethertype() == ethernet::EtherType::ARP {
                    let asked = arp::Packet::parse(rest).unwrap();
                    if asked.target_ip == own() {
                        let answer = arp::Packet {
                            op: arp::Op::Reply,
                            sender_mac: COMMAND,
                            sender_ip: own(),
                            target_mac: asked.sender_mac,
                            target_ip: asked.sender_ip,
                        };
                        self.send(ethernet::EtherType::ARP, header.src(), &answer.emit());
                    }
                } else if let Ok(packet) = ipv4::parse(rest)
                    && packet.header.dst() == own()
                    && let Ok((message, data)) = icmpv4::parse(packet.payload)
                {
                    return Some((message, data.to_vec()));
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    async fn ping(&mut self, to: &str) -> Option<(Message, Vec<u8>)> {
        let mut icmp = [0; 100];
        let len = Message::EchoRequest { ident: 77, seq: 5 }.emit(b"anyone there?", &mut icmp).unwrap();
        let emit = ipv4::Emit {
            src: own(),
            dst: to.parse().unwrap(),
            protocol: 1,
            ttl: 64,
            tos: 0,
            id: 1,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            payload_len: len.try_into().unwrap(),
        };
        let mut packet = [0; 120];
        let header = emit.emit(&mut packet).unwrap();
        packet[header..header + len].copy_from_slice(&icmp[..len]);
        self.send(ethernet::EtherType::IPV4, support::GATEWAY, &packet[..header + len]);
        self.receive().await
    }
}

fn own() -> Address {
    "10.0.2.15".parse().unwrap()
}

#[tokio::test]
async fn the_gateways_addresses_answer_themselves() {
    let mut station = Station::new();
    for address in ["10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.2.5"] {
        let (message, data) = station.ping(address).await.unwrap();
        assert_eq!(message, Message::EchoReply { ident: 77, seq: 5 }, "{address}");
        assert_eq!(data, b"anyone there?");
    }
}

#[tokio::test]
async fn what_may_not_be_pinged_is_said_to_be_forbidden_and_never_faked() {
    let mut station = Station::new();
    let (message, _) = station.ping("169.254.169.254").await.unwrap();
    assert!(matches!(message, Message::Unreachable { code: 9 | 10 | 13, .. }), "{message:?}");
    // TEST-NET-3: nobody is there.
    let reply = station.ping("203.0.113.99").await;
    match icmp::is_permitted(true) {
        Ok(()) => assert!(!matches!(reply, Some((Message::EchoReply { .. }, _))), "{reply:?}"),
        Err(_) => {
            assert!(matches!(reply, Some((Message::Unreachable { code: 9 | 10 | 13, .. }, _))), "{reply:?}")
        }
    }
}

/// An IPv4 packet of ours to one of the gateway's addresses or beyond; `flags` is the word with the fragment's offset.
fn packet(to: &str, protocol: u8, flags: u16, payload: &[u8]) -> Vec<u8> {
    let emit = ipv4::Emit {
        src: own(),
        dst: to.parse().unwrap(),
        protocol,
        ttl: 64,
        id: 7,
        more_fragments: flags & 0x2000 != 0,
        fragment_offset: (flags & 0x1fff) * 8,
        payload_len: payload.len().try_into().unwrap(),
        ..ipv4::Emit::default()
    };
    let mut out = vec![0; ipv4::Header::LEN + payload.len()];
    emit.emit(&mut out).unwrap();
    out[ipv4::Header::LEN..].copy_from_slice(payload);
    out
}

#[tokio::test]
async fn j6_short_and_odd_packets_as_they_broke_libslirp() {
    let mut station = Station::new();
    let v4 = ethernet::EtherType::IPV4;
    let mut payload = vec![0; 300];
    for to in ["10.0.2.2", "10.0.2.3", "10.0.2.5", "255.255.255.255"] {
        // BOOTP and TFTP (CVE-2021-3592, -3594, -3595), and UDP of every length, told truly and not.
        for port in [53u16, 67, 69, 4011] {
            for len in [0usize, 1, 7, 8, 9, 20, 236, 300] {
                payload[..2].copy_from_slice(&68u16.to_be_bytes());
                payload[2..4].copy_from_slice(&port.to_be_bytes());
                for claimed in [0, 7, 8, len as u16, len as u16 + 1, u16::MAX] {
                    payload[4..6].copy_from_slice(&claimed.to_be_bytes());
                    station.send(v4, support::GATEWAY, &packet(to, 17, 0, &payload[..len]));
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Fragments that overlap, end beyond 65,535, or never end (CVE-2019-14378, CVE-2020-1983).
        for flags in [0x2000, 0x2001, 0x0001, 0x2000, 0x1fff, 0x3fff, 0x1ffe] {
            for len in [8, 16, 64, 296] {
                station.send(v4, support::GATEWAY, &packet(to, 17, flags, &payload[..len]));
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // ICMPv6 echo that is cut short, with lengths that lie (CVE-2020-10756), and UDP over IPv6 (CVE-2021-3593).
    for next_header in [58u8, 17] {
        for len in 0..=16usize {
            for claimed in [0, len as u16, 200, u16::MAX] {
                let mut frame = vec![0x60, 0, 0, 0, 0, 0, next_header, 64];
                frame[4..6].copy_from_slice(&claimed.to_be_bytes());
                for last in [0x15u8, 0x02] {
                    frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
                }
                frame.extend([128, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].iter().take(len));
                station.send(ethernet::EtherType::IPV6, support::GATEWAY, &frame);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Whatever came back of this, the gateway goes on.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut answered = None;
    for _ in 0..50 {
        answered = station.ping("10.0.2.2").await;
        if matches!(answered, Some((Message::EchoReply { .. }, _))) {
            break;
        }
    }
    let (message, data) = answered.expect("an answer");
    assert_eq!(message, Message::EchoReply { ident: 77, seq: 5 });
    assert_eq!(data, b"anyone there?", "not an octet of another packet");
}

/// The machine of the next test: a namespace of its own, in which 203.0.113.99 is there and everybody may ping.
const MACHINE: &str = "ip link set lo up && ip addr add 203.0.113.99/32 dev lo \
    && echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range && exec \"$0\" \"$@\"";

#[test]
fn a_ping_is_carried_by_the_machines_ping_socket() {
    const NAME: &str = "a_ping_is_carried_by_the_machines_ping_socket";
    if std::env::var_os("PORTOLAN_TEST_INSIDE").is_none() {
        if std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some() && !rustix::process::geteuid().is_root() {
            return;
        }
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new("unshare");
        command.args(["--net", "sh", "-c", MACHINE]).arg(program).args(["--exact", NAME]);
        let output = command.env("PORTOLAN_TEST_INSIDE", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "as root: {said}{complained}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut station = Station::new();
        let (message, data) = station.ping("203.0.113.99").await.expect("the machine answers");
        assert_eq!(message, Message::EchoReply { ident: 77, seq: 5 });
        assert_eq!(data, b"anyone there?");
        let (message, _) = station.ping("198.51.100.1").await.expect("no route, and that is said");
        assert!(matches!(message, Message::Unreachable { code: 0 | 1, .. }), "{message:?}");
    });
}
