//! epoll(7): interest lists, and ready lists that a change puts descriptors into.

use core::task::Poll;
use std::collections::{BTreeMap, VecDeque};

use crate::Errno;
use crate::machine::file::{Fd, File};
use crate::machine::readiness::{ERR, HUP};
use crate::machine::{Machine, Wait};

/// One `struct epoll_event`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EpollEvent {
    /// EPOLLIN and its like.
    pub events: u32,
    /// Whatever the caller likes.
    pub data: u64,
}

/// The bits of an interest that are no events.
const EDGE: u32 = 1 << 31;
const ONE_SHOT: u32 = 1 << 30;
const WAKE_UP: u32 = 1 << 29;
const EXCLUSIVE: u32 = 1 << 28;
const PRIVATE: u32 = EDGE | ONE_SHOT | WAKE_UP | EXCLUSIVE;

/// One epoll instance.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    interests: BTreeMap<Fd, EpollEvent>,
    /// Descriptors that have changed, in the order in which they did.
    ready: VecDeque<Fd>,
}

impl Epoll {
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn forget(&mut self, fd: Fd) {
        self.interests.remove(&fd);
        self.ready.retain(|&ready| ready != fd);
    }

    /// A descriptor shows one of these bits anew.
    fn wake(&mut self, fd: Fd, bits: u32) {
        let Some(interest) = self.interests.get(&fd) else { return };
        let armed = interest.events & !PRIVATE;
        if armed != 0 && (armed | ERR | HUP) & bits != 0 && !self.ready.contains(&fd) {
            self.ready.push_back(fd);
        }
    }
}

impl Machine {
    /// epoll_create(2).
    ///
    /// # Errors
    /// EINVAL if `size` is not above 0.
    pub fn epoll_create(&mut self, size: i32) -> Result<Fd, Errno> {
        if size <= 0 {
            return Err(Errno::EINVAL);
        }
        Ok(self.files.insert(File::Epoll(Epoll::default())))
    }

    /// epoll_ctl(2).
    ///
    /// # Errors
    /// EBADF, EINVAL, EEXIST, ENOENT, EPERM for a file that is always ready.
    pub fn epoll_ctl(&mut self, epoll: Fd, operation: i32, fd: Fd, event: EpollEvent) -> Result<(), Errno> {
        if matches!(self.files.get(fd)?, File::Memory(_)) {
            return Err(Errno::EPERM);
        }
        if epoll == fd {
            return Err(Errno::EINVAL);
        }
        let instance = self.files.epoll_mut(epoll)?;
        let known = instance.interests.contains_key(&fd);
        match operation {
            libc::EPOLL_CTL_ADD if known => return Err(Errno::EEXIST),
            libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL if !known => return Err(Errno::ENOENT),
            libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD => {
                instance.interests.insert(fd, event);
            }
            libc::EPOLL_CTL_DEL => {
                instance.forget(fd);
                return Ok(());
            }
            _ => return Err(Errno::EINVAL),
        }
        let bits = self.readiness(fd)?;
        self.files.epoll_mut(epoll)?.wake(fd, bits);
        Ok(())
    }

    /// epoll_wait(2): at most `max` events. A negative limit waits for ever.
    ///
    /// # Errors
    /// EBADF, EINVAL.
    pub fn epoll_wait(
        &mut self,
        wait: &mut Wait,
        epoll: Fd,
        max: usize,
        limit_ms: i32,
    ) -> Poll<Result<Vec<EpollEvent>, Errno>> {
        wait.begin();
        let ready = match self.files.epoll_mut(epoll) {
            Ok(_) if max == 0 => return Poll::Ready(Err(Errno::EINVAL)),
            Ok(instance) => core::mem::take(&mut instance.ready),
            Err(errno) => return Poll::Ready(Err(errno)),
        };
        let (mut found, mut left) = (Vec::new(), VecDeque::new());
        for fd in ready {
            if found.len() == max {
                left.push_back(fd);
                continue;
            }
            let bits = self.readiness(fd).unwrap_or(0);
            let Ok(instance) = self.files.epoll_mut(epoll) else { continue };
            let Some(interest) = instance.interests.get_mut(&fd) else { continue };
            let events = bits & (interest.events & !PRIVATE | ERR | HUP);
            if events == 0 || interest.events & !PRIVATE == 0 {
                continue;
            }
            found.push(EpollEvent { events, data: interest.data });
            if interest.events & ONE_SHOT != 0 {
                interest.events &= PRIVATE;
            } else if interest.events & EDGE == 0 {
                instance.ready.push_back(fd);
            }
        }
        if let Ok(instance) = self.files.epoll_mut(epoll) {
            left.append(&mut instance.ready);
            instance.ready = left;
        }
        if !found.is_empty() || wait.is_over(self, limit_ms) {
            return Poll::Ready(Ok(found));
        }
        Poll::Pending
    }

    /// A descriptor has changed in a way that any waiter may care for.
    pub(crate) fn wake_epolls(&mut self, fd: Fd) {
        self.wake_epolls_bits(fd, u32::MAX);
    }

    /// As [`Machine::wake_epolls`], for waiters that care for one of these bits.
    pub(crate) fn wake_epolls_for(&mut self, fd: Fd, bits: i32) {
        self.wake_epolls_bits(fd, bits.cast_unsigned());
    }

    pub(crate) fn wake_epolls_bits(&mut self, fd: Fd, bits: u32) {
        for epoll in self.files.epolls_mut() {
            epoll.wake(fd, bits);
        }
    }
}
