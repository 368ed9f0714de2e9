//! Two connections over a wire that loses, repeats, delays and reorders, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::string::String;
use std::vec::Vec;

use portolan_link::{Chunks, Instant};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::{Host, octet};
use crate::{
    Config, Embryo, EmbryoDeadline, EmbryoVerdict, Error, PassiveOpen, Segment, SegmentPlan, Signals,
    SocketOptions, State, Tcb, TcpStats,
};

/// xorshift64*: small, and the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit.max(1)
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// What the wire does, in thousandths and microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    pub(crate) delay_us: u64,
}

/// What an application does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Octets to send, then it closes its side.
    pub(crate) octets: u64,
    /// The most octets of one write and one read.
    pub(crate) piece: u64,
    /// In so many of 1,000 turns it does not read.
    pub(crate) lazy: u64,
}

struct End {
    host: Host,
    tcb: Option<Tcb>,
    embryo: Option<Embryo>,
    plan: Plan,
    written: u64,
    read: u64,
    shut: bool,
    saw_fin: bool,
    error: Option<Error>,
    signals: Signals,
}

/// Two ends and the wire between them.
pub(crate) struct Pair {
    ends: [End; 2],
    wire: Wire,
    rng: Rng,
    now: Instant,
    /// Segments under way, by arrival and a number that keeps their order.
    under_way: BTreeMap<(Instant, u64), (usize, Segment, Vec<u8>)>,
    count: u64,
    pub(crate) segments: u64,
    /// In so many of 1,000 turns an end is frozen and thawed on another host.
    pub(crate) hand_over: u64,
    /// How often that has happened.
    pub(crate) handed_over: u64,
    /// The most octets of text in a segment that arrives.
    pub(crate) text_max: usize,
    log: VecDeque<String>,
}

impl Pair {
    /// A client, end 0, that is about to connect to end 1; or both to each other, if `simultaneous`.
    pub(crate) fn new(
        seed: u64,
        configs: [Config; 2],
        gso_max: u32,
        wire: Wire,
        plans: [Plan; 2],
        simultaneous: bool,
    ) -> Pair {
        let mut rng = Rng::new(seed);
        let ends = [0, 1].map(|index: usize| {
            let mut host = Host::new(configs[index].clone());
            host.gso_max = gso_max;
            let iss = SeqNumber(rng.next() as u32);
            let options = SocketOptions::new(&host.config);
            let tcb = (index == 0 || simultaneous)
                .then(|| Tcb::connect(&mut host.cx(), &options, iss, rng.next() as u32, index as u64));
            End {
                host,
                tcb,
                embryo: None,
                plan: plans[index],
                written: 0,
                read: 0,
                shut: false,
                saw_fin: false,
                error: None,
                signals: Signals::empty(),
            }
        });
        Pair {
            ends,
            wire,
            rng,
            now: Instant::from_millis(1_000_000),
            under_way: BTreeMap::new(),
            count: 0,
            segments: 0,
            hand_over: 0,
            handed_over: 0,
            text_max: usize::MAX,
            log: VecDeque::new(),
        }
    }

    /// Runs until both ends are closed; panics if that takes longer than `limit_s` virtual seconds or a check
    /// fails.
    pub(crate) fn run(&mut self, limit_s: u64) {
        let limit = self.now.plus_micros(limit_s * 1_000_000);
        let mut turns = 0_u64;
        while !self.is_over() {
            turns += 1;
            if self.now > limit || turns > 20_000_000 {
                self.fail("no progress");
            }
            for index in [0, 1] {
                self.applications(index);
                self.transmit(index);
            }
            if self.hand_over > 0 {
                let (now, index) = (self.rng.chance(self.hand_over), self.rng.below(2) as usize);
                if now {
                    self.hand_over(index);
                }
            }
            self.advance();
        }
    }

    /// Freezes an end, if it can be, and thaws it on a host of its own.
    fn hand_over(&mut self, index: usize) {
        let end = &mut self.ends[index];
        let Some(tcb) = &mut end.tcb else { return };
        let Ok(frozen) = tcb.freeze(&end.host.cx()) else { return };
        let mut other = Host::new(end.host.config.clone());
        (other.now, other.gso_max) = (end.host.now, end.host.gso_max);
        let thawed = Tcb::thaw(&mut other.cx(), &frozen, index as u64).expect("what was frozen thaws");
        tcb.forget(&mut end.host.cx());
        assert!(!tcb.wants_transmit(&end.host.cx()), "who hands over says nothing more");
        let old = core::mem::replace(tcb, thawed);
        old.release(&mut end.host.slabs, &mut end.host.pool);
        assert_eq!((end.host.slabs.in_use(), end.host.stats.curr_estab), (0, 0));
        end.host = other;
        self.handed_over += 1;
        self.check(index);
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| {
            end.embryo.is_none()
                && end.tcb.as_ref().is_some_and(|tcb| tcb.is_finished() || tcb.state() == State::TimeWait)
        })
    }

    fn fail(&self, why: &str) -> ! {
        for line in &self.log {
            std::eprintln!("{line}");
        }
        for end in &self.ends {
            std::eprintln!("written {} read {} {:?}", end.written, end.read, end.tcb);
            std::eprintln!("{:?}", end.tcb.as_ref().and_then(|tcb| end.host.slabs.flight(tcb.flight)));
        }
        panic!("{why} at {:?}", self.now);
    }

    fn note(&mut self, line: String) {
        if self.log.len() == 400 {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    fn check(&self, index: usize) {
        let end = &self.ends[index];
        if let Some(Err(broken)) = end.tcb.as_ref().map(|tcb| tcb.check(&end.host.slabs)) {
            self.fail(&format!("end {index}: broken: {broken}"));
        }
    }

    /// Time passes up to the next arrival or deadline.
    fn advance(&mut self) {
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        let deadlines = self.ends.iter().flat_map(|end| {
            [end.tcb.as_ref().and_then(Tcb::next_deadline), end.embryo.as_ref().map(Embryo::next_deadline)]
        });
        // A lazy application comes back after a while.
        let lazy = self.now.plus_micros(5_000);
        let wants = self
            .ends
            .iter()
            .any(|end| end.tcb.as_ref().is_some_and(|tcb| tcb.queues.is_some()) && (end.plan.lazy > 0));
        let next = arrival.into_iter().chain(deadlines.flatten()).chain(wants.then_some(lazy)).min();
        let Some(next) = next else { self.fail("nothing will ever happen") };
        self.now = self.now.max(next);
        for index in [0, 1] {
            self.ends[index].host.now = self.now;
        }
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, segment, text) = entry.remove();
            self.deliver(to, &segment, &text);
        }
        for index in [0, 1] {
            self.deadline(index);
        }
    }

    fn deadline(&mut self, index: usize) {
        let end = &mut self.ends[index];
        if let Some(tcb) = &mut end.tcb {
            end.signals |= tcb.on_deadline(&mut end.host.cx());
        }
        if let Some(embryo) = &mut end.embryo {
            match embryo.on_deadline(&end.host.config, end.host.now, 0) {
                EmbryoDeadline::Wait => {}
                EmbryoDeadline::Resend => {
                    let plan = embryo.syn_ack(end.host.now);
                    self.send(index, &plan, Vec::new());
                }
                EmbryoDeadline::GiveUp => end.embryo = None,
            }
        }
        self.check(index);
    }

    fn deliver(&mut self, to: usize, segment: &Segment, text: &[u8]) {
        let end = &mut self.ends[to];
        if end.tcb.is_none() {
            self.deliver_to_listener(to, segment, text);
            return;
        }
        let Some(tcb) = &mut end.tcb else { return };
        let mut chunks = Chunks::new();
        for piece in text.chunks(1460) {
            chunks.push(end.host.pool.copy(piece));
        }
        end.signals |= tcb.on_segment(&mut end.host.cx(), segment, &mut chunks);
        self.check(to);
    }

    fn deliver_to_listener(&mut self, to: usize, segment: &Segment, text: &[u8]) {
        let iss = SeqNumber(self.rng.next() as u32);
        let end = &mut self.ends[to];
        let (now, mss) = (end.host.now, end.host.mss);
        let Some(embryo) = &mut end.embryo else {
            if segment.flags == Flags::SYN {
                let options = SocketOptions::new(&end.host.config);
                let config = &end.host.config;
                let open = PassiveOpen { now, config, options: &options, mss, timestamp_offset: 99 };
                let embryo = Embryo::on_syn(&open, segment, iss);
                let plan = embryo.syn_ack(now);
                end.embryo = Some(embryo);
                self.send(to, &plan, Vec::new());
            }
            return;
        };
        match embryo.on_segment(&end.host.config, now, segment, 0) {
            EmbryoVerdict::Establish => {
                let embryo = *embryo;
                end.embryo = None;
                let options = SocketOptions::new(&end.host.config);
                end.tcb = Some(Tcb::from_embryo(&mut end.host.cx(), &embryo, &options, 1));
                self.check(to);
                self.deliver(to, segment, text);
                assert!(self.ends[to].signals.contains(Signals::ESTABLISHED));
            }
            EmbryoVerdict::SynAck => {
                let plan = embryo.syn_ack(now);
                self.send(to, &plan, Vec::new());
            }
            EmbryoVerdict::Challenge(plan) | EmbryoVerdict::Reset(plan) => self.send(to, &plan, Vec::new()),
            EmbryoVerdict::Ignore => {}
            EmbryoVerdict::Delete => end.embryo = None,
        }
    }

    /// Both applications read and write.
    fn applications(&mut self, index: usize) {
        let lazy = self.rng.chance(self.ends[index].plan.lazy);
        let piece = 1 + self.rng.below(self.ends[index].plan.piece);
        let end = &mut self.ends[index];
        let Some(tcb) = &mut end.tcb else { return };
        if !lazy {
            let mut out = std::vec![0; piece as usize];
            loop {
                match tcb.read(&mut end.host.cx(), &mut out) {
                    Ok(0) => {
                        end.saw_fin = true;
                        break;
                    }
                    Ok(len) => {
                        for (at, got) in (end.read..).zip(&out[..len]) {
                            assert_eq!(*got, octet(at), "octet {at} of end {index}'s input");
                        }
                        end.read += len as u64;
                    }
                    Err(Error::WouldBlock) => break,
                    Err(error) => {
                        end.error = Some(error);
                        break;
                    }
                }
            }
        }
        while end.written < end.plan.octets && !end.shut {
            let len = piece.min(end.plan.octets - end.written);
            let octets: Vec<u8> = (end.written..end.written + len).map(octet).collect();
            match tcb.write(&mut end.host.cx(), &octets) {
                Ok(len) => end.written += len as u64,
                Err(Error::WouldBlock) => break,
                Err(error) => {
                    end.error = Some(error);
                    break;
                }
            }
        }
        if end.written == end.plan.octets && !end.shut && tcb.state().is_synchronized() {
            end.shut = tcb.shutdown_write(&mut end.host.cx()).is_ok();
        }
        self.check(index);
    }

    fn transmit(&mut self, index: usize) {
        for round in 0.. {
            assert!(round < 100_000, "poll_segment comes to an end");
            let end = &mut self.ends[index];
            let Some(tcb) = &mut end.tcb else { return };
            let mut chunks = Chunks::new();
            let Some(plan) = tcb.poll_segment(&mut end.host.cx(), u32::MAX, &mut chunks) else { break };
            let mut text = std::vec![0; chunks.len()];
            chunks.copy_to(&mut text);
            self.check(index);
            self.send(index, &plan, text);
        }
    }

    /// Puts a plan on the wire: whole, or cut into its segments.
    fn send(&mut self, from: usize, plan: &SegmentPlan, text: Vec<u8>) {
        assert_eq!(text.len(), plan.text_len as usize);
        let size = if plan.gso_size == 0 { text.len().max(1) } else { usize::from(plan.gso_size) };
        let count = text.len().div_ceil(size).max(1);
        for number in 0..count {
            let start = number * size;
            let part = text[start..text.len().min(start + size)].to_vec();
            let last = number + 1 == count;
            let flags = if last { plan.flags } else { plan.flags.without(Flags::FIN | Flags::PSH) };
            let segment = Segment {
                seq: plan.seq + start as u32,
                ack: plan.ack,
                flags,
                window: plan.window,
                urgent: plan.urgent,
                options: plan.options,
                text_len: part.len() as u32,
                ecn: plan.ecn,
            };
            self.put(from, segment, part);
        }
    }

    fn put(&mut self, from: usize, segment: Segment, text: Vec<u8>) {
        self.segments += 1;
        let lost = self.rng.chance(self.wire.loss) || text.len() > self.text_max;
        let line = format!(
            "{:?} {from} {} seq {} len {} ack {} win {} {:?}{}",
            self.now.as_micros(),
            segment.flags,
            segment.seq.0,
            text.len(),
            segment.ack.0,
            segment.window,
            segment.options.sack.iter().map(|(a, b)| (a.0, b.0)).collect::<Vec<_>>(),
            if lost { " LOST" } else { "" },
        );
        self.note(line);
        if lost {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.wire.duplicate));
        for _ in 0..copies {
            let jitter =
                if self.rng.chance(self.wire.reorder) { self.rng.below(3 * self.wire.delay_us) } else { 0 };
            let at = self.now.plus_micros(self.wire.delay_us + jitter);
            self.count += 1;
            self.under_way.insert((at, self.count), (1 - from, segment, text.clone()));
        }
    }

    /// Both have got everything, in order, and the end of it.
    pub(crate) fn assert_complete(&mut self) {
        for index in [0, 1] {
            self.ends[index].plan.lazy = 0;
            self.applications(index);
            let other = self.ends[1 - index].plan.octets;
            let end = &self.ends[index];
            assert_eq!(end.error, None, "end {index}");
            assert_eq!(end.read, other, "octets read by end {index}");
            assert!(end.saw_fin, "end {index} saw the FIN");
        }
    }

    /// The connection of one end.
    pub(crate) fn tcb(&self, index: usize) -> &Tcb {
        self.ends[index].tcb.as_ref().expect("a connection")
    }

    /// Segments that this end has sent again.
    pub(crate) fn retransmits(&self, index: usize) -> u32 {
        let tcb = self.tcb(index);
        self.ends[index].host.slabs.mishaps(tcb.rare).retransmits
    }

    /// From now on the wire loses so many of 1,000 segments.
    pub(crate) fn lose(&mut self, per_mille: u64) {
        self.wire.loss = per_mille;
    }

    /// The counters of one end's host.
    pub(crate) fn stats(&self, index: usize) -> &TcpStats {
        &self.ends[index].host.stats
    }

    /// The octets of text and options in a full segment of one end.
    pub(crate) fn size_in_use(&mut self, index: usize) -> u16 {
        let end = &mut self.ends[index];
        let cx = end.host.cx();
        end.tcb.as_ref().map_or(0, |tcb| tcb.text_and_options(&cx))
    }

    /// Virtual microseconds since the start.
    pub(crate) fn elapsed_us(&self) -> u64 {
        self.now.micros_since(Instant::from_millis(1_000_000))
    }
}

#[cfg(test)]
mod tests;
