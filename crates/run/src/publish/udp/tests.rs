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
        assert!(!table.remember(ends(port), from(port), &socket));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    // The first is used again, so the second is the oldest.
    assert!(!table.remember(ends(1), from(1), &socket));
    assert!(table.remember(ends(60_000), from(60_000), &socket));
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
    assert!(!table.remember(ends(60_000), from(60_000), &socket), "nothing that lives had to go");
    assert_eq!(table.lock().len(), 1);
}
