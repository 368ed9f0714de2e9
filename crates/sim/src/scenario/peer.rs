//! One application of a transfer: sends its text, checks the other's, closes.

use portolan_link::Instant;
use portolan_stack::{How, SocketError, SocketId};

use super::TRANSFER_OCTETS;
use crate::failure::Failure;
use crate::net::{HostId, Net};
use crate::random::Random;

/// The most octets that one read or write moves.
const STEP_MAX: u64 = 40_000;

/// One side of a transfer.
#[derive(Debug)]
pub(super) struct Peer {
    host: HostId,
    name: &'static str,
    socket: SocketId,
    /// Which text is sent, and which is expected.
    texts: [u64; 2],
    sent: u64,
    received: u64,
    has_shut: bool,
    has_seen_end: bool,
    is_closed: bool,
    /// An application that lets text wait now and then, so that the window closes.
    naps: bool,
    naps_until: Instant,
}

impl Peer {
    pub(super) fn new(
        host: HostId,
        name: &'static str,
        socket: SocketId,
        texts: [u64; 2],
        random: &mut Random,
    ) -> Peer {
        Peer {
            host,
            name,
            socket,
            texts,
            sent: 0,
            received: 0,
            has_shut: false,
            has_seen_end: false,
            is_closed: false,
            naps: random.one_in(4),
            naps_until: Instant::ZERO,
        }
    }

    /// Whether everything was exchanged and the socket given back.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, net: &mut Net) -> Result<(), Failure> {
        if self.is_closed {
            return Ok(());
        }
        self.send(net)?;
        if net.now() >= self.naps_until {
            self.receive(net)?;
        }
        if self.has_shut && self.has_seen_end {
            let closed = net.with(self.host, |stack, now| stack.close(now, self.socket))?;
            closed.map_err(|error| net.failure(format!("{}: close: {error:?}", self.name)))?;
            self.is_closed = true;
        }
        Ok(())
    }

    fn send(&mut self, net: &mut Net) -> Result<(), Failure> {
        while self.sent < TRANSFER_OCTETS {
            let len = net.random().between(1, STEP_MAX.min(TRANSFER_OCTETS - self.sent));
            let octets: Vec<u8> = (self.sent..self.sent + len).map(|at| octet(self.texts[0], at)).collect();
            match net.with(self.host, |stack, now| stack.write(now, self.socket, &octets))? {
                Ok(taken) => self.sent += taken as u64,
                Err(error) => return self.pass_if_it_must_wait(net, "write", error),
            }
        }
        if !self.has_shut {
            match net.with(self.host, |stack, now| stack.shutdown_socket(now, self.socket, How::Write))? {
                Ok(()) => self.has_shut = true,
                Err(error) => return self.pass_if_it_must_wait(net, "shutdown", error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, net: &mut Net) -> Result<(), Failure> {
        let mut octets = vec![0; usize::try_from(STEP_MAX).unwrap_or(0)];
        while !self.has_seen_end {
            if self.naps && net.random().one_in(50) {
                self.naps_until = net.now().plus_micros(net.random().between(1, 3_000_000));
                net.wake_at(self.naps_until);
                return Ok(());
            }
            let len = usize::try_from(net.random().between(1, STEP_MAX)).unwrap_or(1);
            let room = octets.get_mut(..len).unwrap_or_default();
            match net.with(self.host, |stack, now| stack.read(now, self.socket, room))? {
                Ok(0) => self.has_seen_end = true,
                Ok(len) => self.compare(net, octets.get(..len).unwrap_or_default())?,
                Err(error) => return self.pass_if_it_must_wait(net, "read", error),
            }
        }
        if self.received != TRANSFER_OCTETS {
            let what = format!("{}: the text ended after {} octets", self.name, self.received);
            return Err(net.failure(what));
        }
        Ok(())
    }

    fn compare(&mut self, net: &Net, octets: &[u8]) -> Result<(), Failure> {
        for (got, at) in octets.iter().zip(self.received..) {
            let expected = octet(self.texts[1], at);
            if *got != expected || at >= TRANSFER_OCTETS {
                let what = format!("{}: octet {at} is {got:#04x}, not {expected:#04x}", self.name);
                return Err(net.failure(what));
            }
        }
        self.received += octets.len() as u64;
        Ok(())
    }

    fn pass_if_it_must_wait(&self, net: &Net, call: &str, error: SocketError) -> Result<(), Failure> {
        match error {
            SocketError::WouldBlock | SocketError::NotConnected if self.received == 0 && self.sent == 0 => {
                Ok(())
            }
            SocketError::WouldBlock => Ok(()),
            _ => {
                let progress = format!("{} octets sent, {} received", self.sent, self.received);
                Err(net.failure(format!("{}: {call}: {error:?} after {progress}", self.name)))
            }
        }
    }
}

/// Octet `at` of a text. Equal for no shift of less than 2^32, so that text in the wrong place is noticed.
fn octet(text: u64, at: u64) -> u8 {
    let mixed = (at / 8 + (text << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let octets = (mixed ^ (mixed >> 29)).to_le_bytes();
    octets.get(usize::try_from(at % 8).unwrap_or(0)).copied().unwrap_or(0)
}
