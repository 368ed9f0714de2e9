//! Attack row N12: whatever arrives, and however much of it, a host stays within a fixed amount of memory, and those
//! who did nothing wrong are served.
//!
//! Every flood has at least 200,000 frames. The first half meets a worker that does nothing but receive: no event is
//! taken, and the link takes no frame. The second half meets one that does its turns. All memory counts, that of the
//! other host and of the test too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod common;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::*;
use portolan_link::{PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::icmpv6::Message as Message6;
use portolan_wire::ipv6::Fragment;
use portolan_wire::tcp::{Flags, Options, fill_checksum};
use portolan_wire::{
    Address, Cidr, Endpoint, Family, Mss, SeqNumber, arp, icmpv4, icmpv6, ipv4, ipv6, ndp, protocol, tcp, udp,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process, so that one flood runs at a time.
static TURN: Mutex<()> = Mutex::new(());

const FRAMES: usize = 200_000;
const BUDGET: usize = 64 << 20;
/// Microseconds from one frame to the next: 100,000 a second.
const FRAME_US: u64 = 10;
/// The port of the listener whose connections nobody is in a hurry to accept.
const PORT: u16 = 80;

/// Octets that are allocated now.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    // What was reallocated counts in the figures of allocation or deallocation by the difference.
    stats.bytes_allocated - stats.bytes_deallocated
}

/// A host under attack, a client that has a connection with it, and an attacker on the same link.
struct Siege {
    pair: Pair,
    client: SocketId,
    server: SocketId,
    listener: SocketId,
    batch: RxBatch,
    out: TxBatch,
    random: u64,
    frames: usize,
    /// Whether the host's worker does its turns.
    serves: bool,
    base: usize,
    peak: usize,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    fn begin() -> Siege {
        Siege::on_link(1500)
    }

    fn on_link(mtu: u16) -> Siege {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let base = live();
        let mut pair = Pair::with(Config::default(), ethernet_caps(mtu), 1);
        pair.record = false;
        let (client, server) = pair.connected(Family::V4, 7);
        let listener = pair.listen(B, Family::V6, PORT, 4096);
        let (link, router) = (pair.links[B], [v4(A), v6(A)]);
        for (prefix, via) in ["0.0.0.0/0", "::/0"].into_iter().zip(router) {
            let route = Route {
                destination: cidr(prefix),
                via: Some(via),
                link,
                kind: RouteKind::Unicast,
                metric: 9,
            };
            pair.hosts[B].add_route(pair.now, route).unwrap();
        }
        Siege {
            pair,
            client,
            server,
            listener,
            batch: RxBatch::new(64),
            out: TxBatch::new(64),
            random: 0x9e37_79b9_7f4a_7c15,
            frames: 0,
            serves: true,
            base,
            peak: 0,
            _turn: turn,
        }
    }

    /// xorshift64*: the same flood in every run.
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random() % end
    }

    /// An address somewhere in the Internet.
    fn stranger(&mut self, family: Family) -> Address {
        let octets = self.random().to_be_bytes();
        match family {
            Family::V4 => Address::v4(octets[0] % 100 + 20, octets[1], octets[2], octets[3]),
            Family::V6 => {
                format!("2001:db8::{:x}:{:x}", self.random() as u16, self.random() as u16).parse().unwrap()
            }
        }
    }

    /// `FRAMES` frames, or a few more.
    fn flood(&mut self, mut next: impl FnMut(&mut Siege)) {
        self.frames = 0;
        while self.frames < FRAMES {
            self.serves = self.frames >= FRAMES / 2;
            next(self);
        }
        self.flush();
        self.serves = true;
    }

    /// One frame for the host.
    fn frame(&mut self, ethertype: u16, packet: &[u8]) {
        let frame = [&station(B).0[..], &station(A).0, &ethertype.to_be_bytes(), packet].concat();
        self.raw(&frame);
    }

    fn raw(&mut self, frame: &[u8]) {
        let packet = PacketBuf::copy(self.pair.hosts[B].pool(), frame);
        assert!(self.batch.push(packet).is_ok());
        self.frames += 1;
        self.pair.now = self.pair.now.plus_micros(FRAME_US);
        if self.batch.len() == 64 {
            self.flush();
        }
    }

    /// An IP packet of either family.
    fn packet(&mut self, src: Address, dst: Address, protocol: u8, payload: &[u8]) {
        let packet = ip(src, dst, protocol, payload);
        self.frame(if src.is_v4() { 0x0800 } else { 0x86dd }, &packet);
    }

    fn segment(&mut self, src: Address, header: &tcp::Emit, text: &[u8]) {
        let to = address(B, src.family());
        let segment = segment(src, to, header, text);
        self.packet(src, to, protocol::TCP, &segment);
    }

    /// The host takes what has arrived.
    fn flush(&mut self) {
        let (now, link) = (self.pair.now, self.pair.links[B]);
        self.pair.hosts[B].receive(now, link, &mut self.batch);
        self.note();
        if self.serves {
            if self.pair.hosts[B].next_deadline().is_some_and(|deadline| deadline <= now) {
                self.pair.hosts[B].handle_timeout(now);
            }
            while self.pair.hosts[B].poll_event().is_some() {}
            self.transmit(|_| {});
        }
        self.note();
    }

    /// Gives the host's frames to nobody but `see`.
    fn transmit(&mut self, mut see: impl FnMut(&[u8])) {
        let (now, link) = (self.pair.now, self.pair.links[B]);
        loop {
            self.pair.hosts[B].poll_transmit(now, link, &mut self.out);
            let full = self.out.is_full();
            while let Some(entry) = self.out.front() {
                see(entry.head());
                self.out.advance(1);
            }
            if !full {
                break;
            }
        }
    }

    fn note(&mut self) {
        self.peak = self.peak.max(live().saturating_sub(self.base));
    }

    /// Opens a connection by hand, as a peer that does what it likes: returns what it may send and has received.
    fn shake_hands(&mut self, src: Address, port: u16, options: Options) -> (SeqNumber, SeqNumber) {
        // Else the answer is thrown away.
        self.serves = false;
        let seq = SeqNumber(self.random() as u32);
        let syn = tcp::Emit {
            src_port: port,
            dst_port: PORT,
            seq,
            flags: Flags::SYN,
            window: 65_535,
            options,
            ..Default::default()
        };
        self.segment(src, &syn, &[]);
        self.flush();
        let mut theirs = None;
        self.transmit(|head| {
            let ip = if src.is_v4() { 20 } else { 40 };
            let header = tcp::parse(&head[14 + ip..]).unwrap().0;
            if header.dst_port() == port && header.flags().contains(Flags::SYN) {
                theirs = Some(header.seq() + 1);
            }
        });
        let theirs = theirs.expect("the SYN is answered");
        let ack = tcp::Emit { seq: seq + 1, ack: theirs, flags: Flags::ACK, options: Options::NONE, ..syn };
        self.segment(src, &ack, &[]);
        self.flush();
        (seq + 1, theirs)
    }

    /// The flood is over: what it cost, and whether it has harmed those who have nothing to do with it.
    fn survive(mut self) {
        self.note();
        let now = self.pair.now;
        self.pair.hosts[B].check().unwrap();
        self.serves = true;
        self.transmit(|_| {});
        while self.pair.hosts[B].poll_event().is_some() {}
        self.pair.hosts[A].handle_timeout(now);
        self.exchange(1 << 20);
        self.connect_again();
        println!("peak: {} KiB in {} frames", self.peak >> 10, self.frames);
        println!("{:?}", self.pair.hosts[B].counts());
        assert!(self.peak < BUDGET, "{} KiB", self.peak >> 10);
    }

    /// One millisecond for both hosts, without looking into every table.
    fn step(&mut self) {
        for _ in 0..64 {
            for host in &mut self.pair.hosts {
                if host.next_deadline().is_some_and(|deadline| deadline <= self.pair.now) {
                    host.handle_timeout(self.pair.now);
                }
                while host.poll_event().is_some() {}
            }
            if !(self.pair.carry(A) | self.pair.carry(B)) {
                break;
            }
        }
        self.pair.now = self.pair.now.plus_micros(1000);
        self.note();
    }

    /// The connection that has been there all the time carries `len` octets.
    fn exchange(&mut self, len: usize) {
        let text = pattern(len);
        let (mut sent, mut got) = (0, Vec::with_capacity(len));
        for _ in 0..200_000 {
            if sent < len
                && let Ok(more) = self.pair.write(A, self.client, &text[sent..])
            {
                sent += more;
            }
            self.step();
            while let Ok(more) = self.pair.read(B, self.server) {
                assert!(!more.is_empty(), "the connection has ended");
                got.extend(more);
            }
            if got.len() == len {
                assert!(got == text, "other octets");
                return;
            }
        }
        panic!("the transfer does not end: {} of {len}", got.len());
    }

    /// A new client is accepted, by a listener that was not under attack at once, by the one that was after a while.
    fn connect_again(&mut self) {
        let other = self.pair.listen(B, Family::V4, 8080, 16);
        let now = self.pair.now;
        self.await_accept(other, 8080);
        assert!(self.pair.now.micros_since(now) < 1_000_000, "it takes too long");
        while self.pair.hosts[B].accept(self.pair.now, self.listener).is_ok() {}
        // As long as a handshake may take that nobody completes.
        for _ in 0..140 {
            self.pair.now = self.pair.now.plus_micros(500_000);
            self.step();
        }
        while self.pair.hosts[B].accept(self.pair.now, self.listener).is_ok() {}
        self.await_accept(self.listener, PORT);
    }

    fn await_accept(&mut self, listener: SocketId, port: u16) {
        let client = self.pair.connect(A, Endpoint::new(v4(B), port));
        for _ in 0..10_000 {
            self.step();
            if let Ok((_, _, remote)) = self.pair.hosts[B].accept(self.pair.now, listener)
                && remote.address == v4(A)
            {
                assert_eq!(self.pair.hosts[A].state(client), Ok(State::Established));
                return;
            }
        }
        panic!("nobody is accepted at port {port}");
    }
}

fn ip(src: Address, dst: Address, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u16;
    let mut packet = vec![0; 40 + payload.len()];
    let len = if src.is_v4() {
        ipv4::Emit { src, dst, protocol, ttl: 64, payload_len, ..Default::default() }.emit(&mut packet)
    } else {
        ipv6::Emit { src, dst, next_header: protocol, hop_limit: 255, payload_len, ..Default::default() }
            .emit(&mut packet)
    };
    let len = len.unwrap();
    packet.truncate(len);
    packet.extend_from_slice(payload);
    packet
}

fn segment(src: Address, dst: Address, header: &tcp::Emit, text: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; header.len()];
    header.emit(&mut segment).unwrap();
    segment.extend_from_slice(text);
    fill_checksum(src, dst, &mut segment).unwrap();
    segment
}

fn datagram(src: Endpoint, dst: Endpoint, payload: &[u8]) -> Vec<u8> {
    let header = udp::Emit { src_port: src.port, dst_port: dst.port, payload_len: payload.len() as u16 };
    let mut datagram = vec![0; 8];
    header.emit(&mut datagram).unwrap();
    datagram.extend_from_slice(payload);
    udp::fill_checksum(src.address, dst.address, &mut datagram).unwrap();
    datagram
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What a modern client offers.
fn syn_options() -> Options {
    Options { mss: Mss::new(1460), window_scale: Some(7), sack_permitted: true, ..Options::NONE }
}

#[test]
fn n12_syns_from_random_sources() {
    let mut siege = Siege::begin();
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        let (src, seq) = (siege.stranger(family), siege.random());
        let header = tcp::Emit {
            src_port: seq as u16 | 1,
            // The listener most often; other ports and their resets as well.
            dst_port: if siege.below(8) == 0 { siege.below(65_535) as u16 + 1 } else { PORT },
            seq: SeqNumber(seq as u32),
            flags: Flags::SYN,
            window: 1024,
            options: syn_options(),
            ..Default::default()
        };
        siege.segment(src, &header, &[]);
    });
    siege.survive();
}

#[test]
fn n12_requests_at_an_intercepting_link() {
    let mut siege = Siege::begin();
    let link = siege.pair.links[B];
    siege.pair.hosts[B].set_intercept(link, Intercept { tcp: true, udp: true, echo: true }).unwrap();
    for dst in ["99.0.0.0/8", "2001:db9::/32"] {
        let route = Route { destination: cidr(dst), via: None, link, kind: RouteKind::Local, metric: 0 };
        siege.pair.hosts[B].add_route(siege.pair.now, route).unwrap();
    }
    let big = pattern(1400);
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        let (src, number) = (siege.stranger(family), siege.random());
        let dst: Address = if family == Family::V4 { "99.1.2.3" } else { "2001:db9::1" }.parse().unwrap();
        let port = number as u16 | 1;
        match siege.below(3) {
            0 => {
                let syn =
                    tcp::Emit { src_port: port, dst_port: 443, flags: Flags::SYN, ..Default::default() };
                let segment = segment(src, dst, &syn, &[]);
                siege.packet(src, dst, protocol::TCP, &segment);
            }
            1 => {
                let datagram = datagram(Endpoint::new(src, port), Endpoint::new(dst, 53), &big);
                siege.packet(src, dst, protocol::UDP, &datagram);
            }
            _ => siege.echo(src, dst, &big),
        }
    });
    let route = |dst| Route { destination: cidr(dst), via: None, link, kind: RouteKind::Local, metric: 0 };
    assert!(siege.pair.hosts[B].routes().any(|known| *known == route("99.0.0.0/8")));
    siege.survive();
}

impl Siege {
    fn echo(&mut self, src: Address, dst: Address, data: &[u8]) {
        let mut out = vec![0; 8 + data.len()];
        if src.is_v4() {
            icmpv4::Message::EchoRequest { ident: 1, seq: 1 }.emit(data, &mut out).unwrap();
            self.packet(src, dst, protocol::ICMPV4, &out);
        } else {
            Message6::EchoRequest { ident: 1, seq: 1 }.emit(src, dst, data, &mut out).unwrap();
            self.packet(src, dst, protocol::ICMPV6, &out);
        }
    }
}

#[test]
fn n12_udp_to_open_and_closed_ports_and_echoes() {
    let mut siege = Siege::begin();
    for port in 1000..1032 {
        let id = siege.pair.hosts[B].udp_socket(Family::V6).unwrap();
        siege.pair.hosts[B].bind(siege.pair.now, id, Endpoint::new(Address::UNSPECIFIED, port)).unwrap();
    }
    let payload = pattern(1400);
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        // Half of the sources are on the link and answer to nobody.
        let near = siege.below(2) == 0;
        let src = match (near, family) {
            (false, _) => siege.stranger(family),
            (true, Family::V4) => Address::v4(10, 0, 0, siege.below(250) as u8 + 3),
            (true, Family::V6) => format!("fd00::{:x}", siege.random() as u16 | 0x100).parse().unwrap(),
        };
        let dst = address(B, family);
        let len = siege.below(1401) as usize;
        if siege.below(4) == 0 {
            return siege.echo(src, dst, &payload[..len]);
        }
        let port = siege.below(64) as u16 + 1000;
        let datagram = datagram(Endpoint::new(src, 9), Endpoint::new(dst, port), &payload[..len]);
        siege.packet(src, dst, protocol::UDP, &datagram);
    });
    siege.survive();
}

/// A fragment of `data` of a datagram of either family.
fn fragment(src: Address, dst: Address, id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    if src.is_v4() {
        let header = ipv4::Emit {
            src,
            dst,
            protocol: protocol::UDP,
            ttl: 64,
            id: id as u16,
            more_fragments: more,
            fragment_offset: offset,
            payload_len: data.len() as u16,
            ..Default::default()
        };
        let mut packet = vec![0; 20];
        header.emit(&mut packet).unwrap();
        packet.extend_from_slice(data);
        return packet;
    }
    let mut payload = vec![0; 8];
    let header = Fragment { next_header: protocol::UDP, offset, more, id, at: 0 };
    header.emit(&mut payload).unwrap();
    payload.extend_from_slice(data);
    ip(src, dst, protocol::FRAGMENT, &payload)
}

#[test]
fn n12_fragments_of_both_families() {
    let mut siege = Siege::begin();
    let data = pattern(1400);
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        let (src, dst, id) = (siege.stranger(family), address(B, family), siege.random() as u32);
        let len = siege.below(175) as usize * 8 + 8;
        match siege.below(4) {
            // Firsts and lasts without the rest, and the smallest ones at the farthest places.
            0 => siege.fragment(src, dst, id, 0, true, &data[..len]),
            1 => siege.fragment(src, dst, id, 65_000, false, &data[..8]),
            // Many small pieces of few datagrams.
            2 => {
                let offset = siege.below(8000) as u16 * 8;
                siege.fragment(address(A, family), dst, id % 64, offset, true, &data[..8]);
            }
            _ => {
                let offset = siege.below(40) as u16 * 1400;
                siege.fragment(address(A, family), dst, id % 1024, offset, offset < 50_000, &data);
            }
        }
    });
    siege.survive();
}

#[test]
fn n12_whole_datagrams_behind_one_that_is_never_whole() {
    let mut siege = Siege::begin();
    let (src, dst) = (v4(A), v4(B));
    siege.fragment(src, dst, 7, 0, true, &[0; 8]);
    let mut id = 1000;
    let mut early = None;
    siege.flood(|siege| {
        id += 1;
        for (offset, more) in [(0, true), (8, false)] {
            siege.fragment(src, dst, id, offset, more, &[0; 8]);
        }
        if siege.frames == FRAMES / 4 {
            early = Some(live());
        }
    });
    let grown = live().saturating_sub(early.unwrap());
    assert!(grown < 64 << 10, "{} KiB more, and no end", grown >> 10);
    siege.survive();
}

#[test]
fn n12_large_echoes_for_neighbours_that_do_not_answer() {
    let mut siege = Siege::begin();
    let data = pattern(60_000);
    let mut id = 0;
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        let src = match family {
            Family::V4 => Address::v4(10, 0, 0, siege.below(250) as u8 + 3),
            Family::V6 => format!("fd00::{:x}", siege.random() as u16 | 0x100).parse().unwrap(),
        };
        let dst = address(B, family);
        let mut echo = vec![0; 8 + data.len()];
        let icmp = if family == Family::V4 {
            icmpv4::Message::EchoRequest { ident: 1, seq: 1 }.emit(&data, &mut echo).unwrap();
            protocol::ICMPV4
        } else {
            Message6::EchoRequest { ident: 1, seq: 1 }.emit(src, dst, &data, &mut echo).unwrap();
            protocol::ICMPV6
        };
        id += 1;
        for (n, part) in echo.chunks(1400).enumerate() {
            let more = (n + 1) * 1400 < echo.len();
            let mut packet = fragment(src, dst, id, n as u16 * 1400, more, part);
            set_protocol(&mut packet, icmp);
            siege.frame(if family == Family::V4 { 0x0800 } else { 0x86dd }, &packet);
        }
    });
    assert!(siege.pair.hosts[B].stats().icmpv4.out_msgs > 100, "echoes are answered");
    siege.survive();
}

#[test]
fn n12_large_echoes_on_a_jumbo_link() {
    let mut siege = Siege::on_link(65_520);
    let data = pattern(60_000);
    siege.flood(|siege| {
        // Those with large echoes do not answer when they are asked for their stations. Most frames are short, or the
        // test would be long.
        let (src, len) = match siege.below(32) {
            0 | 1 => (format!("fd00::{:x}", siege.below(100) + 0x100).parse().unwrap(), data.len()),
            2 => (v4(A), data.len()),
            _ => (v4(A), 100),
        };
        siege.echo(src, address(B, src.family()), &data[..len]);
    });
    siege.survive();
}

/// Says what a fragment's datagram carries, in place of UDP.
fn set_protocol(packet: &mut [u8], protocol: u8) {
    if packet[0] >> 4 == 6 {
        packet[40] = protocol;
        return;
    }
    packet[9] = protocol;
    packet[10..12].fill(0);
    let mut sum = portolan_wire::Checksum::default();
    sum.add(&packet[..20]);
    let sum = sum.finish().to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
}

impl Siege {
    fn fragment(&mut self, src: Address, dst: Address, id: u32, offset: u16, more: bool, data: &[u8]) {
        let packet = fragment(src, dst, id, offset, more, data);
        self.frame(if src.is_v4() { 0x0800 } else { 0x86dd }, &packet);
    }
}

#[test]
fn n12_large_datagrams_in_fragments_for_a_gateway() {
    let mut siege = Siege::begin();
    let link = siege.pair.links[B];
    siege.pair.hosts[B].set_intercept(link, Intercept { tcp: true, udp: true, echo: true }).unwrap();
    let payload = pattern(60_000);
    let mut id = 0;
    siege.flood(|siege| {
        let family = FAMILIES[siege.below(2) as usize];
        let (src, dst) = (siege.stranger(family), address(B, family));
        let datagram = datagram(Endpoint::new(src, 9), Endpoint::new(dst, 53), &payload);
        id += 1;
        for (n, data) in datagram.chunks(1400).enumerate() {
            siege.fragment(src, dst, id, n as u16 * 1400, (n + 1) * 1400 < datagram.len(), data);
        }
    });
    siege.survive();
}

#[test]
fn n12_arp_and_neighbor_discovery() {
    let mut siege = Siege::begin();
    siege.flood(|siege| {
        let mut mac = station(B);
        mac.0[1..].copy_from_slice(&siege.random().to_be_bytes()[..5]);
        if siege.below(2) == 0 {
            let packet = arp::Packet {
                op: if siege.below(2) == 0 { arp::Op::Request } else { arp::Op::Reply },
                sender_mac: mac,
                sender_ip: Address::v4(
                    10,
                    siege.below(256) as u8,
                    siege.below(256) as u8,
                    siege.below(253) as u8 + 3,
                ),
                target_mac: station(B),
                target_ip: v4(B),
            };
            let packet = packet.emit();
            return siege.frame(0x0806, &packet);
        }
        let src: Address =
            format!("fd00::{:x}:{:x}", siege.random() as u16 | 1, siege.random() as u16).parse().unwrap();
        let solicits = siege.below(2) == 0;
        let (message, option) = if solicits {
            (ndp::Message::NeighborSolicitation { target: v6(B) }, 1)
        } else {
            let answer = ndp::Message::NeighborAdvertisement {
                target: src,
                router: false,
                solicited: true,
                override_cached: true,
            };
            (answer, 2)
        };
        let options = [&[option, 1][..], &mac.0].concat();
        let mut out = vec![0; 64];
        let len = icmpv6::Message::Ndp(message).emit(src, v6(B), &options, &mut out).unwrap();
        siege.packet(src, v6(B), protocol::ICMPV6, &out[..len]);
    });
    siege.survive();
}

/// `n` connections of one attacker.
fn connections(siege: &mut Siege, n: u16) -> Vec<(u16, SeqNumber, SeqNumber)> {
    let peer = v4(A);
    (0..n)
        .map(|n| {
            let (seq, ack) = siege.shake_hands(peer, 10_000 + n, syn_options());
            (10_000 + n, seq, ack)
        })
        .collect()
}

fn plain(port: u16, seq: SeqNumber, ack: SeqNumber, window: u16) -> tcp::Emit {
    tcp::Emit { src_port: port, dst_port: PORT, seq, ack, flags: Flags::ACK, window, ..Default::default() }
}

#[test]
fn n12_text_out_of_order_on_many_connections() {
    let mut siege = Siege::begin();
    let open = connections(&mut siege, 1000);
    let text = pattern(1400);
    siege.flood(|siege| {
        let (port, seq, ack) = open[siege.below(1000) as usize];
        let offset = siege.below(60_000) as u32 + 1;
        let len = if siege.below(4) == 0 { 1 } else { 1400 };
        siege.segment(v4(A), &plain(port, seq + offset, ack, 1024), &text[..len]);
    });
    siege.survive();
}

#[test]
fn n12_text_that_nobody_reads_on_many_connections() {
    let mut siege = Siege::begin();
    let mut open = connections(&mut siege, 3000);
    let text = pattern(1400);
    siege.flood(|siege| {
        let at = siege.below(3000) as usize;
        let (port, seq, ack) = open[at];
        siege.segment(v4(A), &plain(port, seq, ack, 1024), &text);
        open[at].1 += 1400;
    });
    siege.survive();
}

#[test]
fn n12_text_octet_by_octet() {
    let mut siege = Siege::begin();
    let mut open = connections(&mut siege, 8);
    siege.flood(|siege| {
        let at = siege.below(8) as usize;
        let (port, seq, ack) = open[at];
        // Half of the connections get every octet, the others every second one.
        siege.segment(v4(A), &plain(port, seq, ack, 1024), b"x");
        open[at].1 += 1 + at as u32 % 2;
    });
    siege.survive();
}

#[test]
fn n12_peers_with_tiny_windows() {
    let mut siege = Siege::begin();
    let open = connections(&mut siege, 1000);
    let mut sockets = Vec::new();
    while let Ok((id, ..)) = siege.pair.hosts[B].accept(siege.pair.now, siege.listener) {
        sockets.push(id);
    }
    assert_eq!(sockets.len(), 1000);
    let page = pattern(64 * 1024);
    siege.flood(|siege| {
        let at = siege.below(1000) as usize;
        let (port, seq, ack) = open[at];
        // Each of them has asked for a long page, and now takes it an octet at a time, or not at all.
        while siege.pair.write(B, sockets[at], &page).is_ok() {}
        let window = siege.below(2) as u16;
        siege.segment(v4(A), &plain(port, seq, ack, window), &[]);
    });
    siege.survive();
}

#[test]
fn n12_icmp_errors() {
    let mut siege = Siege::begin();
    let client = siege.pair.hosts[A].local(siege.client).unwrap();
    siege.flood(|siege| {
        // About segments of the open connection, with any number, and about packets that never were.
        let (from, to) = match siege.below(2) {
            0 => (Endpoint::new(v4(B), 7), client),
            _ => (Endpoint::new(v4(B), siege.random() as u16), Endpoint::new(siege.stranger(Family::V4), 80)),
        };
        let header = tcp::Emit {
            src_port: from.port,
            dst_port: to.port,
            seq: SeqNumber(siege.random() as u32),
            ..Default::default()
        };
        let inner = segment(from.address, to.address, &header, &[]);
        let quote = ip(from.address, to.address, protocol::TCP, &inner);
        let message = match siege.below(4) {
            0 => icmpv4::Message::TimeExceeded { code: siege.below(3) as u8 },
            1 => icmpv4::Message::Unreachable { code: 4, next_hop_mtu: siege.below(1600) as u16 },
            2 => icmpv4::Message::ParameterProblem { pointer: siege.below(60) as u8 },
            _ => icmpv4::Message::Unreachable { code: siege.below(16) as u8, next_hop_mtu: 0 },
        };
        let mut out = vec![0; 8 + quote.len()];
        message.emit(&quote, &mut out).unwrap();
        let router = siege.stranger(Family::V4);
        siege.packet(router, v4(B), protocol::ICMPV4, &out);
    });
    siege.survive();
}

#[test]
fn n12_garbage_frames() {
    let mut siege = Siege::begin();
    let model = {
        let header = plain(4000, SeqNumber(1), SeqNumber(2), 3);
        let segment = segment(v4(A), v4(B), &header, b"hello");
        ip(v4(A), v4(B), protocol::TCP, &segment)
    };
    siege.flood(|siege| {
        let len = siege.below(1600) as usize;
        let mut frame: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| siege.random().to_be_bytes()).collect();
        frame.truncate(len);
        // Some of it looks more and more like something.
        if siege.below(4) > 0 && len > 14 {
            frame[..6].copy_from_slice(&station(B).0);
            frame[6] &= 0xfe;
            let ethertype: u16 = [0x0800, 0x86dd, 0x0806, 0x8100][siege.below(4) as usize];
            frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        }
        if siege.below(4) == 0 {
            frame = [&station(B).0[..], &station(A).0, &[8, 0], &model].concat();
            for _ in 0..=siege.below(3) {
                let at = siege.below(frame.len() as u64) as usize;
                frame[at] = siege.random() as u8;
            }
        }
        siege.raw(&frame);
    });
    let link = siege.pair.links[B];
    assert!(siege.pair.hosts[B].addresses(link).any(|own| own == Cidr::new(v4(B), 24).unwrap()));
    siege.survive();
}
