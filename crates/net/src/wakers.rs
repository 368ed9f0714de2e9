//! Who waits for which socket.
//!
//! A socket has two kinds of waiters in each direction. The `poll_*` functions, which tokio's traits are made of,
//! keep one waker, that of the last caller. The `async fn`s that take `&self` may be many at a time; each has an
//! entry of its own, which it takes out when it is dropped, so that cancelled calls leave nothing behind.

use std::task::Waker;

use portolan_stack::SocketId;
use smallvec::SmallVec;

/// Which readiness a task waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Text, a datagram, a connection to accept, or the end of them.
    Read,
    /// Room to send, or the end of a connection attempt.
    Write,
}

/// Wakers that are to be called once the host's lock is released: a waker may run anything.
#[derive(Default)]
pub(crate) struct WakeList(SmallVec<[Waker; 8]>);

impl WakeList {
    pub(crate) fn push(&mut self, waker: Waker) {
        self.0.push(waker);
    }

    /// Calls every waker, and leaves the list empty.
    pub(crate) fn wake_all(&mut self) {
        for waker in self.0.drain(..) {
            waker.wake();
        }
    }
}

/// The waiters of all sockets of a host, by the socket's index.
#[derive(Default)]
pub(crate) struct WakerTable {
    slots: Vec<Slot>,
    last_key: u64,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    reader: Option<Waker>,
    writer: Option<Waker>,
    waiters: Vec<Waiter>,
}

struct Waiter {
    key: u64,
    direction: Direction,
    waker: Waker,
}

impl WakerTable {
    /// Keeps the waker of a `poll_*` function, in place of the last one.
    pub(crate) fn register_poll(&mut self, id: SocketId, direction: Direction, waker: &Waker) {
        let slot = self.slot(id);
        let place = match direction {
            Direction::Read => &mut slot.reader,
            Direction::Write => &mut slot.writer,
        };
        match place {
            Some(kept) => kept.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
    }

    /// Keeps the waker of a future; `key` names its entry from now on.
    pub(crate) fn register(
        &mut self,
        id: SocketId,
        direction: Direction,
        key: &mut Option<u64>,
        waker: &Waker,
    ) {
        let next = self.last_key + 1;
        let slot = self.slot(id);
        if let Some(waiter) = slot.waiters.iter_mut().find(|waiter| Some(waiter.key) == *key) {
            waiter.waker.clone_from(waker);
            return;
        }
        slot.waiters.push(Waiter { key: next, direction, waker: waker.clone() });
        *key = Some(next);
        self.last_key = next;
    }

    /// Takes out the entry of a future that was dropped.
    pub(crate) fn deregister(&mut self, id: SocketId, key: u64) {
        // After an abort the index may be another socket's by now, whose waiters must stay.
        if let Some(slot) = self.slots.get_mut(id.index() as usize)
            && slot.generation == generation(id)
        {
            slot.waiters.retain(|waiter| waiter.key != key);
        }
    }

    /// Moves the waiters of one direction to `out`.
    pub(crate) fn wake(&mut self, id: SocketId, direction: Direction, out: &mut WakeList) {
        let Some(slot) = self.slots.get_mut(id.index() as usize) else { return };
        if slot.generation != generation(id) {
            return;
        }
        let polled = match direction {
            Direction::Read => slot.reader.take(),
            Direction::Write => slot.writer.take(),
        };
        polled.into_iter().for_each(|waker| out.push(waker));
        slot.waiters.retain(|waiter| {
            if waiter.direction == direction {
                out.push(waiter.waker.clone());
            }
            waiter.direction != direction
        });
    }

    /// Moves the waiters of both directions to `out`.
    pub(crate) fn wake_both(&mut self, id: SocketId, out: &mut WakeList) {
        self.wake(id, Direction::Read, out);
        self.wake(id, Direction::Write, out);
    }

    /// Moves all waiters of all sockets to `out`.
    pub(crate) fn wake_everyone(&mut self, out: &mut WakeList) {
        for slot in self.slots.drain(..) {
            slot.reader.into_iter().chain(slot.writer).for_each(|waker| out.push(waker));
            slot.waiters.into_iter().for_each(|waiter| out.push(waiter.waker));
        }
    }

    /// The slot of a socket. The slot of an older generation is made new: that socket is closed.
    fn slot(&mut self, id: SocketId) -> &mut Slot {
        let index = id.index() as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, Slot::default);
        }
        let slot = &mut self.slots[index];
        if slot.generation != generation(id) {
            *slot = Slot { generation: generation(id), ..Slot::default() };
        }
        slot
    }
}

/// Tells a socket from an older one of the same index.
fn generation(id: SocketId) -> u32 {
    (id.to_bits() >> 32) as u32
}

#[cfg(test)]
mod tests;
