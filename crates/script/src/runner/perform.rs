//! Carrying out system calls: at once, or again and again until a call that blocks is done.

use std::task::Poll;

use portolan_wire::Endpoint;

use super::flow::{Flow, Phase, Transport};
use super::operation::{Operation, Parts, Scope, integer};
use super::{Failure, Runner, Variant, check};
use crate::language::ast::{Call, Expr};
use crate::machine::{EpollEvent, Fd, Message, PollFd, SocketAddress, Wait};
use crate::{Errno, runner::symbols};

/// How long a call that the script does not mark as blocking may wait, in virtual microseconds.
const PATIENCE_US: u64 = 10_000_000;

/// What a call gives beside its result.
#[derive(Debug)]
pub(super) enum Output {
    Nothing,
    Number(i64),
    Descriptor(Fd),
    Accepted(Fd, Endpoint),
    Message(Message),
    Octets(Vec<u8>),
    Polled(Vec<PollFd>, usize),
    Events(Vec<EpollEvent>),
    Pipe([Fd; 2]),
}

impl Output {
    /// What the C function would return.
    fn result(&self) -> i64 {
        let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        match self {
            Self::Nothing | Self::Octets(_) | Self::Pipe(_) => 0,
            Self::Number(number) => *number,
            Self::Descriptor(fd) | Self::Accepted(fd, _) => (*fd).into(),
            Self::Message(message) => count(message.octets.len()),
            Self::Polled(_, found) => count(*found),
            Self::Events(events) => count(events.len()),
        }
    }
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) line: u32,
    pub(super) call: Call,
    pub(super) operation: Operation,
    pub(super) wait: Wait,
    /// When it was made, and when it must return.
    pub(super) begun: u64,
    pub(super) until: u64,
}

impl Runner<'_> {
    /// Makes a call; `until` is the time at which one that blocks must return.
    pub(super) fn call(&mut self, line: u32, call: &Call, until: Option<u64>) -> Result<(), Failure> {
        let fail = |message: String| Failure::new(line, format!("{}: {message}", call.name));
        let operation = self.scope().operation(call).map_err(fail)?;
        self.before(&operation);
        let mut wait = Wait::default();
        let begun = self.now();
        match (self.attempt(&operation, &mut wait), until) {
            (Poll::Ready(outcome), None) => self.finish(call, &operation, outcome).map_err(fail),
            (Poll::Ready(outcome), Some(until)) => {
                self.finish(call, &operation, outcome).map_err(fail)?;
                self.check_return(begun, until).map_err(fail)
            }
            (Poll::Pending, Some(until)) => {
                self.blocked = Some(Blocked { line, call: call.clone(), operation, wait, begun, until });
                Ok(())
            }
            (Poll::Pending, None) => {
                let until = begun + PATIENCE_US;
                self.blocked =
                    Some(Blocked { line, call: call.clone(), operation, wait, begun, until: u64::MAX });
                self.wait_for_blocked(until)?;
                if self.blocked.is_some() {
                    Err(fail("it waits, and the script does not".to_owned()))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Lets the call that blocks try again; checks its result and its time when it is done.
    pub(super) fn retry_blocked(&mut self) -> Result<(), Failure> {
        let Some(mut blocked) = self.blocked.take() else { return Ok(()) };
        match self.attempt(&blocked.operation, &mut blocked.wait) {
            Poll::Pending => self.blocked = Some(blocked),
            Poll::Ready(outcome) => {
                let fail =
                    |message: String| Failure::new(blocked.line, format!("{}: {message}", blocked.call.name));
                self.finish(&blocked.call, &blocked.operation, outcome).map_err(fail)?;
                if blocked.until != u64::MAX {
                    self.check_return(blocked.begun, blocked.until).map_err(fail)?;
                }
            }
        }
        Ok(())
    }

    fn check_return(&self, begun: u64, until: u64) -> Result<(), String> {
        let (now, tolerance) = (self.now(), self.setup.tolerance(until, Some(begun)));
        if now.abs_diff(until) <= tolerance {
            return Ok(());
        }
        Err(format!("expected to return at {}, came at {}", super::seconds(until), super::seconds(now)))
    }

    fn scope(&self) -> Scope<'_> {
        let inet = |address, port| SocketAddress::Inet(Endpoint::new(address, port));
        Scope {
            fds: &self.fds,
            bind_to: inet(self.setup.local, self.setup.bind_port),
            connect_to: inet(self.setup.remote, self.setup.connect_port),
            domain: if self.setup.variant == Variant::Ipv4 { libc::AF_INET } else { libc::AF_INET6 },
        }
    }

    /// What the script's connection is told before a call that may open one.
    fn before(&mut self, operation: &Operation) {
        let (fd, to) = match operation {
            Operation::Connect { fd, to } | Operation::Send { fd, to: Some(to), .. } => (*fd, *to),
            _ => return,
        };
        let remote = Endpoint::new(self.setup.remote, self.setup.connect_port);
        let Some(flow) = self.flows.iter_mut().rev().find(|flow| flow.fd == Some(fd)) else { return };
        match to {
            SocketAddress::Unspecified => flow.phase = Phase::New,
            SocketAddress::Inet(_) if flow.phase == Phase::New => {
                flow.phase = Phase::Connecting;
                flow.remote = remote;
            }
            SocketAddress::Inet(_) => {}
        }
    }

    fn attempt(&mut self, operation: &Operation, wait: &mut Wait) -> Poll<Result<Output, Errno>> {
        let machine = &mut self.machine;
        let done = |result: Result<(), Errno>| Poll::Ready(result.map(|()| Output::Nothing));
        let number = |value: usize| Output::Number(i64::try_from(value).unwrap_or(i64::MAX));
        match operation {
            Operation::Socket { domain, kind, protocol } => {
                Poll::Ready(machine.socket(*domain, *kind, *protocol).map(Output::Descriptor))
            }
            Operation::Bind { fd, to } => done(machine.bind(*fd, *to)),
            Operation::Listen { fd, backlog } => done(machine.listen(*fd, *backlog)),
            Operation::Accept { fd } => {
                machine.accept(wait, *fd).map_ok(|(fd, from)| Output::Accepted(fd, from))
            }
            Operation::Connect { fd, to } => machine.connect(wait, *fd, *to).map_ok(|()| Output::Nothing),
            Operation::Send { parts: Parts::Null(1..), .. }
            | Operation::Receive { room: Parts::Null(1..), .. } => Poll::Ready(Err(Errno::EFAULT)),
            Operation::Send { fd, parts, flags, to } => {
                let zeros = vec![0; parts.len()];
                let lengths = if let Parts::Lengths(lengths) = parts { lengths.as_slice() } else { &[] };
                let mut rest = zeros.as_slice();
                let split = lengths.iter().map(|len| {
                    let (part, others) = rest.split_at_checked(*len).unwrap_or((rest, &[]));
                    rest = others;
                    part
                });
                let parts: Vec<&[u8]> = split.collect();
                machine.send(wait, *fd, &parts, *flags, *to).map_ok(number)
            }
            Operation::Receive { fd, room, flags, .. } => {
                machine.receive(wait, *fd, room.len(), *flags).map_ok(Output::Message)
            }
            Operation::Fcntl { fd, command, argument } => {
                Poll::Ready(machine.fcntl(*fd, *command, *argument).map(|value| Output::Number(value.into())))
            }
            // The number is stored, and the call gives 0.
            Operation::Ioctl { fd, request, .. } => Poll::Ready(
                machine.ioctl(*fd, *request).map(|value| Output::Octets(value.to_ne_bytes().to_vec())),
            ),
            Operation::Close { fd, .. } => done(machine.close(*fd)),
            Operation::Shutdown { fd, how } => done(machine.shutdown(*fd, *how)),
            Operation::GetOption { fd, level, name, len, .. } => {
                Poll::Ready(machine.getsockopt(*fd, *level, *name, *len).map(Output::Octets))
            }
            Operation::SetOption { fd, level, name, value } => {
                done(machine.setsockopt(*fd, *level, *name, value))
            }
            Operation::Poll { entries, limit_ms, .. } => {
                let mut entries = entries.clone();
                machine.poll(wait, &mut entries, *limit_ms).map_ok(|found| Output::Polled(entries, found))
            }
            Operation::EpollCreate { size } => {
                Poll::Ready(machine.epoll_create(*size).map(Output::Descriptor))
            }
            Operation::EpollControl { epoll, operation, fd, event } => {
                done(machine.epoll_ctl(*epoll, *operation, *fd, *event))
            }
            Operation::EpollWait { epoll, max, limit_ms, .. } => {
                machine.epoll_wait(wait, *epoll, *max, *limit_ms).map_ok(Output::Events)
            }
            Operation::Pipe { .. } => Poll::Ready(Ok(Output::Pipe(machine.pipe()))),
            Operation::Splice { from, to, len, flags } => {
                machine.splice(wait, *from, *to, *len, *flags).map_ok(number)
            }
            Operation::Sendfile { to, from, offset, len } => {
                machine.sendfile(wait, *to, *from, Some(*offset), *len).map_ok(number)
            }
            Operation::Open { path } => {
                let contents = self.commands.file(path).map(<[u8]>::to_vec);
                Poll::Ready(
                    contents.map(|octets| Output::Descriptor(machine.open(octets))).ok_or(Errno::ENOENT),
                )
            }
        }
    }

    /// Compares a call that is done with what the script says, and notes what it has changed.
    fn finish(
        &mut self,
        call: &Call,
        operation: &Operation,
        outcome: Result<Output, Errno>,
    ) -> Result<(), String> {
        let expected = integer(&call.result)?;
        let errno = call.errno.as_deref().map(|name| {
            let number = symbols::value(name).and_then(|number| i32::try_from(number).ok());
            number.map(Errno).ok_or_else(|| format!("there is no error {name}"))
        });
        let errno = errno.transpose()?;
        let gives_fd = matches!(
            operation,
            Operation::Socket { .. }
                | Operation::Accept { .. }
                | Operation::Open { .. }
                | Operation::EpollCreate { .. }
        );
        let shown = |errno: Option<Errno>| errno.map_or(String::new(), |errno| format!(" {errno}"));
        let output = match outcome {
            Err(came) if expected == -1 && errno.is_none_or(|errno| errno == came) => return Ok(()),
            Err(came) => return Err(format!("expected {expected}{}, came -1 {came}", shown(errno))),
            Ok(output) => output,
        };
        let result = output.result();
        if errno.is_some() || (result != expected && !(gives_fd && expected >= 0)) {
            return Err(format!("expected {expected}{}, came {result}", shown(errno)));
        }
        check::output(operation, &output, &self.clock())?;
        self.after(operation, output, call)
    }

    fn after(&mut self, operation: &Operation, output: Output, call: &Call) -> Result<(), String> {
        let script_fd = if let Expr::Integer(fd) = call.result { fd } else { -1 };
        match (operation, output) {
            (Operation::Socket { protocol, kind, .. }, Output::Descriptor(fd)) => {
                self.name_descriptor(script_fd, fd)?;
                let transport = match (*protocol, kind & 0xf) {
                    (libc::IPPROTO_ICMP | libc::IPPROTO_ICMPV6, _) => Transport::Icmp,
                    (_, libc::SOCK_DGRAM) => Transport::Udp,
                    _ => Transport::Tcp,
                };
                self.flows.push(Flow::new(transport, Phase::New, Some(fd)));
                self.current = Some(self.flows.len() - 1);
            }
            (Operation::Listen { fd, .. }, _) => {
                if let Some(flow) = self.flows.iter_mut().find(|flow| flow.fd == Some(*fd)) {
                    flow.phase = Phase::Listening;
                }
            }
            (Operation::Accept { .. }, Output::Accepted(fd, from)) => {
                let accepted = |flow: &&mut Flow| {
                    matches!(flow.phase, Phase::SynAckSent | Phase::SynAckAcked)
                        && flow.fd.is_none()
                        && flow.remote == from
                };
                let flow = self.flows.iter_mut().rev().find(accepted);
                flow.ok_or_else(|| format!("{from} was accepted, which the script has not connected"))?.fd =
                    Some(fd);
                // A script may give a number again that it has not closed; it means the newer one then.
                self.fds.insert(script_fd, fd);
            }
            (Operation::EpollCreate { .. } | Operation::Open { .. }, Output::Descriptor(fd)) => {
                self.name_descriptor(script_fd, fd)?;
            }
            (Operation::Pipe { script_fds }, Output::Pipe(fds)) => {
                for (script_fd, fd) in script_fds.iter().zip(fds) {
                    self.name_descriptor(*script_fd, fd)?;
                }
            }
            (Operation::Close { fd, script_fd }, _) => {
                self.fds.remove(script_fd);
                // The number may come again for another socket, but a connection outlives it.
                self.flows.iter_mut().filter(|flow| flow.fd == Some(*fd)).for_each(|flow| flow.fd = None);
            }
            _ => {}
        }
        Ok(())
    }

    fn name_descriptor(&mut self, script_fd: i64, fd: Fd) -> Result<(), String> {
        match self.fds.insert(script_fd, fd) {
            None => Ok(()),
            Some(_) => Err(format!("the script has a descriptor {script_fd} already")),
        }
    }
}
