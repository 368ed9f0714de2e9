//! The machine's calls, with a peer made of hand-built segments.

use std::task::Poll;

use portolan_script::machine::{EpollEvent, Fd, PollFd, Settings, SocketAddress, Wait};
use portolan_script::shell;
use portolan_script::{Errno, Machine};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A machine and the peer 192.0.2.1:4000, who talks to port 8080.
struct Rig {
    machine: Machine,
    listener: Fd,
    seq: u32,
    ack: u32,
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 =
        octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

impl Rig {
    fn listening() -> Rig {
        let mut machine = Machine::new(Settings::default());
        let listener = machine.socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
        machine.bind(listener, SocketAddress::parse("192.168.0.1:8080").unwrap()).unwrap();
        machine.listen(listener, 1).unwrap();
        Rig { machine, listener, seq: 1000, ack: 0 }
    }

    fn accepted() -> (Rig, Fd) {
        let mut rig = Rig::listening();
        rig.inject(SYN, b"");
        rig.expect(SYN | ACK, 0);
        rig.inject(ACK, b"");
        let listener = rig.listener;
        let Poll::Ready(Ok((fd, remote))) = rig.machine.accept(&mut Wait::default(), listener) else {
            panic!()
        };
        assert_eq!(remote, "192.0.2.1:4000".parse().unwrap());
        (rig, fd)
    }

    fn inject(&mut self, flags: u8, text: &[u8]) {
        self.inject_window(flags, text, 60_000);
    }

    fn inject_window(&mut self, flags: u8, text: &[u8], window: u16) {
        let mut tcp = Vec::new();
        tcp.extend([4000u16, 8080].iter().flat_map(|port| port.to_be_bytes()));
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(if flags & ACK == 0 { 0 } else { self.ack }.to_be_bytes());
        tcp.extend([5 << 4, flags]);
        tcp.extend(window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(text);
        let len = u16::try_from(tcp.len()).unwrap();
        let pseudo = [&[192, 0, 2, 1, 192, 168, 0, 1, 0, 6][..], &len.to_be_bytes(), &tcp].concat();
        let sum = checksum(&pseudo).to_be_bytes();
        tcp[16..18].copy_from_slice(&sum);
        let mut ip = vec![0x45, 0];
        ip.extend((len + 20).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 168, 0, 1]);
        let sum = checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
        self.machine.inject(&[ip, tcp].concat());
        self.seq += u32::try_from(text.len()).unwrap() + u32::from(flags & (SYN | FIN) != 0);
    }

    /// The next packet has these flags, PSH aside, and so much text.
    fn expect(&mut self, flags: u8, text_len: usize) {
        let packet = self.machine.take_packet().expect("a packet").octets;
        assert_eq!(
            (packet[33] & !PSH, packet.len()),
            (flags, 20 + usize::from(packet[32] >> 4) * 4 + text_len)
        );
        let seq = u32::from_be_bytes(packet[24..28].try_into().unwrap());
        let len = u32::try_from(text_len).unwrap() + u32::from(flags & (SYN | FIN) != 0);
        self.ack = seq.wrapping_add(len);
    }

    fn expect_nothing(&mut self) {
        assert_eq!(self.machine.take_packet(), None);
    }
}

#[test]
fn a_blocking_read_waits_for_text_and_a_nonblocking_one_does_not() {
    let (mut rig, fd) = Rig::accepted();
    let mut wait = Wait::default();
    assert_eq!(rig.machine.receive(&mut wait, fd, 10, 0), Poll::Pending);
    assert_eq!(
        rig.machine.receive(&mut Wait::default(), fd, 10, libc::MSG_DONTWAIT),
        Poll::Ready(Err(Errno::EAGAIN))
    );
    rig.inject(ACK | PSH, b"text");
    let Poll::Ready(Ok(message)) = rig.machine.receive(&mut wait, fd, 10, 0) else { panic!() };
    assert_eq!(message.octets, b"text");
    rig.inject(FIN | ACK, b"");
    let Poll::Ready(Ok(message)) = rig.machine.receive(&mut Wait::default(), fd, 10, 0) else { panic!() };
    assert!(message.octets.is_empty());
}

#[test]
fn a_blocking_write_goes_on_until_all_is_taken() {
    let (mut rig, fd) = Rig::accepted();
    let text = vec![7; 1 << 20];
    let mut wait = Wait::default();
    let mut rounds = 0;
    let sent = loop {
        match rig.machine.send(&mut wait, fd, &[&text], 0, None) {
            Poll::Ready(result) => break result,
            Poll::Pending => {}
        }
        rounds += 1;
        assert!(rounds < 10_000);
        while let Some(packet) = rig.machine.take_packet() {
            let seq = u32::from_be_bytes(packet.octets[24..28].try_into().unwrap());
            let text_len = packet.octets.len() - 20 - usize::from(packet.octets[32] >> 4) * 4;
            rig.ack = seq.wrapping_add(u32::try_from(text_len).unwrap());
        }
        rig.inject(ACK, b"");
    };
    assert_eq!(sent, Ok(text.len()));
    assert!(rounds > 1);
}

#[test]
fn a_nonblocking_write_takes_what_there_is_room_for() {
    let (mut rig, fd) = Rig::accepted();
    let text = vec![7; 1 << 20];
    let sent = rig.machine.send(&mut Wait::default(), fd, &[&text], libc::MSG_DONTWAIT, None);
    assert!(matches!(sent, Poll::Ready(Ok(len)) if len > 0 && len < text.len()), "{sent:?}");
    let again = rig.machine.send(&mut Wait::default(), fd, &[&text], libc::MSG_DONTWAIT, None);
    assert_eq!(again, Poll::Ready(Err(Errno::EAGAIN)));
}

#[test]
fn errors_are_linuxs() {
    let mut rig = Rig::listening();
    let (machine, listener) = (&mut rig.machine, rig.listener);
    assert_eq!(machine.close(99), Err(Errno::EBADF));
    assert_eq!(machine.socket(libc::AF_UNIX, libc::SOCK_STREAM, 0), Err(Errno::EAFNOSUPPORT));
    let fresh = machine.socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0).unwrap();
    assert_eq!(machine.fcntl(fresh, libc::F_GETFL, 0), Ok(libc::O_RDWR | libc::O_NONBLOCK));
    let address = SocketAddress::parse("192.168.0.1:8080").unwrap();
    assert_eq!(machine.bind(fresh, address), Err(Errno::EADDRINUSE));
    assert_eq!(machine.shutdown(fresh, libc::SHUT_WR), Err(Errno::ENOTCONN));
    let wait = Wait::default;
    assert_eq!(machine.send(&mut wait(), fresh, &[b"x"], 0, None), Poll::Ready(Err(Errno::EPIPE)));
    assert_eq!(machine.receive(&mut wait(), fresh, 1, 0), Poll::Ready(Err(Errno::ENOTCONN)));
    assert_eq!(machine.receive(&mut wait(), listener, 1, 0), Poll::Ready(Err(Errno::ENOTCONN)));
    assert_eq!(machine.accept(&mut wait(), fresh), Poll::Ready(Err(Errno::EINVAL)));
    assert_eq!(machine.ioctl(listener, 0x541B), Err(Errno::EINVAL));
    let epoll = machine.epoll_create(1).unwrap();
    assert_eq!(
        machine.setsockopt(epoll, libc::SOL_SOCKET, libc::SO_REUSEADDR, &[0; 4]),
        Err(Errno::ENOTSOCK)
    );
}

#[test]
fn a_connect_is_in_progress_then_done_and_can_be_dissolved() {
    let mut rig = Rig::listening();
    let fd = rig.machine.socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0).unwrap();
    let local = SocketAddress::parse("192.168.0.1:8081").unwrap();
    rig.machine.bind(fd, local).unwrap();
    let remote = SocketAddress::parse("192.0.2.1:4000").unwrap();
    let connect = |rig: &mut Rig| rig.machine.connect(&mut Wait::default(), fd, remote);
    assert_eq!(connect(&mut rig), Poll::Ready(Err(Errno::EINPROGRESS)));
    rig.expect(SYN, 0);
    assert_eq!(connect(&mut rig), Poll::Ready(Err(Errno::EALREADY)));
    let dissolve = rig.machine.connect(&mut Wait::default(), fd, SocketAddress::Unspecified);
    assert_eq!(dissolve, Poll::Ready(Ok(())));
    assert_eq!(connect(&mut rig), Poll::Ready(Err(Errno::EINPROGRESS)));
    rig.expect(SYN, 0);
    assert_eq!(rig.machine.getsockname(fd), Ok("192.168.0.1:8081".parse().unwrap()));
}

#[test]
fn a_poll_ends_when_its_time_is_up() {
    let (mut rig, fd) = Rig::accepted();
    let mut asked = [PollFd { fd, events: libc::POLLIN, revents: 0 }, PollFd { fd: -1, ..PollFd::default() }];
    let mut wait = Wait::default();
    assert_eq!(rig.machine.poll(&mut wait, &mut asked, 20), Poll::Pending);
    let deadline = wait.deadline().expect("a limit");
    assert_eq!(deadline, rig.machine.now().plus_micros(20_000));
    rig.machine.advance_to(deadline);
    assert_eq!(rig.machine.poll(&mut wait, &mut asked, 20), Poll::Ready(Ok(0)));
    rig.inject(RST | ACK, b"");
    assert_eq!(rig.machine.poll(&mut Wait::default(), &mut asked, 20), Poll::Ready(Ok(1)));
    assert_eq!(asked[0].revents, libc::POLLIN | libc::POLLERR | libc::POLLHUP);
}

/// Every event at once, without waiting.
fn ready(machine: &mut Machine, epoll: Fd) -> Vec<u32> {
    let Poll::Ready(Ok(found)) = machine.epoll_wait(&mut Wait::default(), epoll, 8, 0) else { panic!() };
    found.iter().map(|event| event.events).collect()
}

#[test]
fn epoll_tells_once_per_edge_and_always_per_level() {
    let (mut rig, fd) = Rig::accepted();
    let (edge, level, once) = (EPOLLIN | EPOLLET, EPOLLIN, EPOLLIN | EPOLLONESHOT);
    let epolls = [edge, level, once].map(|events| {
        let epoll = rig.machine.epoll_create(1).unwrap();
        rig.machine.epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, EpollEvent { events, data: 1 }).unwrap();
        epoll
    });
    for text in [b"one", b"two"] {
        rig.inject(ACK | PSH, text);
        let found =
            epolls.map(|epoll| [ready(&mut rig.machine, epoll), ready(&mut rig.machine, epoll)].concat());
        let first = text == b"one";
        assert_eq!(found.map(|events| events.len()), [1, 2, usize::from(first)]);
    }
    let interest = EpollEvent { events: once, data: 1 };
    rig.machine.epoll_ctl(epolls[2], libc::EPOLL_CTL_MOD, fd, interest).unwrap();
    assert_eq!(ready(&mut rig.machine, epolls[2]), [EPOLLIN]);
    let again = rig.machine.epoll_ctl(epolls[0], libc::EPOLL_CTL_ADD, fd, interest);
    assert_eq!(again, Err(Errno::EEXIST));
}

const EPOLLIN: u32 = 1;
const EPOLLET: u32 = 1 << 31;
const EPOLLONESHOT: u32 = 1 << 30;

#[test]
fn a_file_is_sent_from_its_own_place_or_from_a_given_one() {
    let (mut rig, fd) = Rig::accepted();
    let file = rig.machine.open(b"contents".to_vec());
    assert_eq!(rig.machine.sendfile(&mut Wait::default(), fd, file, None, 3), Poll::Ready(Ok(3)));
    rig.expect(ACK, 3);
    rig.inject(ACK, b"");
    assert_eq!(rig.machine.sendfile(&mut Wait::default(), fd, file, Some(7), 9), Poll::Ready(Ok(1)));
    rig.expect(ACK, 1);
    rig.inject(ACK, b"");
    assert_eq!(rig.machine.sendfile(&mut Wait::default(), fd, file, None, 9), Poll::Ready(Ok(5)));
    rig.expect(ACK, 5);
    assert_eq!(rig.machine.sendfile(&mut Wait::default(), fd, fd, None, 9), Poll::Ready(Err(Errno::EINVAL)));
}

#[test]
fn time_passes_only_when_it_is_moved() {
    let mut rig = Rig::listening();
    rig.inject(SYN, b"");
    rig.expect(SYN | ACK, 0);
    rig.expect_nothing();
    let began = rig.machine.wall_clock_us();
    assert!(rig.machine.next_deadline().is_some(), "the SYN-ACK is to be sent again");
    let start = rig.machine.now();
    rig.machine.advance_to(start.plus_micros(999_000));
    rig.expect_nothing();
    rig.machine.advance_to(start.plus_micros(1_010_000));
    rig.expect(SYN | ACK, 0);
    rig.machine.advance_to(start);
    assert_eq!(rig.machine.wall_clock_us() - began, 1_010_000);
}

#[test]
fn shell_commands_reach_the_machine() {
    let (mut rig, _) = Rig::accepted();
    let mut run = |words: &str| shell::run(&mut rig.machine, &words.split(' ').collect::<Vec<_>>());
    assert_eq!(run("sysctl -q net.ipv4.tcp_syn_retries=3").status, 0);
    assert_eq!(run("sysctl net.ipv4.tcp_syn_retries").text, "net.ipv4.tcp_syn_retries = 3\n");
    assert_eq!(run("sysctl net.ipv4.tcp_nonsense=3").status, 1);
    assert_eq!(run("sysctl -e -q net.ipv4.tcp_nonsense=3").status, 0);
    let undo = run("/x/set_sysctls.py /proc/sys/net/ipv4/tcp_syn_retries=9").text;
    assert_eq!(undo, "sysctl -q '/proc/sys/net/ipv4/tcp_syn_retries=3'\n");
    let found = run("grep :1F90 /proc/net/tcp /proc/net/tcp6").text;
    let states: Vec<_> = found.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(states, ["0A", "01"]);
    assert_eq!(run("tc qdisc replace dev tun0 root pfifo limit 0").status, 0);
    assert_eq!(run("reboot now").status, 1);
    rig.inject(SYN, b"");
    rig.expect_nothing();
}

/// RFC 2385, RFC 5925 §3.1: keys are socket options; who has none for a peer that should be signed is not answered.
#[test]
fn keys_of_signed_connections_are_socket_options() {
    const MD5SIG: i32 = 14;
    const AO_ADD_KEY: i32 = 38;
    const AO_INFO: i32 = 40;
    let mut rig = Rig::listening();
    let mut md5 = vec![0; 216];
    md5[..2].copy_from_slice(&2u16.to_ne_bytes());
    md5[4..8].copy_from_slice(&[192, 0, 2, 1]);
    (md5[130], md5[136]) = (1, b'k');
    let (machine, listener) = (&mut rig.machine, rig.listener);
    assert_eq!(machine.setsockopt(listener, libc::IPPROTO_TCP, MD5SIG, &md5), Ok(()));
    let none = machine.getsockopt(listener, libc::IPPROTO_TCP, AO_INFO, 48);
    assert_eq!(none, Err(Errno::from(portolan_stack::SocketError::NoSuchName)));
    let mut ao = vec![0; 288];
    ao[..8].copy_from_slice(&md5[..8]);
    (ao[202], ao[207], ao[208]) = (32, 1, b'k');
    let rejected = machine.setsockopt(listener, libc::IPPROTO_TCP, AO_ADD_KEY, &ao);
    assert_eq!(rejected, Err(Errno::from(portolan_stack::SocketError::KeyRejected)));
    ao[7] = 9;
    assert_eq!(machine.setsockopt(listener, libc::IPPROTO_TCP, AO_ADD_KEY, &ao), Ok(()), "another peer");
    assert_eq!(machine.getsockopt(listener, libc::IPPROTO_TCP, AO_INFO, 48).map(|info| info.len()), Ok(48));
    rig.inject(SYN, b"");
    // It is not signed.
    rig.expect_nothing();
}
