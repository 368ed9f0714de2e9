use portolan_drivers::wire::{WireEnd, pair};
use portolan_link::Chunk;
use portolan_wire::{SeqNumber, icmpv4, icmpv6, ipv4, ipv6, tcp, udp};

use super::*;
use crate::fence::Settings;

const CAPS: LinkCaps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: false };
const NOW: Instant = Instant::from_millis(1000);
const SERVER: Address = Address::v4(192, 0, 2, 53);
const ME: Address = Address::v4(10, 7, 0, 2);

struct Bench {
    link: FenceLink<WireEnd>,
    outside: WireEnd,
}

fn bench(allow: &[&str], deny: &[&str]) -> Bench {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let settings = Settings { allow: rules(allow), deny: rules(deny), log: None };
    let (fence, _) = Fence::new(&settings, false, Arc::default()).unwrap();
    let (ours, outside) = pair(CAPS, CAPS);
    Bench { link: FenceLink::new(ours, Arc::new(fence), [SERVER.to_ip()]), outside }
}

fn receive(link: &mut impl Link) -> Vec<Vec<u8>> {
    let (mut pool, mut batch) = (Pool::new(), RxBatch::new(64));
    link.receive(NOW, &mut pool, &mut batch).unwrap();
    batch.drain().map(|packet| packet.bytes().to_vec()).collect()
}

impl Bench {
    /// Sends packets in one batch; returns what got out and what came back.
    fn send(&mut self, packets: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut batch = TxBatch::new(16);
        for packet in packets {
            let entry = batch.push().unwrap();
            // As the stack does: headers in front, text behind.
            let head = packet.len().min(28);
            entry.set_head_len(head).copy_from_slice(&packet[..head]);
            if packet.len() > head {
                entry.text.push(Chunk::from(packet[head..].to_vec()));
            }
        }
        assert_eq!(self.link.transmit(NOW, &mut batch), Ok(packets.len()));
        assert!(batch.is_empty());
        let out = receive(&mut self.outside);
        let back = if self.link.next_deadline().is_some() { receive(&mut self.link) } else { Vec::new() };
        (out, back)
    }

    fn passes(&mut self, packet: Vec<u8>) -> bool {
        let (out, back) = self.send(std::slice::from_ref(&packet));
        assert!(out.is_empty() || out == [packet] && back.is_empty());
        !out.is_empty()
    }

    fn gate_learns(&mut self, name: &str, address: [u8; 4]) {
        self.link.gate.fence.learn(&answer(name, address));
    }

    fn arrive(&mut self, packet: &[u8]) {
        let mut batch = TxBatch::new(1);
        batch.push().unwrap().set_head_len(packet.len()).copy_from_slice(packet);
        self.outside.transmit(NOW, &mut batch).unwrap();
        assert_eq!(receive(&mut self.link), [packet]);
    }
}

fn v4(src: Address, dst: Address, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 20 + payload.len()];
    let payload_len = payload.len() as u16;
    ipv4::Emit { src, dst, protocol, ttl: 64, payload_len, ..Default::default() }.emit(&mut out).unwrap();
    out[20..].copy_from_slice(payload);
    out
}

fn segment(src_port: u16, dst_port: u16, flags: Flags) -> Vec<u8> {
    let mut out = vec![0; 20];
    tcp::Emit { src_port, dst_port, flags, ..Default::default() }.emit(&mut out).unwrap();
    out
}

fn to(dst: Address, port: u16, flags: Flags) -> Vec<u8> {
    v4(ME, dst, protocol::TCP, &segment(4000, port, flags))
}

fn datagram(src: (Address, u16), dst: (Address, u16), text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 8 + text.len()];
    let header = udp::Emit { src_port: src.1, dst_port: dst.1, payload_len: text.len() as u16 };
    header.emit(&mut out).unwrap();
    out[8..].copy_from_slice(text);
    v4(src.0, dst.0, protocol::UDP, &out)
}

/// A query for an address, id 7.
fn query(name: &str) -> Vec<u8> {
    let mut out = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.extend_from_slice(&[0, 0, 1, 0, 1]);
    out
}

/// The answer to it: one address, 60 s.
fn answer(name: &str, address: [u8; 4]) -> Vec<u8> {
    let mut out = query(name);
    (out[2], out[7]) = (0x81, 1);
    out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    out.extend_from_slice(&address);
    out
}

const GOOD: Address = Address::v4(192, 0, 2, 7);
/// Whom no rule names.
const GOOD_ELSE: Address = Address::v4(203, 0, 113, 7);
const BAD: Address = Address::v4(192, 0, 2, 8);

#[test]
fn a_refused_syn_never_leaves_and_is_answered_by_icmp() {
    let mut bench = bench(&["192.0.2.7:443"], &[]);
    let (good, bad, port) = (to(GOOD, 443, Flags::SYN), to(BAD, 443, Flags::SYN), to(GOOD, 80, Flags::SYN));
    let (out, back) = bench.send(&[good.clone(), bad.clone(), good.clone(), port.clone(), good.clone()]);
    assert_eq!(out, [good.clone(), good.clone(), good]);
    assert_eq!(back.len(), 2);
    for (answer, refused) in back.iter().zip([bad, port]) {
        let packet = ipv4::parse(answer).unwrap();
        let refused_to = ipv4::parse(&refused).unwrap().header.dst();
        assert_eq!((packet.header.src(), packet.header.dst()), (refused_to, ME));
        let (message, quote) = icmpv4::parse(packet.payload).unwrap();
        assert_eq!(message, icmpv4::Message::Unreachable { code: 13, next_hop_mtu: 0 });
        assert_eq!(quote, &refused[..quote.len()]);
        assert!(quote.len() >= 28, "ports and sequence number, so that the stack believes it");
    }
    assert_eq!(bench.link.next_deadline(), None);
}

#[test]
fn over_ipv6_the_answer_is_prohibited_too() {
    let mut bench = bench(&["192.0.2.7"], &[]);
    let (src, dst): (Address, Address) = ("fd07::2".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let mut packet = vec![0; 40];
    ipv6::Emit { src, dst, next_header: 6, hop_limit: 64, payload_len: 20, ..Default::default() }
        .emit(&mut packet)
        .unwrap();
    packet.extend(segment(4000, 80, Flags::SYN));
    let (out, back) = bench.send(&[packet]);
    assert!(out.is_empty());
    let answer = ipv6::parse(&back[0]).unwrap();
    let (message, _) = icmpv6::parse(dst, src, answer.payload).unwrap();
    assert_eq!(message, icmpv6::Message::Unreachable { code: 1 });
}

#[test]
fn flows_that_others_begin_are_answered_and_nothing_else_gets_out() {
    let mut bench = bench(&["192.0.2.7"], &[]);
    assert!(!bench.passes(to(BAD, 80, Flags::ACK)), "a segment of no flow that is known");
    assert!(bench.passes(to(BAD, 80, Flags::RST)), "a reset answers, and carries nothing");
    bench.arrive(&v4(BAD, ME, protocol::TCP, &segment(80, 4000, Flags::SYN)));
    assert!(bench.passes(to(BAD, 80, Flags::SYN | Flags::ACK)));
    assert!(bench.passes(to(BAD, 80, Flags::ACK)));
    assert!(!bench.passes(to(BAD, 81, Flags::SYN)), "another flow");
    assert!(!bench.passes(to(BAD, 80, Flags::SYN)), "a flow of our own, from the same port");
    let mut loaded = segment(4000, 80, Flags::RST);
    loaded.extend_from_slice(b"text");
    assert!(!bench.passes(v4(ME, GOOD_ELSE, protocol::TCP, &loaded)), "a reset carries nothing");
    assert!(!bench.passes(datagram((ME, 5000), (BAD, 6000), b"x")));
    bench.arrive(&datagram((BAD, 6000), (ME, 5000), b"x"));
    assert!(bench.passes(datagram((ME, 5000), (BAD, 6000), b"x")));
}

#[test]
fn a_datagram_from_a_denied_stranger_opens_no_way_to_it() {
    let mut bench = bench(&[], &["192.0.2.8"]);
    bench.arrive(&datagram((BAD, 6000), (ME, 5000), b"x"));
    assert!(!bench.passes(datagram((ME, 5000), (BAD, 6000), b"x")));
    bench.arrive(&v4(BAD, ME, protocol::TCP, &segment(80, 4000, Flags::SYN)));
    assert!(bench.passes(to(BAD, 80, Flags::SYN | Flags::ACK)), "a connection that it began is answered");
}

/// An ICMPv6 message: type and what follows the checksum.
fn v6(dst: &str, hop_limit: u8, ty: u8, body: &[u8]) -> Vec<u8> {
    let (src, dst): (Address, Address) = ("fd07::2".parse().unwrap(), dst.parse().unwrap());
    let mut out = vec![0; 40];
    let payload_len = 4 + body.len() as u16;
    ipv6::Emit { src, dst, next_header: 58, hop_limit, payload_len, ..Default::default() }
        .emit(&mut out)
        .unwrap();
    out.extend_from_slice(&[ty, 0, 0, 0]);
    out.extend_from_slice(body);
    out
}

#[test]
fn neighbours_are_found_on_the_link_and_nothing_else_leaves_by_icmpv6() {
    let mut bench = bench(&["192.0.2.7"], &[]);
    let mut solicitation = vec![0; 20];
    solicitation[4..].copy_from_slice(&"fd07::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    let mut long = solicitation.clone();
    long.extend_from_slice(&[1, 3]);
    long.extend_from_slice(&[0x55; 22]);
    assert!(bench.passes(v6("ff02::1:ff00:1", 255, 135, &solicitation)));
    assert!(bench.passes(v6("fd07::1", 255, 135, &solicitation)), "a probe of a neighbour");
    assert!(bench.passes(v6("fe80::1", 255, 135, &long)));
    assert!(!bench.passes(v6("fd07::1", 255, 135, &long)), "room for more than a neighbour needs");
    assert!(!bench.passes(v6("2001:db8::1", 64, 135, &solicitation)));
    assert!(bench.passes(v6("ff02::2", 255, 133, &[0; 4])));
    assert!(!bench.passes(v6("2001:db8::1", 255, 133, &[0; 4])));
    assert!(bench.passes(v6("ff02::16", 1, 143, &[0; 4])));
    assert!(!bench.passes(v6("2001:db8::1", 1, 143, &[0; 4])));
    assert!(bench.passes(v6("2001:db8::1", 64, 1, &[0; 4])), "an error");
    assert!(!bench.passes(v6("2001:db8::1", 64, 129, &[0; 4])), "an answer that nobody asked for");
}

#[test]
fn housekeeping_echo_groups_and_fragments() {
    let mut bench = bench(&["tcp:192.0.2.0/24"], &["icmp:192.0.2.8"]);
    let mut echo = [8, 0, 0, 0, 0, 9, 0, 1];
    assert!(!bench.passes(v4(ME, GOOD, protocol::ICMPV4, &echo)), "no rule allows echo");
    echo[0] = 0;
    assert!(!bench.passes(v4(ME, BAD, protocol::ICMPV4, &echo)), "an answer that nobody asked for");
    bench.arrive(&v4(BAD, ME, protocol::ICMPV4, &[8, 0, 0, 0, 0, 9, 0, 1]));
    assert!(bench.passes(v4(ME, BAD, protocol::ICMPV4, &echo)), "an answer to echo");
    echo[5] = 10;
    assert!(!bench.passes(v4(ME, BAD, protocol::ICMPV4, &echo)), "to another");
    for (ty, is_error) in [(3, true), (11, true), (12, true), (5, false), (13, false), (200, false)] {
        let message = [ty, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bench.passes(v4(ME, BAD, protocol::ICMPV4, &message)), is_error, "ICMP type {ty}");
    }
    let mut report = v4(ME, Address::v4(224, 0, 0, 22), protocol::IGMP, &[0; 8]);
    assert!(!bench.passes(report.clone()), "a router would pass it on");
    report[8] = 1;
    assert!(bench.passes(report));
    let mut elsewhere = v4(ME, GOOD, protocol::IGMP, &[0; 8]);
    elsewhere[8] = 1;
    assert!(!bench.passes(elsewhere));
    let (out, back) = bench.send(&[datagram((ME, 5353), (Address::v4(224, 0, 0, 251), 5353), b"x")]);
    assert!(out.is_empty() && back.is_empty(), "nobody answers for a group");
    let mut fragment = v4(ME, GOOD, protocol::TCP, &[0; 8]);
    fragment[6..8].copy_from_slice(&[0, 2]);
    let mut stranger = v4(ME, Address::v4(203, 0, 113, 1), protocol::TCP, &[0; 8]);
    stranger[6..8].copy_from_slice(&[0, 2]);
    // Their checksums do not matter to the fence.
    assert!(bench.passes(fragment) && !bench.passes(stranger), "later fragments go by their address");
    assert!(!bench.passes(vec![0xff; 40]), "what is no packet goes nowhere");
}

#[test]
fn queries_are_read_and_answers_bind_addresses() {
    let mut bench = bench(&["example.test:80"], &[]);
    assert!(!bench.passes(to(GOOD, 80, Flags::SYN)));
    let ask = |name| datagram((ME, 5000), (SERVER, 53), &query(name));
    let (out, back) = bench.send(&[ask("other.test")]);
    assert!(out.is_empty(), "not asked");
    let packet = ipv4::parse(&back[0]).unwrap();
    assert_eq!((packet.header.src(), packet.header.dst()), (SERVER, ME));
    assert!(udp::checksum_ok(SERVER, ME, packet.payload));
    let (header, text) = udp::parse(packet.payload).unwrap();
    assert_eq!((header.src_port(), header.dst_port(), text[3] & 15), (53, 5000, 3), "no such name");

    // A forged answer before the query, one with another id, then the real one.
    let reply = answer("example.test", [192, 0, 2, 7]);
    bench.arrive(&datagram((SERVER, 53), (ME, 5000), &reply));
    assert!(!bench.passes(to(GOOD, 80, Flags::SYN)));
    assert!(bench.passes(ask("example.test")));
    let mut other = reply.clone();
    other[1] = 8;
    bench.arrive(&datagram((SERVER, 53), (ME, 5000), &other));
    assert!(!bench.passes(to(GOOD, 80, Flags::SYN)));
    bench.arrive(&datagram((SERVER, 53), (ME, 5000), &reply));
    assert!(bench.passes(to(GOOD, 80, Flags::SYN)));
    assert!(!bench.passes(to(GOOD, 443, Flags::SYN)));
    bench.arrive(&datagram((SERVER, 53), (ME, 5000), &answer("example.test", [192, 0, 2, 8])));
    assert!(!bench.passes(to(BAD, 80, Flags::SYN)), "a second answer is not believed");
}

/// A segment between a port of ours and the name server, with timestamps as most have.
fn stream_segment(from_us: bool, port: u16, flags: Flags, (seq, ack): (u32, u32), text: &[u8]) -> Vec<u8> {
    let timestamps = Some(tcp::Timestamps { value: 100 + u32::from(from_us), echo: 300 });
    let ports = if from_us { (port, 53) } else { (53, port) };
    let header = tcp::Emit {
        src_port: ports.0,
        dst_port: ports.1,
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        flags,
        options: tcp::Options { timestamps, ..tcp::Options::NONE },
        ..Default::default()
    };
    let mut out = vec![0; header.len() + text.len()];
    let len = header.emit(&mut out).unwrap();
    out[len..].copy_from_slice(text);
    let (src, dst) = if from_us { (ME, SERVER) } else { (SERVER, ME) };
    v4(src, dst, protocol::TCP, &out)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn queries_over_tcp_are_read_and_answers_bind_addresses() {
    let mut bench = bench(&["example.test:443"], &[]);
    let ours = |seq, text: &[u8]| stream_segment(true, 4000, Flags::PSH.with(Flags::ACK), (seq, 501), text);
    let theirs = |seq, text: &[u8]| stream_segment(false, 4000, Flags::ACK, (seq, 1), text);
    assert!(bench.passes(stream_segment(true, 4000, Flags::SYN, (0, 0), &[])), "the server needs no rule");
    bench.arrive(&stream_segment(false, 4000, Flags::SYN.with(Flags::ACK), (500, 1), &[]));

    // In two pieces, as programs write a length and a message, and again; nothing leaves behind a gap.
    let asked = framed(&query("example.test"));
    assert!(bench.passes(ours(1, &asked[..2])));
    assert!(!bench.passes(ours(9, &asked[8..])), "a gap");
    assert!(bench.passes(ours(3, &asked[2..])) && bench.passes(ours(1, &asked)));
    assert!(!bench.passes(to(GOOD, 443, Flags::SYN)));
    let said = framed(&answer("example.test", [192, 0, 2, 7]));
    bench.arrive(&theirs(511, &said[10..]));
    bench.arrive(&theirs(501, &said[..10]));
    assert!(bench.passes(to(GOOD, 443, Flags::SYN)), "the answer was read, though it came out of order");

    // A second question, which may not be asked: the server's answer is ours, and the end.
    let at = 1 + asked.len() as u32;
    let refused = ours(at, &framed(&query("other.test")));
    for _ in 0..2 {
        let (out, back) = bench.send(std::slice::from_ref(&refused));
        assert!(out.is_empty() && back.len() == 1);
        let packet = ipv4::parse(&back[0]).unwrap();
        assert!(tcp::checksum_ok(SERVER, ME, packet.payload));
        let (header, options, text) = tcp::parse(packet.payload).unwrap();
        let end = at + framed(&query("other.test")).len() as u32;
        assert_eq!((header.seq().0, header.ack().0), (501, end));
        assert_eq!(options.timestamps, Some(tcp::Timestamps { value: 300, echo: 101 }));
        assert!(header.flags().contains(Flags::FIN));
        assert_eq!((text[3], text[5] & 15), (7, 3), "NXDOMAIN to query 7");
    }
    let (out, back) = bench.send(&[
        stream_segment(true, 4000, Flags::ACK, (at + 30, 600), &[]),
        stream_segment(true, 4000, Flags::FIN.with(Flags::ACK), (at + 30, 600), &[]),
    ]);
    assert!(out.is_empty() && back.len() == 1, "its end is nobody's but ours");
    let packet = ipv4::parse(&back[0]).unwrap();
    assert!(tcp::parse(packet.payload).unwrap().0.flags().contains(Flags::RST));
}

#[test]
fn what_is_no_dns_does_not_leave_by_the_name_servers_port() {
    let mut bench = bench(&["example.test"], &[]);
    let text = |port, text: &[u8]| stream_segment(true, port, Flags::ACK, (1, 1), text);
    for (port, said) in
        [(4001, &b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"[..]), (4002, &[0, 4, 1, 2, 3, 4])]
    {
        assert!(bench.passes(stream_segment(true, port, Flags::SYN, (0, 0), &[])));
        let (out, back) = bench.send(&[text(port, said)]);
        assert!(out.is_empty() && back.len() == 1, "{said:?}");
    }
    let (out, back) = bench.send(&[text(4003, &framed(&query("example.test")))]);
    assert!(out.is_empty() && back.len() == 1, "nobody has seen it begin");
    let with_text = stream_segment(true, 4004, Flags::SYN, (0, 0), &framed(&query("other.test")));
    assert!(!bench.passes(with_text), "Fast Open");
}

#[test]
fn a_name_server_that_is_denied_is_not_asked_over_tcp() {
    let mut bench = bench(&[], &["tcp:53"]);
    let (out, back) = bench.send(&[stream_segment(true, 4000, Flags::SYN, (0, 0), &[])]);
    assert!(out.is_empty() && back.len() == 1);
}

#[test]
fn an_open_connection_outlives_its_names_binding_and_another_answer() {
    let mut bench = bench(&["example.test:443"], &[]);
    bench.gate_learns("example.test", [192, 0, 2, 7]);
    assert!(bench.passes(to(GOOD, 443, Flags::SYN)));
    bench.link.gate.fence.forget();
    bench.gate_learns("example.test", [192, 0, 2, 8]);
    assert!(bench.passes(to(GOOD, 443, Flags::ACK)), "the connection stays where it is");
    assert!(!bench.passes(to(GOOD, 443, Flags::SYN)), "a new one goes where the name leads now");
    assert!(bench.passes(to(BAD, 443, Flags::SYN)));
}

#[test]
fn j8_without_rules_only_metadata_services_are_kept_from_the_link() {
    let mut bench = bench(&[], &[]);
    assert!(bench.passes(to(BAD, 80, Flags::SYN)) && bench.passes(to(BAD, 80, Flags::ACK)));
    assert!(!bench.passes(to(Address::v4(169, 254, 169, 254), 80, Flags::SYN)));
    assert!(bench.passes(to(Address::v4(169, 254, 1, 1), 80, Flags::SYN)), "the link's own addresses");
}
