use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use portolan_stack::SocketId;

use super::*;

/// A waker that counts.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    (Arc::clone(&count), Waker::from(count))
}

fn woken(count: &Count) -> usize {
    count.0.load(Ordering::Relaxed)
}

fn socket(index: u64, generation: u64) -> SocketId {
    SocketId::from_bits(generation << 32 | index)
}

fn wake(table: &mut WakerTable, id: SocketId, direction: Direction) {
    let mut list = WakeList::default();
    table.wake(id, direction, &mut list);
    list.wake_all();
}

#[test]
fn directions_and_sockets_are_kept_apart() {
    let mut table = WakerTable::default();
    let [(read, read_waker), (write, write_waker), (other, other_waker)] = [counter(), counter(), counter()];
    table.register_poll(socket(3, 1), Direction::Read, &read_waker);
    table.register_poll(socket(3, 1), Direction::Write, &write_waker);
    table.register_poll(socket(4, 1), Direction::Read, &other_waker);
    wake(&mut table, socket(3, 1), Direction::Read);
    assert_eq!([&read, &write, &other].map(|count| woken(count)), [1, 0, 0]);
    wake(&mut table, socket(3, 1), Direction::Read);
    assert_eq!(woken(&read), 1, "one registration is one wake-up");
    wake(&mut table, socket(9, 1), Direction::Read);
}

#[test]
fn a_poll_replaces_the_last_one_and_futures_do_not() {
    let mut table = WakerTable::default();
    let [(first, first_waker), (second, second_waker)] = [counter(), counter()];
    let id = socket(0, 7);
    table.register_poll(id, Direction::Read, &first_waker);
    table.register_poll(id, Direction::Read, &second_waker);
    wake(&mut table, id, Direction::Read);
    assert_eq!((woken(&first), woken(&second)), (0, 1));

    let mut keys = [None, None];
    table.register(id, Direction::Read, &mut keys[0], &first_waker);
    table.register(id, Direction::Read, &mut keys[1], &second_waker);
    table.register(id, Direction::Read, &mut keys[0], &first_waker);
    wake(&mut table, id, Direction::Read);
    assert_eq!((woken(&first), woken(&second)), (1, 2));
}

#[test]
fn a_dropped_future_leaves_nothing() {
    let mut table = WakerTable::default();
    let (count, waker) = counter();
    let id = socket(0, 0);
    for _ in 0..1000 {
        let mut key = None;
        table.register(id, Direction::Write, &mut key, &waker);
        table.deregister(id, key.unwrap());
    }
    assert!(table.slots[0].waiters.is_empty());
    wake(&mut table, id, Direction::Write);
    assert_eq!(woken(&count), 0);
}

#[test]
fn a_new_socket_of_the_same_index_is_another_one() {
    let mut table = WakerTable::default();
    let [(old, old_waker), (new, new_waker)] = [counter(), counter()];
    table.register_poll(socket(2, 1), Direction::Read, &old_waker);
    table.register_poll(socket(2, 2), Direction::Read, &new_waker);
    wake(&mut table, socket(2, 1), Direction::Read);
    assert_eq!((woken(&old), woken(&new)), (0, 0), "an event of the old socket means nothing to the new one");
    wake(&mut table, socket(2, 2), Direction::Read);
    assert_eq!((woken(&old), woken(&new)), (0, 1));
}

#[test]
fn a_future_of_an_older_socket_takes_nothing_from_the_new_one() {
    let mut table = WakerTable::default();
    let [(_, old_waker), (new, new_waker)] = [counter(), counter()];
    let (mut old_key, mut new_key) = (None, None);
    // A read waits; the connection is aborted by another task, and its index is used again before the read's
    // future has gone.
    table.register(socket(2, 1), Direction::Read, &mut old_key, &old_waker);
    wake(&mut table, socket(2, 1), Direction::Read);
    table.register(socket(2, 2), Direction::Read, &mut new_key, &new_waker);
    table.register_poll(socket(2, 2), Direction::Write, &new_waker);
    table.deregister(socket(2, 1), old_key.unwrap());
    wake(&mut table, socket(2, 2), Direction::Read);
    wake(&mut table, socket(2, 2), Direction::Write);
    assert_eq!(woken(&new), 2);
}

#[test]
fn everyone_is_woken_at_the_end() {
    let mut table = WakerTable::default();
    let (count, waker) = counter();
    let mut key = None;
    table.register(socket(1, 0), Direction::Read, &mut key, &waker);
    table.register_poll(socket(1, 0), Direction::Write, &waker);
    table.register_poll(socket(5, 0), Direction::Read, &waker);
    let mut list = WakeList::default();
    table.wake_everyone(&mut list);
    list.wake_all();
    assert_eq!(woken(&count), 3);
}
