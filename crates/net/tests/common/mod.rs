//! What the tests share: pairs of hosts on a wire, and text that tells where it stands.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use portolan::{Host, HostBuilder, Seed};
use portolan_drivers::{PollLink, wire};
use portolan_link::{LinkCaps, Medium};
use portolan_wire::EthernetAddress;

/// A wire as a virtual machine has it: super-segments, no checksums.
pub(crate) const OFFLOADED: LinkCaps =
    LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true };
/// A wire as a plain network card has it.
pub(crate) const PLAIN: LinkCaps =
    LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 0, checksum: false };

pub(crate) const A: &str = "10.0.0.1";
pub(crate) const B: &str = "10.0.0.2";
pub(crate) const A6: &str = "fd00::1";
pub(crate) const B6: &str = "fd00::2";

/// The descriptions of two hosts on one wire: `a` is 10.0.0.1 and fd00::1, `b` is 10.0.0.2 and fd00::2.
pub(crate) fn describe(caps: LinkCaps) -> (HostBuilder, HostBuilder) {
    let (left, right) = wire::pair(caps, caps);
    (describe_one(1, left), describe_one(2, right))
}

/// The description of host `number` with one link.
pub(crate) fn describe_one(number: u8, link: impl PollLink + 'static) -> HostBuilder {
    Host::builder()
        .seed(Seed::fixed(number.into()))
        .link("wire", EthernetAddress([2, 0, 0, 0, 0, number]), link)
        .address(format!("10.0.0.{number}/24").parse().unwrap())
        .address(format!("fd00::{number}/64").parse().unwrap())
}

/// Two hosts whose workers are tasks of the current runtime.
pub(crate) fn on_runtime(caps: LinkCaps) -> (Host, Host) {
    let (a, b) = describe(caps);
    let ((a, worker_a), (b, worker_b)) = (a.build().unwrap(), b.build().unwrap());
    tokio::spawn(worker_a.run());
    tokio::spawn(worker_b.run());
    (a, b)
}

/// Two hosts whose workers are threads.
pub(crate) fn on_threads(caps: LinkCaps) -> (Host, Host) {
    let (a, b) = describe(caps);
    let ((a, worker_a), (b, worker_b)) = (a.build().unwrap(), b.build().unwrap());
    worker_a.spawn_thread();
    worker_b.spawn_thread();
    (a, b)
}

pub(crate) fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse::<IpAddr>().unwrap(), port)
}

/// Fails the test instead of hanging it.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

/// Fills `out` with the text that stands at `offset` of an endless one; no two runs of it are alike.
pub(crate) fn pattern(seed: u64, offset: u64, out: &mut [u8]) {
    for (index, octet) in (offset..).zip(out) {
        let word =
            (index / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd134_2543_de82_ef95);
        let mixed = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        *octet = (mixed >> (8 * (index % 8))) as u8;
    }
}

/// Panics unless `text` is what stands at `offset`.
pub(crate) fn check(seed: u64, offset: u64, text: &[u8]) {
    let mut expected = vec![0; text.len()];
    pattern(seed, offset, &mut expected);
    if let Some(first) = (0..text.len()).find(|&at| text[at] != expected[at]) {
        panic!("octet {} of text {seed} is wrong", offset + first as u64);
    }
}
