//! Calls on descriptors that are not ours: they run, unless they would lead out of the command's network.
//!
//! No Internet socket of the machine is made under the filter. What a program has of them it inherited or was sent.

use std::os::fd::{AsFd, OwnedFd};

use portolan_native::Errno;
use portolan_protocol::Name;
use rustix::net::{AddressFamily, sockopt};

use super::call::{Answer, Call};
use super::notifier::Engine;
use crate::os::unix;

/// Sockets of services that would look names up, or fetch things, on the machine's own network.
pub(crate) const HOST_SERVICES: [&str; 8] = [
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/dbus/system_bus_socket",
    "/var/run/dbus/system_bus_socket",
    "/run/avahi-daemon/socket",
    "/var/run/avahi-daemon/socket",
];

impl Engine {
    /// A call on a descriptor that is not ours. Errors: ENETUNREACH for a send to the machine's network.
    pub(super) fn foreign(&mut self, call: &Call<'_>, fd: OwnedFd) -> Result<Answer, Errno> {
        if let Some(Name::Netlink { port, .. }) = unix::own_name(fd.as_fd()) {
            return self.netlink(call, fd, port);
        }
        if !is_inet(&fd) {
            return Ok(Answer::Run);
        }
        self.report(call);
        if sends(call) { Err(Errno(libc::ENETUNREACH)) } else { Ok(Answer::Run) }
    }

    /// A call on a descriptor of a process that may not be looked at: what it is nobody knows. Errors: EPERM for what could
    /// lead to the machine's network.
    pub(super) fn hidden(&mut self, call: &Call<'_>) -> Result<Answer, Errno> {
        if !self.has_reported_hidden
            && let Some((name, process)) = program_of(call)
        {
            self.has_reported_hidden = true;
            (self.tell)(&format!(
                "{name} ({process}) hides from other programs (it is not dumpable): without the library in it, it cannot \
                 have the command's network, and may not send to an address; run portolan as root"
            ));
        }
        if sends(call) { Err(Errno(libc::EPERM)) } else { Ok(Answer::Run) }
    }

    /// connect(2): services that look names up on the machine's network do not exist.
    pub(super) fn connect_foreign(&mut self, call: &Call<'_>, fd: OwnedFd) -> Result<Answer, Errno> {
        if sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX) {
            let mut octets = [0; size_of::<libc::sockaddr_un>()];
            let len = (call.argument(2) as usize).min(octets.len());
            let octets = octets.get_mut(..len).unwrap_or_default();
            call.read(call.argument(1), octets)?;
            let path = octets.get(2..).unwrap_or_default().split(|octet| *octet == 0).next();
            if HOST_SERVICES.iter().any(|service| Some(service.as_bytes()) == path) {
                return Err(Errno(libc::ENOENT));
            }
        }
        self.foreign(call, fd)
    }

    /// Says once that a program has a socket of the machine.
    fn report(&mut self, call: &Call<'_>) {
        if self.has_reported_foreign {
            return;
        }
        let Some((name, process)) = program_of(call) else { return };
        self.has_reported_foreign = true;
        (self.tell)(&format!(
            "{name} ({process}) has descriptor {}, an Internet socket of this machine that it inherited: what it reads and \
             writes there is not on the command's network; close such descriptors before portolan run",
            call.int(0)
        ));
    }
}

/// Whether it may carry text, or a connection, to an address.
fn sends(call: &Call<'_>) -> bool {
    let sends = [libc::SYS_connect, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg];
    sends.contains(&i64::from(call.notification.number))
}

/// The name and the number of the process that makes a call.
fn program_of(call: &Call<'_>) -> Option<(String, u32)> {
    let process = call.thread.identity().ok()?.process;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some((name.trim_end().to_owned(), process))
}

fn is_inet(fd: &OwnedFd) -> bool {
    matches!(sockopt::socket_domain(fd), Ok(AddressFamily::INET | AddressFamily::INET6))
}
