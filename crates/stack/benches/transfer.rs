//! Text from one host to another over an in-process cable, at an MSS of 1460 and in super-segments of 64 KiB.
//!
//! One iteration moves 1 MiB: written, cut into frames, copied over the cable, received, acknowledged and read.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use divan::counter::BytesCount;
use portolan_link::{Instant, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_stack::{Config, LinkConfig, LinkId, Seeds, SocketId, Stack};
use portolan_wire::{Cidr, EthernetAddress, Family};

const OCTETS: usize = 1 << 20;

fn main() {
    divan::main();
}

struct Cable {
    now: Instant,
    hosts: [Stack; 2],
    links: [LinkId; 2],
    out: TxBatch,
    received: RxBatch,
}

impl Cable {
    fn new(gso_max: u32) -> Cable {
        let now = Instant::from_millis(1);
        let caps = LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max, checksum: true };
        let mut hosts = [1, 2].map(|n| Stack::new(Config::default(), Seeds::fixed(n)));
        let links = [0u8, 1].map(|n| {
            let settings = LinkConfig { name: "wire0".into(), ethernet: EthernetAddress([2, 0, 0, 0, 0, n]) };
            let link = hosts[usize::from(n)].add_link(now, caps, settings);
            let cidr: Cidr = ["10.0.0.1/24", "10.0.0.2/24"][usize::from(n)].parse().unwrap();
            hosts[usize::from(n)].add_address(now, link, cidr).unwrap();
            link
        });
        Cable { now, hosts, links, out: TxBatch::new(64), received: RxBatch::new(64) }
    }

    fn carry(&mut self, from: usize) -> bool {
        let to = 1 - from;
        self.hosts[from].poll_transmit(self.now, self.links[from], &mut self.out);
        let any = !self.out.is_empty();
        while let Some(entry) = self.out.front() {
            let mut packet = if entry.len() <= 2048 {
                PacketBuf::with_room(self.hosts[to].pool(), entry.len())
            } else {
                PacketBuf::in_two_parts(self.hosts[to].pool(), 2048, 65_536)
            };
            let [head, tail] = packet.room_mut();
            let mut filled = 0;
            for mut slice in entry.slices() {
                while !slice.is_empty() {
                    let room = if filled < head.len() {
                        &mut head[filled..]
                    } else {
                        &mut tail[filled - head.len()..]
                    };
                    let len = room.len().min(slice.len());
                    room[..len].copy_from_slice(&slice[..len]);
                    slice = &slice[len..];
                    filled += len;
                }
            }
            packet.set_filled(self.hosts[to].pool(), filled);
            packet.offload = entry.offload;
            self.out.advance(1);
            self.received.push(packet).unwrap();
        }
        self.hosts[to].receive(self.now, self.links[to], &mut self.received);
        any
    }

    fn settle(&mut self) {
        while self.carry(0) | self.carry(1) {}
    }

    fn connect(&mut self) -> (SocketId, SocketId) {
        let listener = self.hosts[1].tcp_socket(Family::V4).unwrap();
        self.hosts[1].bind(self.now, listener, "10.0.0.2:80".parse().unwrap()).unwrap();
        self.hosts[1].listen(self.now, listener, 1).unwrap();
        let client = self.hosts[0].tcp_socket(Family::V4).unwrap();
        self.hosts[0].connect(self.now, client, "10.0.0.2:80".parse().unwrap()).unwrap();
        self.settle();
        (client, self.hosts[1].accept(self.now, listener).unwrap().0)
    }
}

#[divan::bench(args = [0, 65_535], sample_count = 100)]
fn mebibyte(bencher: divan::Bencher<'_, '_>, gso_max: u32) {
    let mut cable = Cable::new(gso_max);
    let (client, server) = cable.connect();
    let text = vec![7u8; 256 * 1024];
    let mut out = vec![0u8; 256 * 1024];
    bencher.counter(BytesCount::new(OCTETS)).bench_local(|| {
        let (mut sent, mut got) = (0, 0);
        while got < OCTETS {
            if let Ok(len) = cable.hosts[0].write(cable.now, client, &text[..text.len().min(OCTETS - sent)]) {
                sent += len;
            }
            cable.settle();
            while let Ok(len) = cable.hosts[1].read(cable.now, server, &mut out) {
                got += len;
            }
            cable.now = cable.now.plus_micros(20);
            for host in &mut cable.hosts {
                host.handle_timeout(cable.now);
                while host.poll_event().is_some() {}
            }
        }
    });
}
