//! Flows that send as fast as they may from one host to another over one bottleneck.

use portolan_link::Instant;
use portolan_sim::impair::Impairment;
use portolan_sim::{HostId, Net, WireOptions};
use portolan_stack::{Config, SocketId, Stack};
use portolan_tcp::congestion::CongestionAlgorithm;
use portolan_wire::{Cidr, Endpoint, Family};

const PORT: u16 = 5001;
const STEP: usize = 64 * 1024;

/// What the path is like, and for how long it is used.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    /// The bottleneck's rate in kbit/s.
    pub(crate) kbit: u64,
    pub(crate) rtt_ms: u64,
    /// Packets that the path holds: in its queue and on the way.
    pub(crate) limit: u32,
    /// Lost of the packets with text, in percent.
    pub(crate) loss: f64,
    pub(crate) seconds: u64,
}

/// What came of one flow.
#[derive(Default)]
pub(crate) struct Flow {
    /// Octets that the receiver has read in the last three quarters of the time.
    pub(crate) octets: u64,
    /// The congestion window in segments, every half second.
    pub(crate) windows: Vec<u32>,
}

/// Runs `count` flows. `adjust` has the last word on the sender's settings.
pub(crate) fn run(seed: u64, path: Path, count: usize, adjust: impl Fn(&mut Config)) -> Vec<Flow> {
    let mut net = Net::new(seed);
    let mut config = Config::default();
    adjust(&mut config);
    let sender = net.add_host("sender", config);
    let receiver = net.add_host("receiver", Config::default());
    let ordinary = format!("delay {}us limit {}", path.rtt_ms * 500, path.limit);
    let backward: Impairment = ordinary.parse().unwrap();
    let forward = format!("{ordinary} loss {}% rate {}kbit", path.loss, path.kbit).parse().unwrap();
    let (_, out, back) =
        net.connect(sender, receiver, &WireOptions { forward, backward, ..WireOptions::default() });
    for (host, link, text) in [(sender, out, "10.0.0.1/24"), (receiver, back, "10.0.0.2/24")] {
        let address: Cidr = text.parse().unwrap();
        net.with(host, |stack, now| stack.add_address(now, link, address)).unwrap().unwrap();
    }
    let remote = Endpoint { address: "10.0.0.2".parse().unwrap(), port: PORT };
    let listener = call(&mut net, receiver, |stack, now| {
        let listener = stack.tcp_socket(Family::V4).unwrap();
        stack.bind(now, listener, remote).unwrap();
        stack.listen(now, listener, 100).unwrap();
        listener
    });
    let senders: Vec<SocketId> = (0..count)
        .map(|_| {
            call(&mut net, sender, |stack, now| {
                let socket = stack.tcp_socket(Family::V4).unwrap();
                stack.connect(now, socket, remote).unwrap();
                socket
            })
        })
        .collect();
    Bulk { sender, receiver, listener, senders, receivers: vec![None; count] }.play(&mut net, path)
}

struct Bulk {
    sender: HostId,
    receiver: HostId,
    listener: SocketId,
    senders: Vec<SocketId>,
    /// The other end of each flow, once accepted.
    receivers: Vec<Option<SocketId>>,
}

impl Bulk {
    fn play(mut self, net: &mut Net, path: Path) -> Vec<Flow> {
        let mut flows: Vec<Flow> = self.senders.iter().map(|_| Flow::default()).collect();
        let (text, mut room) = (vec![0; STEP], vec![0; STEP]);
        let warm_at = Instant::from_millis(path.seconds * 250);
        let ends_at = Instant::from_millis(path.seconds * 1000);
        let mut sample_at = Instant::from_millis(500);
        net.wake_at(ends_at);
        net.wake_at(sample_at);
        net.run(Instant::MAX, |net| {
            self.accept(net);
            for (flow, (out, back)) in flows.iter_mut().zip(self.senders.iter().zip(&self.receivers)) {
                while net.with(self.sender, |stack, now| stack.write(now, *out, &text))?.is_ok() {}
                let Some(back) = back else { continue };
                while let Ok(len) = net.with(self.receiver, |stack, now| stack.read(now, *back, &mut room))? {
                    flow.octets += if net.now() > warm_at { len as u64 } else { 0 };
                }
            }
            if net.now() >= sample_at {
                sample_at = sample_at.plus_micros(500_000);
                net.wake_at(sample_at);
                for (flow, out) in flows.iter_mut().zip(&self.senders) {
                    let info = net.with(self.sender, |stack, _| stack.info(*out))?;
                    flow.windows.push(info.unwrap().cwnd_segments);
                }
            }
            Ok(net.now() >= ends_at)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
        flows
    }

    fn accept(&mut self, net: &mut Net) {
        while let Ok((socket, _, remote)) =
            call(net, self.receiver, |stack, now| stack.accept(now, self.listener))
        {
            let is_peer =
                |out: &SocketId| net.stack(self.sender).local(*out).is_ok_and(|local| local == remote);
            let index = self.senders.iter().position(is_peer).unwrap();
            self.receivers[index] = Some(socket);
        }
    }
}

fn call<R>(net: &mut Net, host: HostId, call: impl FnOnce(&mut Stack, Instant) -> R) -> R {
    net.with(host, call).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The names of all congestion controllers, and what chooses one.
pub(crate) fn algorithms() -> Vec<(&'static str, CongestionAlgorithm)> {
    let config = portolan_tcp::Config::default();
    CongestionAlgorithm::all(&config).map(|algorithm| (algorithm.name(&config), algorithm)).collect()
}
