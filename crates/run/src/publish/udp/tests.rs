use super::*;

const SERVER: Endpoint = Endpoint::new(portolan_wire::Address::v4(10, 0, 2, 15), 53);

fn ends(client: u16) -> Ends {
    Ends { client: Endpoint::new(portolan_wire::Address::v4(10, 0, 2, 5), client), program: SERVER }
}

fn from(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn socket() -> Arc<UdpSocket> {
    Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_flow_that_was_used_longest_ago_makes_room() {
    let (table, socket) = (Datagrams::default(), socket().await);
    for port in 1..=FLOWS_MAX as u16 {
        assert_eq!(table.remember(ends(port), from(port), &socket), (ends(port), false));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    // The first is used again, so the second is the oldest.
    assert!(!table.remember(ends(1), from(1), &socket).1);
    assert!(table.remember(ends(60_000), from(60_000), &socket).1);
    let flows = table.lock();
    assert_eq!(flows.len(), FLOWS_MAX);
    assert!(
        flows.contains_key(&ends(1)) && !flows.contains_key(&ends(2)) && flows.contains_key(&ends(60_000))
    );
}

#[tokio::test(start_paused = true)]
async fn idle_flows_end_and_are_the_first_to_make_room() {
    let (table, socket) = (Datagrams::default(), socket().await);
    for port in 1..=FLOWS_MAX as u16 {
        table.remember(ends(port), from(port), &socket);
    }
    tokio::time::advance(IDLE - Duration::from_secs(1)).await;
    assert!(table.lock().get(&ends(7)).unwrap().is_live());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!table.lock().get(&ends(7)).unwrap().is_live());
    assert!(!table.remember(ends(60_000), from(60_000), &socket).1, "nothing that lives had to go");
    assert_eq!(table.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_clients_of_one_port_are_told_apart() {
    let (table, other_socket) = (Datagrams::default(), socket().await);
    let socket = socket().await;
    let second = SocketAddr::from(([127, 0, 0, 2], 5000));
    let of = |client, socket| table.remember(ends(5000), client, socket).0;
    assert_eq!(of(from(5000), &socket), ends(5000));
    let other = of(second, &socket);
    let third = of(from(5000), &other_socket);
    assert_eq!([other, third].map(|ends| ends.client.port), [54_152, 54_153]);
    // Each keeps what it has got.
    assert_eq!([of(second, &socket), of(from(5000), &socket)], [other, ends(5000)]);
    tokio::time::advance(IDLE / 2).await;
    assert_eq!([of(second, &socket), of(from(5000), &other_socket)], [other, third]);
    tokio::time::advance(IDLE / 2).await;
    assert_eq!(of(second, &socket), other, "also when the first client's is free again");
    assert_eq!(of(SocketAddr::from(([127, 0, 0, 3], 5000)), &socket), ends(5000));
}
