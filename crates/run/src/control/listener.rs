//! Hands completed handshakes to a listening program.
//!
//! The program's own socket listens. For each connection an end is bound to a name that holds both addresses, and
//! connected to the program's name; accept, getpeername and getsockname read the addresses out of it. A full backlog
//! gives EAGAIN: the connection is kept and tried again, and behind it the stack's own queue fills up.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use portolan_protocol::request::Target;
use portolan_protocol::{Name, SocketId};

use super::end::End;
use super::network::HostSocket;
use super::registry::Registry;
use super::socket::Record;
use super::stream::{Carrier, Scratch};
use crate::os::unix;

/// Pauses between tries while a program's backlog is full.
const RETRY_FIRST: Duration = Duration::from_millis(1);
const RETRY_LAST: Duration = Duration::from_millis(16);

/// A connection, and both of its addresses: local, remote.
type Connection = (HostSocket, SocketAddr, SocketAddr);

/// Serves one listener until it or its program is gone.
pub(super) async fn run(registry: Rc<Registry>, listener: Rc<Record>, scratch: Scratch) {
    let Ok(socket) = listener.socket() else { return };
    while let Ok(connection) = poll_fn(|cx| socket.poll_accept(cx)).await {
        let Ok(id) = random_id() else { continue };
        let target = Target { id, kind: listener.target.kind };
        registry.wait_for_client(connection.2).await;
        match hand_over(&connection, target, &listener).await {
            Ok(end) => start(&registry, &listener, target, connection.0, end, &scratch),
            Err(error) => {
                // The program closed its socket since the SYN came: as on the kernel, the other host sees a reset.
                connection.0.abort();
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    registry.remove(listener.target.id);
                    return;
                }
            }
        }
    }
}

/// Connects an end to the program's listener, waiting while its backlog is full.
async fn hand_over(connection: &Connection, target: Target, listener: &Record) -> io::Result<OwnedFd> {
    let (_, local, remote) = connection;
    let Target { id, kind } = target;
    let own = Name::Accepted { id, kind, local: (*local).into(), remote: (*remote).into() };
    let end = unix::bound_stream(&own)?;
    let program = Name::Socket { id: listener.target.id, kind };
    let mut pause = RETRY_FIRST;
    loop {
        match unix::connect_to(end.as_fd(), &program) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_LAST);
            }
            result => return result.map(|()| end),
        }
    }
}

fn start(
    registry: &Rc<Registry>,
    listener: &Record,
    target: Target,
    socket: HostSocket,
    end: OwnedFd,
    scratch: &Scratch,
) {
    let Ok(end) = End::new(end) else { return socket.abort() };
    let record = Rc::new(Record::accepted(target, socket, &end));
    if let Some(owner) = listener.owner() {
        record.set_owner(&owner);
    }
    let Ok(socket) = record.socket() else { return };
    registry.insert(&record);
    let carrier = Carrier::for_accept(end, socket, record, Rc::clone(scratch));
    let registry = Rc::clone(registry);
    tokio::task::spawn_local(async move {
        carrier.run().await;
        registry.retire(target.id);
    });
}

fn random_id() -> Result<SocketId, getrandom::Error> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets)?;
    Ok(SocketId(octets))
}
