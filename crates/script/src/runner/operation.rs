//! A system call of a script with its arguments evaluated: what is to be done, and what is to be compared.

use std::collections::BTreeMap;

use super::symbols;
use crate::language::ast::{Call, Expr, Message};
use crate::machine::{EpollEvent, Fd, PollFd, SocketAddress};

/// What a call does. Descriptors are the machine's.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Operation {
    Socket { domain: i32, kind: i32, protocol: i32 },
    Bind { fd: Fd, to: SocketAddress },
    Listen { fd: Fd, backlog: i32 },
    Accept { fd: Fd },
    Connect { fd: Fd, to: SocketAddress },
    Send { fd: Fd, parts: Parts, flags: i32, to: Option<SocketAddress> },
    Receive { fd: Fd, room: Parts, flags: i32, message: Option<ExpectedMessage> },
    Fcntl { fd: Fd, command: i32, argument: i32 },
    Ioctl { fd: Fd, request: u64, stored: Option<i64> },
    Close { fd: Fd, script_fd: i64 },
    Shutdown { fd: Fd, how: i32 },
    GetOption { fd: Fd, level: i32, name: i32, value: Vec<u8>, len: usize },
    SetOption { fd: Fd, level: i32, name: i32, value: Vec<u8> },
    Poll { entries: Vec<PollFd>, revents: Vec<i64>, limit_ms: i32 },
    EpollCreate { size: i32 },
    EpollControl { epoll: Fd, operation: i32, fd: Fd, event: EpollEvent },
    EpollWait { epoll: Fd, expected: EpollEvent, mask: u64, max: usize, limit_ms: i32 },
    Pipe { script_fds: [i64; 2] },
    Splice { from: Fd, to: Fd, len: usize, flags: u32 },
    Sendfile { to: Fd, from: Fd, offset: u64, len: usize },
    Open { path: String },
}

/// The buffers of a call, by their lengths; a script's octets are all zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Parts {
    /// One or more buffers.
    Lengths(Vec<usize>),
    /// A null pointer with a length.
    Null(usize),
}

impl Parts {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lengths(lengths) => lengths.iter().sum(),
            Self::Null(len) => *len,
        }
    }
}

/// What `recvmsg` must give beside the octets.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ExpectedMessage {
    pub(super) flags: i64,
    pub(super) control: Vec<ExpectedControl>,
}

/// A control message.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ExpectedControl {
    pub(super) level: i64,
    pub(super) kind: i64,
    pub(super) data: ExpectedData,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum ExpectedData {
    Integer(i64),
    /// Microseconds on the script's clock; 0 is any time.
    Timestamp(i64),
    /// errno, origin, type, code, info, data.
    Error([i64; 6]),
}

/// What the arguments are evaluated against.
pub(super) struct Scope<'a> {
    /// The script's descriptors and the machine's.
    pub(super) fds: &'a BTreeMap<i64, Fd>,
    pub(super) bind_to: SocketAddress,
    pub(super) connect_to: SocketAddress,
    /// The family of a socket whose first argument is `...`.
    pub(super) domain: i32,
}

/// How each call is written.
const FORMS: &[(&str, &str)] = &[
    ("accept", "(fd, ..., ...)"),
    ("bind", "(fd, ..., ...)"),
    ("close", "(fd)"),
    ("connect", "(fd, ... or address, ...)"),
    ("epoll_create", "(size)"),
    ("epoll_ctl", "(epoll, operation, fd, {events=, fd=})"),
    ("epoll_wait", "(epoll, {events=, fd=}, most, milliseconds)"),
    ("fcntl", "(fd, command) or (fd, command, number)"),
    ("getsockopt", "(fd, level, name, value, [length])"),
    ("ioctl", "(fd, request) or (fd, request, [value])"),
    ("listen", "(fd, backlog)"),
    ("open", "(\"path\", flags)"),
    ("pipe", "([fd, fd])"),
    ("poll", "([{fd=, events=, revents=}], count, milliseconds)"),
    ("read", "(fd, ..., length)"),
    ("readv", "(fd, [{..., length}], count)"),
    ("recv", "(fd, ..., length, flags)"),
    ("recvfrom", "(fd, ..., length, flags, ..., ...)"),
    ("recvmsg", "(fd, {msg_name(...)=..., msg_iov(1)=[{..., length}], msg_flags=}, flags)"),
    ("send", "(fd, ..., length, flags)"),
    ("sendfile", "(fd, fd, [offset], length)"),
    ("sendmsg", "(fd, {msg_name(...)=..., msg_iov(1)=[{..., length}], msg_flags=}, flags)"),
    ("sendto", "(fd, ..., length, flags, ... or address, ...)"),
    ("setsockopt", "(fd, level, name, value, length)"),
    ("shutdown", "(fd, how)"),
    ("socket", "(..., type, protocol)"),
    ("splice", "(fd, NULL, fd, NULL, length, flags)"),
    ("write", "(fd, ..., length)"),
    ("writev", "(fd, [{..., length}], count)"),
];

fn form(name: &str) -> Option<&'static str> {
    FORMS.iter().find(|(known, _)| *known == name).map(|(_, form)| *form)
}

/// The complaint about arguments that a call does not take.
fn wrong_arguments(name: &str) -> String {
    format!("these are not its arguments: {name}{}", form(name).unwrap_or_default())
}

/// The number that an expression stands for.
///
/// # Errors
/// An unknown symbol, or an expression that is no number.
pub(super) fn integer(expr: &Expr) -> Result<i64, String> {
    match expr {
        Expr::Integer(value) => Ok(*value),
        Expr::Word(name) => symbols::value(name).ok_or_else(|| format!("unknown symbol {name}")),
        Expr::Or(left, right) => Ok(integer(left)? | integer(right)?),
        Expr::Ellipsis => Err("... stands where a number has to".to_owned()),
        _ => Err("a number is needed here".to_owned()),
    }
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("{value} is out of range"))
}

/// A C `int`; a script may write the upper half as a positive number.
fn int(expr: &Expr) -> Result<i32, String> {
    let value = integer(expr)?;
    narrow::<u32>(value).map(u32::cast_signed).or_else(|_| narrow(value))
}

/// `[value]`
fn bracketed(expr: &Expr) -> Result<i64, String> {
    match expr {
        Expr::List(list) => match list.as_slice() {
            [value] => integer(value),
            _ => Err("one value in brackets is needed here".to_owned()),
        },
        _ => Err("a value in brackets is needed here".to_owned()),
    }
}

impl Scope<'_> {
    /// Evaluates a call.
    ///
    /// # Errors
    /// A call that does not exist, or arguments that it does not take.
    pub(super) fn operation(&self, call: &Call) -> Result<Operation, String> {
        let args = &call.arguments;
        let wrong = || wrong_arguments(&call.name);
        Ok(match (call.name.as_str(), args.as_slice()) {
            ("socket", [domain, kind, protocol]) => Operation::Socket {
                domain: if *domain == Expr::Ellipsis { self.domain } else { int(domain)? },
                kind: int(kind)?,
                protocol: int(protocol)?,
            },
            ("bind", [fd, _, _]) => Operation::Bind { fd: self.fd(fd)?, to: self.bind_to },
            ("listen", [fd, backlog]) => Operation::Listen { fd: self.fd(fd)?, backlog: int(backlog)? },
            ("accept", [fd, _, _]) => Operation::Accept { fd: self.fd(fd)? },
            ("connect", [fd, to, _]) => Operation::Connect { fd: self.fd(fd)?, to: self.address(to)? },
            ("close", [fd]) => Operation::Close { fd: self.fd(fd)?, script_fd: integer(fd)? },
            ("shutdown", [fd, how]) => Operation::Shutdown { fd: self.fd(fd)?, how: int(how)? },
            ("fcntl", [fd, command]) => {
                Operation::Fcntl { fd: self.fd(fd)?, command: int(command)?, argument: 0 }
            }
            ("fcntl", [fd, command, argument]) => {
                Operation::Fcntl { fd: self.fd(fd)?, command: int(command)?, argument: int(argument)? }
            }
            ("ioctl", [fd, request]) => {
                Operation::Ioctl { fd: self.fd(fd)?, request: narrow(integer(request)?)?, stored: None }
            }
            ("ioctl", [fd, request, stored]) => {
                let stored = Some(bracketed(stored)?);
                Operation::Ioctl { fd: self.fd(fd)?, request: narrow(integer(request)?)?, stored }
            }
            ("read" | "readv" | "recv" | "recvfrom" | "recvmsg", _) => self.receive(call)?,
            ("write" | "writev" | "send" | "sendto" | "sendmsg", _) => self.send(call)?,
            ("getsockopt" | "setsockopt", [fd, level, name, value, len]) => {
                let (fd, level, name) = (self.fd(fd)?, int(level)?, int(name)?);
                match call.name.as_str() {
                    "getsockopt" => {
                        let len = narrow(bracketed(len)?)?;
                        Operation::GetOption { fd, level, name, value: option_octets(value)?, len }
                    }
                    _ => {
                        let len = usize::try_from(integer(len)?).unwrap_or(0);
                        let mut value = option_octets(value)?;
                        value.truncate(len);
                        Operation::SetOption { fd, level, name, value }
                    }
                }
            }
            ("poll", [list, count, limit]) => self.poll(list, integer(count)?, int(limit)?)?,
            ("epoll_create", [size]) => Operation::EpollCreate { size: int(size)? },
            ("epoll_ctl", [epoll, operation, fd, event]) => Operation::EpollControl {
                epoll: self.fd(epoll)?,
                operation: int(operation)?,
                fd: self.fd(fd)?,
                event: self.epoll_event(event)?.0,
            },
            ("epoll_wait", [epoll, event, max, limit]) => {
                let (expected, mask) = self.epoll_event(event)?;
                let max = narrow(integer(max)?)?;
                Operation::EpollWait { epoll: self.fd(epoll)?, expected, mask, max, limit_ms: int(limit)? }
            }
            ("pipe", [Expr::List(fds)]) => match fds.as_slice() {
                [from, to] => Operation::Pipe { script_fds: [integer(from)?, integer(to)?] },
                _ => return Err(wrong()),
            },
            ("splice", [from, _, to, _, len, flags]) => Operation::Splice {
                from: self.fd(from)?,
                to: self.fd(to)?,
                len: narrow(integer(len)?)?,
                flags: narrow(integer(flags)?)?,
            },
            ("sendfile", [to, from, offset, len]) => Operation::Sendfile {
                to: self.fd(to)?,
                from: self.fd(from)?,
                offset: narrow(bracketed(offset)?)?,
                len: narrow(integer(len)?)?,
            },
            ("open", [Expr::Text(path), _]) => {
                Operation::Open { path: String::from_utf8_lossy(path).into_owned() }
            }
            (name, _) if form(name).is_some() => return Err(wrong()),
            (name, _) => return Err(format!("there is no system call {name} here")),
        })
    }

    /// The machine's descriptor for one of the script's.
    fn fd(&self, expr: &Expr) -> Result<Fd, String> {
        let script_fd = integer(expr)?;
        self.fds.get(&script_fd).copied().ok_or_else(|| format!("the script has no descriptor {script_fd}"))
    }

    /// `...` is the other end; a number is the family alone, as a disconnection has it.
    fn address(&self, expr: &Expr) -> Result<SocketAddress, String> {
        match expr {
            Expr::Ellipsis => Ok(self.connect_to),
            Expr::SocketAddress(address) if address.ip().is_unspecified() => Ok(SocketAddress::Unspecified),
            Expr::SocketAddress(address) => Ok(SocketAddress::Inet((*address).into())),
            _ => match integer(expr)? {
                0 => Ok(SocketAddress::Unspecified),
                _ => Err("only AF_UNSPEC can stand for an address".to_owned()),
            },
        }
    }

    fn receive(&self, call: &Call) -> Result<Operation, String> {
        let (fd, room, flags, message) = match call.arguments.as_slice() {
            [fd, Expr::Message(message), flags] => {
                let expected =
                    ExpectedMessage { flags: integer(&message.flags)?, control: control(&message.control)? };
                (fd, vector_of(message)?, int(flags)?, Some(expected))
            }
            [fd, list @ Expr::List(_), count] => (fd, vector(list, integer(count)?)?, 0, None),
            [fd, buffer, len] => (fd, parts(buffer, len)?, 0, None),
            [fd, buffer, len, flags] | [fd, buffer, len, flags, _, _] => {
                (fd, parts(buffer, len)?, int(flags)?, None)
            }
            _ => return Err(wrong_arguments(&call.name)),
        };
        Ok(Operation::Receive { fd: self.fd(fd)?, room, flags, message })
    }

    fn send(&self, call: &Call) -> Result<Operation, String> {
        let (fd, parts, flags, to) = match call.arguments.as_slice() {
            [fd, Expr::Message(message), flags] => {
                (fd, vector_of(message)?, int(flags)?, Some(self.connect_to))
            }
            [fd, list @ Expr::List(_), count] => (fd, vector(list, integer(count)?)?, 0, None),
            [fd, buffer, len] => (fd, parts(buffer, len)?, 0, None),
            [fd, buffer, len, flags] => (fd, parts(buffer, len)?, int(flags)?, None),
            [fd, buffer, len, flags, to, _] => {
                (fd, parts(buffer, len)?, int(flags)?, Some(self.address(to)?))
            }
            _ => return Err(wrong_arguments(&call.name)),
        };
        Ok(Operation::Send { fd: self.fd(fd)?, parts, flags, to })
    }

    fn poll(&self, list: &Expr, count: i64, limit_ms: i32) -> Result<Operation, String> {
        let Expr::List(list) = list else { return Err("poll needs a list".to_owned()) };
        if usize::try_from(count) != Ok(list.len()) {
            return Err(format!("poll has {} entries, not {count}", list.len()));
        }
        let (mut entries, mut revents) = (Vec::new(), Vec::new());
        for item in list {
            let Expr::Poll(poll) = item else {
                return Err("poll needs a list of {fd=, events=, revents=}".to_owned());
            };
            entries.push(PollFd {
                fd: self.fd(&poll.fd)?,
                events: narrow(integer(&poll.events)?)?,
                revents: 0,
            });
            revents.push(integer(&poll.revents)?);
        }
        Ok(Operation::Poll { entries, revents, limit_ms })
    }

    /// The event, and which bits of its data are written.
    fn epoll_event(&self, expr: &Expr) -> Result<(EpollEvent, u64), String> {
        let Expr::Epoll(epoll) = expr else { return Err("an epoll_event is needed here".to_owned()) };
        let (data, mask) = match epoll.member.as_str() {
            "fd" => (i64::from(self.fd(&epoll.data)?), u64::from(u32::MAX)),
            "u32" => (integer(&epoll.data)?, u64::from(u32::MAX)),
            _ => (integer(&epoll.data)?, u64::MAX),
        };
        let event =
            EpollEvent { events: narrow(integer(&epoll.events)?)?, data: data.cast_unsigned() & mask };
        Ok((event, mask))
    }
}

/// `...` is a buffer, 0 is none.
fn parts(buffer: &Expr, len: &Expr) -> Result<Parts, String> {
    // A negative length is more than any buffer can have.
    let len = usize::try_from(integer(len)?).map_err(|_| "the length is negative".to_owned())?;
    match buffer {
        Expr::Ellipsis | Expr::Text(_) => Ok(Parts::Lengths(vec![len])),
        _ if integer(buffer)? == 0 => Ok(Parts::Null(len)),
        _ => Err("a buffer is ... or NULL".to_owned()),
    }
}

fn vector_of(message: &Message) -> Result<Parts, String> {
    vector(&message.iov, message.iov_len)
}

fn vector(list: &Expr, count: i64) -> Result<Parts, String> {
    let Expr::List(list) = list else { return Err("a list of buffers is needed here".to_owned()) };
    if usize::try_from(count) != Ok(list.len()) {
        return Err(format!("there are {} buffers, not {count}", list.len()));
    }
    let lengths = list.iter().map(|item| match item {
        Expr::Iovec(len) => narrow(*len),
        _ => Err("a buffer is written {..., length}".to_owned()),
    });
    lengths.collect::<Result<_, _>>().map(Parts::Lengths)
}

fn control(list: &[Expr]) -> Result<Vec<ExpectedControl>, String> {
    let one = |item: &Expr| {
        let Expr::Control(control) = item else { return Err("a control message is needed here".to_owned()) };
        let data = match &control.data {
            Expr::Timestamp(at) => ExpectedData::Timestamp(*at),
            Expr::ExtendedError(error) => {
                let mut fields = [0; 6];
                for (field, expr) in fields.iter_mut().zip(&error.fields) {
                    *field = integer(expr)?;
                }
                ExpectedData::Error(fields)
            }
            number => ExpectedData::Integer(integer(number)?),
        };
        Ok(ExpectedControl { level: integer(&control.level)?, kind: integer(&control.kind)?, data })
    };
    list.iter().map(one).collect()
}

/// The octets of an option's value.
fn option_octets(value: &Expr) -> Result<Vec<u8>, String> {
    match value {
        Expr::Text(octets) => Ok(octets.clone()),
        Expr::Linger(on, seconds) => {
            let (on, seconds): (i32, i32) = (narrow(*on)?, narrow(*seconds)?);
            Ok([on.to_ne_bytes(), seconds.to_ne_bytes()].concat())
        }
        Expr::Address6(address) => Ok(address.octets().to_vec()),
        Expr::List(list) => match list.as_slice() {
            [value] => Ok(int(value)?.to_ne_bytes().to_vec()),
            _ => Err("the value of an option is [number]".to_owned()),
        },
        _ => Err("the value of an option is [number], a string or {onoff=, linger=}".to_owned()),
    }
}
