//! A host, and a peer that writes every segment by hand.

use std::sync::{Arc, Mutex};

use portolan_link::{Instant, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_tcp::TraceEvent;
use portolan_wire::tcp::{self, Flags, Options, fill_checksum};
use portolan_wire::{Address, Cidr, Endpoint, EthernetAddress, Family, Mss, SeqNumber, ipv4, protocol};

/// The peer's initial sequence number: its numbers wrap within the first text.
const ISS: SeqNumber = SeqNumber(u32::MAX - 7);
const HOST: Address = Address::v4(10, 0, 0, 2);
const PEER: Address = Address::v4(10, 0, 0, 1);
const HOST_PORT: u16 = 80;
const PEER_PORT: u16 = 4242;
/// Half a round trip. Long enough that nothing is sent again while a delayed ACK is waited for.
const HALF_RTT_US: u64 = 50_000;

/// What was discarded on the level of the connection, by name.
struct Discards(Arc<Mutex<Vec<String>>>);

impl Tracer for Discards {
    fn event(&mut self, _now: Instant, _flow: u64, event: TraceEvent) {
        if let TraceEvent::Drop(reason) = event {
            self.0.lock().unwrap().push(format!("{reason:?}"));
        }
    }
}

/// A segment as the peer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub seq: SeqNumber,
    pub ack: SeqNumber,
    pub flags: Flags,
    pub text_len: usize,
}

/// One host with at most one connection, which the peer leads into a state.
pub struct Scene {
    stack: Stack,
    link: LinkId,
    now: Instant,
    listener: Option<SocketId>,
    socket: Option<SocketId>,
    host_port: u16,
    /// What the host expects next: its RCV.NXT.
    pub peer_next: SeqNumber,
    /// What the host has sent: its SND.NXT.
    pub host_next: SeqNumber,
    /// What the peer has acknowledged: the host's SND.UNA.
    pub host_una: SeqNumber,
    discards: Arc<Mutex<Vec<String>>>,
    batch: TxBatch,
}

impl Scene {
    /// A host whose connection is in `state`.
    pub fn in_state(state: &str) -> Scene {
        let mut scene = Scene::new();
        match state {
            "CLOSED" => {}
            "SYN-SENT" => scene.connect(),
            _ => scene.listen(),
        }
        if matches!(state, "CLOSED" | "LISTEN" | "SYN-SENT") {
            return scene;
        }
        scene.shake_hands(state == "SYN-RECEIVED");
        match state {
            "FIN-WAIT-1" => scene.host_closes(),
            "FIN-WAIT-2" => {
                scene.host_closes();
                scene.peer_sends(Flags::ACK);
            }
            "CLOSE-WAIT" => scene.peer_sends(Flags::FIN | Flags::ACK),
            "CLOSING" => {
                scene.host_closes();
                let host_next = std::mem::replace(&mut scene.host_next, scene.host_una);
                scene.peer_sends(Flags::FIN | Flags::ACK);
                scene.host_next = host_next;
            }
            "LAST-ACK" => {
                scene.peer_sends(Flags::FIN | Flags::ACK);
                scene.host_closes();
            }
            "TIME-WAIT" => {
                scene.host_closes();
                scene.peer_sends(Flags::FIN | Flags::ACK);
            }
            _ => {}
        }
        assert_eq!(scene.state(), state);
        scene
    }

    fn new() -> Scene {
        let now = Instant::from_millis(1_000_000);
        let mut stack = Stack::new(Config::default(), Seeds::fixed(5));
        let caps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: false };
        let settings = LinkConfig { name: "tun0".into(), ethernet: EthernetAddress::default() };
        let link = stack.add_link(now, caps, settings);
        stack.add_address(now, link, Cidr::new(HOST, 24).unwrap()).unwrap();
        let discards = Arc::new(Mutex::new(Vec::new()));
        stack.set_tracer(Box::new(Discards(Arc::clone(&discards))));
        Scene {
            stack,
            link,
            now,
            listener: None,
            socket: None,
            host_port: HOST_PORT,
            peer_next: ISS,
            host_next: SeqNumber(0),
            host_una: SeqNumber(0),
            discards,
            batch: TxBatch::new(8),
        }
    }

    fn listen(&mut self) {
        let id = self.stack.tcp_socket(Family::V4).unwrap();
        self.stack.bind(self.now, id, Endpoint::new(HOST, HOST_PORT)).unwrap();
        self.stack.listen(self.now, id, 8).unwrap();
        self.listener = Some(id);
    }

    fn connect(&mut self) {
        let id = self.stack.tcp_socket(Family::V4).unwrap();
        self.stack.connect(self.now, id, Endpoint::new(PEER, PEER_PORT)).unwrap();
        self.socket = Some(id);
        self.host_port = self.stack.local(id).unwrap().port;
        let [syn] = self.sent()[..] else { panic!("one SYN") };
        self.host_una = syn.seq;
        self.host_next = syn.seq + 1;
    }

    fn shake_hands(&mut self, half: bool) {
        self.peer_sends(Flags::SYN);
        if half {
            return;
        }
        self.peer_sends(Flags::ACK);
        let (id, ..) = self.stack.accept(self.now, self.listener.unwrap()).unwrap();
        self.socket = Some(id);
    }

    /// The peer sends a segment without text, and gets what the host answers.
    fn peer_sends(&mut self, flags: Flags) {
        let (seq, ack) = (self.peer_next, self.host_next);
        self.peer_next += u32::from(flags.contains(Flags::SYN)) + u32::from(flags.contains(Flags::FIN));
        if flags.contains(Flags::ACK) {
            self.host_una = ack;
        }
        self.now = self.now.plus_micros(HALF_RTT_US);
        self.arrives(seq, ack, flags, b"");
        for seen in self.sent() {
            if seen.flags.contains(Flags::SYN) {
                self.host_una = seen.seq;
                self.host_next = seen.seq + 1;
            }
        }
    }

    fn host_closes(&mut self) {
        let id = self.socket.unwrap();
        self.stack.shutdown_socket(self.now, id, How::Write).unwrap();
        let [fin] = self.sent()[..] else { panic!("one FIN") };
        assert!(fin.flags.contains(Flags::FIN));
        self.host_next = fin.seq + 1;
    }

    /// A segment of the peer arrives at the host.
    pub fn arrives(&mut self, seq: SeqNumber, ack: SeqNumber, flags: Flags, text: &[u8]) {
        let options = if flags.contains(Flags::SYN) {
            Options { mss: Mss::new(1460), ..Options::NONE }
        } else {
            Options::NONE
        };
        // The urgent pointer lies far ahead: urgent text is to come.
        let (window, urgent) = (60_000, 50_000);
        let (src_port, dst_port) = (PEER_PORT, self.host_port);
        let header = tcp::Emit { src_port, dst_port, seq, ack, flags, window, urgent, options };
        let mut segment = vec![0; header.len()];
        header.emit(&mut segment).unwrap();
        segment.extend_from_slice(text);
        fill_checksum(PEER, HOST, &mut segment).unwrap();
        let ip = ipv4::Emit {
            src: PEER,
            dst: HOST,
            protocol: protocol::TCP,
            ttl: 64,
            dont_fragment: true,
            payload_len: segment.len() as u16,
            ..ipv4::Emit::default()
        };
        let mut packet = [0; 20];
        ip.emit(&mut packet).unwrap();
        let mut frame = PacketBuf::with_room(self.stack.pool(), packet.len() + segment.len());
        frame.append(&packet);
        frame.append(&segment);
        let mut frames = RxBatch::new(1);
        frames.push(frame).unwrap();
        self.stack.receive(self.now, self.link, &mut frames);
        self.stack.check().unwrap();
    }

    /// All that the host has to send now.
    fn sent(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.stack.poll_transmit(self.now, self.link, &mut self.batch);
        while let Some(entry) = self.batch.front() {
            let mut octets = vec![0; entry.len()];
            entry.copy_to(&mut octets);
            self.batch.advance(1);
            let (header, _, text) = tcp::parse(&octets[20..]).unwrap();
            assert!(tcp::checksum_ok(HOST, PEER, &octets[20..]));
            let (seq, ack, flags) = (header.seq(), header.ack(), header.flags());
            seen.push(Seen { seq, ack, flags, text_len: text.len() });
        }
        seen
    }

    /// All that the host sends before a delayed ACK would have gone out, that one included.
    pub fn replies(&mut self) -> Vec<Seen> {
        let mut replies = self.sent();
        self.now = self.now.plus_micros(HALF_RTT_US);
        self.stack.handle_timeout(self.now);
        replies.extend(self.sent());
        self.stack.check().unwrap();
        replies
    }

    /// The state of the connection, or of its host where there is none.
    pub fn state(&mut self) -> &'static str {
        let counts = self.stack.counts();
        if counts.time_waits > 0 {
            return "TIME-WAIT";
        }
        if counts.embryos > 0 {
            return "SYN-RECEIVED";
        }
        if let (None, Some(listener)) = (self.socket, self.listener) {
            let accepted = self.stack.accept(self.now, listener);
            self.socket = accepted.ok().map(|(id, ..)| id);
        }
        let Some(id) = self.socket.filter(|_| counts.flows > 0) else {
            return if self.listener.is_some() && self.socket.is_none() { "LISTEN" } else { "CLOSED" };
        };
        match self.stack.state(id).unwrap() {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        }
    }

    /// What the application can read now.
    pub fn read(&mut self) -> Vec<u8> {
        let mut out = [0; 64];
        let len = self.socket.and_then(|id| self.stack.read(self.now, id, &mut out).ok()).unwrap_or(0);
        out[..len].to_vec()
    }

    /// Segments dropped so far.
    pub fn drops(&self) -> Drops {
        self.stack.stats().drops.clone()
    }

    /// Why the last segment was discarded by its connection, if one was.
    pub fn last_discard(&self) -> Option<String> {
        self.discards.lock().unwrap().last().cloned()
    }
}
