//! Pings, by the machine's ping socket (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)) where this user may have one.
//!
//! A reply is sent only when the destination has replied. Where the machine has no ping socket for us
//! (net.ipv4.ping_group_range), the program is told that it is forbidden: never faked.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portolan::gateway::EchoRequest;
use portolan_stack::Refusal;
use portolan_wire::Address;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Shared;
use super::policy::FORBIDDEN;
use super::refusal::of_datagram;
use super::udp::send_now;

/// Ping programs at the same time.
const PINGERS_MAX: usize = 256;
/// Requests of one program that wait for their reply.
const WAITING_MAX: usize = 256;
/// Octets of requests, of all programs together, that wait for their reply; further ones are lost.
const WAITING_OCTETS: usize = 16 << 20;
/// What the smallest request counts: its buffer.
const REQUEST_OCTETS: usize = 2048;
/// How long a program's socket lives after its last request.
const IDLE: Duration = Duration::from_secs(30);
/// ICMP's header: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// One program's pings: who it is on the wire.
type Key = (Address, u16, bool);
type Table = Arc<Mutex<HashMap<Key, Arc<Pinger>>>>;

/// The pings of one wire.
pub struct Pings {
    shared: Arc<Shared>,
    table: Table,
    room: Room,
}

struct Pinger {
    socket: UdpSocket,
    v4: bool,
    state: Mutex<State>,
}

struct State {
    used: Instant,
    /// By sequence number.
    waiting: HashMap<u16, Waiting>,
}

/// A request without a reply yet, and its share of the room.
struct Waiting {
    to: IpAddr,
    request: EchoRequest,
    _room: OwnedSemaphorePermit,
}

/// Room for requests that wait.
struct Room(Arc<Semaphore>);

impl Room {
    fn new() -> Room {
        Room(Arc::new(Semaphore::new(WAITING_OCTETS)))
    }

    /// Room for a request with so many octets of data, until it is dropped; `None` when there is not so much.
    fn take(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let octets = u32::try_from(octets.max(REQUEST_OCTETS)).ok()?;
        self.0.clone().try_acquire_many_owned(octets).ok()
    }
}

impl Pings {
    /// No pings yet.
    pub fn new(shared: Arc<Shared>) -> Pings {
        Pings { shared, table: Table::default(), room: Room::new() }
    }

    /// Sends a ping on to `address`.
    pub fn carry(&mut self, request: EchoRequest, address: IpAddr) {
        let Some(room) = self.room.take(request.data().len()) else { return request.refuse(Refusal::Silent) };
        let v4 = address.is_ipv4();
        let key = (request.from(), request.ident(), v4);
        let known = lock(&self.table).get(&key).cloned();
        let pinger = match known {
            Some(pinger) => pinger,
            None if lock(&self.table).len() >= PINGERS_MAX => return request.refuse(Refusal::Silent),
            None => match open(v4) {
                Ok(socket) => {
                    let state = State { used: Instant::now(), waiting: HashMap::new() };
                    let pinger = Arc::new(Pinger { socket, v4, state: Mutex::new(state) });
                    lock(&self.table).insert(key, pinger.clone());
                    tokio::spawn(live(pinger.clone(), key, self.table.clone()));
                    pinger
                }
                // No ping socket for this user, or none at all.
                Err(_) => return request.refuse(FORBIDDEN),
            },
        };
        debug_assert!(!self.shared.is_service(request.to()), "services answer themselves");
        pinger.send(request, address, room);
    }
}

async fn live(pinger: Arc<Pinger>, key: Key, table: Table) {
    loop {
        tokio::select! {
            received = pinger.receive() => if received.is_err() { break },
            () = tokio::time::sleep_until(pinger.deadline()) => if Instant::now() >= pinger.deadline() { break },
        }
    }
    lock(&table).remove(&key);
}

impl Pinger {
    fn send(&self, request: EchoRequest, to: IpAddr, room: OwnedSemaphorePermit) {
        // The kernel fills in the checksum and its own identifier.
        let kind = if self.v4 { 8 } else { 128 };
        let [high, low] = request.seq().to_be_bytes();
        let packet = [&[kind, 0, 0, 0, 0, 0, high, low], request.data()].concat();
        match send_now(&self.socket, &packet, SocketAddr::new(to, 0)) {
            Ok(_) => {
                let mut state = lock(&self.state);
                state.used = Instant::now();
                if state.waiting.len() >= WAITING_MAX {
                    state.waiting.clear(); // nobody has replied for so long: they are lost
                }
                state.waiting.insert(request.seq(), Waiting { to, request, _room: room });
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                request.refuse(of_datagram(errno, 0).unwrap_or(Refusal::Silent));
            }
        }
    }

    async fn receive(&self) -> io::Result<()> {
        let mut buffer = vec![0; 65_535];
        let (len, from) = self.socket.recv_from(&mut buffer).await?;
        let Some((header, data)) = buffer.get(..len).and_then(|packet| packet.split_at_checked(HEADER))
        else {
            return Ok(());
        };
        let reply = if self.v4 { 0 } else { 129 };
        let &[kind, _, _, _, _, _, high, low] = header else { return Ok(()) };
        if kind != reply {
            return Ok(());
        }
        let sequence = u16::from_be_bytes([high, low]);
        let mut state = lock(&self.state);
        if state.waiting.get(&sequence).is_some_and(|waiting| waiting.to == from.ip().to_canonical())
            && let Some(waiting) = state.waiting.remove(&sequence)
        {
            let _ = waiting.request.reply(data);
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        lock(&self.state).used + IDLE
    }
}

/// Whether this user may have a ping socket of a family.
pub fn is_permitted(v4: bool) -> io::Result<()> {
    raw(v4).map(|_| ())
}

fn raw(v4: bool) -> io::Result<StdUdpSocket> {
    let (domain, protocol) =
        if v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn open(v4: bool) -> io::Result<UdpSocket> {
    UdpSocket::from_std(raw(v4)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_programs_together_have_so_much_room() {
        let room = Room::new();
        let mut taken: Vec<_> = std::iter::from_fn(|| room.take(65_507)).collect();
        assert_eq!(taken.len(), WAITING_OCTETS / 65_507);
        taken.pop();
        assert!(room.take(65_507).is_some(), "a reply makes room");
        let small = std::iter::from_fn(|| room.take(0)).take(100).collect::<Vec<_>>();
        assert!(small.len() < 100, "the smallest pins its buffer too");
    }
}
