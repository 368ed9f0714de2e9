//! Name servers within the command's host.
//!
//! A resolv.conf often names 127.0.0.53 or 127.0.0.11, a server on the machine's own loopback. The command's loopback
//! is another one, so programs that read the file themselves would ask nobody. Their queries are answered here, by
//! passing them on over the wire to the gateway's server, as look-ups are. What the fence refuses is refused here, where it
//! is known whose query it is.
//!
//! On a wire there is no gateway, and its hosts' names are nobody's but theirs. There every server of the resolv.conf is
//! answered here, from the wire's own table ([`serve_wire`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portolan::{Host, TcpListener, TcpStream, UdpSocket};
use portolan_link::{LinkCaps, Medium};
use portolan_stack::LinkConfig;
use portolan_wire::{Address, Cidr, EthernetAddress, protocol};
use tokio::sync::Semaphore;

use crate::dns::builtin::Builtin;
use crate::dns::exchange::{Exchange, MESSAGE_MAX, Transport, read_message, write_message};
use crate::dns::hosts::Hosts;
use crate::dns::server::{Server, Upstream};
use crate::dns::{self, resolv_conf::ResolvConf};
use crate::fence::Fence;
use crate::wire::Names;

/// Queries, and connections, that are served at the same time; more wait in the socket.
const PENDING_MAX: usize = 64;
/// How long one query is waited for; the client asks again by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers at `local`, an address of the command's loopback, by asking `server`. An address that cannot be had is
/// left alone: the look-ups of the C library do not need it.
pub(super) fn serve(host: &Host, local: SocketAddr, server: SocketAddr, fence: &Arc<Fence>) {
    serve_at(local, Passage { host: host.clone(), to: To::Server(server), fence: fence.clone() });
}

/// Answers at every server of `conf`, and at what programs take for it if there is none, for the names of a wire; asks
/// `servers`, over the wire, for others. With `has_gateway` those that are not on a loopback may be real ones beyond it,
/// and are left alone.
pub(super) fn serve_wire(
    host: &Host,
    conf: &ResolvConf,
    names: &Names,
    servers: &[IpAddr],
    has_gateway: bool,
    fence: &Arc<Fence>,
) {
    let default = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    let listed = if conf.servers.is_empty() { &default[..] } else { &conf.servers };
    for server in listed.iter().filter(|server| server.is_loopback() || !has_gateway) {
        if !server.is_loopback() {
            take_address(host, *server);
        }
        let to = To::Wire { names: names.clone(), servers: servers.to_vec() };
        serve_at((*server, dns::PORT).into(), Passage { host: host.clone(), to, fence: fence.clone() });
    }
}

/// Makes an address the host's own, on a link of its own that leads nowhere, so that nobody on the wire hears of it.
fn take_address(host: &Host, address: IpAddr) {
    let caps = LinkCaps { medium: Medium::Ip, mtu: u16::MAX, gso_max: 0, checksum: true };
    host.with_stack(|stack, now| {
        let link =
            stack.add_link(now, caps, LinkConfig { name: "dns".into(), ethernet: EthernetAddress([0; 6]) });
        if let Some(own) = Cidr::new(Address::from(address), if address.is_ipv4() { 32 } else { 128 }) {
            // An address that is the host's already needs no second link.
            let _ = stack.add_address(now, link, own);
        }
    });
}

fn serve_at(local: SocketAddr, passage: Passage) {
    let host = &passage.host;
    let (socket, listener) = (UdpSocket::bind(host, local), TcpListener::bind(host, local));
    if let Ok(socket) = socket {
        tokio::spawn(datagrams(passage.clone(), Arc::new(socket)));
    }
    if let Ok(listener) = listener {
        tokio::spawn(connections(passage, listener));
    }
}

/// The way of queries to who answers them.
#[derive(Clone)]
struct Passage {
    host: Host,
    to: To,
    fence: Arc<Fence>,
}

/// Who answers.
#[derive(Clone)]
enum To {
    /// The gateway's server.
    Server(SocketAddr),
    /// The table of a wire's hosts, and these servers for what is not in it.
    Wire { names: Names, servers: Vec<IpAddr> },
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
        match &self.to {
            To::Server(server) => {
                let asked = self.host.exchange(*server, query, transport);
                tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
            }
            To::Wire { names, servers } => {
                let known = names.all();
                let hosts = Hosts::of(&known);
                let upstream =
                    Upstream { servers: servers.clone(), timeout: PATIENCE, network: self.host.clone() };
                let upstream = Some(upstream).filter(|upstream| !upstream.servers.is_empty());
                Server::new(Builtin::below_the_zone(known), hosts, upstream).answer(query, transport).await
            }
        }
    }
}
