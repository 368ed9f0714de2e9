//! Published connections: a port of the machine that is open while the program listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use portolan::{Host, TcpSocket, TcpStream};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::listen::{self, Port};
use super::{Inside, on_the_wire};
use crate::gateway::{Shared, tcp};

/// A pause after a failed accept: at the limit of descriptors the queue would otherwise be asked again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// One port of the machine, and where it leads.
pub(super) struct Listener {
    pub(super) port: Port,
    pub(super) command: Inside,
    pub(super) gateway: Host,
    pub(super) shared: Arc<Shared>,
    pub(super) listening: watch::Receiver<()>,
}

impl Listener {
    /// Accepts connections while the program listens, until the control server is gone.
    pub(super) async fn serve(mut self) {
        let (mut open, mut is_explained) = (None, false);
        loop {
            // Looked at first: a program that begins to listen between the two looks has a listener for both.
            let hears_itself = !is_explained && self.program_listens_to_itself();
            let wanted = self.program_listens();
            if wanted != open.is_some() {
                open = self.set_open(wanted);
            }
            if !wanted && hears_itself {
                is_explained = true;
                let port = self.port.inside;
                tracing::warn!(
                    "--publish: the command listens on its own loopback only, so {} leads nowhere; let it listen on \
                     0.0.0.0:{port} or [::]:{port}",
                    self.port.at
                );
            }
            tokio::select! {
                changed = self.listening.changed() => if changed.is_err() { return },
                accepted = accept(open.as_ref()) => match accepted {
                    Ok((outside, client)) => {
                        let both = on_the_wire(&self.shared.plan, client, self.port.inside);
                        if let Some((source, to)) = both {
                            tokio::spawn(carry(self.gateway.clone(), outside, source, to));
                        }
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    /// Whether a client of this port would find a listener.
    fn program_listens(&self) -> bool {
        let Some((_, to)) = on_the_wire(&self.shared.plan, self.port.at, self.port.inside) else {
            return false;
        };
        self.command.hears(to)
    }

    fn program_listens_to_itself(&self) -> bool {
        let loopback: IpAddr =
            if self.port.at.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        self.command.hears(SocketAddr::new(loopback, self.port.inside))
    }

    /// Opens or closes the machine's port. What is accepted from is a second handle of the same socket, and exists
    /// only while it listens: tokio takes the hang-up of a socket that does not for good.
    fn set_open(&self, wanted: bool) -> Option<TcpListener> {
        let socket = &self.port.socket;
        let opened = if wanted {
            let listened = socket.listen(listen::BACKLOG).and_then(|()| socket.try_clone());
            listened.and_then(|listener| TcpListener::from_std(listener.into())).map(Some)
        } else {
            listen::close(socket).map(|()| None)
        };
        opened.unwrap_or_else(|error| {
            tracing::warn!("--publish: cannot listen on {} any more: {error}", self.port.at);
            None
        })
    }
}

/// The next connection; for ever without a listener.
async fn accept(listener: Option<&TcpListener>) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Connects to the program in the client's name, and carries the connection to its end. One that the program refuses is
/// reset.
async fn carry(gateway: Host, outside: tokio::net::TcpStream, source: SocketAddr, to: SocketAddr) {
    let _ = outside.set_nodelay(true);
    let connected = tokio::select! {
        connected = connect(&gateway, source, to) => connected,
        // The client does not want it any more: neither do we.
        error = tcp::failure(&outside) => Err(error),
    };
    match connected {
        Ok(inside) => {
            let _ = inside.set_nodelay(true);
            tcp::relay(&inside, &outside).await;
        }
        Err(_) => tcp::reset(&outside),
    }
}

async fn connect(gateway: &Host, source: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4(gateway)? } else { TcpSocket::new_v6(gateway)? };
    // The port is the client's: it may lead to several ports at a time, and flows the other way may use its number.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(source)?;
    socket.connect(to).await
}
