//! Random settings for a story.

use portolan_stack::Config;
use portolan_tcp::BufferSize;
use portolan_wire::{Address, Cidr, Family};

use crate::impair::{Impairment, Percent};
use crate::random::Random;
use crate::wire::WireOptions;

/// A family and a wire to use it on.
pub(super) fn wire(random: &mut Random) -> (Family, WireOptions) {
    let (family, mtu_min) = if random.one_in(2) { (Family::V4, 576) } else { (Family::V6, 1280) };
    let mtu = match random.between(0, 3) {
        0 => random.between(mtu_min, 9000),
        1 => mtu_min,
        _ => 1500,
    };
    let mtu = u16::try_from(mtu).unwrap_or(1500);
    let whole = random.one_in(10);
    let mut lane = || if whole { Impairment::default() } else { impairment(random) };
    let (forward, backward) = (lane(), lane());
    let offload = whole || random.one_in(2);
    (family, WireOptions { forward, backward, mtu, offload, whole, nat: false })
}

/// The faults of one direction.
fn impairment(random: &mut Random) -> Impairment {
    // Thousandths of a percent: each fault is absent, mild or wild.
    let mut fault = |mild: u64, wild: u64| match random.between(0, 19) {
        0..8 => Percent::ZERO,
        8..19 => random.share(mild),
        _ => random.share(wild),
    };
    let (loss, duplicate) = (fault(5_000, 15_000), fault(5_000, 50_000));
    let (reorder, corrupt) = (fault(10_000, 50_000), fault(1_000, 5_000));
    let delay_us = if random.one_in(4) { 0 } else { random.between(1, 100_000) };
    Impairment {
        delay_us,
        jitter_us: if random.one_in(2) { 0 } else { random.between(0, delay_us / 2) },
        loss,
        duplicate,
        reorder: if delay_us == 0 { Percent::ZERO } else { reorder },
        corrupt,
        rate: random.one_in(3).then(|| random.between(1_000_000, 200_000_000)),
        limit: if random.one_in(4) { u32::try_from(random.between(20, 200)).unwrap_or(100) } else { 1000 },
        ..Impairment::default()
    }
}

/// A host's settings.
pub(super) fn config(random: &mut Random) -> Config {
    let mut config = Config::default();
    let tcp = &mut config.tcp;
    tcp.sack = !random.one_in(4);
    tcp.timestamps = !random.one_in(4);
    tcp.window_scaling = !random.one_in(4);
    if random.one_in(4) {
        tcp.recv_buffer = buffer(random);
    }
    if random.one_in(4) {
        tcp.send_buffer = buffer(random);
    }
    // What the wild faults do to a handshake is not the point.
    tcp.syn_retries = 12;
    tcp.synack_retries = 12;
    config
}

fn buffer(random: &mut Random) -> BufferSize {
    let max = u32::try_from(random.between(4 * 1024, 256 * 1024)).unwrap_or(64 * 1024);
    BufferSize { initial: max, max }
}

/// The addresses of the first and the second host.
pub(super) fn addresses(family: Family) -> [Cidr; 2] {
    [1, 2].map(|last| {
        let (address, prefix_len) = match family {
            Family::V4 => (Address::v4(10, 0, 0, last), 24),
            Family::V6 => {
                let mut octets = [0; 16];
                (octets[0], octets[15]) = (0xfd, last);
                (Address::from(core::net::Ipv6Addr::from(octets)), 64)
            }
        };
        Cidr::new(address, prefix_len).expect("the prefix length is within the family's")
    })
}
