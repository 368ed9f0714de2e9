//! Name servers on the command's loopback.
//!
//! A resolv.conf often names 127.0.0.53 or 127.0.0.11, a server on the machine's own loopback. The command's loopback
//! is another one, so programs that read the file themselves would ask nobody. Their queries are answered here, by
//! passing them on over the wire to the gateway's server, as look-ups are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan::{Host, TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use crate::dns::exchange::{Exchange, MESSAGE_MAX, Transport, read_message, write_message};

/// Queries, and connections, that are served at the same time; more wait in the socket.
const PENDING_MAX: usize = 64;
/// How long one query is waited for; the client asks again by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers at `local`, an address of the command's loopback, by asking `server`. An address that cannot be had is
/// left alone: the look-ups of the C library do not need it.
pub(super) fn serve(host: &Host, local: SocketAddr, server: SocketAddr) {
    if let Ok(socket) = UdpSocket::bind(host, local) {
        tokio::spawn(datagrams(host.clone(), Arc::new(socket), server));
    }
    if let Ok(listener) = TcpListener::bind(host, local) {
        tokio::spawn(connections(host.clone(), listener, server));
    }
}

async fn datagrams(host: Host, socket: Arc<UdpSocket>, server: SocketAddr) {
    let permits = Arc::new(Semaphore::new(PENDING_MAX));
    let mut buffer = vec![0; MESSAGE_MAX];
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((len, client)) = socket.recv_from(&mut buffer).await else { return };
        let query = buffer.get(..len).unwrap_or_default().to_vec();
        let (host, socket) = (host.clone(), socket.clone());
        tokio::spawn(async move {
            if let Some(reply) = ask(&host, server, &query, Transport::Udp).await {
                let _ = socket.send_to(&reply, client).await;
            }
            drop(permit);
        });
    }
}

async fn connections(host: Host, listener: TcpListener, server: SocketAddr) {
    let permits = Arc::new(Semaphore::new(PENDING_MAX));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else { return };
        let host = host.clone();
        tokio::spawn(async move {
            answer_each(&host, stream, server).await;
            drop(permit);
        });
    }
}

async fn answer_each(host: &Host, mut stream: TcpStream, server: SocketAddr) {
    while let Ok(Ok(Some(query))) = tokio::time::timeout(PATIENCE, read_message(&mut stream)).await {
        let Some(reply) = ask(host, server, &query, Transport::Tcp).await else { return };
        if write_message(&mut stream, &reply).await.is_err() {
            return;
        }
    }
}

async fn ask(host: &Host, server: SocketAddr, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    tokio::time::timeout(PATIENCE, host.exchange(server, query, transport)).await.ok()?.ok()
}
