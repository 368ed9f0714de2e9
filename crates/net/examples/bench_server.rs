//! The neutral end of the benchmarks: five simple servers on one host, all within the worker's turn.
//!
//! ```text
//! bench_server --link tap:tap0 [--offload] [--mtu N] --address 10.1.0.2/24
//! ```
//!
//! Port 5001 reads and discards. 5002 sends at once and never reads. 5003 echoes until the peer closes. 5004 does the
//! same, and leaves it to the peer to close first. 5005 accepts, and then neither reads nor closes. With `--offload`
//! the TAP has a virtio header (it was made with `vnet_hdr`), and super-segments and unfinished checksums cross it.
//! SIGTERM ends the program at once, as it ends every program that does not mind.
//!
//! One thread owns the stack. There is no task and no thread per connection: [`portolan::Worker::run_with`] shows
//! each event to [`Bench::on_event`], which moves text by reference, from a receive queue to a send queue.

use std::collections::HashMap;
use std::process::ExitCode;

use portolan::{Chunk, Host};
use portolan_drivers::{Tap, TapOptions};
use portolan_link::Instant;
use portolan_stack::{Config, Event, SocketError, SocketId, SocketOption, Stack};
use portolan_wire::{Address, Cidr, Endpoint, EthernetAddress, Family};

/// The address on the link; any locally administered one that the kernel's end does not have.
const ETHERNET: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
const BACKLOG: u32 = 16_384;
/// Octets that one read may take from a connection, so that all get their turn.
const READ_MAX: usize = 1 << 20;
/// Octets of each write on port 5002: a chunk that is shared, never copied.
const SOURCE_OCTETS: usize = 1 << 20;

/// What a connection is for, by the port that it came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Discard,
    Source,
    Echo,
    Hold,
}

const SERVICES: [(u16, Service); 5] = [
    (5001, Service::Discard),
    (5002, Service::Source),
    (5003, Service::Echo),
    (5004, Service::Echo),
    (5005, Service::Hold),
];

struct Bench {
    listeners: HashMap<SocketId, Service>,
    connections: HashMap<SocketId, Connection>,
    source: Chunk,
}

struct Connection {
    service: Service,
    /// Read, and not yet taken by the send queue.
    unsent: Option<Chunk>,
}

impl Bench {
    /// Listens on all ports.
    fn listen(stack: &mut Stack, now: Instant) -> Result<Bench, SocketError> {
        let mut listeners = HashMap::new();
        for (port, service) in SERVICES {
            let id = stack.tcp_socket(Family::V4)?;
            stack.set_option(now, id, SocketOption::NoDelay(true))?;
            stack.bind(now, id, Endpoint { address: Address::V4_UNSPECIFIED, port })?;
            stack.listen(now, id, BACKLOG)?;
            listeners.insert(id, service);
        }
        let source = Chunk::from(vec![0; SOURCE_OCTETS]);
        Ok(Bench { listeners, connections: HashMap::new(), source })
    }

    fn on_event(&mut self, stack: &mut Stack, now: Instant, event: &Event) {
        match *event {
            Event::Acceptable(listener) => self.accept(stack, now, listener),
            Event::Readable(id) | Event::Writable(id) | Event::PeerClosed(id) | Event::Failed(id, _) => {
                self.serve(stack, now, id);
            }
            _ => {}
        }
    }

    fn accept(&mut self, stack: &mut Stack, now: Instant, listener: SocketId) {
        let Some(&service) = self.listeners.get(&listener) else { return };
        while let Ok((id, _local, _remote)) = stack.accept(now, listener) {
            self.connections.insert(id, Connection { service, unsent: None });
            self.serve(stack, now, id);
        }
    }

    /// Does what can be done for a connection now, and closes it when it has ended.
    fn serve(&mut self, stack: &mut Stack, now: Instant, id: SocketId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let end = match connection.service {
            Service::Discard => discard(stack, now, id),
            Service::Source => send(stack, now, id, &self.source),
            Service::Echo => connection.echo(stack, now, id),
            Service::Hold => Ok(()),
        };
        if !matches!(end, Ok(()) | Err(SocketError::WouldBlock)) {
            self.connections.remove(&id);
            // It exists, for it was in our table.
            let _ = stack.close(now, id);
        }
    }
}

impl Connection {
    fn echo(&mut self, stack: &mut Stack, now: Instant, id: SocketId) -> Result<(), SocketError> {
        loop {
            if let Some(chunk) = &mut self.unsent {
                while !chunk.is_empty() {
                    stack.write_chunk(now, id, chunk)?;
                }
            }
            self.unsent = Some(read(stack, now, id)?);
        }
    }
}

fn discard(stack: &mut Stack, now: Instant, id: SocketId) -> Result<(), SocketError> {
    loop {
        read(stack, now, id)?;
    }
}

fn send(stack: &mut Stack, now: Instant, id: SocketId, source: &Chunk) -> Result<(), SocketError> {
    loop {
        stack.write_chunk(now, id, &mut source.clone())?;
    }
}

/// The next chunk. The peer's FIN counts as an error: it ends the connection.
fn read(stack: &mut Stack, now: Instant, id: SocketId) -> Result<Chunk, SocketError> {
    stack.read_chunk(now, id, READ_MAX)?.ok_or(SocketError::NotConnected)
}

/// What the command line says.
struct Arguments {
    tap: String,
    options: TapOptions,
    address: Cidr,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut tap, mut address) = (None, None);
        let mut options = TapOptions { vnet_hdr: false, offload: false, ..TapOptions::default() };
        while let Some(word) = words.next() {
            if word == "--offload" {
                (options.vnet_hdr, options.offload) = (true, true);
                continue;
            }
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            let bad = || format!("{word} {value}: not understood");
            match word.as_str() {
                "--link" => tap = Some(value.strip_prefix("tap:").ok_or_else(bad)?.to_owned()),
                "--mtu" => options.mtu = Some(value.parse().map_err(|_| bad())?),
                "--address" => address = Some(value.parse().map_err(|_| bad())?),
                _ => return Err(format!("{word}: no such option")),
            }
        }
        Ok(Arguments {
            tap: tap.ok_or("--link tap:NAME is missing")?,
            options,
            address: address.ok_or("--address A.B.C.D/N is missing")?,
        })
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let tap = Tap::open(&arguments.tap, arguments.options)?;
    let config = Config { somaxconn: BACKLOG, ..Config::default() };
    let (host, worker) =
        Host::builder().config(config).link("tap0", ETHERNET, tap).address(arguments.address).build()?;
    let mut bench = host.with_stack(Bench::listen)?;
    worker.run_with(move |stack, now, event| bench.on_event(stack, now, event))?;
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_server: {error}");
            ExitCode::FAILURE
        }
    }
}
