//! What the hosts' clocks show at the start: anything, and above all moments at which some counter that follows the clock
//! is about to wrap.

use portolan_link::{Instant, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_sim::Random;
use portolan_stack::{LinkConfig, Stack};
use portolan_wire::{Endpoint, EthernetAddress, ipv4, ipv6, tcp};

use crate::plan::Plan;
use crate::setting;

/// Sequence numbers count in steps of four microseconds and wrap after 2^32 of them (RFC 9293 §3.4.1).
const ISN_STEP_US: u64 = 4;
const WRAP: u64 = 1 << 32;
/// How long before a wrap a clock starts at most, in microseconds.
const BEFORE_US: u64 = 20_000_000;

/// Sets the hosts' clocks.
pub(crate) fn draw(random: &mut Random, plan: &mut Plan) {
    for host in 0..plan.hosts.len() {
        let clock_us = draw_one(random, plan, host);
        if let Some(host) = plan.hosts.get_mut(host) {
            host.clock_ns = clock_us.saturating_mul(1000);
        }
    }
}

/// What one clock shows, in microseconds.
fn draw_one(random: &mut Random, plan: &Plan, host: usize) -> u64 {
    let before_us = random.between(0, BEFORE_US);
    let wrap_us = match random.between(0, 15) {
        0 => WRAP * 1000,
        1 => WRAP / 2 * 1000,
        2 => WRAP,
        3 => WRAP / 2,
        4 => (1 << 63) / 1000,
        5 => return random.between(0, (1 << 62) / 1000),
        6..9 => return before_sequence_wrap(random, plan, host).unwrap_or(0),
        9..11 => return before_timestamp_wrap(random, plan, host).unwrap_or(0),
        _ => return 0,
    };
    wrap_us.saturating_sub(before_us)
}

/// A clock with which the host's first connection wraps its sequence numbers soon after it is opened.
fn before_sequence_wrap(random: &mut Random, plan: &Plan, host: usize) -> Option<u64> {
    let (at_us, isn, _) = first_words(plan, host)?;
    let wanted = WRAP - random.between(1, 50_000);
    let steps = (wanted + WRAP - u64::from(isn)) % WRAP;
    // One round more, so that the time of the connection can be taken off.
    Some(((steps + WRAP) * ISN_STEP_US).saturating_sub(at_us))
}

/// A clock with which the timestamps of the host's first connection wrap, or change their sign, soon.
fn before_timestamp_wrap(random: &mut Random, plan: &Plan, host: usize) -> Option<u64> {
    let (at_us, _, timestamp) = first_words(plan, host)?;
    let wrap = if random.one_in(2) { WRAP } else { WRAP / 2 };
    let wanted = wrap - random.between(1, 20_000);
    let ms = (wanted + WRAP - u64::from(timestamp?)) % WRAP;
    Some(((ms + WRAP) * 1000).saturating_sub(at_us))
}

/// When the first connection that the host takes part in is opened, and the sequence number and timestamp with which it
/// would begin on a clock that shows 0.
fn first_words(plan: &Plan, host: usize) -> Option<(u64, u32, Option<u32>)> {
    let has_port = |index: &usize| {
        plan.connections
            .get(*index)
            .is_some_and(|connection| connection.port != 0 && plan.hosts_of(connection).contains(&host))
    };
    let index = (0..plan.connections.len()).find(has_port)?;
    let connection = plan.connections.get(index)?;
    let [client, server] = plan.hosts_of(connection);
    let wire = plan.wires.get(connection.wire)?;
    let mut stacks = Vec::new();
    for number in [client, server] {
        let mut stack =
            Stack::new(setting::config(plan.hosts.get(number)?), setting::seeds(plan.hosts.get(number)?, 0));
        let caps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: false };
        let settings = LinkConfig { name: "eth0".to_owned(), ethernet: EthernetAddress::default() };
        let link = stack.add_link(Instant::ZERO, caps, settings);
        let end = usize::from(wire.ends[0] != number);
        let cidr = setting::address(connection.wire, wire, end);
        stack.add_address(Instant::ZERO, link, cidr).ok()?;
        stacks.push((stack, link, cidr.address()));
    }
    let [(client_stack, client_link, client_address), (server_stack, server_link, server_address)] =
        stacks.as_mut_slice()
    else {
        return None;
    };
    let now = Instant::ZERO;
    let port = setting::port(wire);
    let family = client_address.family();
    let listener = server_stack.tcp_socket(family).ok()?;
    server_stack.bind(now, listener, Endpoint { address: *server_address, port }).ok()?;
    server_stack.listen(now, listener, 1).ok()?;
    let socket = client_stack.tcp_socket(family).ok()?;
    client_stack.bind(now, socket, Endpoint { address: *client_address, port: connection.port }).ok()?;
    client_stack.connect(now, socket, Endpoint { address: *server_address, port }).ok()?;
    let syn = first_segment(client_stack, *client_link)?;
    let packet = if host == client {
        syn
    } else {
        let mut batch = RxBatch::new(1);
        let _ = batch.push(PacketBuf::copy(server_stack.pool(), &syn));
        server_stack.receive(now, *server_link, &mut batch);
        first_segment(server_stack, *server_link)?
    };
    let (header, options) = segment(&packet)?;
    Some((connection.at_us, header.seq().0, options.timestamps.map(|timestamps| timestamps.value)))
}

/// The first TCP segment that a stack has to send.
fn first_segment(stack: &mut Stack, link: portolan_stack::LinkId) -> Option<Vec<u8>> {
    let mut batch = TxBatch::new(16);
    stack.poll_transmit(Instant::ZERO, link, &mut batch);
    let packets = batch.iter().map(|entry| {
        let mut octets = vec![0; entry.len()];
        entry.copy_to(&mut octets);
        octets
    });
    packets.into_iter().find(|packet| segment(packet).is_some())
}

fn segment(packet: &[u8]) -> Option<(&tcp::Header, tcp::Options)> {
    let payload = if packet.first()? >> 4 == 4 {
        let packet = ipv4::parse(packet).ok()?;
        (packet.header.protocol() == portolan_wire::protocol::TCP).then_some(packet.payload)
    } else {
        let (header, rest) = ipv6::Header::parse(packet).ok()?;
        (header.next_header() == portolan_wire::protocol::TCP).then_some(rest)
    };
    let (header, options, _) = tcp::parse(payload?).ok()?;
    Some((header, options))
}
