//! The DNS server at this end of the wire: UDP and TCP, at its own address and at those of the host's resolv.conf.
//!
//! Programs that read /etc/resolv.conf themselves (dig, Go, Ruby's Resolv) send their queries to the servers it
//! names. Those are answered here too, so that the built-in names exist for everybody.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan::TcpStream;
use portolan::gateway::UdpDatagram;
use portolan_wire::Endpoint;

use crate::dns;
use crate::dns::exchange::{HostSockets, Transport, read_message, write_message};
use crate::dns::server::Server;

/// How long a TCP client may be idle between queries (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);

/// The server and where it answers.
#[derive(Debug)]
pub struct Names {
    server: Arc<Server<HostSockets>>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// A server that answers at these addresses, port 53.
    pub fn new(server: Server<HostSockets>, addresses: Vec<IpAddr>) -> Names {
        Names { server: Arc::new(server), addresses }
    }

    /// Whether a flow to this endpoint is for the server.
    pub fn serves(&self, to: Endpoint) -> bool {
        to.port == dns::PORT && self.addresses.contains(&to.address.to_ip().to_canonical())
    }

    /// Answers one datagram.
    pub async fn answer(&self, datagram: &UdpDatagram) {
        if let Some(reply) = self.server.answer(datagram.payload(), Transport::Udp).await {
            // A reply that does not fit the wire any more is lost, as on any wire; the client asks again.
            let _ = datagram.reply_handle().send(&reply);
        }
    }

    /// Answers the queries of one connection, in turn.
    pub async fn serve(&self, mut stream: TcpStream) {
        while let Ok(Ok(Some(query))) = tokio::time::timeout(IDLE, read_message(&mut stream)).await {
            let Some(reply) = self.server.answer(&query, Transport::Tcp).await else { break };
            if write_message(&mut stream, &reply).await.is_err() {
                break;
            }
        }
    }
}
