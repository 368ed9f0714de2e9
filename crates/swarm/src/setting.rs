//! From plans to what the stacks and the net are made with.

use portolan_sim::WireOptions;
use portolan_stack::{Config, Seeds};
use portolan_tcp::{BufferSize, CongestionAlgorithm, Keepalive};
use portolan_wire::{Address, Cidr};

use crate::plan::{HostPlan, WirePlan};
use crate::weather;

/// Retransmissions of anything before a connection is given up: more than fit into the longest faults, so that no fault of
/// a wire is an excuse.
const RETRIES: u8 = 15;
/// What finds out that a peer is gone: after more than the longest fault, within six minutes.
const KEEPALIVE: Keepalive = Keepalive { time_s: 75, interval_s: 30, probes: 9 };
const BACKLOG: u32 = 128;

/// The settings of a host.
pub(crate) fn config(host: &HostPlan) -> Config {
    let mut config = Config::default();
    let tcp = &mut config.tcp;
    (tcp.syn_retries, tcp.synack_retries) = (RETRIES, RETRIES);
    (tcp.retries2, tcp.orphan_retries) = (RETRIES, RETRIES);
    tcp.keepalive = KEEPALIVE;
    tcp.sack = !host.no_sack;
    tcp.timestamps = !host.no_timestamps;
    tcp.window_scaling = !host.no_scaling;
    if let Some(algorithm) = CongestionAlgorithm::by_name(tcp, &host.congestion) {
        tcp.congestion = algorithm;
    }
    for (buffer, octets) in
        [(&mut tcp.recv_buffer, host.recv_buffer), (&mut tcp.send_buffer, host.send_buffer)]
    {
        if octets > 0 {
            *buffer = BufferSize { initial: octets.min(buffer.initial), max: octets };
        }
    }
    if host.memory > 0 {
        tcp.memory_max = host.memory as usize;
    }
    if host.initial_window > 0 {
        tcp.initial_window = host.initial_window;
    }
    for (knob, value) in [
        (&mut tcp.rto_min_us, host.rto_min_us),
        (&mut tcp.delayed_ack_us, host.delayed_ack_us),
        (&mut tcp.time_wait_us, host.time_wait_us),
        (&mut tcp.queues_idle_us, host.queues_idle_us),
    ] {
        if value > 0 {
            *knob = value;
        }
    }
    config
}

/// The secrets of a host that has been restarted so many times.
pub(crate) fn seeds(host: &HostPlan, restarts: u64) -> Seeds {
    Seeds::fixed(host.salt.wrapping_add(restarts.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The backlog of a host's listeners.
pub(crate) fn backlog(host: &HostPlan) -> u32 {
    if host.backlog > 0 { host.backlog } else { BACKLOG }
}

/// What a wire is made with.
pub(crate) fn wire(wire: &WirePlan) -> WireOptions {
    let ordinary = weather::ordinary(wire);
    WireOptions {
        forward: ordinary,
        backward: ordinary,
        mtu: if wire.mtu > 0 { wire.mtu } else { 1500 },
        offload: wire.offload,
        whole: wire.whole,
        nat: wire.nat,
    }
}

/// The address of one end of the wire with this number.
pub(crate) fn address(number: usize, wire: &WirePlan, end: usize) -> Cidr {
    let [network, _, ..] = number.to_le_bytes();
    let last = if end == 0 { 1 } else { 2 };
    let (address, prefix_len) = if wire.v6 {
        let octets = [0xfd, 0, 0, 0, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, last];
        (Address::from_octets(octets), 64)
    } else {
        (Address::v4(10, 0, network, last), 24)
    };
    Cidr::new(address, prefix_len).expect("the prefix length is within the family's")
}

/// The port on which servers listen for connections over a wire.
pub(crate) fn port(wire: &WirePlan) -> u16 {
    if wire.v6 { 81 } else { 80 }
}
