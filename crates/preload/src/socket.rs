//! socket(2), and what a descriptor stands for.

#![expect(unsafe_code, reason = "a libc symbol")]

use libc::c_int;
use portolan_native::kind::{self, Domain};
use portolan_protocol::request::Target;
use portolan_protocol::{Address, Family, Kind, Name, Operation, SEND_BUFFER, SocketId, Transport};

use crate::errno::{self, Errno};
use crate::{control, real, sandbox, state, sys};

/// A descriptor that is a socket of ours.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    pub(crate) fd: c_int,
    /// From the descriptor's own name: for an accepted connection that is the listener's.
    pub(crate) own: Target,
}

/// What the descriptor is connected to.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    /// Nothing: fresh, bound or listening.
    None,
    /// The stack process, by connect or, for UDP, from the beginning.
    Attached,
    /// The stack process, which connected to the program's listener.
    Accepted { target: Target, local: Address, remote: Address },
}

impl Socket {
    /// The socket behind a descriptor, if it is ours.
    pub(crate) fn identify(fd: c_int) -> Option<Self> {
        if !state::is_active() || !sandbox::may_look_at(fd) {
            return None;
        }
        match sys::own_name(fd)? {
            // A bare one is the seccomp engine's: the calls that it needs reach it from here on.
            Name::Socket { id, kind } if !kind.is_bare => Some(Self { fd, own: Target { id, kind } }),
            _ => None,
        }
    }

    /// As [`Socket::identify`], for UDP only, and without a system call while the process has no UDP socket.
    pub(crate) fn identify_datagram(fd: c_int) -> Option<Self> {
        if !state::has_datagrams() {
            return None;
        }
        Self::identify(fd).filter(|socket| !socket.transport().is_stream())
    }

    /// What it is connected to, as the kernel knows it.
    pub(crate) fn peer(self) -> Peer {
        match sys::peer_name(self.fd) {
            Ok(Some(Name::Accepted { id, kind, local, remote })) => {
                Peer::Accepted { target: Target { id, kind }, local, remote }
            }
            Ok(_) => Peer::Attached,
            Err(_) => Peer::None,
        }
    }

    /// What to name in control calls: an accepted connection has an identity of its own.
    pub(crate) fn target(self) -> Target {
        match (self.transport(), self.own) {
            (Transport::Tcp, own) => match self.peer() {
                Peer::Accepted { target, .. } => target,
                _ => own,
            },
            (_, own) => own,
        }
    }

    pub(crate) fn transport(self) -> Transport {
        self.own.kind.transport
    }

    pub(crate) fn family(self) -> Family {
        self.own.kind.family
    }
}

/// socket(2): AF_INET and AF_INET6 become AF_UNIX, bound to a name that says what they are.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let pass_on = || {
        // SAFETY: the program's own arguments.
        unsafe { real::socket(domain, kind, protocol) }
    };
    if !state::is_active() {
        return pass_on();
    }
    let family = match kind::domain(domain) {
        Domain::Inet(family) => family,
        Domain::Refused => return errno::finish(Err(Errno(libc::EAFNOSUPPORT))),
        Domain::Other => return pass_on(),
    };
    errno::finish(
        kind::transport(family, kind, protocol)
            .and_then(|transport| create(Kind::new(transport, family), kind)),
    )
}

/// A fresh socket. `flags` is the type argument, of which SOCK_NONBLOCK and SOCK_CLOEXEC are kept.
pub(crate) fn create(kind: Kind, flags: c_int) -> Result<c_int, Errno> {
    // Later calls must need no new descriptor; a stack process that is gone is reported by them.
    let _ = control::prepare();
    let native = match kind.transport {
        Transport::Tcp => libc::SOCK_STREAM,
        _ => libc::SOCK_SEQPACKET,
    };
    let fd = sys::unix_socket(native | flags & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC))?;
    let prepared = name_and_attach(fd, kind);
    if prepared.is_err() {
        sys::close(fd);
    }
    prepared.map(|()| fd)
}

fn name_and_attach(fd: c_int, kind: Kind) -> Result<(), Errno> {
    let id = SocketId(sys::random()?);
    sys::bind(fd, &Name::Socket { id, kind })?;
    sys::set_option(fd, libc::SO_SNDBUF, SEND_BUFFER)?;
    match kind.transport {
        Transport::Tcp => state::hint_stream(fd, true),
        _ => {
            // Attached at once: an unconnected SEQPACKET socket would poll HUP and take datagrams of strangers. The
            // stack process takes only sockets that it was told of.
            let rendezvous = state::rendezvous().ok_or(Errno::NETDOWN)?;
            control::order(Operation::LocalAddress { socket: Target { id, kind } })?;
            attach(fd, rendezvous.name())?;
            state::hint_stream(fd, false);
            state::note_datagrams();
        }
    }
    Ok(())
}

/// Connects to the stack process, even when the descriptor is non-blocking and the process busy.
pub(crate) fn attach(fd: c_int, rendezvous: Name) -> Result<(), Errno> {
    for _ in 0..1000 {
        match sys::connect(fd, &rendezvous) {
            Err(Errno(libc::EAGAIN)) => sys::pause_ms(1),
            Err(Errno(libc::EINTR)) => {}
            result => return result.map_err(control::gone),
        }
    }
    Err(Errno::NETDOWN)
}
