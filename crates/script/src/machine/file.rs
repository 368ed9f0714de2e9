//! The table of descriptors: sockets, epoll instances, the ends of pipes, and files whose contents are in memory.

use std::collections::BTreeMap;

use portolan_stack::SocketId;
use portolan_wire::Family;

use crate::Errno;
use crate::machine::epoll::Epoll;
use crate::machine::mark::Marks;
use crate::machine::memory::MemoryFile;
use crate::machine::option::OwnOptions;
use crate::machine::pipe::PipeEnd;

/// A descriptor.
pub type Fd = i32;

/// What a descriptor stands for.
#[derive(Debug)]
pub(crate) enum File {
    Socket(Box<Socket>),
    Epoll(Epoll),
    Pipe(PipeEnd),
    Memory(MemoryFile),
}

/// What a machine knows of a socket beside what the stack does.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    pub(crate) family: Family,
    pub(crate) stream: bool,
    pub(crate) nonblocking: bool,
    pub(crate) options: OwnOptions,
    /// What is to be told of octets that were written.
    pub(crate) marks: Marks,
    /// Its owner has shut down reading, or writing.
    pub(crate) read_shut: bool,
    pub(crate) write_shut: bool,
}

/// All descriptors.
#[derive(Debug)]
pub(crate) struct Files {
    table: BTreeMap<Fd, File>,
    first: Fd,
}

impl Files {
    pub(crate) fn new(first: Fd) -> Files {
        Files { table: BTreeMap::new(), first }
    }

    /// Gives a file the least free number, as POSIX says.
    pub(crate) fn insert(&mut self, file: File) -> Fd {
        let mut fd = self.first;
        while self.table.contains_key(&fd) {
            fd += 1;
        }
        self.table.insert(fd, file);
        fd
    }

    pub(crate) fn remove(&mut self, fd: Fd) -> Result<File, Errno> {
        self.table.remove(&fd).ok_or(Errno::EBADF)
    }

    pub(crate) fn get(&self, fd: Fd) -> Result<&File, Errno> {
        self.table.get(&fd).ok_or(Errno::EBADF)
    }

    pub(crate) fn get_mut(&mut self, fd: Fd) -> Result<&mut File, Errno> {
        self.table.get_mut(&fd).ok_or(Errno::EBADF)
    }

    pub(crate) fn socket(&self, fd: Fd) -> Result<&Socket, Errno> {
        match self.get(fd)? {
            File::Socket(socket) => Ok(socket),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    pub(crate) fn socket_mut(&mut self, fd: Fd) -> Result<&mut Socket, Errno> {
        match self.get_mut(fd)? {
            File::Socket(socket) => Ok(socket),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    pub(crate) fn epoll_mut(&mut self, fd: Fd) -> Result<&mut Epoll, Errno> {
        match self.get_mut(fd)? {
            File::Epoll(epoll) => Ok(epoll),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.table.values().filter_map(|file| match file {
            File::Socket(socket) => Some(&**socket),
            _ => None,
        })
    }

    pub(crate) fn sockets_mut(&mut self) -> impl Iterator<Item = (Fd, &mut Socket)> {
        self.table.iter_mut().filter_map(|(&fd, file)| match file {
            File::Socket(socket) => Some((fd, &mut **socket)),
            _ => None,
        })
    }

    pub(crate) fn epolls_mut(&mut self) -> impl Iterator<Item = &mut Epoll> {
        self.table.values_mut().filter_map(|file| match file {
            File::Epoll(epoll) => Some(epoll),
            _ => None,
        })
    }

    /// The descriptor of a stack's socket.
    pub(crate) fn find(&self, id: SocketId) -> Option<Fd> {
        self.table.iter().find_map(|(&fd, file)| match file {
            File::Socket(socket) if socket.id == id => Some(fd),
            _ => None,
        })
    }
}
