use std::os::fd::OwnedFd;
use std::time::Instant;

use portolan_protocol::{Family, Kind, Secret, Transport};

use super::super::{call, socket};
use super::*;

fn rendezvous() -> Rendezvous {
    let mut octets = [[0; 16]; 2];
    getrandom::fill(octets.as_flattened_mut()).unwrap();
    Rendezvous { id: SocketId(octets[0]), secret: Secret(octets[1]) }
}

/// A stack process of which a thread plays the part: it gets the listener for control connections.
fn played(play: impl FnOnce(OwnedFd) + Send + 'static) -> Rendezvous {
    let rendezvous = rendezvous();
    let listener = unix::listener(Transport::Udp, &rendezvous.control_name()).unwrap();
    std::thread::spawn(move || play(listener));
    rendezvous
}

/// The next connection's end; calls on it wait.
fn accept(listener: &OwnedFd) -> OwnedFd {
    while !unix::is_readable(listener.as_fd()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    unix::accept_with(listener.as_fd(), false).unwrap().0
}

fn reply(end: &OwnedFd, number: u32, reply: Reply<'_>) {
    let mut buffer = [0; CALL_MAX];
    let len = reply.encode(number, &mut buffer).unwrap();
    unix::write(end.as_fd(), &buffer[..len]).unwrap();
}

fn operation() -> Operation<'static> {
    Operation::ActFor { process: 1, user: 1 }
}

#[test]
fn a_stack_process_that_says_nothing_holds_nobody_for_long() {
    const LIMIT: Duration = Duration::from_millis(200);
    let rendezvous = played(|listener| {
        let (end, mut buffer) = (accept(&listener), [0; CALL_MAX]);
        unix::receive_waiting(end.as_fd(), &mut buffer).unwrap();
        reply(&end, 1, Reply::Done);
        // The second is answered late, when nobody asks for it any more.
        unix::receive_waiting(end.as_fd(), &mut buffer).unwrap();
        unix::receive_waiting(end.as_fd(), &mut buffer).unwrap();
        reply(&end, 2, Reply::Failed(libc::EPERM));
        reply(&end, 3, Reply::Done);
        let _ = unix::receive_waiting(end.as_fd(), &mut buffer);
    });
    let mut stack = Stack::connect_within(rendezvous, LIMIT).unwrap();
    let began = Instant::now();
    assert_eq!(stack.order(operation()), Err(Errno::NETDOWN));
    let took = began.elapsed();
    assert!(took >= LIMIT && took < 20 * LIMIT, "{took:?}");
    assert_eq!(stack.order(operation()), Ok(()), "the late answer is nobody's");
}

#[test]
fn a_stack_process_that_takes_no_connection_holds_nobody_for_long() {
    let rendezvous = played(|listener| {
        let (end, mut buffer) = (accept(&listener), [0; CALL_MAX]);
        unix::receive_waiting(end.as_fd(), &mut buffer).unwrap();
        reply(&end, 1, Reply::Done);
        let _ = unix::receive_waiting(end.as_fd(), &mut buffer);
    });
    let streams = unix::listener(Transport::Tcp, &rendezvous.name()).unwrap();
    rustix::net::listen(&streams, 0).unwrap();
    let stack = Stack::connect(rendezvous).unwrap();
    let fresh = |number: u8| {
        let kind = Kind::bare(Transport::Tcp, Family::V4);
        let SocketId(mut id) = rendezvous.id;
        id[0] ^= number;
        unix::program_socket(Transport::Tcp, &Name::Socket { id: SocketId(id), kind }).unwrap()
    };
    let first = fresh(1);
    assert_eq!(socket::attach(&stack, first.as_fd()), Ok(()), "there is room for one");
    let (second, began) = (fresh(2), Instant::now());
    assert_eq!(socket::attach(&stack, second.as_fd()), Err(Errno::NETDOWN));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!call::is_nonblocking(second.as_fd()), "it blocks as before");
}
