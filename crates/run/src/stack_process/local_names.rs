//! Name servers on the command's loopback.
//!
//! A resolv.conf often names 127.0.0.53 or 127.0.0.11, a server on the machine's own loopback. The command's loopback
//! is another one, so programs that read the file themselves would ask nobody. Their queries are answered here, by
//! passing them on over the wire to the gateway's server, as look-ups are. What the fence refuses is refused here, where it
//! is known whose query it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan::{Host, TcpListener, TcpStream, UdpSocket};
use portolan_wire::protocol;
use tokio::sync::Semaphore;

use crate::dns::exchange::{Exchange, MESSAGE_MAX, Transport, read_message, write_message};
use crate::fence::Fence;

/// Queries, and connections, that are served at the same time; more wait in the socket.
const PENDING_MAX: usize = 64;
/// How long one query is waited for; the client asks again by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers at `local`, an address of the command's loopback, by asking `server`. An address that cannot be had is
/// left alone: the look-ups of the C library do not need it.
pub(super) fn serve(host: &Host, local: SocketAddr, server: SocketAddr, fence: &Arc<Fence>) {
    let passage = Passage { host: host.clone(), server, fence: fence.clone() };
    if let Ok(socket) = UdpSocket::bind(host, local) {
        tokio::spawn(datagrams(passage.clone(), Arc::new(socket)));
    }
    if let Ok(listener) = TcpListener::bind(host, local) {
        tokio::spawn(connections(passage, listener));
    }
}

/// The way of queries to the gateway's server.
#[derive(Clone)]
struct Passage {
    host: Host,
    server: SocketAddr,
    fence: Arc<Fence>,
}

async fn datagrams(passage: Passage, socket: Arc<UdpSocket>) {
    let permits = Arc::new(Semaphore::new(PENDING_MAX));
    let mut buffer = vec![0; MESSAGE_MAX];
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((len, client)) = socket.recv_from(&mut buffer).await else { return };
        let query = buffer.get(..len).unwrap_or_default().to_vec();
        let (passage, socket) = (passage.clone(), socket.clone());
        tokio::spawn(async move {
            if let Some(reply) = passage.ask(&query, Transport::Udp, client).await {
                let _ = socket.send_to(&reply, client).await;
            }
            drop(permit);
        });
    }
}

async fn connections(passage: Passage, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(PENDING_MAX));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((stream, client)) = listener.accept().await else { return };
        let passage = passage.clone();
        tokio::spawn(async move {
            answer_each(&passage, stream, client).await;
            drop(permit);
        });
    }
}

async fn answer_each(passage: &Passage, mut stream: TcpStream, client: SocketAddr) {
    while let Ok(Ok(Some(query))) = tokio::time::timeout(PATIENCE, read_message(&mut stream)).await {
        let Some(reply) = passage.ask(&query, Transport::Tcp, client).await else { return };
        if write_message(&mut stream, &reply).await.is_err() {
            return;
        }
    }
}

impl Passage {
    async fn ask(&self, query: &[u8], transport: Transport, client: SocketAddr) -> Option<Vec<u8>> {
        let number = match transport {
            Transport::Udp => protocol::UDP,
            Transport::Tcp => protocol::TCP,
        };
        if let Some(refusal) = self.fence.refuse_query(query, (number, client.port())) {
            return Some(refusal);
        }
        let asked = self.host.exchange(self.server, query, transport);
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }
}
