//! What has crossed the wires: a hash of all of it, and the last frames in words.

use std::collections::VecDeque;
use std::fmt;

use portolan_link::Instant;
use portolan_wire::display;

/// Frames that are kept for a failure's report.
const KEPT: usize = 40;
/// Octets of a kept frame: enough for all headers.
const KEPT_OCTETS: usize = 128;

/// A hash of every frame, when, on which wire and which way. Two runs that agree in it have done the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceHash(u64);

impl TraceHash {
    /// The hash as a number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What has crossed the wires.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: TraceHash,
    frames: u64,
    last: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    at: Instant,
    place: String,
    front: Vec<u8>,
    len: usize,
}

impl Default for Trace {
    fn default() -> Trace {
        // FNV-1a's offset basis. The hash need not resist anybody, but must be the same on every machine.
        Trace { hash: TraceHash(0xcbf2_9ce4_8422_2325), frames: 0, last: VecDeque::new() }
    }
}

impl Trace {
    /// Takes down a frame that was sent at `at` from the host `from` to the host `to`.
    pub(crate) fn record(&mut self, at: Instant, from: &str, to: &str, frame: &[u8]) {
        self.frames += 1;
        for part in [&at.as_nanos().to_le_bytes()[..], from.as_bytes(), to.as_bytes(), frame] {
            self.mix(&(part.len() as u64).to_le_bytes());
            self.mix(part);
        }
        let mut line = match self.last.len() {
            KEPT => self.last.pop_front(),
            _ => None,
        }
        .unwrap_or_else(|| Line { at, place: String::new(), front: Vec::new(), len: 0 });
        line.at = at;
        line.place.clear();
        line.place.extend([from, " > ", to]);
        line.front.clear();
        line.front.extend_from_slice(frame.get(..KEPT_OCTETS).unwrap_or(frame));
        line.len = frame.len();
        self.last.push_back(line);
    }

    pub(crate) fn hash(&self) -> TraceHash {
        self.hash
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// The last frames as lines. Of long ones only the headers were kept, so their text reads as cut short.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let line = |line: &Line| {
            let us = line.at.as_micros();
            format!("{us} us {} ({} octets) {}", line.place, line.len, display::frame(&line.front))
        };
        self.last.iter().map(line).collect()
    }

    /// FNV-1a over words of eight octets, with a rotation, or the high bits of a word would not reach the low ones.
    fn mix(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        for word in words.iter().chain([&last]) {
            self.hash.0 =
                (self.hash.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }
}

#[cfg(test)]
mod tests;
