//! The DNS server at this end of the wire: UDP and TCP, at its own address and at those of the host's resolv.conf.
//!
//! Programs that read /etc/resolv.conf themselves (dig, Go, Ruby's Resolv) send their queries to the servers it
//! names. Those are answered here too, so that the built-in names exist for everybody. A name that the fence does not
//! let be asked is refused here, and what the others' answers say is what the fence knows of addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan::TcpStream;
use portolan::gateway::UdpDatagram;
use portolan_wire::{Endpoint, protocol};

use crate::dns;
use crate::dns::exchange::{HostSockets, Transport, read_message, write_message};
use crate::dns::server::Server;
use crate::fence::Fence;

/// How long a TCP client may be idle between queries (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);

/// The server and where it answers.
#[derive(Debug)]
pub struct Names {
    server: Arc<Server<HostSockets>>,
    addresses: Vec<IpAddr>,
    fence: Arc<Fence>,
}

impl Names {
    /// A server that answers at these addresses, port 53.
    pub fn new(server: Server<HostSockets>, addresses: Vec<IpAddr>, fence: Arc<Fence>) -> Names {
        Names { server: Arc::new(server), addresses, fence }
    }

    /// Whether a flow to this endpoint is for the server.
    pub fn serves(&self, to: Endpoint) -> bool {
        to.port == dns::PORT && self.addresses.contains(&to.address.to_ip().to_canonical())
    }

    /// Answers one datagram.
    pub async fn answer(&self, datagram: &UdpDatagram) {
        let asker = (protocol::UDP, datagram.flow().remote.port);
        if let Some(reply) = self.reply(datagram.payload(), Transport::Udp, asker).await {
            // A reply that does not fit the wire any more is lost, as on any wire; the client asks again.
            let _ = datagram.reply_handle().send(&reply);
        }
    }

    /// Answers the queries of one connection, which comes from this port of the command's host, in turn.
    pub async fn serve(&self, mut stream: TcpStream, from_port: u16) {
        while let Ok(Ok(Some(query))) = tokio::time::timeout(IDLE, read_message(&mut stream)).await {
            let asker = (protocol::TCP, from_port);
            let Some(reply) = self.reply(&query, Transport::Tcp, asker).await else { break };
            if write_message(&mut stream, &reply).await.is_err() {
                break;
            }
        }
    }

    /// The answer to a query of `asker`, a protocol and port of the command's host.
    async fn reply(&self, query: &[u8], transport: Transport, asker: (u8, u16)) -> Option<Vec<u8>> {
        if let Some(refusal) = self.fence.refuse_query(query, asker) {
            return Some(refusal);
        }
        let reply = self.server.answer(query, transport).await?;
        self.fence.learn(&reply);
        Some(reply)
    }
}
