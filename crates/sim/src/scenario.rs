//! Whole stories, each from one seed.
//!
//! Seeds are played in swarm mode: every fault and every setting is off, mild or wild by a draw of its own, because a
//! net with all faults at once hides the bugs that one fault alone brings out.

mod draw;
mod outage;
mod peer;

use portolan_link::Instant;
use portolan_wire::{Endpoint, Family};

use crate::failure::{Failure, SEED_VARIABLE};
use crate::net::{HostId, Net};
use crate::trace::TraceHash;
use outage::Outage;
use peer::Peer;

/// Octets that each side of [`transfer`] sends.
pub const TRANSFER_OCTETS: u64 = 1024 * 1024;

/// Virtual time after which a transfer counts as stuck: six hours.
const LIMIT: Instant = Instant::from_millis(6 * 3600 * 1000);
const PORT: u16 = 80;

/// How a story went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// The hash of every frame.
    pub trace: TraceHash,
    /// Frames on the wire.
    pub frames: u64,
    /// The virtual time when the last table was empty.
    pub finished_at: Instant,
}

/// Two hosts, one connection, [`TRANSFER_OCTETS`] in each direction at the same time, over a wire with random faults,
/// which in some stories carries nothing at all for a while and then demands that the connection goes on.
///
/// Fails unless every octet arrives as it was sent, both sides see the end, and at last every table of both hosts is
/// empty: connections, SYN queue, TIME-WAIT, flows, ports.
pub fn transfer(seed: u64) -> Result<Report, Failure> {
    let mut net = Net::new(seed);
    let (family, options) = draw::wire(net.random());
    let [client_config, server_config] = [(); 2].map(|()| draw::config(net.random()));
    let client = net.add_host("client", client_config);
    let server = net.add_host("server", server_config);
    let (wire, client_link, server_link) = net.connect(client, server, &options);
    let addresses = draw::addresses(family);
    for (host, link, address) in [(client, client_link, addresses[0]), (server, server_link, addresses[1])] {
        let added = net.with(host, |stack, now| stack.add_address(now, link, address))?;
        added.map_err(|error| net.failure(format!("add_address: {error:?}")))?;
    }
    let remote = Endpoint { address: addresses[1].address(), port: PORT };
    play(&mut net, [client, server], remote, family, |net| Outage::draw(net, wire, &options))?;
    wait_until_empty(&mut net, &[client, server])?;
    Ok(Report { trace: net.trace_hash(), frames: net.frames(), finished_at: net.now() })
}

/// Connects, exchanges and closes, until both applications have closed their sockets. `draw_outage` is asked once the
/// server has accepted: a host that cannot be found during the handshake is unreachable, and rightly so.
fn play(
    net: &mut Net,
    [client, server]: [HostId; 2],
    remote: Endpoint,
    family: Family,
    draw_outage: impl Fn(&mut Net) -> Option<Outage>,
) -> Result<(), Failure> {
    let listener = net.with(server, |stack, now| {
        let socket = stack.tcp_socket(family)?;
        stack.bind(now, socket, Endpoint { port: PORT, ..unspecified(family) })?;
        stack.listen(now, socket, 4).map(|()| socket)
    })?;
    let listener = listener.map_err(|error| net.failure(format!("listen: {error:?}")))?;
    let socket = net.with(client, |stack, now| {
        let socket = stack.tcp_socket(family)?;
        stack.connect(now, socket, remote).map(|()| socket)
    })?;
    let socket = socket.map_err(|error| net.failure(format!("connect: {error:?}")))?;
    let mut active = Peer::new(client, "client", socket, [1, 2], net.random());
    let mut passive: Option<Peer> = None;
    let mut outage: Option<Outage> = None;
    net.run(LIMIT, |net| {
        if let Some(outage) = outage {
            outage.turn(net);
        }
        if passive.is_none()
            && let Ok((socket, ..)) = net.with(server, |stack, now| stack.accept(now, listener))?
        {
            passive = Some(Peer::new(server, "server", socket, [2, 1], net.random()));
            outage = draw_outage(net);
            let closed = net.with(server, |stack, now| stack.close(now, listener))?;
            closed.map_err(|error| net.failure(format!("closing the listener: {error:?}")))?;
        }
        active.turn(net)?;
        if let Some(passive) = &mut passive {
            passive.turn(net)?;
        }
        Ok(active.is_closed() && passive.as_ref().is_some_and(Peer::is_closed))
    })
}

/// Lets time pass until no table of the hosts has an entry.
fn wait_until_empty(net: &mut Net, hosts: &[HostId]) -> Result<(), Failure> {
    let result = net.run(LIMIT, |net| Ok(hosts.iter().all(|host| net.stack(*host).counts().is_empty())));
    result.map_err(|mut failure| {
        let left: Vec<_> = hosts.iter().map(|host| net.stack(*host).counts()).collect();
        failure.what = format!("{}; tables at the end: {left:?}", failure.what);
        failure
    })
}

fn unspecified(family: Family) -> Endpoint {
    use portolan_wire::Address;
    let address = match family {
        Family::V4 => Address::V4_UNSPECIFIED,
        Family::V6 => Address::UNSPECIFIED,
    };
    Endpoint { address, port: 0 }
}

/// The seeds that a test plays: the one that the environment names, else the first `short`, or the first `full` if
/// `PORTOLAN_FULL` is set to 1.
pub fn seeds(short: u64, full: u64) -> std::ops::Range<u64> {
    if let Ok(text) = std::env::var(SEED_VARIABLE) {
        let seed: u64 =
            text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text}: a seed is a whole number"));
        return seed..seed + 1;
    }
    0..if std::env::var("PORTOLAN_FULL").is_ok_and(|value| value == "1") { full } else { short }
}
