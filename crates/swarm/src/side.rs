//! One application: writes its text, compares what it reads with the peer's, and ends as its plan says.

use portolan_link::Instant;
use portolan_sim::{Failure, HostId, Net};
use portolan_stack::{How, SocketError, SocketId, Stack};

use crate::plan::{EndPlan, SidePlan};
use crate::text;

/// Octets of a read or write, if the plan does not say.
const STEP: u32 = 16 * 1024;

/// Where an application stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It has no socket yet.
    Waiting,
    /// Its connect is under way.
    Connecting,
    /// It has a connection.
    Open,
    /// It has done all that it wanted and let go of its socket.
    Closed,
    /// It has reset the connection, as was its plan.
    Aborted,
    /// It met an error that had a good reason.
    Failed(SocketError),
    /// Its host was restarted.
    Lost,
}

/// What an application must know of the one at the other end, to judge what it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Octets that were taken from it.
    sent: u64,
    /// Whether it has ended its text.
    has_shut: bool,
    octets: u64,
}

/// One application's end of a connection.
#[derive(Debug)]
pub(crate) struct Side {
    plan: SidePlan,
    pub(crate) host: HostId,
    name: String,
    /// The numbers of its own text and of the peer's.
    texts: [u64; 2],
    /// 0, or the rounds of a conversation in turn.
    rounds: u64,
    is_client: bool,
    pub(crate) phase: Phase,
    pub(crate) socket: Option<SocketId>,
    /// Whether something has happened since its last turn.
    pub(crate) is_called: bool,
    /// An event has told of an error.
    pub(crate) error: Option<SocketError>,
    sent: u64,
    received: u64,
    has_shut: bool,
    has_seen_end: bool,
    write_at: Instant,
    read_at: Instant,
}

impl Side {
    pub(crate) fn new(plan: SidePlan, host: HostId, connection: usize, rounds: u32, is_client: bool) -> Side {
        let role = if is_client { "client" } else { "server" };
        let own = connection as u64 * 2 + 1 + u64::from(!is_client);
        let other = connection as u64 * 2 + 1 + u64::from(is_client);
        Side {
            plan,
            host,
            name: format!("connection {connection}, {role}"),
            texts: [own, other],
            rounds: rounds.into(),
            is_client,
            phase: Phase::Waiting,
            socket: None,
            is_called: false,
            error: None,
            sent: 0,
            received: 0,
            has_shut: false,
            has_seen_end: false,
            write_at: Instant::ZERO,
            read_at: Instant::ZERO,
        }
    }

    /// The name, for failures.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing more is to be expected of it.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Connecting | Phase::Open)
    }

    /// Whether it went before the peer could end in peace.
    pub(crate) fn has_left(&self) -> bool {
        match self.phase {
            Phase::Aborted | Phase::Failed(_) | Phase::Lost => true,
            Phase::Closed => self.plan.end == Some(EndPlan::Closes),
            Phase::Waiting | Phase::Connecting | Phase::Open => false,
        }
    }

    /// What the application at the other end must know.
    pub(crate) fn as_peer(&self) -> Peer {
        Peer { sent: self.sent, has_shut: self.has_shut, octets: self.plan.octets.into() }
    }

    /// Its connection is there.
    pub(crate) fn open(&mut self, net: &mut Net, socket: SocketId) {
        self.phase = Phase::Open;
        self.socket = Some(socket);
        self.is_called = true;
        self.read_at = net.now().plus_micros(self.plan.read_delay_us);
        if self.plan.read_delay_us > 0 {
            net.wake_at(self.read_at);
        }
    }

    /// Whether it wants a turn now.
    pub(crate) fn wants_turn(&self, now: Instant) -> bool {
        let is_due = |at: Instant| at > Instant::ZERO && at <= now;
        self.phase == Phase::Open && (self.is_called || is_due(self.write_at) || is_due(self.read_at))
    }

    /// Does what can be done now. An error of the connection is the caller's to judge.
    pub(crate) fn turn(&mut self, net: &mut Net, peer: Peer) -> Result<Option<SocketError>, Failure> {
        self.is_called = false;
        if let Some(error) = self.receive(net, peer)? {
            return Ok(Some(error));
        }
        // What was read may allow to write, and what was written must not keep from reading.
        if let Some(error) = self.send(net, peer)? {
            return Ok(Some(error));
        }
        if self.phase == Phase::Open && self.has_shut && self.has_seen_end {
            self.let_go(net, Phase::Closed)?;
        }
        // An error that no call has met yet.
        Ok(self.error.filter(|_| self.phase == Phase::Open))
    }

    /// Gives the socket back.
    pub(crate) fn let_go(&mut self, net: &mut Net, phase: Phase) -> Result<(), Failure> {
        self.phase = phase;
        let Some(socket) = self.socket.take() else { return Ok(()) };
        let closed = net.with(self.host, |stack, now| match phase {
            Phase::Aborted => stack.abort(now, socket),
            _ => stack.close(now, socket),
        })?;
        closed.map_err(|error| net.failure(format!("{}: close: {error:?}", self.name)))
    }

    /// Where it stands, in words.
    pub(crate) fn describe(&self) -> String {
        let Side { phase, sent, received, has_shut, has_seen_end, .. } = self;
        let octets = self.plan.octets;
        format!(
            "{}: {phase:?}, sent {sent} of {octets}, received {received}, shut {has_shut}, saw the end {has_seen_end}",
            self.name
        )
    }

    fn send(&mut self, net: &mut Net, peer: Peer) -> Result<Option<SocketError>, Failure> {
        let mut octets = Vec::new();
        while let Some(len) = self.next_write(peer) {
            if net.now() < self.write_at {
                return Ok(None);
            }
            octets.resize(len, 0);
            text::fill(self.texts[0], self.sent, &mut octets);
            let taken = match self.call(net, |stack, now, socket| stack.write(now, socket, &octets))? {
                Ok(taken) => taken,
                Err(SocketError::WouldBlock) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            self.sent += taken as u64;
            if self.plan.write_pause_us > 0 {
                self.write_at = net.now().plus_micros(self.plan.write_pause_us);
                net.wake_at(self.write_at);
            }
            if taken < len {
                return Ok(None);
            }
        }
        self.write_at = Instant::ZERO;
        self.end(net)
    }

    /// How much to write next; `None` if there is nothing (yet).
    fn next_write(&self, peer: Peer) -> Option<usize> {
        let octets = u64::from(self.plan.octets);
        let mut until = octets;
        if let Some(EndPlan::Aborts(after)) = self.plan.end {
            until = until.min(after.into());
        }
        until = until.min(self.allowed(octets, peer.octets));
        let left = until.checked_sub(self.sent).filter(|left| *left > 0)?;
        let step = if self.plan.write_max > 0 { self.plan.write_max } else { STEP };
        usize::try_from(left.min(step.into())).ok()
    }

    /// How much may have been written, in a conversation in turn.
    fn allowed(&self, own: u64, peers: u64) -> u64 {
        if self.rounds == 0 {
            return own;
        }
        let heard =
            if self.received >= peers { self.rounds } else { self.received / (peers / self.rounds).max(1) };
        let turns = heard + u64::from(self.is_client);
        if turns >= self.rounds { own } else { turns * (own / self.rounds) }
    }

    /// Ends, when all is written and the plan says so.
    fn end(&mut self, net: &mut Net) -> Result<Option<SocketError>, Failure> {
        match self.plan.end {
            Some(EndPlan::Aborts(after)) if self.sent >= after.into() => {
                return self.let_go(net, Phase::Aborted).map(|()| None);
            }
            Some(EndPlan::Waits) if !self.has_seen_end => return Ok(None),
            _ if self.has_shut || self.sent < self.plan.octets.into() => return Ok(None),
            _ => {}
        }
        self.has_shut = true;
        if self.plan.end == Some(EndPlan::Closes) {
            return self.let_go(net, Phase::Closed).map(|()| None);
        }
        let shut = self.call(net, |stack, now, socket| stack.shutdown_socket(now, socket, How::Write))?;
        Ok(shut.err())
    }

    fn receive(&mut self, net: &mut Net, peer: Peer) -> Result<Option<SocketError>, Failure> {
        let step = if self.plan.read_max > 0 { self.plan.read_max } else { STEP };
        let mut room = vec![0; step as usize];
        while !self.has_seen_end {
            // Who knows of an error looks at once for what is left.
            if net.now() < self.read_at && self.error.is_none() {
                return Ok(None);
            }
            self.read_at = Instant::ZERO;
            let len = match self.call(net, |stack, now, socket| stack.read(now, socket, &mut room))? {
                Ok(0) => {
                    self.has_seen_end = true;
                    break;
                }
                Ok(len) => len,
                Err(SocketError::WouldBlock) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            self.compare(net, room.get(..len).unwrap_or_default(), peer)?;
            if self.plan.read_pause_us > 0 {
                self.read_at = net.now().plus_micros(self.plan.read_pause_us);
                net.wake_at(self.read_at);
            }
        }
        if !peer.has_shut || self.received != peer.sent {
            let Peer { sent, has_shut, .. } = peer;
            let what = format!(
                "{}: the text ended; after {} octets, of which {sent} were written and ended: {has_shut}",
                self.name, self.received
            );
            return Err(net.failure(what));
        }
        Ok(None)
    }

    fn compare(&mut self, net: &Net, octets: &[u8], peer: Peer) -> Result<(), Failure> {
        let mut expected = vec![0; octets.len()];
        text::fill(self.texts[1], self.received, &mut expected);
        let mut pairs = (self.received..).zip(octets.iter().zip(&expected));
        if let Some((at, (got, wanted))) = pairs.find(|(_, (got, wanted))| got != wanted) {
            let what = format!("{}: wrong text; octet {at} is {got:#04x}, not {wanted:#04x}", self.name);
            return Err(net.failure(what));
        }
        self.received += octets.len() as u64;
        if self.received > peer.sent {
            let what = format!("{}: {} octets came, of {} written", self.name, self.received, peer.sent);
            return Err(net.failure(what));
        }
        Ok(())
    }

    fn call<R>(
        &self,
        net: &mut Net,
        call: impl FnOnce(&mut Stack, Instant, SocketId) -> Result<R, SocketError>,
    ) -> Result<Result<R, SocketError>, Failure> {
        let Some(socket) = self.socket else { return Ok(Err(SocketError::BadSocket)) };
        net.with(self.host, |stack, now| call(stack, now, socket))
    }
}
