//! One long transfer by each congestion controller over a narrow wire: it has to use most of it.

use portolan_link::Instant;
use portolan_sim::impair::Impairment;
use portolan_sim::{HostId, Net, WireOptions};
use portolan_stack::Config;
use portolan_tcp::{CongestionAlgorithm, CubicRules, Ecn, Info};
use portolan_wire::{Address, Cidr, Endpoint, Family};

const OCTETS: usize = 6_000_000;
const LIMIT: Instant = Instant::from_millis(120_000);

/// 20 Mbit/s and 40 ms: a bandwidth-delay product of 100,000 octets, and a queue of about as much.
fn wire() -> WireOptions {
    let narrow = Impairment { delay_us: 20_000, rate: Some(20_000_000), limit: 140, ..Impairment::default() };
    WireOptions { forward: narrow, backward: narrow, offload: true, ..WireOptions::default() }
}

fn config(change: &impl Fn(&mut portolan_tcp::Config)) -> Config {
    let mut config = Config::default();
    change(&mut config.tcp);
    config
}

/// Sends [`OCTETS`] one way; returns the rate in Mbit/s of text, and the sender's figures at the end.
fn transfer(change: impl Fn(&mut portolan_tcp::Config)) -> (f64, Info) {
    let mut net = Net::new(5);
    let sender = net.add_host("sender", config(&change));
    let receiver = net.add_host("receiver", config(&change));
    let (_, near, far) = net.connect(sender, receiver, &wire());
    for (host, link, last) in [(sender, near, 1), (receiver, far, 2)] {
        let cidr = Cidr::new(Address::v4(10, 0, 0, last), 24).expect("a prefix");
        net.with(host, |stack, now| stack.add_address(now, link, cidr)).expect("a net").expect("an address");
    }
    let listener = call(&mut net, receiver, |stack, now| {
        let socket = stack.tcp_socket(Family::V4)?;
        stack.bind(now, socket, Endpoint { address: Address::V4_UNSPECIFIED, port: 80 })?;
        stack.listen(now, socket, 4).map(|()| socket)
    });
    let socket = call(&mut net, sender, |stack, now| {
        let socket = stack.tcp_socket(Family::V4)?;
        stack.connect(now, socket, Endpoint { address: Address::v4(10, 0, 0, 2), port: 80 })?;
        Ok(socket)
    });
    let (mut written, mut read, mut accepted) = (0, 0, None);
    let mut buffer = vec![7; 64 * 1024];
    let done = net.run(LIMIT, |net| {
        while written < OCTETS {
            let len = buffer.len().min(OCTETS - written);
            match net.with(sender, |stack, now| stack.write(now, socket, &buffer[..len]))? {
                Ok(len) => written += len,
                Err(_) => break,
            }
        }
        if accepted.is_none() {
            accepted = net.with(receiver, |stack, now| stack.accept(now, listener))?.ok().map(|(id, ..)| id);
        }
        while let Some(id) = accepted
            && let Ok(len @ 1..) = net.with(receiver, |stack, now| stack.read(now, id, &mut buffer))?
        {
            read += len;
        }
        Ok(read == OCTETS)
    });
    done.unwrap_or_else(|failure| panic!("{failure}"));
    let seconds = net.now().as_micros() as f64 / 1e6;
    let info = call(&mut net, sender, |stack, _| stack.info(socket));
    (OCTETS as f64 * 8.0 / 1e6 / seconds, info)
}

fn call<R>(
    net: &mut Net,
    host: HostId,
    call: impl FnOnce(&mut portolan_stack::Stack, Instant) -> Result<R, portolan_stack::SocketError>,
) -> R {
    net.with(host, call).expect("the net holds").expect("the call succeeds")
}

#[test]
fn every_controller_uses_most_of_a_narrow_wire() {
    for congestion in CongestionAlgorithm::BUILT_IN {
        for pacing in [false, true] {
            let (rate, info) = transfer(|tcp| (tcp.congestion, tcp.pacing) = (congestion, pacing));
            println!("{congestion:?}, pacing {pacing}: {rate:.1} Mbit/s, cwnd {}", info.cwnd);
            assert!((13.0..20.0).contains(&rate), "{congestion:?}, pacing {pacing}: {rate} Mbit/s");
        }
    }
}

#[test]
fn linux_rules_of_cubic_are_about_as_fast() {
    let (rate, _) = transfer(|tcp| tcp.cubic_rules = CubicRules::Linux);
    assert!((13.0..20.0).contains(&rate), "{rate} Mbit/s");
}

// RFC 3168 §6.1.1; RFC 9768 §3.1.1
#[test]
fn ecn_is_agreed_on_through_the_whole_host() {
    let cases = [(Ecn::On, (true, false)), (Ecn::Passive, (false, false)), (Ecn::Accurate, (true, true))];
    for (ecn, agreed) in cases {
        let (rate, info) = transfer(|tcp| tcp.ecn = ecn);
        assert_eq!((info.ecn, info.accurate_ecn), agreed, "{ecn:?}");
        assert!(rate > 13.0, "{ecn:?}: {rate} Mbit/s");
        assert_eq!(info.delivered_ce, 0, "{ecn:?}: nobody marks");
    }
}

/// Two megabytes each way at the same time over a wire that loses and marks nothing; the figures of both ends.
fn both_ways(tcp: portolan_tcp::Config) -> [Info; 2] {
    const EACH: usize = 2_000_000;
    let config = || Config { tcp: tcp.clone(), ..Config::default() };
    let mut net = Net::new(6);
    let hosts = [net.add_host("a", config()), net.add_host("b", config())];
    let far = Impairment { delay_us: 10_000, limit: 100_000, ..Impairment::default() };
    let options = WireOptions { forward: far, backward: far, offload: true, ..WireOptions::default() };
    let (_, near, far) = net.connect(hosts[0], hosts[1], &options);
    for (host, link, last) in [(hosts[0], near, 1), (hosts[1], far, 2)] {
        let cidr = Cidr::new(Address::v4(10, 0, 0, last), 24).expect("a prefix");
        net.with(host, |stack, now| stack.add_address(now, link, cidr)).expect("a net").expect("an address");
    }
    let listener = call(&mut net, hosts[1], |stack, now| {
        let socket = stack.tcp_socket(Family::V4)?;
        stack.bind(now, socket, Endpoint { address: Address::V4_UNSPECIFIED, port: 80 })?;
        stack.listen(now, socket, 4).map(|()| socket)
    });
    let socket = call(&mut net, hosts[0], |stack, now| {
        let socket = stack.tcp_socket(Family::V4)?;
        stack.connect(now, socket, Endpoint { address: Address::v4(10, 0, 0, 2), port: 80 })?;
        Ok(socket)
    });
    let mut sockets = [Some(socket), None];
    let (mut written, mut read) = ([0; 2], [0; 2]);
    let mut buffer = vec![7; 64 * 1024];
    let done = net.run(LIMIT, |net| {
        if sockets[1].is_none() {
            let accepted = net.with(hosts[1], |stack, now| stack.accept(now, listener))?;
            sockets[1] = accepted.ok().map(|(id, ..)| id);
        }
        for end in [0, 1] {
            let Some(socket) = sockets[end] else { continue };
            while written[end] < EACH {
                let len = buffer.len().min(EACH - written[end]);
                match net.with(hosts[end], |stack, now| stack.write(now, socket, &buffer[..len]))? {
                    Ok(len) => written[end] += len,
                    Err(_) => break,
                }
            }
            while let Ok(len @ 1..) =
                net.with(hosts[end], |stack, now| stack.read(now, socket, &mut buffer))?
            {
                read[end] += len;
            }
        }
        Ok(read == [EACH; 2])
    });
    done.unwrap_or_else(|failure| panic!("{failure}"));
    [0, 1].map(|end| call(&mut net, hosts[end], |stack, _| stack.info(sockets[end].expect("a socket"))))
}

// RFC 9768 §3.2.2.5.2: text acknowledges many segments at once, because the receiver merges them; nothing is marked.
#[test]
fn without_marks_accurate_ecn_reduces_no_window() {
    let tcp = portolan_tcp::Config {
        ecn: Ecn::Accurate,
        congestion: CongestionAlgorithm::NewReno,
        ..portolan_tcp::Config::default()
    };
    for info in both_ways(tcp) {
        assert!(info.accurate_ecn);
        assert_eq!((info.delivered_ce, info.ssthresh), (0, u32::MAX));
    }
}
