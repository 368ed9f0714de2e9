//! Datagrams: a call's text to and from the messages of [`portolan_protocol::datagram`].

use std::os::fd::OwnedFd;

use portolan_native::Errno;
use portolan_native::control_message::{Ancillary, Report};
use portolan_native::inet::{self, Sockaddr, text_max};
use portolan_protocol::{Address, CALL_MAX, DatagramHeader, ErrorReport, Family, Operation, Reply, SocketId};

use super::call::{Answer, CAP_NET_ADMIN, CAP_NET_RAW, Call, wait_to_receive, wait_to_send};
use super::message::{Message, Told};
use super::notifier::Engine;
use super::socket::Socket;
use super::stack::errno_of;
use crate::os::unix;

/// The most room for control messages that is looked at.
const CONTROL_MAX: u64 = 512;

impl Engine {
    pub(super) fn send_datagram(
        &mut self,
        call: &Call<'_>,
        socket: Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        if message.flags & libc::MSG_OOB != 0 {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        let destination = match message.name {
            0 => None,
            name => inet::destination(call.read_address(name, message.name_len)?, socket.own.kind)?,
        };
        let header = header(call, message, destination, socket.family())?;
        if destination.is_none() && self.default_destination(&socket)?.is_none() {
            return Err(Errno(libc::EDESTADDRREQ));
        }
        let len = message.len();
        if len > text_max(socket.family()) {
            return Err(Errno(libc::EMSGSIZE));
        }
        self.stack.order(Operation::CheckDestination {
            socket: socket.own,
            address: header.remote,
            source: header.local,
            len: header.len,
            segment: header.segment,
        })?;
        if let Some(error) = socket.take_report() {
            return Err(error);
        }
        let mut octets = Vec::with_capacity(size_of::<SocketId>() + DatagramHeader::LEN + len);
        if socket.own.kind.is_bare {
            octets.extend(socket.own.id.0);
        }
        octets.extend(header.encode());
        let start = octets.len();
        octets.resize(start + len, 0);
        let text = octets.get_mut(start..).unwrap_or_default();
        let copied = call.thread.read_pieces(text, &message.pieces).map_err(|error| errno_of(&error))?;
        if copied != len {
            return Err(Errno(libc::EFAULT));
        }
        match socket.write_message(&octets).map_err(|error| errno_of(&error)) {
            Ok(_) => Ok(Answer::Value(len)),
            Err(Errno(libc::EAGAIN)) => wait_to_send(socket.fd, message.flags & libc::MSG_DONTWAIT == 0),
            Err(error) => Err(portolan_native::errno::gone(error)),
        }
    }

    pub(super) fn receive_datagram(
        &mut self,
        call: &Call<'_>,
        socket: Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        let peeks = message.flags & libc::MSG_PEEK != 0;
        let received = match unix::receive_with_descriptor(socket.fd(), &mut self.scratch, peeks) {
            Ok(received) => received,
            Err(error) => match errno_of(&error) {
                Errno(libc::EAGAIN) => {
                    return wait_to_receive(socket.fd, message.flags & libc::MSG_DONTWAIT == 0);
                }
                error => return Err(portolan_native::errno::gone(error)),
            },
        };
        if received.len == 0 && received.descriptor.is_none() {
            // The end: of the stack process, or of the program's own reading side.
            if unix::hangup(socket.fd()).is_closed {
                return Err(Errno::NETDOWN);
            }
            message.tell(call, &Told::default())?;
            return Ok(Answer::ZERO);
        }
        let all = self.scratch.get(..received.len.min(self.scratch.len())).unwrap_or_default();
        let (header, text) = socket.split(received.descriptor, all).ok_or(Errno(libc::EIO))?;
        if header.errno != 0 {
            return Err(Errno(header.errno));
        }
        let copied = text.get(..message.len()).unwrap_or(text);
        call.thread.write_pieces(copied, &message.pieces).map_err(|error| errno_of(&error))?;
        let is_cut = copied.len() < text.len();
        let room = if message.control.address == 0 { 0 } else { message.control.len.min(CONTROL_MAX) };
        let report = Report::new(&header, socket.family(), room as usize);
        let flags =
            if is_cut { libc::MSG_TRUNC } else { 0 } | if report.is_cut() { libc::MSG_CTRUNC } else { 0 };
        let (name, name_len) = Sockaddr::new(header.remote, socket.family());
        let name = name.as_bytes(name_len);
        message.tell(call, &Told { name, control: report.as_bytes(), flags })?;
        let tells_true_len = message.flags & libc::MSG_TRUNC != 0;
        Ok(Answer::Value(if tells_true_len { text.len() } else { copied.len() }))
    }

    /// MSG_ERRQUEUE: an ICMP error, with the front of the datagram that it is about. It never waits.
    pub(super) fn receive_report(
        &mut self,
        call: &Call<'_>,
        socket: &Socket,
        message: &Message,
    ) -> Result<Answer, Errno> {
        let mut buffer = [0; CALL_MAX];
        let Reply::Value(octets) =
            self.stack.call(Operation::TakeReport { socket: socket.target() }, &mut buffer)?
        else {
            return Err(Errno(libc::EPROTO));
        };
        let error = ErrorReport::decode(octets).map_err(|_| Errno(libc::EPROTO))?;
        // Whoever has the report needs no errno as well.
        socket.take_report();
        let copied = error.text.get(..message.len()).unwrap_or(error.text);
        call.thread.write_pieces(copied, &message.pieces).map_err(|error| errno_of(&error))?;
        let room = if message.control.address == 0 { 0 } else { message.control.len.min(CONTROL_MAX) };
        let report = Report::of_error(&error, socket.family(), room as usize);
        let mut flags = libc::MSG_ERRQUEUE;
        flags |= if report.is_cut() { libc::MSG_CTRUNC } else { 0 };
        flags |= if copied.len() < error.text.len() { libc::MSG_TRUNC } else { 0 };
        let (name, name_len) = Sockaddr::new(error.to, socket.family());
        message.tell(call, &Told { name: name.as_bytes(name_len), control: report.as_bytes(), flags })?;
        Ok(Answer::Value(copied.len()))
    }
}

impl Socket {
    /// The length of the next datagram, for FIONREAD; 0 if there is none.
    pub(super) fn next_len(&self) -> u32 {
        let waiting = unix::receive_with_descriptor(self.fd(), &mut [], true);
        let len = waiting.map_or(0, |waiting| waiting.len);
        let header = if self.own.kind.is_bare { 0 } else { DatagramHeader::LEN };
        u32::try_from(len.saturating_sub(header)).unwrap_or(u32::MAX)
    }

    /// What ICMP has said of a connected socket's datagrams, if that is next: whichever call comes first is told, and no
    /// other.
    pub(super) fn take_report(&self) -> Option<Errno> {
        let mut octets = [0; DatagramHeader::LEN];
        let waiting = unix::receive_with_descriptor(self.fd(), &mut octets, true).ok()?;
        let front = octets.get(..waiting.len.min(octets.len()))?;
        let errno = self.split(waiting.descriptor, front)?.0.errno;
        if errno == 0 {
            return None;
        }
        // A read of the program's may have been quicker; then a datagram is lost, which UDP may.
        unix::receive_with_descriptor(self.fd(), &mut octets, false).ok()?;
        Some(Errno(errno))
    }

    /// The header and the text of a message that was received, with what descriptor came along. A bare one without a
    /// header says nothing; `None` if it is no datagram.
    fn split<'a>(&self, tag: Option<OwnedFd>, message: &'a [u8]) -> Option<(DatagramHeader, &'a [u8])> {
        if self.own.kind.is_bare {
            return Some((read_tag(tag).unwrap_or(DatagramHeader::new(0)), message));
        }
        let (header, text) = message.split_first_chunk()?;
        Some((DatagramHeader::decode(header).unwrap_or(DatagramHeader::new(0)), text))
    }

    /// Writes one message to the stack process, a header longer than what the program's own writes may be.
    fn write_message(&self, octets: &[u8]) -> std::io::Result<usize> {
        let written = unix::write(self.fd(), octets);
        if !matches!(&written, Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE)) {
            return written;
        }
        unix::set_program_buffer(self.fd())?;
        let written = unix::write(self.fd(), octets);
        let _ = unix::limit_message(self.fd(), text_max(self.family()));
        written
    }
}

fn header(
    call: &Call<'_>,
    message: &Message,
    destination: Option<Address>,
    family: Family,
) -> Result<DatagramHeader, Errno> {
    if message.control.len > CONTROL_MAX {
        return Err(Errno(libc::ENOBUFS));
    }
    let mut control = vec![0; message.control.len as usize];
    call.read(message.control.address, &mut control)?;
    let mut header = DatagramHeader::new(u32::try_from(message.len()).unwrap_or(u32::MAX));
    header.remote = destination.unwrap_or(Address::UNSPECIFIED);
    let ancillary = Ancillary::parse(&control, family)?;
    if ancillary.has_mark() && call.caller(CAP_NET_ADMIN)?.uid != 0 && call.caller(CAP_NET_RAW)?.uid != 0 {
        return Err(Errno(libc::EPERM));
    }
    ancillary.apply(&mut header);
    Ok(header)
}

/// The header that came with a bare datagram.
fn read_tag(tag: Option<OwnedFd>) -> Option<DatagramHeader> {
    let mut octets = [0; DatagramHeader::LEN];
    let len = rustix::io::pread(tag?, &mut octets, 0).ok()?;
    if len == octets.len() { DatagramHeader::decode(&octets).ok() } else { None }
}
