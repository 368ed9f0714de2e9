//! What it costs to find a segment's record among 100 and among 1,000,000 flows.
//!
//! The flows are UDP sockets with a peer each, because they are the cheapest to make; all kinds share one table. Each
//! iteration receives a batch of datagrams for flows that are far apart, up to the sockets' queues; the batch is built
//! outside of the measured time.
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_possible_truncation)]

use divan::counter::ItemsCount;
use portolan_link::{Checksum, Instant, LinkCaps, Medium, PacketBuf, Pool, RxBatch};
use portolan_stack::{Config, LinkConfig, LinkId, Seeds, SocketOption, Stack};
use portolan_wire::{Address, Cidr, Endpoint, EthernetAddress, Family, ipv4, protocol, udp};

const BATCH: usize = 64;

fn main() {
    divan::main();
}

fn remote(n: u32) -> Endpoint {
    let [_, a, b, c] = (n / 50_000).to_be_bytes();
    Endpoint::new(Address::v4(10, a + 1, b, c), 1000 + (n % 50_000) as u16)
}

fn host(flows: u32) -> (Stack, LinkId) {
    let now = Instant::ZERO;
    let mut stack = Stack::new(Config { sockets_max: 2_000_000, ..Config::default() }, Seeds::fixed(1));
    let caps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: false };
    let settings = LinkConfig { name: "tun0".into(), ethernet: EthernetAddress::default() };
    let link = stack.add_link(now, caps, settings);
    stack.add_address(now, link, "10.0.0.1/8".parse::<Cidr>().unwrap()).unwrap();
    for n in 0..flows {
        let id = stack.udp_socket(Family::V4).unwrap();
        stack.set_option(now, id, SocketOption::ReuseAddress(true)).unwrap();
        // Different ports keep the port table's lists short.
        stack.bind(now, id, Endpoint::new(Address::V4_UNSPECIFIED, 1 + (n % 60_000) as u16)).unwrap();
        stack.connect(now, id, remote(n)).unwrap();
    }
    (stack, link)
}

fn packet(n: u32) -> Vec<u8> {
    let mut out = vec![0; 29];
    let header = ipv4::Emit {
        src: remote(n).address,
        dst: Address::v4(10, 0, 0, 1),
        protocol: protocol::UDP,
        ttl: 64,
        payload_len: 9,
        ..Default::default()
    };
    header.emit(&mut out).unwrap();
    let header = udp::Emit { src_port: remote(n).port, dst_port: 1 + (n % 60_000) as u16, payload_len: 1 };
    header.emit(&mut out[20..]).unwrap();
    out
}

#[divan::bench(args = [100, 1_000_000], sample_count = 200)]
fn flows(bencher: divan::Bencher<'_, '_>, flows: u32) {
    let (mut stack, link) = host(flows);
    let mut pool = Pool::new();
    let mut n = 0u32;
    let batch = || {
        let mut batch = RxBatch::new(BATCH);
        for _ in 0..BATCH {
            // A stride that visits all flows out of order.
            n = (n + 611_953) % flows;
            let mut frame = PacketBuf::copy(&mut pool, &packet(n));
            frame.offload.checksum = Checksum::Valid;
            batch.push(frame).unwrap();
        }
        batch
    };
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(batch)
        .bench_local_values(|mut batch| stack.receive(Instant::ZERO, link, &mut batch));
}
