//! Published datagrams: a table that leads the program's answers back to the clients.
//!
//! A flow is a client and a port of the program. It is remembered while datagrams pass, so that an answer leaves by the
//! socket that the question came by; to anybody else the program's datagrams go as all others do. An ICMP error of the
//! program's host cannot be handed to the client, because an ordinary socket sends none: a port that nobody has is
//! silence.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portolan::Host;
use portolan::gateway::UdpDatagram;
use portolan_stack::LinkId;
use portolan_wire::{Endpoint, FlowKey, protocol};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::listen::Port;
use super::on_the_wire;
use crate::gateway::{Shared, udp};

/// Flows at the same time; then the one that was used longest ago goes.
const FLOWS_MAX: usize = 4096;
/// How long a flow lives without a datagram (RFC 4787 REQ-5).
const IDLE: Duration = Duration::from_secs(300);
/// A pause after an error, so that one that stays costs little.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Ports that a client may get in place of its own (RFC 6335 §6), and how many of them are tried.
const OTHER_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
const PORTS_TRIED: u16 = 64;

/// The flows of all published ports.
#[derive(Default)]
pub struct Datagrams(Mutex<HashMap<Ends, Flow>>);

/// Both ends on the wire, as the gateway sees them: the client, and the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Ends {
    client: Endpoint,
    program: Endpoint,
}

struct Flow {
    client: SocketAddr,
    socket: Arc<UdpSocket>,
    used: Instant,
}

impl Datagrams {
    /// Sends a datagram of the program to the client that had written to it; false if there is none.
    pub fn answer(&self, datagram: &UdpDatagram) -> bool {
        let flow = datagram.flow();
        let ends = Ends { client: flow.local, program: flow.remote };
        let mut table = self.lock();
        let Some(known) = table.get_mut(&ends).filter(|known| known.is_live()) else { return false };
        known.used = Instant::now();
        // A full socket drops, as a full link does.
        let _ = udp::send_now(&known.socket, datagram.payload(), known.client);
        true
    }

    /// Remembers a flow. Returns its ends, and whether another flow had to go.
    ///
    /// Several clients may have one address on the wire (see [`on_the_wire`]); of two with one port, the later gets
    /// another port, and keeps it while it sends.
    fn remember(&self, ends: Ends, client: SocketAddr, socket: &Arc<UdpSocket>) -> (Ends, bool) {
        let mut table = self.lock();
        let ends = ends_for(&table, ends, client, socket);
        let flow = Flow { client, socket: socket.clone(), used: Instant::now() };
        if table.insert(ends, flow).is_some() || table.len() <= FLOWS_MAX {
            return (ends, false);
        }
        table.retain(|_, known| known.is_live());
        if table.len() <= FLOWS_MAX {
            return (ends, false);
        }
        let oldest = table.iter().min_by_key(|(_, known)| known.used).map(|(ends, _)| *ends);
        (ends, oldest.is_some_and(|oldest| table.remove(&oldest).is_some()))
    }

    /// The table is whole between any two statements, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<Ends, Flow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ends that a client has, or else the first that no other has. Without any, it takes its own port over.
fn ends_for(table: &HashMap<Ends, Flow>, ends: Ends, client: SocketAddr, socket: &Arc<UdpSocket>) -> Ends {
    let others = (0..PORTS_TRIED).map(|n| {
        let span = OTHER_PORTS.end() - OTHER_PORTS.start() + 1;
        OTHER_PORTS.start() + ends.client.port.wrapping_add(n) % span
    });
    let with_port = |port| Ends { client: Endpoint::new(ends.client.address, port), ..ends };
    let mut free = None;
    for tried in std::iter::once(ends.client.port).chain(others).map(with_port) {
        match table.get(&tried).filter(|known| known.is_live()) {
            Some(known) if known.client == client && Arc::ptr_eq(&known.socket, socket) => return tried,
            Some(_) => {}
            None => free = free.or(Some(tried)),
        }
    }
    free.unwrap_or(ends)
}

impl Flow {
    fn is_live(&self) -> bool {
        self.used.elapsed() < IDLE
    }
}

/// Carries what arrives at one port, for ever.
pub(super) async fn receive(port: Port, gateway: Host, wire: LinkId, shared: Arc<Shared>) {
    let Ok(socket) = UdpSocket::from_std(port.socket.into()) else { return };
    let socket = Arc::new(socket);
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((len, client)) = socket.recv_from(&mut buffer).await else {
            // It is about an earlier answer, such as a client that is gone: there is nobody to tell.
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Some((source, to)) = on_the_wire(&shared.plan, client, port.inside) else { continue };
        let ends = Ends { client: endpoint(source), program: endpoint(to) };
        let (ends, has_evicted) = shared.published.remember(ends, client, &socket);
        if has_evicted {
            shared.counters.udp_evicted.fetch_add(1, Ordering::Relaxed);
        }
        let flow = FlowKey { local: ends.client, remote: ends.program, protocol: protocol::UDP, zone: 0 };
        let payload = buffer.get(..len).unwrap_or_default();
        // What the wire cannot take is lost, as on any wire.
        let _ = gateway.with_stack(|stack, now| stack.udp_reply(now, wire, &flow, payload));
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip().into(), address.port())
}

#[cfg(test)]
mod tests;
