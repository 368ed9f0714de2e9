//! UDP flows: one socket of the machine for each endpoint of the command, and one more for what it sends to the
//! machine's loopback, which hears the loopback only.
//!
//! The socket is not connected, so an endpoint keeps its port whomever it talks to, and anyone may answer (RFC 4787
//! REQ-1, REQ-8): what an ordinary socket of the machine would do. ICMP errors arrive by the socket's error queue and
//! go back over the wire, quoting the datagram they are about. Start with [`Flows::carry`].

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portolan::gateway::{UdpDatagram, UdpReply};
use portolan_stack::Refusal;
use portolan_wire::Endpoint;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Counters;
use super::refusal::{is_out_of_descriptors, of_datagram};
use crate::dns;
use crate::fence::Fence;
use crate::os::error_queue;

/// Flows at the same time; then the one that was used longest ago goes.
const FLOWS_MAX: usize = 4096;
/// How long a flow lives without a datagram (RFC 4787 REQ-5).
const IDLE: Duration = Duration::from_secs(300);
/// The same for one that has only asked DNS servers.
const IDLE_DNS: Duration = Duration::from_secs(30);
/// Datagrams of a flow that are kept so that an ICMP error can quote them.
const QUOTABLE_MAX: usize = 4;
/// A longer one is not kept: an error would find only its head of use, but it would pin all its memory.
const QUOTABLE_OCTETS: usize = 2048;
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// An endpoint of the command, and whether the flow is with the machine's loopback.
type Key = (Endpoint, bool);
type Table = Arc<Mutex<HashMap<Key, Arc<Flow>>>>;

/// The flows of one wire.
pub struct Flows {
    counters: Arc<Counters>,
    fence: Arc<Fence>,
    host_loopback: Arc<[IpAddr]>,
    table: Table,
}

/// One endpoint of the command and its socket.
struct Flow {
    socket: UdpSocket,
    is_loopback: bool,
    fence: Arc<Fence>,
    host_loopback: Arc<[IpAddr]>,
    reply: UdpReply,
    state: Mutex<State>,
    /// It has sent to another port than DNS's.
    is_general: AtomicBool,
    evicted: Notify,
}

struct State {
    used: Instant,
    /// The last datagrams by their destination, the oldest first.
    quotable: VecDeque<(SocketAddr, UdpDatagram)>,
}

impl Flows {
    /// No flows yet. On the wire, the machine's loopback has the addresses `host_loopback`, or its own where there is
    /// none. What strangers send, to whom the fence lets nothing go, is dropped.
    pub fn new(counters: Arc<Counters>, fence: Arc<Fence>, host_loopback: Vec<IpAddr>) -> Flows {
        Flows { counters, fence, host_loopback: host_loopback.into(), table: Table::default() }
    }

    /// Sends a datagram on to `address`, with the port that it has.
    pub fn carry(&mut self, datagram: UdpDatagram, address: IpAddr) {
        let to = SocketAddr::new(address, datagram.flow().local.port);
        if to.port() == 0 {
            return datagram.refuse(Refusal::Silent);
        }
        match self.flow(&datagram, address) {
            Ok(flow) => flow.send(datagram, to),
            Err(error) => {
                if is_out_of_descriptors(&error) {
                    self.counters.out_of_descriptors.fetch_add(1, Ordering::Relaxed);
                }
                let errno = error.raw_os_error().unwrap_or(0);
                datagram.refuse(of_datagram(errno, 0).unwrap_or(Refusal::Silent));
            }
        }
    }

    fn flow(&mut self, datagram: &UdpDatagram, address: IpAddr) -> io::Result<Arc<Flow>> {
        let key = (datagram.flow().remote, address.is_loopback());
        let mut table = lock(&self.table);
        if let Some(flow) = table.get(&key) {
            return Ok(flow.clone());
        }
        if table.len() >= FLOWS_MAX {
            let oldest = table.iter().min_by_key(|(_, flow)| lock(&flow.state).used).map(|(key, _)| *key);
            if let Some(flow) = oldest.and_then(|oldest| table.remove(&oldest)) {
                flow.evicted.notify_one();
                self.counters.udp_evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        let flow = Arc::new(Flow {
            socket: open(address)?,
            is_loopback: address.is_loopback(),
            fence: self.fence.clone(),
            host_loopback: self.host_loopback.clone(),
            reply: datagram.reply_handle(),
            state: Mutex::new(State { used: Instant::now(), quotable: VecDeque::new() }),
            is_general: AtomicBool::new(false),
            evicted: Notify::new(),
        });
        table.insert(key, flow.clone());
        drop(table);
        tokio::spawn(live(flow.clone(), key, self.table.clone()));
        Ok(flow)
    }
}

/// Receives for a flow until it has been idle for long enough or had to make room.
async fn live(flow: Arc<Flow>, key: Key, table: Table) {
    loop {
        tokio::select! {
            received = flow.receive() => if received.is_err() { break },
            () = tokio::time::sleep_until(flow.deadline()) => if Instant::now() >= flow.deadline() { break },
            () = flow.evicted.notified() => return,
        }
    }
    let mut table = lock(&table);
    // Another flow may have taken the place since.
    if table.get(&key).is_some_and(|listed| Arc::ptr_eq(listed, &flow)) {
        table.remove(&key);
    }
}

impl Flow {
    fn send(&self, datagram: UdpDatagram, to: SocketAddr) {
        if to.port() != dns::PORT {
            self.is_general.store(true, Ordering::Relaxed);
        }
        lock(&self.state).used = Instant::now();
        // A send also tells of an earlier datagram's error; that is in the queue, and this one is sent again.
        let mut outcome = send_now(&self.socket, datagram.payload(), to);
        if outcome.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
            && self.take_errors() > 0
        {
            outcome = send_now(&self.socket, datagram.payload(), to);
        }
        match outcome {
            Ok(_) => self.remember(datagram, to),
            // A full socket drops, as a full link does.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                if let Some(refusal) = of_datagram(error.raw_os_error().unwrap_or(0), 0) {
                    datagram.refuse(refusal);
                }
            }
        }
    }

    fn remember(&self, datagram: UdpDatagram, to: SocketAddr) {
        if datagram.payload().len() > QUOTABLE_OCTETS {
            return;
        }
        let mut state = lock(&self.state);
        state.quotable.retain(|(known, _)| *known != to);
        if state.quotable.len() >= QUOTABLE_MAX {
            state.quotable.pop_front();
        }
        state.quotable.push_back((to, datagram));
    }

    /// One datagram or batch of errors from the machine to the wire.
    async fn receive(&self) -> io::Result<()> {
        let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            self.take_errors();
        }
        let mut buffer = vec![0; DATAGRAM_MAX];
        // Many datagrams for one buffer, but not without end: other tasks share the thread.
        for _ in 0..64 {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((len, from)) => {
                    if from.ip().to_canonical().is_loopback() != self.is_loopback {
                        continue;
                    }
                    let source = self.on_the_wire(from);
                    let address = source.address.to_ip().to_canonical();
                    if !self.fence.permits_datagram_from(address, source.port) {
                        continue;
                    }
                    lock(&self.state).used = Instant::now();
                    let payload = buffer.get(..len).unwrap_or_default();
                    // What the wire cannot take is lost, as on any wire.
                    let _ = self.reply.send_from(source, payload);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An error of an earlier datagram, told here too.
                Err(_) => {
                    self.take_errors();
                }
            }
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// The sender as the command knows it: the machine's loopback is `host.portolan.internal`.
    fn on_the_wire(&self, from: SocketAddr) -> Endpoint {
        let ip = from.ip().to_canonical();
        let address = if ip.is_loopback() {
            self.host_loopback.iter().copied().find(|known| known.is_ipv4() == ip.is_ipv4()).unwrap_or(ip)
        } else {
            ip
        };
        Endpoint { address: address.into(), port: from.port() }
    }

    /// Passes queued ICMP errors on; returns how many there were.
    fn take_errors(&self) -> usize {
        let mut count = 0;
        // Not by try_io: a send may know of an error before the poller does.
        while let Ok(error) = error_queue::take(self.socket.as_fd()) {
            count += 1;
            let state = lock(&self.state);
            if let Some(refusal) = of_datagram(error.errno, error.info)
                && let Some((_, datagram)) = state.quotable.iter().find(|(to, _)| *to == error.destination)
            {
                datagram.refuse(refusal);
            }
        }
        let is_pending = matches!(self.socket.take_error(), Ok(Some(_)));
        // The queue is empty: tokio is to wait for the next error.
        let _ = self.socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        count.max(usize::from(is_pending))
    }

    fn deadline(&self) -> Instant {
        let idle = if self.is_general.load(Ordering::Relaxed) { IDLE } else { IDLE_DNS };
        lock(&self.state).used + idle
    }
}

/// Sends without waiting. Not by tokio's `try_send_to`, which refuses until the poller has seen the socket once: the
/// first datagram of every flow would be lost.
pub(crate) fn send_now(socket: &UdpSocket, octets: &[u8], to: SocketAddr) -> io::Result<usize> {
    socket2::SockRef::from(socket).send_to(octets, &to.into())
}

/// A socket of the machine with a port of the machine's choice, to send to `address`. One for the loopback is bound
/// there: who is elsewhere must not reach it.
fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let own: IpAddr = match (address, address.is_loopback()) {
        (IpAddr::V4(_), true) => Ipv4Addr::LOCALHOST.into(),
        (IpAddr::V6(_), true) => Ipv6Addr::LOCALHOST.into(),
        (IpAddr::V4(_), false) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((own, 0))?;
    socket.set_nonblocking(true)?;
    error_queue::enable(socket.as_fd(), address.is_ipv4())?;
    UdpSocket::from_std(socket)
}

/// The tables are whole between any two statements, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
