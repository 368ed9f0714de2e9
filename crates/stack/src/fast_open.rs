//! The host's part of Fast Open (RFC 7413): cookies made and checked, cookies learned, and the Fast Opens that wait
//! for their proof.
//!
//! A server's cookie is SipHash-2-4 of the two addresses under a key; a new key and the one before it are both good,
//! so that keys can be changed without a pause (§4.1.2). The host's own change once a day, so that a cookie is good for
//! two days at most; those that were set from outside stay. A client keeps one cookie and one MSS per server, in a table
//! of bounded size that only its own opens fill (§4.1.3). What the SYN and the connection do with them is in
//! `portolan-tcp`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashMap;
use portolan_link::{Chunks, Instant};
use portolan_tcp::{FastOpenKnob, FastOpenNews, FastOpenOffer, Signals, Tcb};
use portolan_wire::tcp::FastOpen;
use portolan_wire::{Address, FlowKey, SeqNumber};
use siphasher::sip::SipHasher24;

use crate::demux::Incoming;
use crate::drop::DropReason;
use crate::embryo::Parent;
use crate::link::ethernet::Frame;
use crate::random::{Keyed, Random};
use crate::stack::Stack;

/// Servers whose cookie is remembered; the oldest is forgotten first.
const SERVERS_MAX: usize = 1024;
/// RFC 7413 §5.1: how long a Fast Open that was reset still counts as pending, so that forged ones gain nothing.
const RESET_COUNTS_US: u64 = 60_000_000;
/// RFC 7413 §4.1.2: how long new cookies are made with the same key of the host's own.
const KEY_LIFETIME_US: u64 = 24 * 3_600 * 1_000_000;
/// Doublings of the pause after a black hole.
const PAUSE_DOUBLINGS_MAX: u32 = 6;

/// The keys of a server's cookies (`TCP_FASTOPEN_KEY`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FastOpenKeys {
    /// The key of new cookies.
    pub primary: [u8; 16],
    /// The key before that, whose cookies are still good.
    pub backup: Option<[u8; 16]>,
}

impl core::fmt::Debug for FastOpenKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FastOpenKeys(secret)")
    }
}

impl FastOpenKeys {
    /// The keys in the octets of TCP_FASTOPEN_KEY: one of 16, or a primary and a backup.
    pub(crate) fn read(octets: &[u8]) -> Option<FastOpenKeys> {
        let (keys, []) = octets.as_chunks() else { return None };
        match *keys {
            [primary] => Some(FastOpenKeys { primary, backup: None }),
            [primary, backup] => Some(FastOpenKeys { primary, backup: Some(backup) }),
            _ => None,
        }
    }

    /// The octets of TCP_FASTOPEN_KEY.
    pub(crate) fn write(&self) -> Vec<u8> {
        [&self.primary[..], self.backup.as_ref().map_or(&[], |key| &key[..])].concat()
    }

    /// What a cookie says of its client: `None` if it is bad, else the new cookie that the client needs, if its own
    /// is of the key before.
    fn check(&self, cookie: &FastOpen, client: Address, server: Address) -> Option<Option<FastOpen>> {
        let good = |key: &[u8; 16]| {
            make_cookie(key, client, server).is_some_and(|own| own.as_bytes() == cookie.as_bytes())
        };
        if good(&self.primary) {
            return Some(None);
        }
        self.backup.filter(good).map(|_| make_cookie(&self.primary, client, server))
    }
}

/// The cookie that a server gives to a client: 8 octets, the same that Linux makes of the same key.
fn make_cookie(key: &[u8; 16], client: Address, server: Address) -> Option<FastOpen> {
    let (client, server) = (client.octets(), server.octets());
    let mut octets = [0; 32];
    let addresses = client.iter().chain(&server);
    octets.iter_mut().zip(addresses).for_each(|(to, from)| *to = *from);
    let hasher = SipHasher24::new_with_key(key);
    // Of IPv4 addresses only the four octets that are on the wire.
    let hash = match octets {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d, .., e, f, g, h] => {
            hasher.hash(&portolan_tcp::planted!(43, [e, f, g, h, e, f, g, h], [a, b, c, d, e, f, g, h]))
        }
        both => hasher.hash(&both),
    };
    FastOpen::cookie(&hash.to_le_bytes())
}

/// Where a server is: its address, and the zone in which that is valid.
type Place = (Address, u16);

/// What a client remembers of a server.
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    mss: u16,
    cookie: Option<FastOpen>,
    /// 0: ask by RFC 7413's option; 1: that was not answered, ask by the experimental one; 2: neither was, so the
    /// former for good.
    tried: u8,
}

/// The Fast Open state of a host.
#[derive(Debug)]
pub(crate) struct FastOpens {
    keys: FastOpenKeys,
    /// Until when new cookies are made with the primary key; `None` before the first, never if it was set from outside.
    keys_until: Option<Instant>,
    servers: HashMap<Place, Server, Keyed>,
    /// The servers in the order in which they were first met.
    met: VecDeque<Place>,
    /// When active Fast Opens were last found to vanish, and how often in a row.
    black_hole: Option<(Instant, u32)>,
    /// The listeners of the connections that wait for their proof, by the connection's index.
    unproven: HashMap<u32, u32, Keyed>,
}

impl FastOpens {
    pub(crate) fn new(tables: Keyed, random: &mut Random) -> FastOpens {
        FastOpens {
            keys: FastOpenKeys { primary: random.secret_key(), backup: None },
            keys_until: None,
            servers: HashMap::with_hasher(tables),
            met: VecDeque::new(),
            black_hole: None,
            unproven: HashMap::with_hasher(tables),
        }
    }

    /// The host's own keys are about to be used: a new primary once a day.
    fn rotate(&mut self, now: Instant, random: &mut Random) {
        let until = *self.keys_until.get_or_insert(now.plus_micros(KEY_LIFETIME_US));
        if now < until {
            return;
        }
        let backup = (now < until.plus_micros(KEY_LIFETIME_US)).then_some(self.keys.primary);
        self.keys = FastOpenKeys { primary: random.secret_key(), backup };
        self.keys_until = Some(now.plus_micros(KEY_LIFETIME_US));
    }

    fn server(&mut self, place: Place) -> Option<&mut Server> {
        if !self.servers.contains_key(&place) {
            if self.met.len() >= SERVERS_MAX
                && let Some(oldest) = self.met.pop_front()
            {
                self.servers.remove(&oldest);
            }
            self.met.push_back(place);
            self.servers.insert(place, Server::default());
        }
        self.servers.get_mut(&place)
    }

    /// Takes in what a SYN-ACK said.
    fn learn(&mut self, place: Place, mss: u16, cookie: Option<FastOpen>, unanswered: Option<bool>) {
        let Some(server) = self.server(place) else { return };
        server.mss = mss;
        match (cookie, unanswered) {
            (Some(cookie), _) => server.cookie = Some(cookie),
            (None, Some(experimental)) if server.cookie.is_none() => {
                server.tried = server.tried.max(if experimental { 2 } else { 1 });
            }
            _ => {}
        }
    }

    fn is_paused(&self, now: Instant, pause_s: u32) -> bool {
        let Some((since, times)) = self.black_hole.filter(|_| pause_s > 0) else { return false };
        let pause_us = (u64::from(pause_s) * 1_000_000) << (times - 1).min(PAUSE_DOUBLINGS_MAX);
        now.micros_since(since) < pause_us
    }

    fn note_black_hole(&mut self, now: Instant) {
        let times = self.black_hole.map_or(0, |(_, times)| times);
        self.black_hole = Some((now, times.saturating_add(1)));
    }
}

/// What a listener has of Fast Open.
#[derive(Debug, Default)]
pub(crate) struct FastOpenQueue {
    /// Connections whose SYN-ACK is not acknowledged.
    pending: u32,
    /// Until when each that was reset counts as pending.
    resets: VecDeque<Instant>,
}

impl FastOpenQueue {
    /// RFC 7413 §5.1: whether one more may be pending.
    fn has_room(&mut self, now: Instant, max: u32) -> bool {
        while self.resets.front().is_some_and(|until| *until <= now) {
            self.resets.pop_front();
        }
        let resets = u32::try_from(self.resets.len()).unwrap_or(u32::MAX);
        self.pending.saturating_add(portolan_tcp::planted!(44, 0, resets)) < max
    }
}

/// What a listener does with a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FastOpenVerdict {
    /// Begins a handshake; the SYN-ACK brings this cookie, if any.
    Handshake(Option<FastOpen>),
    /// Makes a connection of it; the SYN-ACK brings this cookie, if any.
    Open(Option<FastOpen>),
}

impl Stack {
    /// Sets the keys of the cookies that listeners without keys of their own give out (`tcp_fastopen_key`).
    pub fn set_fast_open_keys(&mut self, keys: FastOpenKeys) {
        self.fast_opens.keys = keys;
        self.fast_opens.keys_until = Some(Instant::MAX);
    }

    /// The keys that [`Stack::set_fast_open_keys`] sets; before that random, and others every day.
    #[must_use]
    pub fn fast_open_keys(&self) -> FastOpenKeys {
        self.fast_opens.keys
    }

    /// The keys of a socket's cookies: its own, or the host's.
    pub(crate) fn fast_open_keys_of(&self, socket: u32) -> FastOpenKeys {
        self.opening_of(socket).fast_open_keys.unwrap_or(self.fast_opens.keys)
    }

    /// Forgets the cookies and segment sizes of all servers (`ip tcp_metrics flush`).
    pub fn forget_fast_open_servers(&mut self) {
        self.fast_opens.servers.clear();
        self.fast_opens.met.clear();
    }

    /// How an active open uses Fast Open (RFC 7413 §4.2.1); `None` while it is paused.
    pub(crate) fn fast_open_offer(&self, key: &FlowKey, no_cookie: bool) -> Option<FastOpenOffer> {
        let config = &self.engine.config.tcp;
        if self.fast_opens.is_paused(self.engine.now, config.fast_open_black_hole_s) {
            return None;
        }
        let known = self.fast_opens.servers.get(&(key.remote.address, key.zone)).copied().unwrap_or_default();
        let mss = Some(known.mss).filter(|mss| *mss > 0);
        let no_cookie = no_cookie || config.fast_open.contains(FastOpenKnob::CLIENT_NO_COOKIE);
        Some(match known.cookie {
            _ if no_cookie => FastOpenOffer { option: None, text: true, mss },
            Some(cookie) => FastOpenOffer { option: Some(cookie), text: true, mss },
            None => {
                let request = FastOpen::REQUEST.in_experiment(known.tried == 1);
                FastOpenOffer { option: Some(request), text: false, mss }
            }
        })
    }

    /// A connection has found out something about Fast Open.
    pub(crate) fn learn_fast_open(&mut self, index: u32) {
        let news = self.with_tcb(index, |tcb, cx| (tcb.fast_open_news(cx), tcb.info(cx).syn_data));
        let Some(connection) = self.flows.connections.get(index) else { return };
        let (address, zone) = (connection.key.remote.address, connection.key.zone);
        match news {
            Some((Some(FastOpenNews::Answer { mss, cookie, unanswered }), took_text)) => {
                self.fast_opens.learn((address, zone), mss, cookie, unanswered);
                if took_text && !address.is_loopback() {
                    self.fast_opens.black_hole = None;
                }
            }
            Some((Some(FastOpenNews::BlackHole), _)) => self.fast_opens.note_black_hole(self.engine.now),
            _ => {}
        }
    }

    /// What a listener does with a SYN as far as Fast Open is concerned (RFC 7413 §4.2.2).
    pub(crate) fn fast_open_verdict(&mut self, listener: u32, incoming: &Incoming) -> FastOpenVerdict {
        let knob = self.engine.config.tcp.fast_open;
        let now = self.engine.now;
        let (option, has_text) = (incoming.segment.options.fast_open, incoming.segment.text_len > 0);
        let plain = FastOpenVerdict::Handshake(None);
        if !knob.contains(FastOpenKnob::SERVER) || option.is_none() && !has_text {
            return plain;
        }
        let Some(record) = self.listener_mut(listener) else { return plain };
        let max = record.opening.fast_open_backlog;
        if max == 0 {
            return plain;
        }
        if !record.fast_opens.has_room(now, max) {
            self.engine.stats.tcp_host.fast_open_overflows += 1;
            return plain;
        }
        if record.opening.fast_open_no_cookie || knob.contains(FastOpenKnob::SERVER_NO_COOKIE) {
            return FastOpenVerdict::Open(None);
        }
        self.fast_opens.rotate(now, &mut self.engine.random);
        let keys = self.fast_open_keys_of(listener);
        let Some(option) = option else { return plain };
        let (client, server) = (incoming.key.remote.address, incoming.key.local.address);
        let alike = |cookie: FastOpen| cookie.in_experiment(option.is_experimental());
        if let Some(renewed) = keys.check(&option, client, server).filter(|_| !option.is_request()) {
            return FastOpenVerdict::Open(renewed.map(alike));
        }
        let stats = &mut self.engine.stats.tcp_host;
        let count = if option.is_request() {
            &mut stats.fast_open_requests
        } else {
            &mut stats.fast_open_bad_cookies
        };
        *count += 1;
        FastOpenVerdict::Handshake(make_cookie(&keys.primary, client, server).map(alike))
    }

    /// Makes a connection of a SYN, with its text, and puts it into the accept queue.
    pub(crate) fn take_fast_open(
        &mut self,
        listener: u32,
        incoming: &Incoming,
        frame: &mut Frame,
        min_iss: Option<SeqNumber>,
        reply: Option<FastOpen>,
    ) -> Result<(), DropReason> {
        if self.flows.connections.len() >= self.engine.config.connections_max {
            return Err(DropReason::ConnectionsFull);
        }
        let parent = Parent::Listener(listener);
        let (embryo, mss) = self.make_embryo(&incoming.key, &incoming.segment, parent, min_iss)?;
        let mut text = Chunks::new();
        if incoming.segment.text_len > 0
            && let Some(mut packet) = frame.packet.take()
        {
            packet.consume(packet.len().saturating_sub(incoming.segment.text_len as usize));
            packet.into_text(&mut self.engine.pool, &mut text);
        }
        let options = self.tcp_options_of(listener);
        let flow = self.next_flow_id();
        let mut cx = self.engine.context(mss, 0);
        let (tcb, signals) =
            Tcb::from_fast_open(&mut cx, &embryo, &options, flow, &incoming.segment, reply, &mut text);
        let now = self.engine.now;
        let index = self.enter_child(&incoming.key, parent, mss, now, tcb);
        if let Some(connection) = self.flows.connections.get_mut(index) {
            // It serves its application from now on.
            connection.established_at = Some(now);
        }
        self.fast_opens.unproven.insert(index, listener);
        if let Some(record) = self.listener_mut(listener) {
            record.fast_opens.pending += 1;
        }
        self.enqueue_accepted(listener, index);
        self.settle(index, signals);
        Ok(())
    }

    /// A connection's SYN-ACK is acknowledged, or the connection is over: it is pending no more.
    pub(crate) fn end_fast_open(&mut self, index: u32) {
        if self.fast_opens.unproven.is_empty() {
            return;
        }
        let Some(listener) = self.fast_opens.unproven.remove(&index) else { return };
        let error = self.flows.connections.get(index).and_then(|connection| connection.tcb.error());
        let counts_until = self.engine.now.plus_micros(RESET_COUNTS_US);
        if let Some(record) = self.listener_mut(listener) {
            record.fast_opens.pending = record.fast_opens.pending.saturating_sub(1);
            if error == Some(portolan_tcp::Error::Reset) {
                record.fast_opens.resets.push_back(counts_until);
            }
        }
    }

    /// A listener is gone.
    pub(crate) fn forget_fast_opens_of(&mut self, listener: u32) {
        self.fast_opens.unproven.retain(|_, own| *own != listener);
    }

    /// Acts on what signals say of Fast Open.
    pub(crate) fn settle_fast_open(&mut self, index: u32, signals: Signals) {
        if signals.contains(Signals::FAST_OPEN) {
            self.learn_fast_open(index);
        }
        if signals.intersects(Signals::ESTABLISHED | Signals::CLOSED) {
            self.end_fast_open(index);
        }
    }
}

#[cfg(test)]
mod tests;
