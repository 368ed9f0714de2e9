//! The flavour that blocks, between hosts whose workers are threads.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use portolan::blocking::{TcpListener, TcpStream, UdpSocket};
use portolan_stack::IPPROTO_TCP;
use rustix::io::Errno;

use crate::common::{A, B, B6, OFFLOADED, PLAIN, at, check, on_threads, pattern};

fn connect(a: &portolan::Host, b: &portolan::Host) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(b, at(B, 7)).unwrap();
    let near = TcpStream::connect(a, at(B, 7)).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn threads_exchange_large_texts() {
    const OCTETS: usize = 16 << 20;
    let (a, b) = on_threads(PLAIN);
    let (near, far) = connect(&a, &b);
    let send = |seed, mut stream: TcpStream| {
        thread::spawn(move || {
            let mut octets = vec![0; OCTETS];
            pattern(seed, 0, &mut octets);
            stream.write_all(&octets).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let receive = |seed, mut stream: TcpStream| {
        thread::spawn(move || {
            let mut octets = Vec::new();
            stream.read_to_end(&mut octets).unwrap();
            assert_eq!(octets.len(), OCTETS);
            check(seed, 0, &octets);
        })
    };
    let threads = [
        send(1, near.try_clone().unwrap()),
        receive(2, near),
        send(2, far.try_clone().unwrap()),
        receive(1, far),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
    a.shutdown();
    b.shutdown();
}

#[test]
fn no_wake_up_is_lost_in_a_long_ping_pong() {
    let (a, b) = on_threads(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b);
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    // A lost wake-up shows as a timeout.
    near.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let echo = thread::spawn(move || {
        let mut word = [0; 64];
        while far.read_exact(&mut word).is_ok() {
            far.write_all(&word).unwrap();
        }
    });
    for round in 0..5000_u32 {
        near.write_all(&[round as u8; 64]).unwrap();
        let mut word = [0; 64];
        near.read_exact(&mut word).unwrap();
        assert_eq!(word, [round as u8; 64]);
    }
    drop(near);
    echo.join().unwrap();
    a.shutdown();
    b.shutdown();
}

#[test]
fn no_wake_up_is_lost_among_many_threads() {
    let (a, b) = on_threads(PLAIN);
    let listener = TcpListener::bind(&b, at(B, 7)).unwrap();
    let accepting = thread::spawn(move || {
        let echoes: Vec<_> = (0..8)
            .map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                thread::spawn(move || {
                    let mut word = [0; 3000];
                    while stream.read_exact(&mut word).is_ok() {
                        stream.write_all(&word).unwrap();
                    }
                })
            })
            .collect();
        echoes.into_iter().for_each(|echo| echo.join().unwrap());
    });
    let clients: Vec<_> = (0..8_u8)
        .map(|number| {
            let a = a.clone();
            thread::spawn(move || {
                let mut stream = TcpStream::connect(&a, at(B, 7)).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                for round in 0..500_u32 {
                    let word = [number.wrapping_add(round as u8); 3000];
                    stream.write_all(&word).unwrap();
                    let mut echo = [0; 3000];
                    stream.read_exact(&mut echo).unwrap();
                    assert_eq!(echo, word);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    accepting.join().unwrap();
    a.shutdown();
    b.shutdown();
}

#[test]
fn timeouts_are_kept() {
    let (a, b) = on_threads(OFFLOADED);
    let (mut near, _far) = connect(&a, &b);
    assert_eq!(near.read_timeout().unwrap(), None);
    assert_eq!(near.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
    near.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(near.try_clone().unwrap().read_timeout().unwrap(), Some(Duration::from_millis(50)));
    let start = Instant::now();
    assert_eq!(near.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!((Duration::from_millis(50)..Duration::from_secs(5)).contains(&start.elapsed()));

    near.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = loop {
        if let Err(error) = near.write(&[0; 1 << 16]) {
            break error;
        }
    };
    assert_eq!(error.raw_os_error(), Some(11));

    let start = Instant::now();
    let error = TcpStream::connect_timeout(&a, &at("10.0.0.99", 80), Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(2));
    a.shutdown();
    b.shutdown();
}

#[test]
fn nonblocking_calls_do_not_wait() {
    let (a, b) = on_threads(OFFLOADED);
    let listener = TcpListener::bind(&b, at(B, 80)).unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut near = TcpStream::connect(&a, at(B, 80)).unwrap();
    near.set_nonblocking(true).unwrap();
    assert_eq!(near.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    a.shutdown();
    b.shutdown();
}

#[test]
fn a_shutdown_wakes_blocked_threads() {
    let (a, b) = on_threads(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b);
    let listener = TcpListener::bind(&a, at(A, 80)).unwrap();
    let reading = thread::spawn(move || near.read(&mut [0; 8]));
    let peer = thread::spawn(move || far.read(&mut [0; 8]));
    let accepting = thread::spawn(move || listener.incoming().next().unwrap().map(drop));
    thread::sleep(Duration::from_millis(50));
    a.shutdown();
    assert!(reading.join().unwrap().is_err());
    assert_eq!(peer.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(accepting.join().unwrap().is_err());
    b.shutdown();
}

#[test]
fn datagrams_and_both_families() {
    let (a, b) = on_threads(OFFLOADED);
    let near = UdpSocket::bind(&a, at("::", 0)).unwrap();
    let far = UdpSocket::bind(&b, at(B6, 53)).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    near.connect(at(B6, 53)).unwrap();
    near.send(b"ping").unwrap();
    let mut out = [0; 8];
    let (len, from) = far.recv_from(&mut out).unwrap();
    assert_eq!(&out[..len], b"ping");
    far.send_to(b"pong", from).unwrap();
    near.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(near.recv(&mut out).unwrap(), 4);
    near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(near.recv(&mut out).unwrap_err().kind(), ErrorKind::WouldBlock);
    a.shutdown();
    b.shutdown();
}

#[test]
fn options_have_linuxs_numbers_and_errors() {
    const TCP_MAXSEG: i32 = 2;
    const TCP_QUICKACK: i32 = 12;
    let (a, b) = on_threads(PLAIN);
    let (client, _server) = connect(&a, &b);
    client.set_congestion("reno").unwrap();
    assert_eq!(client.option(IPPROTO_TCP, 13).unwrap().split(|octet| *octet == 0).next(), Some(&b"reno"[..]));
    let error = client.set_congestion("unheard-of").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOENT.raw_os_error()));
    assert_eq!(client.option(IPPROTO_TCP, TCP_MAXSEG).unwrap(), 1448_i32.to_ne_bytes());
    client.set_option(IPPROTO_TCP, TCP_QUICKACK, &1_i32.to_ne_bytes()).unwrap();
    let error = client.set_option(IPPROTO_TCP, TCP_QUICKACK, &[1, 0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
    let error = client.option(IPPROTO_TCP, 999).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOPROTOOPT.raw_os_error()));
}
