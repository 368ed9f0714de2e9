//! Two hosts joined by a cable that loses nothing: the frames of one are copied into the other's batch.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use portolan_link::{Instant, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::{Address, Cidr, Endpoint, EthernetAddress, Family};

pub const A: usize = 0;
pub const B: usize = 1;

/// Hosts A and B, and what has crossed the cable.
pub struct Pair {
    pub now: Instant,
    pub hosts: [Stack; 2],
    pub links: [LinkId; 2],
    /// Every frame sent, with its sender.
    pub wire: Vec<(usize, Vec<u8>)>,
    pub record: bool,
    /// Frames that are lost instead of delivered.
    pub lose: fn(usize, &[u8]) -> bool,
    /// Frames that arrive when the other host has answered those that are sent with them.
    pub delay: fn(usize, &[u8]) -> bool,
    late: [Vec<PacketBuf>; 2],
    batch: TxBatch,
    received: RxBatch,
    pub events: [Vec<Event>; 2],
    dropped: [u64; 2],
}

pub fn ethernet_caps(mtu: u16) -> LinkCaps {
    LinkCaps { medium: Medium::Ethernet, mtu, gso_max: 0, checksum: false }
}

pub fn station(host: usize) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 0, host as u8 + 1])
}

pub fn v4(host: usize) -> Address {
    Address::v4(10, 0, 0, host as u8 + 1)
}

pub fn v6(host: usize) -> Address {
    format!("fd00::{}", host + 1).parse().unwrap()
}

pub fn address(host: usize, family: Family) -> Address {
    if family == Family::V4 { v4(host) } else { v6(host) }
}

pub fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

impl Pair {
    pub fn new() -> Pair {
        Pair::with(Config::default(), ethernet_caps(1500), 1)
    }

    pub fn with(config: Config, caps: LinkCaps, seed: u64) -> Pair {
        let now = Instant::from_millis(1000);
        let mut hosts = [0, 1].map(|n| Stack::new(config.clone(), Seeds::fixed(seed * 2 + n)));
        let links = [0, 1].map(|n: usize| {
            let settings = LinkConfig { name: "eth0".into(), ethernet: station(n) };
            let link = hosts[n].add_link(now, caps, settings);
            hosts[n].add_address(now, link, Cidr::new(v4(n), 24).unwrap()).unwrap();
            hosts[n].add_address(now, link, Cidr::new(v6(n), 64).unwrap()).unwrap();
            link
        });
        let mut pair = Pair {
            now,
            hosts,
            links,
            wire: Vec::new(),
            record: true,
            lose: |_, _| false,
            delay: |_, _| false,
            late: Default::default(),
            batch: TxBatch::new(64),
            received: RxBatch::new(64),
            events: [Vec::new(), Vec::new()],
            dropped: [0, 0],
        };
        // The announcements of new addresses mean nothing to the other host, which drops them.
        pair.settle();
        pair.wire.clear();
        pair.dropped = [0, 1].map(|n: usize| pair.hosts[n].stats().drops.total());
        pair
    }

    /// What a host has dropped since the beginning of the test.
    pub fn dropped(&self, host: usize) -> u64 {
        self.hosts[host].stats().drops.total() - self.dropped[host]
    }

    /// Carries what one host has to send to the other. Whether there was anything.
    pub fn carry(&mut self, from: usize) -> bool {
        let (now, to) = (self.now, 1 - from);
        self.hosts[from].poll_transmit(now, self.links[from], &mut self.batch);
        let mut any = false;
        let late = core::mem::take(&mut self.late[from]);
        while let Some(entry) = self.batch.front() {
            any = true;
            let mut packet = PacketBuf::with_room(self.hosts[to].pool(), entry.len());
            let mut octets = 0;
            for slice in entry.slices() {
                octets += packet.append(slice);
            }
            assert_eq!(octets, entry.len());
            packet.offload = entry.offload;
            self.batch.advance(1);
            if self.record {
                self.wire.push((from, packet.bytes().to_vec()));
            }
            if (self.lose)(from, packet.bytes()) {
                packet.recycle(self.hosts[to].pool());
            } else if (self.delay)(from, packet.bytes()) {
                self.late[from].push(packet);
            } else {
                assert!(self.received.push(packet).is_ok());
            }
        }
        for packet in late {
            any = true;
            assert!(self.received.push(packet).is_ok());
        }
        self.hosts[to].receive(now, self.links[to], &mut self.received);
        any
    }

    fn take_events(&mut self) {
        for (host, events) in self.hosts.iter_mut().zip(&mut self.events) {
            while let Some(event) = host.poll_event() {
                events.push(event);
            }
        }
    }

    /// Lets both hosts do all they can without time passing.
    pub fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "the hosts never come to rest");
            for host in &mut self.hosts {
                if host.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                    host.handle_timeout(self.now);
                }
            }
            let busy = self.carry(A) | self.carry(B);
            self.take_events();
            if !busy && !self.hosts.iter().any(|host| host.next_deadline().is_some_and(|at| at <= self.now)) {
                break;
            }
        }
        for host in &self.hosts {
            host.check().unwrap();
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub fn pass(&mut self, micros: u64) {
        let end = self.now.plus_micros(micros);
        self.settle();
        loop {
            let next = self.hosts.iter().filter_map(|host| host.next_deadline()).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    pub fn saw(&mut self, host: usize, is_it: impl Fn(&Event) -> bool) -> bool {
        let found = self.events[host].iter().position(&is_it);
        if let Some(at) = found {
            self.events[host].remove(at);
        }
        found.is_some()
    }

    pub fn listen(&mut self, host: usize, family: Family, port: u16, backlog: u32) -> SocketId {
        let id = self.hosts[host].tcp_socket(family).unwrap();
        let any = if family == Family::V4 { Address::V4_UNSPECIFIED } else { Address::UNSPECIFIED };
        self.hosts[host].bind(self.now, id, Endpoint::new(any, port)).unwrap();
        self.hosts[host].listen(self.now, id, backlog).unwrap();
        id
    }

    pub fn connect(&mut self, host: usize, to: Endpoint) -> SocketId {
        let id = self.hosts[host].tcp_socket(to.address.family()).unwrap();
        self.hosts[host].connect(self.now, id, to).unwrap();
        id
    }

    /// A connection from A to a listener on B, accepted.
    pub fn connected(&mut self, family: Family, port: u16) -> (SocketId, SocketId) {
        let listener = self.listen(B, family, port, 16);
        let client = self.connect(A, Endpoint::new(address(B, family), port));
        self.settle();
        assert!(self.saw(A, |event| matches!(event, Event::Connected(id) if *id == client)));
        let (server, ..) = self.hosts[B].accept(self.now, listener).unwrap();
        self.hosts[B].close(self.now, listener).unwrap();
        (client, server)
    }

    pub fn write(&mut self, host: usize, id: SocketId, octets: &[u8]) -> Result<usize, SocketError> {
        self.hosts[host].write(self.now, id, octets)
    }

    pub fn read(&mut self, host: usize, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let mut out = vec![0; 65_536];
        let len = self.hosts[host].read(self.now, id, &mut out)?;
        out.truncate(len);
        Ok(out)
    }

    /// Sends `octets` through a connection, reading at the other end; returns what came.
    pub fn transfer(&mut self, from: usize, writer: SocketId, reader: SocketId, octets: &[u8]) -> Vec<u8> {
        let (mut sent, mut got) = (0, Vec::new());
        for _ in 0..1_000_000 {
            if sent < octets.len() {
                match self.write(from, writer, &octets[sent..]) {
                    Ok(len) => sent += len,
                    Err(SocketError::WouldBlock) => {}
                    Err(error) => panic!("write: {error}"),
                }
            }
            self.settle();
            loop {
                match self.read(1 - from, reader) {
                    Ok(text) if text.is_empty() => return got,
                    Ok(text) => got.extend(text),
                    Err(SocketError::WouldBlock) => break,
                    Err(error) => panic!("read: {error}"),
                }
            }
            if got.len() == octets.len() {
                return got;
            }
            self.pass(1000);
        }
        panic!("the transfer does not end: {} of {}", got.len(), octets.len());
    }
}

/// Octets that show where they belong.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 167 + (i >> 8)) as u8).collect()
}
