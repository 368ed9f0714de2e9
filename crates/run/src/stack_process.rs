//! The stack process: the command's host, its link and its control server, and the gateway on a second thread.
//!
//! The program starts itself again with [`crate::channel::HIDDEN_ARGUMENT`]; standard input is the channel to the
//! supervisor, standard output the file that frames are recorded to. It ends when it is told to, or when the supervisor
//! is gone: always with a reset of every connection before the links close. Start reading in [`main`].

mod departing;
mod flows;
mod link;
mod local_names;
mod names;
mod orders;
mod router;
mod warnings;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portolan::Host;
use portolan_protocol::environment::STACK;
use portolan_protocol::{Rendezvous, Secret, SocketId};
use rustix::process::{Pid, Resource, Rlimit, getppid, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::admin::AdminError;
use crate::admin::message::Identity;
use crate::admin::server::{AdminSocket, Served};
use crate::channel::{News, Order, Wire};
use crate::config::{Config, LinkChoice};
use crate::control::{ControlConfig, ControlServer, Supervisors};
use crate::dns::resolv_conf::ResolvConf;
use crate::fence::Fence;
use crate::gateway::Counters;
use crate::lookup::Resolver;
use crate::os::namespace::take_descriptor;
use crate::owners::Owners;
use crate::plan::Plan;
use crate::share_loopback;
use crate::summary::Report;
use crate::wire;
use flows::{FlowLog, Side};
pub(crate) use link::COMMAND;
use link::{Brought, Network};
use names::{resolver_config, serve_loopback_names};
use orders::{Orders, Teller, channel};

/// How long what the command sent last may take to arrive after its end.
const LINGER: Duration = Duration::from_secs(5);

/// How often it is looked at meanwhile.
const LINGER_STEP: Duration = Duration::from_millis(2);

/// How often in a row nothing must be left: between two looks the control server may have found more.
const QUIET_LOOKS: u32 = 3;

/// How long the worker may take to send the resets.
const RESET_TIME: Duration = Duration::from_millis(300);

/// How long those who watch may take to read the last frames.
const LAST_FRAMES_TIME: Duration = Duration::from_millis(300);

/// The descriptors that are asked for: two for each connection of the command.
const DESCRIPTORS: u64 = 1 << 20;

/// The whole life of a stack process.
pub fn main() -> ExitCode {
    // Out of the terminal's process group: control-C is for the command, and the supervisor tells us what it means.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"portolan-stack");
    raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => return ExitCode::FAILURE,
    };
    match tokio::task::LocalSet::new().block_on(&runtime, serve()) {
        Ok(()) => ExitCode::SUCCESS,
        // The supervisor has been told, or is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Only here: the command keeps the limit that the user gave it.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

async fn serve() -> io::Result<()> {
    let (mut orders, mut news) = channel()?;
    let Some(Order::Start { config, library, mut identity, wire }) = orders.next().await else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let wire = wire.map(Namespaced::take).transpose()?;
    let stays = identity.stays();
    if stays {
        identity.pid = std::process::id();
    }
    let mut warnings = warnings::hear();
    let running = match Running::start(&config, identity, wire) {
        Ok(running) => running,
        Err(said) => return news.tell(&News::Failed(said)).await,
    };
    // A supervisor that is gone by now is noticed below, where what it has left is removed.
    let _ = news.tell(&News::Ready { variable: running.variable.clone() }).await;
    for note in &running.network.notes {
        let _ = news.tell(&News::Note(note.clone())).await;
    }
    if let Err(failure) = &running.admin {
        let _ = news.tell(&News::Note(format!("{failure}; portolan ss and ls do not see this run"))).await;
    }
    if stays {
        // Who has started it need not stay.
        news.is_optional = true;
        orders.are_optional = true;
    }
    let (report, failure) =
        running.until_told(&mut orders, &mut news, &mut warnings, library.as_deref()).await;
    if let Some(line) = failure {
        news.tell(&News::Note(line)).await?;
    }
    news.tell(&News::Ended(report)).await
}

/// What is here of a command whose host is the kernel's.
struct Namespaced {
    /// The packet socket of the gateway's end of its wire.
    socket: OwnedFd,
    /// A process in its namespace.
    member: u32,
}

impl Namespaced {
    fn take(wire: Wire) -> io::Result<Namespaced> {
        Ok(Namespaced { socket: take_descriptor(wire.descriptor)?, member: wire.process })
    }
}

/// The command's host and everything around it.
struct Running {
    host: Host,
    resolver: Rc<Resolver<Host>>,
    network: Network,
    /// Given up at the end.
    _membership: Option<wire::Membership>,
    /// The command's host's; the gateway's is on the gateway's thread.
    worker: Option<tokio::task::JoinHandle<Result<(), portolan::Error>>>,
    control: tokio::task::JoinHandle<()>,
    admin: Result<AdminSocket, AdminError>,
    flows: FlowLog,
    variable: (String, String),
    counters: Arc<Counters>,
    fence: Arc<Fence>,
    /// What the fence says to the user.
    refusals: Receiver<String>,
    report: Report,
    terminate: Signal,
    /// Told when a client of the admin socket wants the end.
    down: Rc<Notify>,
    /// Tells those who watch that it has come.
    ended: Rc<watch::Sender<bool>>,
    /// The supervisor, unless it was dead before.
    parent: Option<Pid>,
}

impl Running {
    /// Fails with one line for the user.
    fn start(config: &Config, identity: Identity, namespace: Option<Namespaced>) -> Result<Running, String> {
        let side = if namespace.is_some() { Side::Gateway } else { Side::Command };
        let member = namespace.as_ref().map(|namespace| namespace.member);
        let conf = ResolvConf::read(Path::new("/etc/resolv.conf"));
        let counters = Arc::new(Counters::default());
        let seed = config.seed.map_or_else(|| random().map(u64::from_ne_bytes), Ok)?;
        let owners = Arc::new(Owners::default());
        let (fence, refusals) = build_fence(config, &owners)?;
        let kept = fence.clone();
        tokio::spawn(async move { kept.keep_log().await });
        let listening = watch::Sender::new(());
        let (membership, brought) = match (&config.link, namespace) {
            (LinkChoice::Wire(name), _) => {
                wire::join(name, config).map(|(place, lan)| (Some(place), Brought::Lan(lan)))?
            }
            (_, Some(namespace)) => (None, Brought::Namespace(namespace)),
            (_, None) => (None, Brought::Nothing),
        };
        if let Some(member) = member {
            owners.look_into(member);
            // The command asks the gateway's server alone, so that is where the summary's names come from.
            fence.keep_names();
        }
        let settings = config.clone();
        let joined =
            membership.as_ref().map(|place| Config { addresses: place.addresses.clone(), ..config.clone() });
        let config = joined.as_ref().unwrap_or(config);
        let (host, worker, network) =
            link::build(config, &conf, seed, counters.clone(), &fence, listening.subscribe(), brought)?;
        if config.share_loopback {
            share_loopback::start(&host, fence.clone(), counters.clone());
        }
        let flows = FlowLog::new(&host, side);
        let worker = worker.map(|worker| tokio::spawn(worker.run()));
        if let Some(plan) = network.plan.as_ref().filter(|_| side == Side::Command) {
            serve_loopback_names(&host, &conf, plan, &fence);
        }
        let names = membership.as_ref().map(wire::Membership::names);
        if let Some(names) = &names {
            local_names::serve_wire(&host, &conf, names, &config.dns, !config.gateways.is_empty(), &fence);
        }
        let resolver = resolver_config(config, conf, network.plan.as_ref(), fence.clone(), names);
        let resolver = Rc::new(Resolver::new(resolver, host.clone()));
        let rendezvous = random_rendezvous()?;
        let supervisors = Rc::new(Supervisors::default());
        let control = ControlConfig {
            supervisors: supervisors.clone(),
            rendezvous,
            unprivileged_port_start: host.with_stack(|stack, _| stack.config().ip_unprivileged_port_start),
            hostname: config.hostname.clone(),
            names: resolver.clone(),
            counters: counters.clone(),
            owners,
            listening,
        };
        let control =
            ControlServer::bind(control, host.clone()).map_err(|error| match error.raw_os_error() {
                Some(libc::EMFILE) => {
                    "too few descriptors: raise ulimit -n to 64 at least, and by two for each connection"
                        .into()
                }
                _ => format!("cannot listen for the command's sockets: {error}"),
            })?;
        let variable = (STACK.to_owned(), String::from_utf8_lossy(&rendezvous.to_text()).into_owned());
        let down = Rc::new(Notify::new());
        let ended = Rc::new(watch::Sender::new(false));
        let stays = identity.stays();
        let served = Served {
            host: host.clone(),
            holdings: control.holdings(),
            shape: network.shape.clone(),
            monitor: network.monitor.clone(),
            keys: config.keys.clone(),
            link: config.link.to_string(),
            addresses: addresses(config, network.plan.as_ref()),
            started: std::time::Instant::now(),
            settings,
            identity,
            variable: variable.clone(),
            down: down.clone(),
            ended: ended.clone(),
            supervisors,
            seen_from_gateway: (side == Side::Gateway).then(|| fence.owners().clone()),
        };
        let admin = AdminSocket::bind(&served.identity.name);
        match &admin {
            Ok(admin) => drop(tokio::task::spawn_local(admin.serve(served))),
            // Nobody could ever find it.
            Err(failure) if stays => return Err(failure.to_string()),
            Err(_) => {}
        }
        let control = tokio::task::spawn_local(async move {
            // It ends only when its own sockets fail; the command's calls then fail as they do without a network.
            let _ = control.serve().await;
        });
        let is_shaped = config.shape != crate::config::Shape::default();
        let report = Report {
            engine: "preload".into(),
            link: config.link.to_string(),
            seed: (is_shaped || config.seed.is_some()).then_some(seed),
            ..Report::default()
        };
        let terminate =
            signal(SignalKind::terminate()).map_err(|error| format!("cannot take signals: {error}"))?;
        // There is nothing to be read again; the default would be the end.
        let _ = signal(SignalKind::hangup());
        let parent = getppid();
        Ok(Running {
            host,
            resolver,
            network,
            _membership: membership,
            worker,
            control,
            admin,
            flows,
            variable,
            counters,
            fence,
            refusals,
            report,
            terminate,
            down,
            ended,
            parent,
        })
    }

    /// Waits for the order to end, ends, and reports; also why the recording ended early, if it did.
    async fn until_told(
        mut self,
        orders: &mut Orders,
        news: &mut Teller,
        warnings: &mut Receiver<String>,
        library: Option<&Path>,
    ) -> (Report, Option<String>) {
        let graceful = loop {
            tokio::select! {
                order = orders.next() => match order {
                    Some(Order::Finish) => break true,
                    Some(Order::Abort) | None => break false,
                    Some(Order::Start { .. }) => {}
                },
                // The kernel sends it when the supervisor dies.
                _ = self.terminate.recv() => break false,
                () = self.down.notified() => break false,
                () = self.flows.collect() => {}
                // A supervisor that is gone is noticed above.
                Some(warning) = warnings.recv() => drop(news.tell(&News::Note(warning)).await),
                Some(refusal) = self.refusals.recv() => drop(news.tell(&News::Note(refusal)).await),
            }
        };
        // What the command's last calls gave rise to; none after this: that links go is what the end is.
        while let Ok(waiting) = warnings.try_recv().or_else(|_| self.refusals.try_recv()) {
            let _ = news.tell(&News::Note(waiting)).await;
        }
        if graceful {
            self.linger(orders).await;
            if self.worker.is_none() {
                // What the command sent last is with the gateway's host now, which is to pass it on.
                self.network.drain().await;
            }
        }
        self.host.shutdown();
        if let Some(worker) = &mut self.worker {
            let _ = tokio::time::timeout(RESET_TIME, worker).await;
        }
        self.control.abort();
        self.network.close().await;
        self.ended.send_replace(true);
        let _ = tokio::time::timeout(LAST_FRAMES_TIME, self.ended.closed()).await;
        if let Some(library) = library.filter(|_| orders.is_gone || getppid() != self.parent) {
            // The supervisor was killed, and cannot remove it any more.
            let _ = std::fs::remove_dir_all(library);
        }
        self.fence.flush_log();
        while let Ok(refusal) = self.refusals.try_recv() {
            let _ = news.tell(&News::Note(refusal)).await;
        }
        let failure = self.network.take_recording_failure();
        let name_of = |address| self.resolver.remembered(address).or_else(|| self.fence.name_of(address));
        (self.flows.finish(self.report, name_of, &self.counters, &self.fence), failure)
    }

    /// Lets what the command sent last arrive: until no connection has anything left to send, an order to stop at
    /// once, or the limit.
    async fn linger(&mut self, orders: &mut Orders) {
        let until = Instant::now() + LINGER;
        let mut quiet = 0;
        while Instant::now() < until && quiet < QUIET_LOOKS {
            quiet = if self.flows.is_drained(&self.host) { quiet + 1 } else { 0 };
            tokio::select! {
                _ = orders.next() => return,
                () = tokio::time::sleep(LINGER_STEP) => {}
            }
        }
    }
}

/// The fence, and what it will say to the user.
fn build_fence(config: &Config, owners: &Arc<Owners>) -> Result<(Arc<Fence>, Receiver<String>), String> {
    let at_gateway = matches!(config.link, LinkChoice::Egress | LinkChoice::None);
    let (fence, refusals) = Fence::new(&config.fence, at_gateway, owners.clone()).map_err(|error| {
        let path = config.fence.log.as_deref().unwrap_or(Path::new(""));
        format!("--deny-log {}: {error}", path.display())
    })?;
    Ok((Arc::new(fence), refusals))
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| format!("the system gives no random octets: {error}"))?;
    Ok(octets)
}

fn random_rendezvous() -> Result<Rendezvous, String> {
    Ok(Rendezvous { id: SocketId(random()?), secret: Secret(random()?) })
}

/// The host's own, with their prefixes.
fn addresses(config: &Config, plan: Option<&Plan>) -> Vec<String> {
    let networks = plan.map_or(&config.addresses, |plan| &plan.addresses);
    networks.iter().map(ToString::to_string).collect()
}
