//! A victim, an honest client, and peers and strangers made of nothing but segments.
//!
//! Host B of a [`Pair`] is the victim and host A the honest client. All other addresses lie behind a router at A's
//! station: what the victim sends there is read by the test, and the test sends from there what it likes.

use std::time::Duration;

use portolan_link::{PacketBuf, RxBatch, TxBatch};
use portolan_stack::*;
use portolan_wire::tcp::{self, Flags, Options, fill_checksum};
use portolan_wire::{Address, Endpoint, Family, Mss, SeqNumber, ipv4, protocol};

use crate::common::*;

/// Octets of text in a full segment without options.
pub(crate) const MSS: u32 = 1460;

/// Whether the counts of a full run are wanted.
pub(crate) fn full() -> bool {
    std::env::var_os("PORTOLAN_FULL").is_some()
}

/// `count` in a full run, a part of it otherwise.
pub(crate) fn count(full_count: u32, short_count: u32) -> u32 {
    if full() { full_count } else { short_count }
}

/// Asserts that the work of `bad` takes less than `times` as long as that of `good`.
///
/// Each is the least of several rounds, measured in turns: another program's work makes a round slow and never fast. So
/// there are more rounds until it is so, up to twenty.
pub(crate) fn assert_cost(times: u32, mut bad: impl FnMut() -> Duration, mut good: impl FnMut() -> Duration) {
    let (mut least_bad, mut least_good) = (Duration::MAX, Duration::MAX);
    for round in 0..20 {
        (least_bad, least_good) = (bad().min(least_bad), good().min(least_good));
        if round >= 2 && least_bad < least_good * times {
            return;
        }
    }
    panic!("{least_bad:?} is {times} times {least_good:?} or more");
}

/// The same numbers in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn seq(&mut self) -> SeqNumber {
        SeqNumber((self.next() >> 32) as u32)
    }
}

/// A segment of the victim's to an address of the test's.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) to: Endpoint,
    pub(crate) flags: Flags,
    pub(crate) seq: SeqNumber,
    pub(crate) ack: SeqNumber,
    pub(crate) window: u16,
    pub(crate) options: Options,
    pub(crate) text: Vec<u8>,
    pub(crate) dont_fragment: bool,
}

impl Heard {
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    /// The number after the segment.
    pub(crate) fn end(&self) -> SeqNumber {
        let control = self.flags.contains(Flags::SYN) as u32 + self.flags.contains(Flags::FIN) as u32;
        self.seq + self.text.len() as u32 + control
    }
}

/// A peer of the victim's, whose segments the test makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) at: Endpoint,
    pub(crate) port: u16,
    /// The next number to send.
    pub(crate) seq: SeqNumber,
    /// The next number expected of the victim.
    pub(crate) ack: SeqNumber,
    /// The window field.
    pub(crate) window: u16,
}

pub(crate) struct Arena {
    pub(crate) pair: Pair,
    /// What the victim has sent to addresses of the test's since it was last looked at.
    pub(crate) heard: Vec<Heard>,
    pub(crate) random: Random,
    batch: RxBatch,
    out: TxBatch,
}

impl Arena {
    pub(crate) fn new() -> Arena {
        Arena::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Arena {
        let mut pair = Pair::with(config, ethernet_caps(1500), 7);
        pair.record = false;
        // The neighbours know each other.
        let _ = pair.connected(Family::V4, 9);
        let route = Route {
            destination: cidr("0.0.0.0/0"),
            via: Some(v4(A)),
            link: pair.links[B],
            kind: RouteKind::Unicast,
            metric: 9,
        };
        pair.hosts[B].add_route(pair.now, route).unwrap();
        Arena {
            pair,
            heard: Vec::new(),
            random: Random(0x9e37_79b9_7f4a_7c15),
            batch: RxBatch::new(64),
            out: TxBatch::new(64),
        }
    }

    pub(crate) fn victim(&mut self) -> &mut Stack {
        &mut self.pair.hosts[B]
    }

    pub(crate) fn listen(&mut self, port: u16, backlog: u32) -> SocketId {
        self.pair.listen(B, Family::V4, port, backlog)
    }

    /// Address number `n` of the Internet.
    pub(crate) fn stranger(n: u32) -> Address {
        let [_, b, c, d] = n.to_be_bytes();
        Address::v4(100, b, c, d)
    }

    /// Sends a segment to the victim from wherever `from` says.
    pub(crate) fn segment(&mut self, from: Endpoint, header: &tcp::Emit, text: &[u8]) {
        let mut segment = vec![0; header.len()];
        header.emit(&mut segment).unwrap();
        segment.extend_from_slice(text);
        fill_checksum(from.address, v4(B), &mut segment).unwrap();
        self.tcp_octets(from.address, &segment);
    }

    /// Sends octets to the victim as the payload of an IPv4 packet for TCP.
    pub(crate) fn tcp_octets(&mut self, src: Address, octets: &[u8]) {
        let ip = ipv4::Emit {
            src,
            dst: v4(B),
            protocol: protocol::TCP,
            ttl: 64,
            payload_len: octets.len() as u16,
            ..Default::default()
        };
        let mut packet = vec![0; 20];
        ip.emit(&mut packet).unwrap();
        let frame = [&station(B).0[..], &station(A).0, &[8, 0], &packet, octets].concat();
        let packet = PacketBuf::copy(self.victim().pool(), &frame);
        assert!(self.batch.push(packet).is_ok());
        self.hand_in();
    }

    fn hand_in(&mut self) {
        let (now, link) = (self.pair.now, self.pair.links[B]);
        self.pair.hosts[B].receive(now, link, &mut self.batch);
    }

    /// A segment of a peer's as the peer stands.
    pub(crate) fn say(&mut self, peer: &Peer, flags: Flags, options: Options, text: &[u8]) {
        let header = tcp::Emit {
            src_port: peer.at.port,
            dst_port: peer.port,
            seq: peer.seq,
            ack: if flags.contains(Flags::ACK) { peer.ack } else { SeqNumber(0) },
            flags,
            window: peer.window,
            options,
            ..Default::default()
        };
        self.segment(peer.at, &header, text);
    }

    /// An ACK of a peer's, as the peer stands.
    pub(crate) fn ack(&mut self, peer: &Peer) {
        self.say(peer, Flags::ACK, Options::NONE, &[]);
    }

    /// Takes what the victim has to send: what is for A goes to A, what is for strangers is heard.
    pub(crate) fn turn(&mut self) {
        for _ in 0..10_000 {
            let (now, link) = (self.pair.now, self.pair.links[B]);
            for host in &mut self.pair.hosts {
                if host.next_deadline().is_some_and(|deadline| deadline <= now) {
                    host.handle_timeout(now);
                }
                while host.poll_event().is_some() {}
            }
            self.pair.hosts[B].poll_transmit(now, link, &mut self.out);
            let mut busy = false;
            let mut to_client = RxBatch::new(64);
            while let Some(entry) = self.out.front() {
                busy = true;
                let mut frame = vec![0; entry.len()];
                let len = entry.copy_to(&mut frame);
                frame.truncate(len);
                match hear(&frame) {
                    Some(heard) if heard.to.address != v4(A) => self.heard.push(heard),
                    _ => {
                        let packet = PacketBuf::copy(self.pair.hosts[A].pool(), &frame);
                        assert!(to_client.push(packet).is_ok());
                    }
                }
                self.out.advance(1);
            }
            let client_link = self.pair.links[A];
            self.pair.hosts[A].receive(now, client_link, &mut to_client);
            busy |= self.pair.carry(A);
            if !busy {
                return;
            }
        }
        panic!("the victim never comes to rest");
    }

    /// Takes what the victim has to say, and returns it.
    pub(crate) fn hear(&mut self) -> Vec<Heard> {
        self.turn();
        std::mem::take(&mut self.heard)
    }

    /// Lets time pass, from deadline to deadline; what the victim says is heard.
    pub(crate) fn pass(&mut self, micros: u64) {
        let end = self.pair.now.plus_micros(micros);
        self.turn();
        while let Some(next) = self.pair.hosts.iter().filter_map(Stack::next_deadline).min() {
            if next > end {
                break;
            }
            self.pair.now = self.pair.now.max(next);
            self.turn();
        }
        self.pair.now = end;
        self.turn();
        self.pair.hosts.iter().for_each(|host| host.check().unwrap());
    }

    /// Opens a connection from `at` to the victim's `port` with `options` in the SYN.
    pub(crate) fn shake_hands(&mut self, at: Endpoint, port: u16, options: Options) -> Peer {
        let seq = self.random.seq();
        let mut peer = Peer { at, port, seq, ack: SeqNumber(0), window: u16::MAX };
        self.heard.clear();
        self.say(&peer, Flags::SYN, options, &[]);
        let answers = self.hear();
        let answer = answers.iter().find(|heard| heard.to == at && heard.has(Flags::SYN | Flags::ACK));
        peer.ack = answer.expect("the SYN is answered").seq + 1;
        peer.seq = seq + 1;
        self.ack(&peer);
        self.turn();
        peer
    }

    /// As [`Arena::shake_hands`], accepted at the victim's `listener`.
    pub(crate) fn accepted(
        &mut self,
        listener: SocketId,
        at: Endpoint,
        port: u16,
        options: Options,
    ) -> (Peer, SocketId) {
        let peer = self.shake_hands(at, port, options);
        let now = self.pair.now;
        let (socket, ..) = self.victim().accept(now, listener).unwrap();
        (peer, socket)
    }

    /// One connection with a stranger, without timestamps and SACK.
    pub(crate) fn plain_peer(&mut self) -> (Peer, SocketId) {
        let listener = self.listen(80, 16);
        let at = Endpoint::new(Arena::stranger(1), 4000);
        self.accepted(listener, at, 80, plain_options())
    }

    /// Whether an honest client can still open a connection to `port` and exchange text with whoever accepts.
    pub(crate) fn serves_honest_client(&mut self, listener: SocketId, port: u16) -> bool {
        let client = self.pair.connect(A, Endpoint::new(v4(B), port));
        for _ in 0..300 {
            self.pass(100_000);
            let now = self.pair.now;
            while let Ok((socket, _, remote)) = self.victim().accept(now, listener) {
                if remote.address == v4(A) {
                    self.pair.write(A, client, b"hello").unwrap();
                    self.pass(100_000);
                    return self.pair.read(B, socket) == Ok(b"hello".to_vec());
                }
            }
        }
        false
    }
}

/// What a peer offers that has no extensions but an MSS and a window scale.
pub(crate) fn plain_options() -> Options {
    Options { mss: Mss::new(1460), window_scale: Some(0), ..Options::NONE }
}

/// What a peer offers that has SACK as well.
pub(crate) fn sack_options() -> Options {
    Options { sack_permitted: true, ..plain_options() }
}

fn hear(frame: &[u8]) -> Option<Heard> {
    if frame.get(12..14)? != [8, 0] {
        return None;
    }
    let packet = ipv4::parse(&frame[14..]).ok()?;
    if packet.header.protocol() != protocol::TCP {
        return None;
    }
    let (header, options, text) = tcp::parse(packet.payload).ok()?;
    Some(Heard {
        to: Endpoint::new(packet.header.dst(), header.dst_port()),
        flags: header.flags(),
        seq: header.seq(),
        ack: header.ack(),
        window: header.window(),
        options,
        text: text.to_vec(),
        dont_fragment: packet.header.dont_fragment(),
    })
}

impl Arena {
    /// An ICMP error from a router of nobody's: fragmentation needed, with the next hop's MTU and what it quotes.
    pub(crate) fn fragmentation_needed(&mut self, mtu: u16, quote: &[u8]) {
        let mut message = vec![3, 4, 0, 0, 0, 0];
        message.extend_from_slice(&mtu.to_be_bytes());
        message.extend_from_slice(quote);
        let sum = portolan_wire::Checksum::new().add(&message).finish();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let ip = ipv4::Emit {
            src: Arena::stranger(0x00ff_ffff),
            dst: v4(B),
            protocol: protocol::ICMPV4,
            ttl: 64,
            payload_len: message.len() as u16,
            ..Default::default()
        };
        let mut packet = vec![0; 20];
        ip.emit(&mut packet).unwrap();
        let frame = [&station(B).0[..], &station(A).0, &[8, 0], &packet, &message].concat();
        let packet = PacketBuf::copy(self.victim().pool(), &frame);
        assert!(self.batch.push(packet).is_ok());
        self.hand_in();
    }
}
