//! The machine's ports, taken before the command starts: one that cannot be had stops the run.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::spec::{Publication, Transport};

/// How often another free port is tried, when the first family's is taken in the second.
const FREE_PORT_TRIES: u32 = 16;

/// A socket of the machine, and where what it brings goes.
#[derive(Debug)]
pub struct Port {
    /// Bound, and for TCP not listening yet.
    pub socket: Socket,
    /// Its own address.
    pub at: SocketAddr,
    /// The command's port.
    pub inside: u16,
}

/// All ports that were asked for.
#[derive(Debug, Default)]
pub struct Bound {
    /// For connections.
    pub tcp: Vec<Port>,
    /// For datagrams.
    pub udp: Vec<Port>,
    /// What the user should know of them, a line each.
    pub notes: Vec<String>,
}

/// Takes the ports. Fails with one line that names the port.
pub fn bind(publications: &[Publication]) -> Result<Bound, String> {
    let mut bound = Bound::default();
    for publication in publications {
        for step in 0..publication.count {
            bind_one(publication, step, &mut bound)?;
        }
        if let Some(wildcard) = publication.address.filter(IpAddr::is_unspecified) {
            bound.notes.push(format!(
                "--publish {publication}: {wildcard} is every address of this machine, so whoever reaches the \
                 machine reaches the command"
            ));
        }
    }
    Ok(bound)
}

fn bind_one(publication: &Publication, step: u16, bound: &mut Bound) -> Result<(), String> {
    let inside = publication.inside.saturating_add(step);
    let outside = publication.outside.saturating_add(if publication.outside == 0 { 0 } else { step });
    let sockets = bind_everywhere(publication, outside)?;
    if publication.outside == 0 {
        let list: Vec<String> = sockets.iter().map(|(_, at)| at.to_string()).collect();
        let plural = if list.len() == 1 { "leads" } else { "lead" };
        bound
            .notes
            .push(format!("--publish {publication}: {} {plural} to port {inside}", list.join(" and ")));
    }
    let ports = match publication.transport {
        Transport::Tcp => &mut bound.tcp,
        Transport::Udp => &mut bound.udp,
    };
    ports.extend(sockets.into_iter().map(|(socket, at)| Port { socket, at, inside }));
    Ok(())
}

/// A port on every address of a publication: the same one on all, also if any will do.
fn bind_everywhere(publication: &Publication, port: u16) -> Result<Vec<(Socket, SocketAddr)>, String> {
    let mut tries = 0;
    loop {
        let mut sockets: Vec<(Socket, SocketAddr)> = Vec::new();
        let mut failed = None;
        for address in publication.addresses() {
            let wanted = sockets.first().map_or(port, |(_, first)| first.port());
            let at = SocketAddr::new(address, wanted);
            match open(at, publication.transport) {
                Ok(socket) => sockets.push(socket),
                // A machine without IPv6 has no ::1, and nobody has named it.
                Err(error) if publication.address.is_none() && is_missing(&error) => {}
                Err(error) => failed = Some((at, error)),
            }
        }
        let (at, error) = match failed {
            None if !sockets.is_empty() => return Ok(sockets),
            None => return Err(format!("--publish {publication}: this machine has no loopback address")),
            Some(failed) => failed,
        };
        tries += 1;
        if port != 0 || tries >= FREE_PORT_TRIES || error.kind() != io::ErrorKind::AddrInUse {
            return Err(explain(publication, at, &error));
        }
    }
}

fn open(at: SocketAddr, transport: Transport) -> io::Result<(Socket, SocketAddr)> {
    if at.port() == 0 && transport == Transport::Tcp {
        // A port that the system has chosen is given up when the socket ceases to listen; one that was named is not.
        let free = std::net::TcpListener::bind(at)?.local_addr()?;
        return open(free, transport);
    }
    let (kind, protocol) = match transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(at), kind.nonblocking(), Some(protocol))?;
    if at.is_ipv6() {
        // [::] is IPv6's wildcard alone, as its text says.
        socket.set_only_v6(true)?;
    }
    // What an earlier run has left in TIME-WAIT does not count; what is bound now does.
    socket.set_reuse_address(transport == Transport::Tcp)?;
    socket.bind(&at.into())?;
    if transport == Transport::Tcp {
        // Somebody who listens is found out only so; the program does not listen yet, and so the port closes again.
        socket.listen(BACKLOG)?;
        close(&socket)?;
    }
    // Nor may another program take the port while it is closed.
    socket.set_reuse_address(false)?;
    let at = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((socket, at))
}

/// Connections that wait to be accepted: what Linux allows a program by default.
pub(super) const BACKLOG: i32 = 4096;

/// Listens no more, and keeps the port.
pub(super) fn close(socket: &Socket) -> io::Result<()> {
    socket.shutdown(std::net::Shutdown::Both)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

fn explain(publication: &Publication, at: SocketAddr, error: &io::Error) -> String {
    let why = match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            format!("{at} is in use on this machine; end what uses it, or publish another port")
        }
        Some(libc::EACCES) => format!(
            "{at} is not for this user: ports below net.ipv4.ip_unprivileged_port_start are root's; publish \
             a higher one, for instance 8080:{}",
            publication.inside
        ),
        Some(libc::EADDRNOTAVAIL) => {
            format!("{} is no address of this machine; see 'ip address'", at.ip())
        }
        _ => format!("{at}: {error}"),
    };
    format!("--publish {publication}: {why}")
}
