//! UDP between two simulated hosts: neighbour discovery, fragments, loss, and nothing left behind.

use portolan_link::Instant;
use portolan_sim::{HostId, Net, WireOptions};
use portolan_stack::{Config, SocketError, SocketId};
use portolan_wire::{Cidr, Endpoint, Family};

/// Two hosts with an address each of both families, and a bound UDP socket each.
fn two_hosts(
    net: &mut Net,
    family: Family,
    options: &WireOptions,
) -> ([HostId; 2], [SocketId; 2], [Endpoint; 2]) {
    let hosts = ["a", "b"].map(|name| net.add_host(name, Config::default()));
    let (_, a_link, b_link) = net.connect(hosts[0], hosts[1], options);
    let texts = match family {
        Family::V4 => ["10.0.0.1/24", "10.0.0.2/24"],
        Family::V6 => ["fd00::1/64", "fd00::2/64"],
    };
    let cidrs: [Cidr; 2] = texts.map(|text| text.parse().unwrap());
    let mut sockets = Vec::new();
    let ends = cidrs.map(|cidr| Endpoint { address: cidr.address(), port: 7 });
    for (index, link) in [a_link, b_link].into_iter().enumerate() {
        let socket = net.with(hosts[index], |stack, now| {
            stack.add_address(now, link, cidrs[index]).unwrap();
            let socket = stack.udp_socket(family).unwrap();
            stack.bind(now, socket, ends[index]).unwrap();
            socket
        });
        sockets.push(socket.unwrap());
    }
    (hosts, [sockets[0], sockets[1]], ends)
}

fn send(net: &mut Net, host: HostId, socket: SocketId, payload: &[u8], to: Endpoint) {
    let sent = net.with(host, |stack, now| stack.send_to(now, socket, payload, Some(to), None)).unwrap();
    assert_eq!(sent, Ok(payload.len()));
}

fn receive(net: &mut Net, host: HostId, socket: SocketId) -> Option<(Vec<u8>, Endpoint)> {
    let mut out = vec![0; 65_535];
    match net.with(host, |stack, now| stack.recv_from(now, socket, &mut out)).unwrap() {
        Ok(datagram) => Some((out[..datagram.len].to_vec(), datagram.from)),
        Err(SocketError::WouldBlock) => None,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn datagrams_of_all_sizes_cross_and_come_back() {
    for family in [Family::V4, Family::V6] {
        for offload in [false, true] {
            let mut net = Net::new(1);
            let forward = "delay 10ms".parse().unwrap();
            let options = WireOptions { forward, offload, ..WireOptions::default() };
            let (hosts, sockets, ends) = two_hosts(&mut net, family, &options);
            for len in [0, 1, 1000, 1472, 1473, 9000, 65_000] {
                let payload: Vec<u8> = (0..len).map(|at| (at % 253) as u8).collect();
                send(&mut net, hosts[0], sockets[0], &payload, ends[1]);
                net.run(Instant::MAX, |net| {
                    if let Some((got, from)) = receive(net, hosts[1], sockets[1]) {
                        assert_eq!((&got, from), (&payload, ends[0]));
                        send(net, hosts[1], sockets[1], &got, from);
                    }
                    Ok(receive(net, hosts[0], sockets[0]).is_some_and(|(got, _)| got == payload))
                })
                .unwrap_or_else(|failure| panic!("{family:?} {len} octets: {failure}"));
            }
            let counts = net.stack(hosts[1]).counts();
            assert_eq!((counts.reassemblies, counts.neighbours), (0, 1));
        }
    }
}

#[test]
fn lost_fragments_are_forgotten() {
    let mut net = Net::new(2);
    let forward = "delay 1ms loss 30%".parse().unwrap();
    let options = WireOptions { forward, ..WireOptions::default() };
    let (hosts, sockets, ends) = two_hosts(&mut net, Family::V4, &options);
    let mut arrived = 0;
    for round in 1..=50 {
        send(&mut net, hosts[0], sockets[0], &[7; 6000], ends[1]);
        let until = Instant::from_millis(round * 100);
        net.wake_at(until);
        net.run(Instant::MAX, |net| {
            arrived += usize::from(receive(net, hosts[1], sockets[1]).is_some());
            Ok(net.now() >= until)
        })
        .unwrap();
    }
    // Five fragments of which each is lost in 30 % of cases: 17 % come through.
    assert!((1..30).contains(&arrived), "{arrived}");
    assert!(net.stack(hosts[1]).counts().reassemblies > 0);
    let until = Instant::from_millis(120_000);
    net.wake_at(until);
    net.run(Instant::MAX, |net| Ok(net.now() >= until)).unwrap();
    assert_eq!(net.stack(hosts[1]).counts().reassemblies, 0);
}

#[test]
fn a_story_that_cannot_end_is_a_failure_with_its_seed() {
    let mut net = Net::new(99);
    let forward = "loss 100%".parse().unwrap();
    let (hosts, sockets, ends) =
        two_hosts(&mut net, Family::V4, &WireOptions { forward, ..WireOptions::default() });
    send(&mut net, hosts[0], sockets[0], b"hello?", ends[1]);
    let failure = net
        .run(Instant::from_millis(3_600_000), |net| Ok(receive(net, hosts[1], sockets[1]).is_some()))
        .unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("seed 99") && text.contains("PORTOLAN_SEED=99"), "{text}");
    assert!(text.contains("ARP"), "the frames that were tried are shown: {text}");
}
