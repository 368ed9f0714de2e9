//! Requests to the kernel's tables of interfaces, addresses and routes (rtnetlink(7)), each answered before the next.
//!
//! A request is a head that depends on its kind, then attributes: octets with a length and a kind, padded to four, which
//! may hold attributes themselves.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// `NLM_F_REQUEST | NLM_F_ACK`, and `NLM_F_EXCL | NLM_F_CREATE`.
const REQUEST: u16 = 0x01 | 0x04;
const CREATE: u16 = 0x200 | 0x400;
/// The kind of an answer that says how a request ended.
const ERROR: u16 = 2;
/// `struct nlmsghdr`.
const HEAD: usize = 16;

/// What a request is about: its number in rtnetlink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `RTM_NEWLINK`.
    Link = 16,
    /// `RTM_NEWADDR`.
    Address = 20,
    /// `RTM_NEWROUTE`.
    Route = 24,
}

/// A request that is being written.
#[derive(Debug)]
pub(super) struct Request(Vec<u8>);

impl Request {
    /// To make something that must not be there yet. `head` is the kind's own.
    pub(super) fn create(kind: Kind, head: &[u8]) -> Request {
        Request::new(kind, REQUEST | CREATE, head)
    }

    /// To change what is there.
    pub(super) fn change(kind: Kind, head: &[u8]) -> Request {
        Request::new(kind, REQUEST, head)
    }

    fn new(kind: Kind, flags: u16, head: &[u8]) -> Request {
        let mut octets = vec![0; 4];
        octets.extend((kind as u16).to_ne_bytes());
        octets.extend(flags.to_ne_bytes());
        // The sequence number and the port: one socket, one request at a time.
        octets.extend([0; 8]);
        octets.extend(head);
        Request(octets)
    }

    /// Appends an attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Request {
        self.put(kind, |octets| octets.extend(value));
        self
    }

    /// Appends a text, with its final NUL.
    pub(super) fn with_text(mut self, kind: u16, text: &str) -> Request {
        self.put(kind, |octets| octets.extend(text.bytes().chain([0])));
        self
    }

    /// Appends an attribute that begins with `head` and goes on with attributes.
    pub(super) fn nest(mut self, kind: u16, head: &[u8], fill: impl FnOnce(Request) -> Request) -> Request {
        self.put(kind, |octets| {
            octets.extend(head);
            let inner = fill(Request(std::mem::take(octets)));
            *octets = inner.0;
        });
        self
    }

    fn put(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        write(&mut self.0);
        let len = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        let [a, b, c, d] = [len.to_ne_bytes(), kind.to_ne_bytes()].concat()[..] else { return };
        if let Some(head) = self.0.get_mut(start..start + 4) {
            head.copy_from_slice(&[a, b, c, d]);
        }
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if let Some(head) = self.0.first_chunk_mut() {
            *head = len.to_ne_bytes();
        }
        self.0
    }
}

/// A connection to the tables of the namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Tables(OwnedFd);

impl Tables {
    /// Those of this thread's network namespace.
    pub(super) fn open() -> io::Result<Tables> {
        // Protocol 0 is NETLINK_ROUTE.
        Ok(Tables(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// Sends a request and waits for its outcome. Errors: the kernel's.
    pub(super) fn ask(&self, request: Request) -> io::Result<()> {
        send(&self.0, &request.finish(), SendFlags::empty())?;
        let mut answer = [0; 4096];
        let (len, _) = recv(&self.0, &mut answer, RecvFlags::empty())?;
        outcome(answer.get(..len).unwrap_or_default())
    }

    /// The number of an interface.
    pub(super) fn index(&self, name: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.0, name)?)
    }
}

/// What an answer says: `struct nlmsgerr` behind the head, an errno with its sign changed, 0 for success.
fn outcome(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(HEAD..HEAD + 4).and_then(|error| error.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(errno)) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nest() {
        let request = Request::change(Kind::Link, &[9; 4])
            .with_text(3, "ab")
            .nest(18, &[7; 4], |inner| inner.with(1, &[5]))
            .finish();
        let len = |at: usize| u16::from_ne_bytes(request[at..at + 2].try_into().unwrap());
        assert_eq!(u32::from_ne_bytes(request[..4].try_into().unwrap()) as usize, request.len());
        assert_eq!((len(4), len(6)), (16, 5));
        assert_eq!((len(20), &request[22..28]), (7, &[3, 0, b'a', b'b', 0, 0][..]));
        assert_eq!((len(28), len(30), &request[32..36]), (16, 18, &[7; 4][..]));
        assert_eq!((len(36), len(38), &request[40..]), (5, 1, &[5, 0, 0, 0][..]));
    }

    #[test]
    fn an_answer_is_an_errno_or_success() {
        let answer = |errno: i32| [&[36, 0, 0, 0, 2, 0][..], &[0; 10], &errno.to_ne_bytes()].concat();
        assert!(outcome(&answer(0)).is_ok());
        assert_eq!(outcome(&answer(-libc::EPERM)).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert_eq!(outcome(&[0; 7]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
