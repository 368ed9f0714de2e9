//! Pipes, and the calls that move octets between descriptors: splice and sendfile.

use core::task::Poll;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portolan_stack::SocketError;

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::readiness::{ERR, HUP, IN, OUT};
use crate::machine::{Machine, Message, Wait};

/// Octets that a pipe holds (pipe(7)).
const CAPACITY: usize = 65_536;

/// What both ends of a pipe share.
#[derive(Debug)]
struct Pipe {
    octets: VecDeque<u8>,
    readers: usize,
    writers: usize,
}

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct PipeEnd {
    pipe: Arc<Mutex<Pipe>>,
    writes: bool,
}

impl PipeEnd {
    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(self) {
        let mut pipe = self.lock();
        if self.writes { pipe.writers = 0 } else { pipe.readers = 0 }
    }

    pub(crate) fn readiness(&self) -> u32 {
        let pipe = self.lock();
        let shown = match self.writes {
            true => [(pipe.octets.len() < CAPACITY, OUT), (pipe.readers == 0, ERR)],
            false => [(!pipe.octets.is_empty(), IN), (pipe.writers == 0, HUP)],
        };
        shown.into_iter().filter(|(on, _)| *on).fold(0, |bits, (_, bit)| bits | bit)
    }

    fn room(&self) -> Result<usize, Errno> {
        let pipe = self.lock();
        if !self.writes {
            return Err(Errno::EBADF);
        }
        if pipe.readers == 0 { Err(Errno::EPIPE) } else { Ok(CAPACITY - pipe.octets.len()) }
    }
}

impl Machine {
    /// pipe(2): the end to read from, and the one to write to.
    pub fn pipe(&mut self) -> [Fd; 2] {
        let pipe = Arc::new(Mutex::new(Pipe { octets: VecDeque::new(), readers: 1, writers: 1 }));
        let reader = PipeEnd { pipe: Arc::clone(&pipe), writes: false };
        let writer = PipeEnd { pipe, writes: true };
        [self.files.insert(File::Pipe(reader)), self.files.insert(File::Pipe(writer))]
    }

    fn pipe_end(&self, fd: Fd) -> Result<&PipeEnd, Errno> {
        match self.files.get(fd)? {
            File::Pipe(end) => Ok(end),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn write_pipe(
        &mut self,
        wait: &mut Wait,
        fd: Fd,
        octets: &[u8],
    ) -> Poll<Result<usize, Errno>> {
        let end = match self.pipe_end(fd) {
            Ok(end) => end,
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let room = match end.room() {
            Ok(room) => room,
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let rest = octets.get(wait.done..).unwrap_or(&[]);
        let taken = rest.get(..room).unwrap_or(rest);
        end.lock().octets.extend(taken);
        wait.done += taken.len();
        if wait.done < octets.len() { Poll::Pending } else { Poll::Ready(Ok(octets.len())) }
    }

    pub(crate) fn read_pipe(&mut self, fd: Fd, max: usize) -> Poll<Result<Message, Errno>> {
        let end = match self.pipe_end(fd) {
            Ok(end) if !end.writes => end,
            Ok(_) => return Poll::Ready(Err(Errno::EBADF)),
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let mut pipe = end.lock();
        if pipe.octets.is_empty() && pipe.writers > 0 {
            return Poll::Pending;
        }
        let len = max.min(pipe.octets.len());
        let octets = pipe.octets.drain(..len).collect();
        Poll::Ready(Ok(Message { octets, ..Message::default() }))
    }

    /// splice(2) between a socket and a pipe, in either direction, at most `len` octets.
    ///
    /// # Errors
    /// EBADF, EINVAL if neither is a pipe, EAGAIN, EPIPE, and the connection's error.
    pub fn splice(
        &mut self,
        wait: &mut Wait,
        from: Fd,
        to: Fd,
        len: usize,
        flags: u32,
    ) -> Poll<Result<usize, Errno>> {
        wait.begin();
        let socket = self.files.socket(from).or_else(|_| self.files.socket(to));
        let may_block =
            flags & libc::SPLICE_F_NONBLOCK == 0 && socket.is_ok_and(|socket| !socket.nonblocking);
        let result = match (self.files.get(from), self.files.get(to)) {
            (Err(errno), _) | (_, Err(errno)) => Err(errno),
            (Ok(File::Socket(_)), Ok(File::Pipe(_))) => self.socket_to_pipe(from, to, len),
            (Ok(File::Pipe(_)), Ok(File::Socket(_))) => self.pipe_to_socket(from, to, len),
            _ => Err(Errno::EINVAL),
        };
        match result {
            Err(Errno::EAGAIN) if may_block => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn socket_to_pipe(&mut self, from: Fd, to: Fd, len: usize) -> Result<usize, Errno> {
        let id = self.files.socket(from)?.id;
        let room = self.pipe_end(to)?.room()?.min(len);
        // Linux: nothing is moved from the mark of urgent text on, and that is no end of text.
        if self.stack.at_mark(id).unwrap_or(false)
            && self.stack.receive_queued(id).is_ok_and(|queued| queued > 0)
        {
            return Ok(0);
        }
        let mut octets = vec![0; room];
        let result = self.stack.read(self.now, id, &mut octets);
        let done = self.finish(result)?;
        octets.truncate(done);
        self.pipe_end(to)?.lock().octets.extend(octets);
        Ok(done)
    }

    fn pipe_to_socket(&mut self, from: Fd, to: Fd, len: usize) -> Result<usize, Errno> {
        let id = self.files.socket(to)?.id;
        let octets: Vec<u8> = {
            let pipe = self.pipe_end(from)?.lock();
            if pipe.octets.is_empty() {
                return if pipe.writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
            }
            pipe.octets.iter().take(len).copied().collect()
        };
        let result = self.stack.write(self.now, id, &octets).map_err(|error| match error {
            SocketError::NotConnected => SocketError::BrokenPipe,
            other => other,
        });
        let taken = self.finish(result)?;
        self.pipe_end(from)?.lock().octets.drain(..taken);
        self.files.socket_mut(to)?.marks.wrote(taken);
        Ok(taken)
    }

    /// sendfile(2) from a file to a socket: from `offset`, or from the file's own position, which moves on.
    ///
    /// # Errors
    /// EBADF, EINVAL if `from` is no file, and those of [`Machine::send`].
    pub fn sendfile(
        &mut self,
        wait: &mut Wait,
        to: Fd,
        from: Fd,
        offset: Option<u64>,
        len: usize,
    ) -> Poll<Result<usize, Errno>> {
        let octets = match self.files.get(from) {
            Ok(File::Memory(file)) => {
                let start =
                    offset.map_or(file.position, |offset| usize::try_from(offset).unwrap_or(usize::MAX));
                let rest = file.contents.get(start..).unwrap_or(&[]);
                rest.get(..len).unwrap_or(rest).to_vec()
            }
            Ok(_) => return Poll::Ready(Err(Errno::EINVAL)),
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let outcome = self.send(wait, to, &[&octets], 0, None);
        if let (Poll::Ready(Ok(sent)), None) = (&outcome, offset)
            && let Ok(File::Memory(file)) = self.files.get_mut(from)
        {
            file.position += sent;
        }
        outcome
    }
}
