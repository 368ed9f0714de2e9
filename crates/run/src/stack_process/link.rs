//! The command's link, by what the user asked for, and what stands at its other end.
//!
//! Egress and none are an in-process wire whose other end is the gateway host ([`super::router`]). Shaping stands between the command's stack and the wire, always, since it can be changed at any time; the
//! capture stands nearest to the stack, so it records what the stack sends and what it receives; where there is no
//! gateway, the fence stands between the two.

use std::fs::File;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use portolan::{Host, HostBuilder, Worker};
use portolan_drivers::lan::Lan;
use portolan_drivers::{Capture, CaptureLink, Monitor, Packet, PollLink, Tap, TapOptions, wire};
use portolan_link::{LinkCaps, Medium};
use portolan_sim::impair::{Direction, Impairment, Schedule, ShapeHandle, ShapedLink};
use portolan_wire::{Address, Cidr, EthernetAddress};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Namespaced;
use super::departing::Departing;
use super::router::{self, Ports};
use crate::attribution;
use crate::config::{self, Config, LinkChoice, Shape};
use crate::dns::resolv_conf::ResolvConf;
use crate::fence::Fence;
use crate::fence::link::FenceLink;
use crate::gateway::Counters;
use crate::key_log::KeyLog;
use crate::netns::interface;
use crate::owners::Owners;
use crate::plan::{Plan, Service};
use crate::publish::{self, Inside, listen};

/// The stations of a private wire: locally administered addresses, with the numbers of their IPv4 addresses.
pub(crate) const COMMAND: EthernetAddress = EthernetAddress([0x02, 0x50, 0x4f, 0x00, 0x00, 0x0f]);
pub(super) const GATEWAY: EthernetAddress = EthernetAddress([0x02, 0x50, 0x4f, 0x00, 0x00, 0x02]);

/// The private wire's two ends, as their hosts name them.
const PRIVATE: &str = "portolan0";
pub(super) const OUTER: &str = "gateway";

/// The private wire's MTU when none is given.
pub(super) const DEFAULT_MTU: u16 = 1500;

/// The longest super-segment on the in-process wire.
const GSO_MAX: u32 = 65_535;

/// How long the gateway may take to pass the last resets on to the machine's sockets, how long to end after that, and
/// how often both are looked at.
const CLOSE_TIME: Duration = Duration::from_millis(100);
const END_TIME: Duration = Duration::from_millis(500);
const CLOSE_STEP: Duration = Duration::from_millis(1);

/// What stands behind the command's link.
pub(super) struct Network {
    /// Who is who, on a private wire.
    pub(super) plan: Option<Plan>,
    /// What the user should know of it now, a line each.
    pub(super) notes: Vec<String>,
    /// Changes the faults of the command's link.
    pub(super) shape: ShapeHandle,
    /// Those who watch it.
    pub(super) monitor: Monitor,
    recording: Recording,
    gateway: Option<(Host, JoinHandle<()>)>,
}

/// What is wrong with the recording, for the user.
type Recording = Arc<Mutex<Option<String>>>;

/// How the command's link is looked at.
struct Sight {
    owners: Arc<Owners>,
    recording: Recording,
    monitor: Monitor,
    /// From the gateway's end.
    is_mirrored: bool,
}

impl Sight {
    fn new(fence: &Fence) -> Sight {
        let owners = Arc::clone(fence.owners());
        Sight { owners, recording: Recording::default(), monitor: Monitor::default(), is_mirrored: false }
    }
}

impl Network {
    /// Why the recording ended early, if it did; known once the worker has ended.
    pub(super) fn take_recording_failure(&self) -> Option<String> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets the gateway pass on what has arrived there, until it has no connection or a limit.
    pub(super) async fn drain(&self) {
        let Some((host, _)) = &self.gateway else { return };
        let until = Instant::now() + CLOSE_TIME;
        // One step more than there are connections for: the task of the last one must have run.
        let mut is_done = false;
        while !is_done && Instant::now() < until {
            is_done = host.with_stack(|stack, _| stack.counts().connections == 0);
            tokio::time::sleep(CLOSE_STEP).await;
        }
    }

    /// Ends the gateway, after it has seen the last of the command's segments.
    pub(super) async fn close(&mut self) {
        self.drain().await;
        let Some((host, thread)) = self.gateway.take() else { return };
        host.shutdown();
        // Never joined: a gateway that hangs must not keep the process alive, whose end takes the thread with it.
        let until = Instant::now() + END_TIME;
        while !thread.is_finished() && Instant::now() < until {
            tokio::time::sleep(CLOSE_STEP).await;
        }
    }
}

/// A link's end that was there before.
pub(super) enum Brought {
    /// None.
    Nothing,
    /// A place on a wire between hosts.
    Lan(Lan),
    /// The gateway's end of a wire, whose other end is the kernel's, in the command's namespace.
    Namespace(Namespaced),
}

/// Builds the command's host, or finds that it is the kernel's: then it is the gateway's, which runs already. Fails with one line for the user.
pub(super) fn build(
    config: &Config,
    conf: &ResolvConf,
    seed: u64,
    counters: Arc<Counters>,
    fence: &Arc<Fence>,
    listening: watch::Receiver<()>,
    brought: Brought,
) -> Result<(Host, Option<Worker>, Network), String> {
    // A frame that is to be shaped is cut first, so nothing is gained by asking for more; who shapes later pays for it.
    let offload = config.shape == Shape::default();
    let options = TapOptions { offload, mtu: config.mtu, ..TapOptions::default() };
    let (host, worker, network) = match &config.link {
        LinkChoice::Tap(name) => {
            let tap = Tap::open(name, options).map_err(|error| error.to_string())?;
            build_alone(config, conf, name, station_beside(tap.peer_ethernet()), tap, seed, fence)
        }
        LinkChoice::Tun(name) => {
            let options = TapOptions { medium: Medium::Ip, ..options };
            let tun = Tap::open(name, options).map_err(|error| error.to_string())?;
            build_alone(config, conf, name, COMMAND, tun, seed, fence)
        }
        LinkChoice::Packet(name) => {
            let packet = Packet::open(name, config.mtu, offload).map_err(|error| error.to_string())?;
            build_alone(config, conf, name, station_beside(packet.interface_ethernet()), packet, seed, fence)
        }
        LinkChoice::Wire(_) => {
            let Brought::Lan(lan) = brought else { return Err("the wire has not been joined".into()) };
            build_alone(config, conf, "wire0", random_station()?, lan, seed, fence)
        }
        LinkChoice::Egress | LinkChoice::None => match brought {
            Brought::Namespace(namespace) => {
                let (host, network) = build_namespaced(config, conf, seed, counters, fence, namespace)?;
                return Ok((host, None, network));
            }
            _ => build_private(config, conf, seed, counters, fence, listening),
        },
    }?;
    Ok((host, Some(worker), network))
}

/// A host on a link that somebody else is at the other end of.
fn build_alone(
    config: &Config,
    conf: &ResolvConf,
    name: &str,
    station: EthernetAddress,
    link: impl PollLink + 'static,
    seed: u64,
    fence: &Arc<Fence>,
) -> Result<(Host, Worker, Network), String> {
    let sight = Sight::new(fence);
    let (shaped, shape) = shaped(config, link, seed, std::convert::identity)?;
    let link = FenceLink::new(shaped, fence.clone(), name_servers(config, conf));
    let mut builder = with_link(config, name, station, link, &sight)?;
    for network in &config.addresses {
        builder = builder.address(cidr(*network)?);
    }
    for gateway in &config.gateways {
        builder = builder.gateway(Address::from(*gateway));
    }
    let (host, worker) = builder.build().map_err(|error| error.to_string())?;
    let Sight { recording, monitor, .. } = sight;
    Ok((host, worker, Network { plan: None, notes: Vec::new(), shape, monitor, recording, gateway: None }))
}

/// A station's address that differs from the device's own, and stays the same from run to run.
fn station_beside(device: [u8; 6]) -> EthernetAddress {
    let [_, _, c, d, e, f] = device;
    EthernetAddress([0x02, 0x50, c, d, e, f.wrapping_add(1)])
}

/// A station's address that nobody else on a wire has, but by a chance of one in millions.
fn random_station() -> Result<EthernetAddress, String> {
    super::random().map(|[d, e, f]| EthernetAddress([0x02, 0x50, 0x4f, d, e, f]))
}

fn build_private(
    config: &Config,
    conf: &ResolvConf,
    seed: u64,
    counters: Arc<Counters>,
    fence: &Arc<Fence>,
    listening: watch::Receiver<()>,
) -> Result<(Host, Worker, Network), String> {
    let plan = Plan::new(config).map_err(|error| error.to_string())?;
    let caps = LinkCaps {
        medium: Medium::Ethernet,
        mtu: config.mtu.unwrap_or(DEFAULT_MTU),
        gso_max: GSO_MAX,
        checksum: true,
    };
    let (ours, theirs) = wire::pair(caps, caps);
    let mut bound = listen::bind(&config.publish)?;
    let notes = std::mem::take(&mut bound.notes);
    let sight = Sight::new(fence);
    let (shaped, shape) = shaped(config, ours, seed, std::convert::identity)?;
    let mut builder = with_link(config, PRIVATE, COMMAND, shaped, &sight)?;
    for network in &plan.addresses {
        builder = builder.address(cidr(*network)?);
    }
    for gateway in &plan.gateways {
        builder = builder.gateway(Address::from(*gateway));
    }
    for (server, gateway) in servers_beyond(conf, &plan) {
        let prefix = if server.is_ipv4() { 32 } else { 128 };
        let server = cidr(config::Network { address: server, prefix })?;
        builder = builder.route(server, Some(Address::from(gateway)));
    }
    let (host, worker) = builder.build().map_err(|error| error.to_string())?;
    let link = host.link(PRIVATE).ok_or("the command's link is gone")?;
    let ports = Ports { bound, command: Inside::Host { host: host.clone(), link }, listening };
    let outer = Host::builder().link(OUTER, GATEWAY, theirs);
    let gateway = router::start(config, conf, &plan, outer, counters, fence, ports)?;
    let Sight { recording, monitor, .. } = sight;
    let gateway = Some(gateway);
    Ok((host, worker, Network { plan: Some(plan), notes, shape, monitor, recording, gateway }))
}

/// The gateway of a command whose host is the kernel's: all that stands at the command's own link elsewhere stands here
/// at this end, and tells directions as the command sees them.
fn build_namespaced(
    config: &Config,
    conf: &ResolvConf,
    seed: u64,
    counters: Arc<Counters>,
    fence: &Arc<Fence>,
    namespace: Namespaced,
) -> Result<(Host, Network), String> {
    let plan = Plan::new(config).map_err(|error| error.to_string())?;
    let mtu = config.mtu.unwrap_or(DEFAULT_MTU);
    let offload = config.shape == Shape::default();
    let link = Departing(Packet::handed_over(namespace.socket, interface::OUTSIDE, mtu, offload));
    let sight = Sight { is_mirrored: true, ..Sight::new(fence) };
    let (shaped, shape) = shaped(config, link, seed, ShapeHandle::mirrored)?;
    // The knobs and the name are for the command's host.
    let own = Config { sysctls: Vec::new(), hostname: None, ..config.clone() };
    let outer = with_link(&own, OUTER, GATEWAY, shaped, &sight)?;
    let mut bound = listen::bind(&config.publish)?;
    let notes = std::mem::take(&mut bound.notes);
    let listening = publish::look_regularly(!config.publish.is_empty());
    let ports = Ports { bound, command: Inside::Namespace(namespace.member), listening };
    let (host, thread) = router::start(config, conf, &plan, outer, counters, fence, ports)?;
    let Sight { recording, monitor, .. } = sight;
    let gateway = Some((host.clone(), thread));
    Ok((host, Network { plan: Some(plan), notes, shape, monitor, recording, gateway }))
}

/// The name servers of resolv.conf that no route of a wire without a router leads to, each with the gateway that answers
/// for it: programs that read the file themselves ask there.
fn servers_beyond(conf: &ResolvConf, plan: &Plan) -> Vec<(IpAddr, IpAddr)> {
    let is_beyond = |server: &IpAddr| !server.is_loopback() && !plan.is_on_link(*server);
    let gateway = |v4: bool| plan.addresses_of(Service::Gateway).find(|gateway| gateway.is_ipv4() == v4);
    let beyond = conf.servers.iter().copied().filter(|server| plan.gateways.is_empty() && is_beyond(server));
    beyond.filter_map(|server| Some((server, gateway(server.is_ipv4())?))).collect()
}

/// The name servers that a host without a gateway asks: those given, or the machine's.
pub(super) fn name_servers(config: &Config, conf: &ResolvConf) -> Vec<IpAddr> {
    let given = if config.dns.is_empty() { &conf.servers } else { &config.dns };
    // A server on the machine's loopback is not on the link.
    given.iter().copied().filter(|server| !server.is_loopback()).collect()
}

/// A link shaped as the user asked, and what changes that, as `seen` from the command.
fn shaped<L: PollLink>(
    config: &Config,
    link: L,
    seed: u64,
    seen: fn(ShapeHandle) -> ShapeHandle,
) -> Result<(ShapedLink<L>, ShapeHandle), String> {
    let parse = |text: &Option<String>, direction| match text {
        Some(text) => Schedule::parse(text, direction).map(Some).map_err(|error| error.to_string()),
        None => Ok(None),
    };
    let up = parse(&config.shape.up, Direction::Up)?;
    let down = parse(&config.shape.down, Direction::Down)?;
    let link = ShapedLink::new(link, Impairment::default(), Impairment::default(), seed);
    let shape = seen(link.handle());
    // Not given to the link at once: a schedule counts from now, not from the clock's zero.
    shape.set(up, down);
    Ok((link, shape))
}

/// A host with this link, recorded if the user asked.
fn with_link(
    config: &Config,
    name: &str,
    station: EthernetAddress,
    link: impl PollLink + 'static,
    sight: &Sight,
) -> Result<HostBuilder, String> {
    let mut settings = portolan_stack::Config {
        flow_summaries: true,
        // A command with a network of its own may have any port of it.
        ip_unprivileged_port_start: 0,
        ..portolan_stack::Config::default()
    };
    for sysctl in &config.sysctls {
        sysctl.apply(&mut settings);
    }
    if let Some(hostname) = &config.hostname {
        settings.hostname.clone_from(hostname);
    }
    let builder = Host::builder().config(settings);
    let medium = link.caps().medium;
    let mut link = match open_capture(config, &sight.recording)? {
        Some(capture) => CaptureLink::new(link, capture, name),
        None => CaptureLink::unrecorded(link),
    };
    if sight.is_mirrored {
        link.seen_from_the_other_end();
    }
    link.watched_by(sight.monitor.clone());
    let owners = Arc::clone(&sight.owners);
    link.annotate(move |direction, frame| attribution::comment(&owners, medium, direction, frame));
    Ok(builder.link(name, station, link))
}

/// The recording on standard output, if there is to be one.
fn open_capture(config: &Config, recording: &Recording) -> Result<Option<Capture>, String> {
    if !config.capture {
        return Ok(None);
    }
    let file = rustix::stdio::stdout().try_clone_to_owned().map_err(|error| format!("--pcap: {error}"))?;
    let capture = Capture::to_file(File::from(file), SystemTime::now());
    let recording = recording.clone();
    capture.on_failure(move |error| {
        let why = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
        let line = format!("--pcap: the recording ends early{why}; what was written before can be read");
        *recording.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    });
    if let Some(path) = &config.keys {
        let mut keys = KeyLog::new(path.clone());
        capture.take_secrets_from(move || keys.take());
    }
    Ok(Some(capture))
}

pub(super) fn cidr(network: config::Network) -> Result<Cidr, String> {
    Cidr::new(Address::from(network.address), network.prefix)
        .ok_or_else(|| format!("{network} is no network"))
}
