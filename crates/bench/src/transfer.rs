//! One transfer over one wire: who sends, for how long, and how many octets arrived.
//!
//! End B is always the kernel behind a TAP. End A is the kernel behind another TAP, or Portolan. The wire, its faults
//! and its seed are the same for both.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant as Clock};

use portolan::{Host, Seed};
use portolan_sim::impair::{Impairment, ShapedLink};
use portolan_wire::EthernetAddress;
use socket2::{Domain, Socket, Type};

use crate::bridge::Bridge;
use crate::namespace::Namespace;

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PORT: u16 = 5001;
/// How long the opening may take over the worst wire.
const OPENING: Duration = Duration::from_secs(60);
/// How often a receiver that gets nothing looks at the clock.
const PATIENCE: Duration = Duration::from_millis(200);
/// Octets of a write and of a read.
const BLOCK: usize = 64 * 1024;

/// Who is at end A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Near {
    Linux,
    Portolan,
}

/// Which way the text goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// End A sends.
    Out,
    /// End A receives.
    In,
}

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) near: Near,
    pub(crate) direction: Direction,
    pub(crate) congestion: &'static str,
    pub(crate) impairment: Impairment,
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
}

impl Transfer {
    /// Goodput in bits per second: octets that the receiver's application had within the duration, each compared
    /// with what was sent. `name` tells transfers apart that run at the same time.
    pub(crate) fn run(&self, name: &str) -> Result<f64, String> {
        let far = Namespace::new(&format!("{name}-b"))?;
        let wire = ShapedLink::new(far.tap(&FAR.to_string())?, self.impairment, self.impairment, self.seed);
        let server = far.within(|| listen(self.congestion))?;
        match self.near {
            Near::Linux => {
                let near = Namespace::new(&format!("{name}-a"))?;
                let _bridge = Bridge::start(near.tap(&NEAR.to_string())?, wire)?;
                self.measure(server, || near.within(|| connect(self.congestion)))
            }
            Near::Portolan => {
                let (host, worker) = Host::builder()
                    .seed(Seed::fixed(self.seed))
                    .link("tap0", EthernetAddress([2, 0, 0, 0, 0, 1]), wire)
                    .address(format!("{NEAR}/24").parse().map_err(|_| "an address")?)
                    .build()
                    .map_err(|error| error.to_string())?;
                let running = worker.spawn_thread();
                let goodput = self.measure(server, || connect_ours(&host, self.congestion));
                host.shutdown();
                running.join().map_err(|_| "the worker panicked")?.map_err(|error| error.to_string())?;
                goodput
            }
        }
    }

    fn measure<S: Read + Write + Send>(
        &self,
        server: Socket,
        connect: impl FnOnce() -> Result<S, String>,
    ) -> Result<f64, String> {
        thread::scope(|scope| {
            let accepting = scope.spawn(move || server.accept().map(|(socket, _)| socket));
            let near = connect()?;
            let far = accepting.join().map_err(|_| "accept panicked")?.map_err(said("accept"))?;
            let end = Clock::now() + self.duration;
            far.set_read_timeout(Some(PATIENCE)).map_err(said("SO_RCVTIMEO"))?;
            match self.direction {
                Direction::Out => exchange(near, far, end),
                Direction::In => exchange(far, near, end),
            }
            .map(|octets| octets as f64 * 8.0 / self.duration.as_secs_f64())
        })
    }
}

/// Sends from one to the other until `end`; the octets that arrived by then.
fn exchange(mut from: impl Write + Send, mut to: impl Read + Send, end: Clock) -> Result<u64, String> {
    let block = pattern();
    thread::scope(|scope| {
        let sent = &block;
        let sending = scope.spawn(move || {
            while Clock::now() < end && from.write_all(sent).is_ok() {}
            // Closing comes last, so that the receiver's count is not cut short by a reset.
            from
        });
        let mut octets = 0u64;
        let mut buffer = vec![0; BLOCK];
        while Clock::now() < end {
            let at = usize::try_from(octets % BLOCK as u64).map_err(|_| "an offset")?;
            let room = BLOCK - at;
            let count = match to.read(&mut buffer[..room]) {
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => return Err(format!("read: {error}")),
            };
            if buffer[..count] != block[at..at + count] {
                return Err(format!("wrong text within {count} octets at {octets}"));
            }
            octets += count as u64;
        }
        drop(to);
        drop(sending.join().map_err(|_| "the sender panicked")?);
        Ok(octets)
    })
}

/// A block whose octets tell where they stand.
fn pattern() -> Vec<u8> {
    (0..BLOCK).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect()
}

fn listen(congestion: &str) -> Result<Socket, String> {
    let socket = kernel_socket(congestion)?;
    socket.bind(&SocketAddr::from((FAR, PORT)).into()).map_err(said("bind"))?;
    socket.listen(1).map_err(said("listen"))?;
    Ok(socket)
}

fn connect(congestion: &str) -> Result<Socket, String> {
    let socket = kernel_socket(congestion)?;
    socket.connect_timeout(&SocketAddr::from((FAR, PORT)).into(), OPENING).map_err(said("connect"))?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(said("SO_RCVTIMEO"))?;
    Ok(socket)
}

fn kernel_socket(congestion: &str) -> Result<Socket, String> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(said("socket"))?;
    socket.set_tcp_congestion(congestion.as_bytes()).map_err(said("TCP_CONGESTION"))?;
    // A transfer that stands still is a result, and a hang is none.
    socket.set_read_timeout(Some(OPENING)).map_err(said("SO_RCVTIMEO"))?;
    socket.set_write_timeout(Some(OPENING)).map_err(said("SO_SNDTIMEO"))?;
    Ok(socket)
}

fn connect_ours(host: &Host, congestion: &str) -> Result<portolan::blocking::TcpStream, String> {
    let address = SocketAddr::from((FAR, PORT));
    let stream =
        portolan::blocking::TcpStream::connect_timeout(host, &address, OPENING).map_err(said("connect"))?;
    stream.set_congestion(congestion).map_err(said("TCP_CONGESTION"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(said("a read timeout"))?;
    stream.set_write_timeout(Some(OPENING)).map_err(said("a write timeout"))?;
    Ok(stream)
}

fn said(what: &'static str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}
