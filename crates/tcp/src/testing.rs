//! A small language for tests: segments as text, in and out of one connection.
//!
//! `"P. 1:101(100) ack 1 win 500 <sack 201:301>"` is a segment with PSH and ACK that carries octets 1 to 100.
//! Numbers are relative: the sender's to its initial sequence number, the acknowledged to ours. Text follows a
//! pattern that depends on its place in the stream, so every test that reads it checks the octets too. `notation` reads
//! and writes it, `pair` joins two connections.

use std::format;
use std::string::String;
use std::vec::Vec;

use portolan_link::{Chunks, Instant, Pool};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use crate::{
    Config, CongestionAlgorithm, Context, Error, MtuProbing, Segment, SegmentPlan, Signals, Slabs,
    SocketOptions, State, Tcb, TcpStats, TraceEvent, Tracer, WriteFlags,
};

pub(crate) mod notation;
pub(crate) mod pair;

use notation::{parse, show_options};

/// The initial sequence number of the connection under test. Its text crosses the end of the number space early.
pub(crate) const ISS: u32 = u32::MAX - 3000;
/// The initial sequence number of the scripted peer.
pub(crate) const IRS: u32 = u32::MAX - 5000;

/// Octet number `at` of a stream.
pub(crate) fn octet(at: u64) -> u8 {
    u8::try_from((at * 31 + at / 251) % 251).expect("below 251")
}

/// `len` octets of a stream from number `from` on.
pub(crate) fn stream(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(octet).collect()
}

/// Keeps all events.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Vec<TraceEvent>);

impl Tracer for Recorder {
    fn event(&mut self, _now: Instant, _flow: u64, event: TraceEvent) {
        self.0.push(event);
    }
}

/// What a connection needs around it.
pub(crate) struct Host {
    pub(crate) now: Instant,
    pub(crate) pool: Pool,
    pub(crate) config: Config,
    pub(crate) slabs: Slabs,
    pub(crate) mss: u16,
    pub(crate) gso_max: u32,
    pub(crate) stats: TcpStats,
    pub(crate) events: Recorder,
}

impl Host {
    pub(crate) fn new(config: Config) -> Host {
        Host {
            now: Instant::from_millis(1_000_000),
            pool: Pool::new(),
            config,
            slabs: Slabs::new(),
            mss: 1460,
            gso_max: 0,
            stats: TcpStats::default(),
            events: Recorder::default(),
        }
    }

    pub(crate) fn cx(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            pool: &mut self.pool,
            config: &self.config,
            slabs: &mut self.slabs,
            mss: self.mss,
            advertised_mss: self.mss,
            gso_max: self.gso_max,
            random: 4,
            tracer: &mut self.events,
            stats: &mut self.stats,
        }
    }
}

/// A connection under test and the host around it. Every call is followed by [`Tcb::check`].
pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) tcb: Tcb,
    /// The window field of the last segment sent.
    pub(crate) window: u16,
    /// Octets written and read so far.
    pub(crate) written: u64,
    pub(crate) read: u64,
}

/// Linux's defaults without timestamps, so that segments are short to write, without loss probes and searches for the
/// path's size, and with windows that are easy to foretell.
pub(crate) fn plain() -> Config {
    let congestion = CongestionAlgorithm::NewReno;
    let mtu_probing = MtuProbing::Off;
    Config {
        timestamps: false,
        loss_probes: false,
        quick_acks: 0,
        congestion,
        mtu_probing,
        ..Config::default()
    }
}

impl Rig {
    /// SYN-SENT, the SYN not yet sent.
    pub(crate) fn connecting(config: Config) -> Rig {
        Rig::connecting_with(config, |_| {})
    }

    pub(crate) fn connecting_with(config: Config, change: impl Fn(&mut SocketOptions)) -> Rig {
        let mut host = Host::new(config);
        let mut options = SocketOptions::new(&host.config);
        change(&mut options);
        let tcb = Tcb::connect(&mut host.cx(), &options, SeqNumber(ISS), 77, 1);
        Rig { host, tcb, window: 0, written: 0, read: 0 }
    }

    /// ESTABLISHED by an active open; the peer takes MSS 1000, scale 0, SACK, and announces 60,000 octets.
    pub(crate) fn established() -> Rig {
        Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>")
    }

    /// As `established`, without SACK.
    pub(crate) fn without_sack() -> Rig {
        Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1000,wscale 0>")
    }

    pub(crate) fn established_with(
        config: Config,
        change: impl Fn(&mut SocketOptions),
        syn_ack: &str,
    ) -> Rig {
        let mut rig = Rig::connecting_with(config, change);
        assert!(rig.sends().expect("a SYN").starts_with("S 0:0(0)"));
        rig.pass_ms(10);
        let signals = rig.gets(syn_ack);
        assert!(signals.contains(Signals::ESTABLISHED | Signals::TRANSMIT));
        rig.expect(". 1:1(0) ack 1");
        rig
    }

    /// As if 3 Gi octets of text had gone before what the test sends: the ISS lies more than half of the number space
    /// back, where comparing with it says the opposite.
    pub(crate) fn far_along(mut self) -> Rig {
        const BEFORE: u32 = 3 << 30;
        self.tcb.snd.iss = SeqNumber(ISS).back(BEFORE);
        self.tcb.counters.bytes_acked = BEFORE.into();
        self.tcb.counters.bytes_received = BEFORE.into();
        self
    }

    /// Lets time pass, without calling anybody.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.host.now = self.host.now.plus_micros(ms * 1000);
    }

    /// Lets time pass up to the connection's next deadline, and calls it. Returns the milliseconds that passed.
    pub(crate) fn wait(&mut self) -> (u64, Signals) {
        let before = self.host.now;
        let deadline = self.tcb.next_deadline().expect("a deadline");
        self.host.now = deadline.max(before);
        let signals = self.tcb.on_deadline(&mut self.host.cx());
        self.check();
        (self.host.now.micros_since(before) / 1000, signals)
    }

    /// Waits, deadline by deadline, until `over`; returns the milliseconds that passed and all signals.
    pub(crate) fn wait_until(&mut self, mut over: impl FnMut(&mut Rig) -> bool) -> (u64, Signals) {
        let (mut waited, mut signals) = (0, Signals::empty());
        for _ in 0..10_000 {
            let (ms, more) = self.wait();
            waited += ms;
            signals |= more;
            if over(self) {
                return (waited, signals);
            }
        }
        panic!("it never came");
    }

    pub(crate) fn check(&self) {
        if let Err(broken) = self.tcb.check(&self.host.slabs) {
            panic!("broken: {broken}\n{:?}", self.tcb);
        }
    }

    /// A segment of the peer arrives.
    pub(crate) fn gets(&mut self, line: &str) -> Signals {
        let (segment, text) = parse(line);
        self.gets_segment(&segment, &text)
    }

    pub(crate) fn gets_segment(&mut self, segment: &Segment, text: &[u8]) -> Signals {
        let mut chunks = Chunks::new();
        chunks.push(self.host.pool.copy(text));
        let signals = self.tcb.on_segment(&mut self.host.cx(), segment, &mut chunks);
        self.check();
        assert_eq!(signals.contains(Signals::TRANSMIT), self.tcb.wants_transmit(&self.host.cx()));
        signals
    }

    /// The next segment that the connection sends, as text.
    pub(crate) fn sends(&mut self) -> Option<String> {
        let (plan, text) = self.poll(u32::MAX)?;
        Some(self.show(&plan, &text))
    }

    pub(crate) fn poll(&mut self, budget: u32) -> Option<(SegmentPlan, Vec<u8>)> {
        let mut chunks = Chunks::new();
        let wanted = self.tcb.wants_transmit(&self.host.cx());
        let plan = self.tcb.poll_segment(&mut self.host.cx(), budget, &mut chunks);
        self.check();
        assert_eq!(plan.is_some(), wanted, "wants_transmit says what poll_segment does");
        let plan = plan?;
        self.window = plan.window;
        let mut text = std::vec![0; chunks.len()];
        chunks.copy_to(&mut text);
        assert_eq!(text.len(), plan.text_len as usize, "the text is as long as the plan says");
        Some((plan, text))
    }

    fn show(&self, plan: &SegmentPlan, text: &[u8]) -> String {
        let start = plan.seq.0.wrapping_sub(ISS);
        if !text.is_empty() {
            let first = u64::from(start) + u64::from(plan.flags.contains(Flags::SYN)) - 1;
            assert_eq!(text, stream(first, text.len()), "the text is the stream's");
        }
        let end = start.wrapping_add(plan.text_len);
        let ecn = ["", "[ect1] ", "[ect0] ", "[ce] "][usize::from(plan.ecn)];
        let mut line = format!("{ecn}{} {start}:{end}({})", plan.flags, plan.text_len);
        if plan.flags.contains(Flags::ACK) {
            line += &format!(" ack {}", plan.ack.0.wrapping_sub(IRS));
        }
        if plan.flags.contains(Flags::URG) {
            line += &format!(" urg {}", plan.urgent);
        }
        let options = show_options(&plan.options);
        if options.is_empty() { line } else { format!("{line} <{options}>") }
    }

    /// The next segment sent is this one.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.sends().as_deref(), Some(line));
    }

    /// Nothing is sent.
    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) {
        assert_eq!(self.sends(), None);
    }

    /// All segments sent until there are no more.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.sends()).take(1000).collect()
    }

    /// The application writes the next `len` octets of its stream; all must be taken.
    #[track_caller]
    pub(crate) fn write(&mut self, len: usize) {
        self.write_with(len, WriteFlags::empty());
    }

    /// As [`Rig::write`], with flags.
    #[track_caller]
    pub(crate) fn write_with(&mut self, len: usize, flags: WriteFlags) {
        let octets = stream(self.written, len);
        assert_eq!(self.tcb.write_with(&mut self.host.cx(), &octets, flags), Ok(len));
        self.written += len as u64;
        self.check();
    }

    /// The application writes the next `len` octets of its stream; returns how many were taken.
    pub(crate) fn write_some(&mut self, len: usize) -> usize {
        let octets = stream(self.written, len);
        let taken = self.tcb.write(&mut self.host.cx(), &octets).unwrap_or(0);
        self.written += taken as u64;
        self.check();
        taken
    }

    /// The application reads, and gets `len` octets of the peer's stream.
    #[track_caller]
    pub(crate) fn read(&mut self, len: usize) {
        let mut out = std::vec![0; len];
        assert_eq!(self.tcb.read(&mut self.host.cx(), &mut out), Ok(len));
        assert_eq!(out, stream(self.read, len), "the text is the peer's");
        self.read += len as u64;
        self.check();
    }

    pub(crate) fn try_read(&mut self) -> Result<usize, Error> {
        let mut out = [0; 10];
        let result = self.tcb.read(&mut self.host.cx(), &mut out);
        self.check();
        result
    }

    #[track_caller]
    pub(crate) fn shutdown(&mut self) {
        assert_eq!(self.tcb.shutdown_write(&mut self.host.cx()), Ok(()));
        self.check();
    }

    pub(crate) fn close(&mut self) -> Signals {
        let signals = self.tcb.close(&mut self.host.cx());
        self.check();
        signals
    }

    #[track_caller]
    pub(crate) fn expect_state(&self, state: State) {
        assert_eq!(self.tcb.state(), state);
    }

    pub(crate) fn info(&mut self) -> crate::Info {
        self.tcb.info(&self.host.cx())
    }

    /// A connection in `state`, reached by the shortest way. CLOSED is after a reset.
    pub(crate) fn in_state(state: State) -> Rig {
        if state == State::SynSent || state == State::SynReceived {
            let mut rig = Rig::connecting(plain());
            rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
            if state == State::SynReceived {
                rig.gets("S 0:0(0) win 60000 <mss 1000,sackOK,wscale 0>");
                rig.drain();
            }
            rig.expect_state(state);
            return rig;
        }
        let mut rig = Rig::established();
        match state {
            State::Closed => _ = rig.gets("R 1:1(0)"),
            State::FinWait1 => rig.shutdown(),
            State::FinWait2 => {
                rig.shutdown();
                rig.expect("F. 1:1(0) ack 1");
                rig.gets(". 1:1(0) ack 2 win 60000");
            }
            State::CloseWait => _ = rig.gets("F. 1:1(0) ack 1 win 60000"),
            State::Closing => {
                rig.shutdown();
                rig.expect("F. 1:1(0) ack 1");
                rig.gets("F. 1:1(0) ack 1 win 60000");
            }
            State::LastAck => {
                rig.gets("F. 1:1(0) ack 1 win 60000");
                rig.shutdown();
            }
            State::TimeWait => {
                rig.shutdown();
                rig.expect("F. 1:1(0) ack 1");
                rig.gets("F. 1:1(0) ack 2 win 60000");
            }
            _ => {}
        }
        rig.drain();
        rig.expect_state(state);
        rig
    }
}
