//! Half of these tests put a socket pair in the kernel's place, so that they can send what a kernel would not. The
//! other half meet the kernel: each runs itself again in a network namespace of its own (`unshare`), as root.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant as SystemInstant};

use portolan_link::Chunk;

use super::*;
use crate::fixture::{OURS, THEIRS, assert_finished, pattern, tcp, udp};

const NOW: Instant = Instant::ZERO;
const OFFLOADS: u32 = ioctl::offload::CHECKSUM | ioctl::offload::TCP | ioctl::offload::UDP;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A TAP whose kernel is a socket of ours.
fn mock(vnet_hdr: bool) -> (Tap, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let accepted = if vnet_hdr { OFFLOADS } else { 0 };
    (Tap::over(ours.into(), "mock", Medium::Ethernet, 1500, vnet_hdr, accepted), theirs)
}

fn device(name: &str) -> Device {
    Device { medium: Medium::Ethernet, name: name.to_owned() }
}

fn receive(tap: &mut Tap, pool: &mut Pool) -> Vec<PacketBuf> {
    let mut batch = RxBatch::new(64);
    tap.receive(NOW, pool, &mut batch).unwrap();
    batch.drain().collect()
}

fn push(batch: &mut TxBatch, frame: &[u8], offload: Offload) {
    let entry = batch.push().unwrap();
    let head_len = frame.len().min(54);
    entry.set_head_len(head_len).copy_from_slice(&frame[..head_len]);
    entry.text.push(Chunk::from(frame[head_len..].to_vec()));
    entry.offload = offload;
}

fn partial(start: u16, offset: u16) -> Offload {
    Offload { checksum: Checksum::Partial { start, offset }, ..Offload::default() }
}

#[test]
fn names_that_no_interface_has_are_refused() {
    for name in ["", "a-name-of-16-chr", "a/b", "a b", "tap%d", "a:b", ".", "..", "a\nb", "a\0b"] {
        let error = Tap::open(name, TapOptions::default()).unwrap_err();
        assert_eq!(error, TapError::BadName { device: device(name) });
        assert!(!error.to_string().contains(['\n', '\0']), "one line, no control characters");
    }
}

#[test]
fn errors_of_the_system_are_told_apart() {
    let name = device("tap9");
    let permission = |errno| TapError::Permission { device: device("tap9"), errno };
    assert_eq!(TapError::from_attach(&device("tap9"), Errno::BUSY), TapError::Busy { device: name.clone() });
    assert_eq!(TapError::from_attach(&device("tap9"), Errno::PERM), permission(Errno::PERM));
    assert_eq!(
        TapError::from_attach(&device("tap9"), Errno::INVAL),
        TapError::OtherMode { device: name.clone() }
    );
    let no_access = TapError::DriverPermission { device: name.clone(), errno: Errno::ACCESS };
    assert_eq!(TapError::from_open(&device("tap9"), Errno::ACCESS), no_access);
    let missing = TapError::from_open(&device("tap9"), Errno::NOENT);
    assert_eq!(missing, TapError::NoDriver { device: name, errno: Errno::NOENT });
    for error in
        [missing, no_access, TapError::from_open(&device("tap9"), Errno::MFILE), permission(Errno::PERM)]
    {
        let line = error.to_string();
        assert!(line.starts_with("cannot open TAP 'tap9': ") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn plain_frames_go_both_ways_untouched() {
    let (mut tap, kernel) = mock(false);
    assert_eq!((tap.caps().gso_max, tap.caps().checksum), (0, false));
    let mut pool = Pool::new();
    for len in [1, 14, 60, 1514, 2048, 2049, 65_000] {
        kernel.send(&pattern(len)).unwrap();
        let frames = receive(&mut tap, &mut pool);
        assert_eq!([frames[0].bytes(), frames[0].tail()].concat(), pattern(len));
        assert_eq!(frames[0].offload, Offload::default());
        let mut batch = TxBatch::new(1);
        push(&mut batch, &pattern(len), Offload::default());
        assert_eq!(tap.transmit(NOW, &mut batch), Ok(1));
        let mut out = vec![0; 70_000];
        let got = kernel.recv(&mut out).unwrap();
        assert_eq!(out[..got], pattern(len));
    }
    assert_eq!((tap.stats().received, tap.stats().transmitted), (7, 7));
}

#[test]
fn n1_a_header_that_does_not_fit_its_frame_drops_it() {
    // Attack row N1, end to end through `receive`: random headers, and frames of any length down to none.
    let (mut tap, kernel) = mock(true);
    let mut pool = Pool::new();
    let mut state = 7_u64;
    let (mut delivered, mut sent) = (0, 0);
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = state.to_be_bytes();
        let len = usize::from(random[7]) * 8 % 1700;
        let mut frame = vec![random[0] & 3, random[1] & 0x87, random[2], random[3], random[4], random[5] & 3];
        frame.extend([random[6], random[5] >> 5, random[4] & 31, 0]);
        frame.extend(pattern(len));
        frame.truncate(usize::from(random[3]) * 16);
        if frame.is_empty() {
            continue;
        }
        kernel.send(&frame).unwrap();
        sent += 1;
        for packet in receive(&mut tap, &mut pool) {
            delivered += 1;
            if let Checksum::Partial { start, offset } = packet.offload.checksum {
                assert!(usize::from(start) + usize::from(offset) + 2 <= packet.len());
            }
            if let Gso::Tcp { size, .. } = packet.offload.gso {
                assert!(size > 0 && usize::from(size) < packet.len());
            }
            assert!(!matches!(packet.offload.gso, Gso::Udp { .. }));
            packet.recycle(&mut pool);
        }
    }
    assert_eq!(tap.stats().received, delivered);
    // None of these frames is UDP, so none was cut into several.
    assert_eq!(tap.stats().bad_headers, sent - delivered);
    assert!(delivered > 100 && sent - delivered > 100, "{delivered} of {sent}");
    assert!(pool.stats().allocated < 10, "memory does not grow with bad frames: {:?}", pool.stats());
}

#[test]
fn n1_a_flood_of_bad_headers_does_not_hold_the_worker() {
    let (mut tap, kernel) = mock(true);
    kernel.set_nonblocking(true).unwrap();
    let sent = (0..4 * DROPS_MAX).take_while(|_| kernel.send(&[1; 9]).is_ok()).count();
    let mut pool = Pool::new();
    let mut calls = 0;
    while tap.stats().bad_headers < sent as u64 {
        assert!(receive(&mut tap, &mut pool).is_empty());
        calls += 1;
        assert!(tap.stats().bad_headers <= (calls * DROPS_MAX) as u64);
    }
}

#[test]
fn a_full_device_is_back_pressure_and_keeps_order() {
    let (mut tap, kernel) = mock(true);
    let mut batch = TxBatch::new(2000);
    for number in 0..2000_u32 {
        push(&mut batch, &[&[0; 14], &number.to_be_bytes()[..]].concat(), Offload::default());
    }
    let (mut next, mut rounds) = (0_u32, 0);
    let mut out = [0; 100];
    while !batch.is_empty() {
        let taken = tap.transmit(NOW, &mut batch).unwrap();
        rounds += 1;
        for _ in 0..taken {
            let len = kernel.recv(&mut out).unwrap();
            assert_eq!(out[len - 4..len], next.to_be_bytes());
            next += 1;
        }
    }
    assert_eq!(next, 2000);
    assert!(rounds > 1, "the pair must have been full once");
}

#[test]
fn a_frame_that_can_never_be_sent_does_not_block_the_next() {
    let (mut tap, kernel) = mock(false);
    let mut batch = TxBatch::new(4);
    let entry = batch.push().unwrap();
    for _ in 0..SLICES_MAX + 2 {
        entry.text.push(Chunk::from(vec![1]));
    }
    push(&mut batch, b"next", Offload::default());
    assert_eq!(tap.transmit(NOW, &mut batch), Ok(2));
    let mut out = [0; 100];
    assert_eq!(kernel.recv(&mut out).unwrap(), 4);
    assert_eq!(tap.stats().unsendable, 1);
}

#[test]
fn udp_is_cut_here_for_kernels_that_cannot() {
    let (ours, kernel) = UnixDatagram::pair().unwrap();
    let accepted = ioctl::offload::CHECKSUM | ioctl::offload::TCP;
    let mut tap = Tap::over(ours.into(), "mock", Medium::Ethernet, 1500, true, accepted);
    let (frame, start) = udp(4, 53, &pattern(2500));
    let mut batch = TxBatch::new(1);
    push(&mut batch, &frame, Offload { gso: Gso::Udp { size: 1000 }, ..partial(start, 6) });
    tap.transmit(NOW, &mut batch).unwrap();
    let mut out = [0; 2000];
    for len in [1000, 1000, 500] {
        let got = kernel.recv(&mut out).unwrap();
        assert_eq!(out[..virtio::HEADER_LEN], [0; virtio::HEADER_LEN]);
        assert_finished(&out[virtio::HEADER_LEN..got]);
        assert_eq!(got, virtio::HEADER_LEN + 42 + len);
    }
}

#[test]
fn received_super_datagrams_are_cut_over_several_batches() {
    let (mut tap, kernel) = mock(true);
    let (frame, start) = udp(4, 53, &pattern(2500));
    let offload = Offload { gso: Gso::Udp { size: 100 }, ..partial(start, 6) };
    kernel.send(&[&virtio::emit(&offload, false, 42)[..], &frame].concat()).unwrap();
    let (mut pool, mut payload) = (Pool::new(), Vec::new());
    for expected in [10, 10, 5] {
        let mut batch = RxBatch::new(10);
        assert_eq!(tap.receive(NOW, &mut pool, &mut batch), Ok(expected));
        for packet in batch.drain() {
            assert_finished(packet.bytes());
            assert_eq!(packet.offload, Offload { checksum: Checksum::Valid, ..Offload::default() });
            payload.extend_from_slice(&packet.bytes()[42..]);
        }
    }
    assert_eq!(payload, pattern(2500));
    // More datagrams than the kernel would ever send as one, and what is no UDP at all.
    let too_many = Offload { gso: Gso::Udp { size: 1 }, ..offload };
    kernel.send(&[&virtio::emit(&too_many, false, 42)[..], &frame].concat()).unwrap();
    kernel.send(&[&virtio::emit(&offload, false, 42)[..], &pattern(2500)].concat()).unwrap();
    assert!(receive(&mut tap, &mut pool).is_empty());
    assert_eq!((tap.stats().received, tap.stats().bad_headers), (25, 2));
}

// --- With the kernel ---

/// Runs the test of this name again in a network namespace of its own. Returns whether we are in it.
fn in_namespace(test: &str) -> bool {
    const INSIDE: &str = "PORTOLAN_TAP_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        let message = format!("{test} needs root, to make a network namespace");
        assert!(std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some(), "{message}");
        eprintln!("NOT RUN: {message}");
        return false;
    }
    let binary = std::env::current_exe().unwrap();
    let name = format!("tap::tests::{test}");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--"])
        .arg(binary)
        .args(["--exact", "--nocapture", "--test-threads=1", &name])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) is installed");
    assert!(status.success(), "{test} failed in its namespace");
    false
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}");
}

/// A TAP with an address and with us as a permanent neighbour.
fn make_tap() {
    ip("tuntap add dev tap0 mode tap");
    ip("link set tap0 address 02:00:00:00:00:01 up");
    ip("addr add 10.9.0.1/24 dev tap0");
    ip("-6 addr add fd09::1/64 dev tap0 nodad");
    ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev tap0");
    ip("-6 neigh add fd09::2 lladdr 02:00:00:00:00:02 dev tap0");
}

/// Opens the TAP and waits until the kernel has noticed: a frame that it sends before is dropped in silence.
fn open_up(options: TapOptions) -> Tap {
    let tap = Tap::open("tap0", options).unwrap();
    let start = SystemInstant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let output = Command::new("ip").args(["-o", "link", "show", "tap0"]).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains("state UP") {
            return tap;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the kernel does not take the device for up");
}

/// The next frame that `wanted` accepts, within five seconds.
fn wait_for(tap: &mut Tap, pool: &mut Pool, wanted: impl Fn(&PacketBuf) -> bool) -> PacketBuf {
    let start = SystemInstant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if let Some(packet) = receive(tap, pool).into_iter().find(|packet| wanted(packet)) {
            return packet;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the frame did not come");
}

fn send(tap: &mut Tap, frame: &[u8], offload: Offload) {
    let mut batch = TxBatch::new(1);
    push(&mut batch, frame, offload);
    assert_eq!(tap.transmit(NOW, &mut batch), Ok(1));
    assert_eq!(tap.stats().unsendable, 0);
}

#[test]
fn opening_tells_what_is_wrong() {
    if !in_namespace("opening_tells_what_is_wrong") {
        return;
    }
    let name = device("tap0");
    let open = |name: &str| Tap::open(name, TapOptions::default());
    assert_eq!(open("tap0").unwrap_err(), TapError::NotFound { device: name.clone() });
    ip("tuntap add dev tun0 mode tun");
    assert_eq!(open("tun0").unwrap_err(), TapError::OtherMode { device: device("tun0") });
    assert_eq!(open("lo").unwrap_err(), TapError::OtherMode { device: device("lo") });
    make_tap();
    let tap = open("tap0").unwrap();
    assert_eq!(open("tap0").unwrap_err(), TapError::Busy { device: name.clone() });
    assert_eq!(tap.peer_ethernet(), THEIRS.ethernet);
    assert_eq!(tap.caps().mtu, 1500);
    drop(tap);
    let options = TapOptions { mtu: Some(1501), ..TapOptions::default() };
    let error = Tap::open("tap0", options).unwrap_err();
    assert_eq!(error, TapError::Mtu { device: name, asked: 1501, most: 1500 });
    ip("link set tap0 mtu 65520");
    assert_eq!(open("tap0").unwrap().caps().mtu, 65_520);
    let created = Tap::open("tap7", TapOptions { create: true, ..TapOptions::default() }).unwrap();
    assert_eq!(created.is_up(), Ok(false));
}

#[test]
fn a_missing_driver_is_told() {
    if !in_namespace("a_missing_driver_is_told") {
        return;
    }
    make_tap();
    // An empty folder over /dev/net, in the mount namespace of this test.
    let status = Command::new("mount").args(["-t", "tmpfs", "none", "/dev/net"]).status().unwrap();
    assert!(status.success());
    let error = Tap::open("tap0", TapOptions::default()).unwrap_err();
    assert!(matches!(error, TapError::NoDriver { .. }), "{error}");
}

#[test]
fn the_kernel_takes_and_makes_super_segments() {
    if !in_namespace("the_kernel_takes_and_makes_super_segments") {
        return;
    }
    make_tap();
    let mut tap = open_up(TapOptions::default());
    assert!(tap.has_vnet_hdr() && tap.caps().checksum);
    assert_eq!(tap.caps().gso_max, PACKET_MAX);
    let mut pool = Pool::new();
    for (version, address) in [(4, "10.9.0.1"), (6, "fd09::1")] {
        let listener = TcpListener::bind((address, 80)).unwrap();
        let from_us = move |packet: &PacketBuf| {
            let (start, port) = if version == 4 { (34, 36) } else { (54, 56) };
            packet.bytes().get(port..port + 2) == Some(&2000_u16.to_be_bytes())
                && packet.bytes()[start + 1] == 80
        };
        let (syn, start) = tcp(version, 80, 999, 0, SYN, &[]);
        send(&mut tap, &syn, partial(start, 16));
        let syn_ack = wait_for(&mut tap, &mut pool, from_us);
        let at = usize::from(start);
        let theirs = u32::from_be_bytes(syn_ack.bytes()[at + 4..at + 8].try_into().unwrap());
        assert_eq!(syn_ack.offload.checksum, Checksum::Partial { start, offset: 16 });

        // To the kernel: 20,000 octets in one write.
        let text = pattern(20_000);
        let (frame, _) = tcp(version, 80, 1000, theirs.wrapping_add(1), ACK, &text);
        send(&mut tap, &frame, Offload { gso: Gso::Tcp { size: 1460, ecn: false }, ..partial(start, 16) });
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = vec![0; text.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(got, text);

        // From the kernel: a super-segment of its first window.
        stream.write_all(&text).unwrap();
        let long = wait_for(&mut tap, &mut pool, |packet| from_us(packet) && packet.offload.gso != Gso::None);
        assert!(matches!(long.offload.gso, Gso::Tcp { size: 500..=1460, .. }), "{:?}", long.offload);
        let octets = [long.bytes(), long.tail()].concat();
        assert!(text.starts_with(&octets[at + 20..]), "the text starts where the headers end");
        let mut cut = 0;
        let mut segmenter = Segmenter::new(Medium::Ethernet);
        segmenter
            .cut(&long.offload, [&octets[..]], |frame| {
                assert_finished(frame);
                cut += 1;
            })
            .unwrap();
        assert!(cut > 1);
    }
}

#[test]
fn the_kernel_cuts_our_udp() {
    if !in_namespace("the_kernel_cuts_our_udp") {
        return;
    }
    make_tap();
    let mut tap = open_up(TapOptions::default());
    for (version, address) in [(4, "10.9.0.1"), (6, "fd09::1")] {
        let socket = UdpSocket::bind((address, 53)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let payload = pattern(3500);
        let (frame, start) = udp(version, 53, &payload);
        send(&mut tap, &frame, Offload { gso: Gso::Udp { size: 1000 }, ..partial(start, 6) });
        let mut out = [0; 4000];
        for expected in payload.chunks(1000) {
            let len = socket.recv(&mut out).unwrap();
            assert_eq!(&out[..len], expected);
        }
    }
}

#[test]
fn the_kernels_udp_super_segments_come_as_datagrams() {
    if !in_namespace("the_kernels_udp_super_segments_come_as_datagrams") {
        return;
    }
    make_tap();
    let mut tap = open_up(TapOptions::default());
    // UDP_SEGMENT has no safe call in Rust; python3 has one.
    let script = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)
s.sendto(bytes(2500), ('10.9.0.2', 9999))";
    let status =
        Command::new("/usr/bin/python3").args(["-c", script]).status().expect("python3 is installed");
    assert!(status.success());
    let mut pool = Pool::new();
    let mut lens = Vec::new();
    let to_9999 = |packet: &PacketBuf| packet.bytes().get(36..38) == Some(&9999_u16.to_be_bytes());
    let start = SystemInstant::now();
    while lens.len() < 3 && start.elapsed() < Duration::from_secs(5) {
        for packet in receive(&mut tap, &mut pool).into_iter().filter(to_9999) {
            lens.push(packet.len() - 42);
            assert_eq!(packet.offload.gso, Gso::None);
        }
    }
    assert_eq!(lens, [1000, 1000, 500]);
}

#[test]
fn plain_frames_reach_the_kernel_and_come_complete() {
    if !in_namespace("plain_frames_reach_the_kernel_and_come_complete") {
        return;
    }
    make_tap();
    // First with the header, so that what the device remembers of it must be undone.
    drop(Tap::open("tap0", TapOptions::default()).unwrap());
    let options = TapOptions { vnet_hdr: false, ..TapOptions::default() };
    let mut tap = open_up(options);
    assert_eq!((tap.has_vnet_hdr(), tap.caps().gso_max, tap.caps().checksum), (false, 0, false));
    let socket = UdpSocket::bind("10.9.0.1:53").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (frame, start) = udp(4, 53, b"ping");
    let mut finished = Vec::new();
    let mut segmenter = Segmenter::new(Medium::Ethernet);
    segmenter.cut(&partial(start, 6), [&frame[..]], |frame| finished = frame.to_vec()).unwrap();
    send(&mut tap, &finished, Offload::default());
    let mut out = [0; 100];
    let (len, from) = socket.recv_from(&mut out).unwrap();
    assert_eq!((&out[..len], from.to_string()), (&b"ping"[..], "10.9.0.2:2000".to_owned()));
    socket.send_to(b"pong", from).unwrap();
    let answer = wait_for(&mut tap, &mut Pool::new(), |packet| packet.bytes().ends_with(b"pong"));
    assert_finished(answer.bytes());
    assert_eq!(answer.bytes()[..6], OURS.ethernet);
}

#[test]
fn a_device_that_goes_down_or_away_is_told() {
    if !in_namespace("a_device_that_goes_down_or_away_is_told") {
        return;
    }
    make_tap();
    let mut tap = Tap::open("tap0", TapOptions::default()).unwrap();
    assert_eq!(tap.is_up(), Ok(true));
    ip("link set tap0 down");
    assert_eq!(tap.is_up(), Ok(false));
    let (frame, start) = udp(4, 53, b"x");
    let mut batch = TxBatch::new(2);
    push(&mut batch, &frame, partial(start, 6));
    assert_eq!(tap.transmit(NOW, &mut batch), Err(LinkError::Down));
    assert!(batch.is_empty(), "frames are lost while the link is down");
    ip("link set tap0 up");
    push(&mut batch, &frame, partial(start, 6));
    assert_eq!(tap.transmit(NOW, &mut batch), Ok(1));
    ip("link del tap0");
    push(&mut batch, &frame, partial(start, 6));
    assert_eq!(tap.transmit(NOW, &mut batch), Err(LinkError::Gone));
    let error = tap.receive(NOW, &mut Pool::new(), &mut RxBatch::new(4));
    assert_eq!(error, Err(LinkError::Gone));
}
