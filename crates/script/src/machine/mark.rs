//! What an application wants to be told of the octets it has written: when the stack needs them no more
//! (MSG_ZEROCOPY), and when they were sent and acknowledged (SO_TIMESTAMPING). The answers wait in the socket's error
//! queue.

use std::collections::VecDeque;

use portolan_link::Instant;

use crate::machine::Machine;

/// Bits of SO_TIMESTAMPING that ask for something (linux/net_tstamp.h).
pub(crate) const TX_SOFTWARE: u32 = 1 << 1;
pub(crate) const OPT_ID: u32 = 1 << 7;
pub(crate) const TX_SCHED: u32 = 1 << 8;
pub(crate) const TX_ACK: u32 = 1 << 9;
/// The three that stand for a moment in an octet's life.
const MOMENTS: u32 = TX_SOFTWARE | TX_SCHED | TX_ACK;

/// What waits in an error queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    /// The sends with these numbers are no longer needed.
    Zerocopy { first: u32, last: u32 },
    /// An octet reached a moment of its life, `kind` as Linux numbers them (SCM_TSTAMP_*).
    Stamp { kind: u32, key: u32, at: Instant },
}

/// The last octet of a write that somebody asks about.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Octets of the stream up to the end of the write.
    end: u64,
    zerocopy: Option<u32>,
    /// The moments not reached yet, as bits of SO_TIMESTAMPING.
    moments: u32,
    key: u32,
}

/// A socket's writes and what is to be told of them.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Octets written to this connection.
    pub(crate) written: u64,
    next_zerocopy: u32,
    /// SO_TIMESTAMPING.
    stamping: u32,
    /// The octet that keys count from.
    first_key: u64,
    marks: VecDeque<Mark>,
    pub(crate) notices: VecDeque<Notice>,
}

impl Marks {
    /// Sets SO_TIMESTAMPING; keys count from the first octet that is not acknowledged yet.
    pub(crate) fn set_stamping(&mut self, stamping: u32, acknowledged: u64) {
        if stamping & OPT_ID != 0 && self.stamping & OPT_ID == 0 {
            self.first_key = acknowledged;
        }
        self.stamping = stamping;
    }

    /// Notes that a write of so many octets was taken in whole or in part.
    pub(crate) fn wrote(&mut self, len: usize) {
        self.written += len as u64;
    }

    /// Notes the end of a sending call.
    pub(crate) fn end_of_call(&mut self, zerocopy: bool) {
        let moments = self.stamping & MOMENTS;
        let zerocopy = zerocopy.then(|| {
            self.next_zerocopy = self.next_zerocopy.wrapping_add(1);
            self.next_zerocopy.wrapping_sub(1)
        });
        if zerocopy.is_some() || moments != 0 {
            let octet = self.written.saturating_sub(1).saturating_sub(self.first_key);
            let key = if self.stamping & OPT_ID == 0 { 0 } else { u32::try_from(octet).unwrap_or(u32::MAX) };
            self.marks.push_back(Mark { end: self.written, zerocopy, moments, key });
        }
    }

    fn is_idle(&self) -> bool {
        self.marks.is_empty()
    }

    /// So many octets were sent and acknowledged by now; `over` if no more will be. Whether there is a new notice.
    fn progress(&mut self, now: Instant, sent: u64, acknowledged: u64, over: bool) -> bool {
        let before = self.notices.len();
        for mark in &mut self.marks {
            let reached = [(TX_SCHED, 1, sent), (TX_SOFTWARE, 0, sent), (TX_ACK, 2, acknowledged)];
            for (moment, kind, octets) in reached {
                if mark.moments & moment != 0 && octets >= mark.end {
                    mark.moments &= !moment;
                    self.notices.push_back(Notice::Stamp { kind, key: mark.key, at: now });
                }
            }
        }
        let mut told = self.notices.len() > before;
        while let Some(&mark) = self.marks.front() {
            if acknowledged < mark.end && !over {
                break;
            }
            self.marks.pop_front();
            if let Some(number) = mark.zerocopy {
                self.complete(number);
                told = true;
            }
        }
        told
    }

    /// Joins a completion to the last one if it follows it, as Linux does.
    fn complete(&mut self, number: u32) {
        if let Some(Notice::Zerocopy { last, .. }) = self.notices.back_mut()
            && last.wrapping_add(1) == number
        {
            *last = number;
        } else {
            self.notices.push_back(Notice::Zerocopy { first: number, last: number });
        }
    }
}

impl Machine {
    /// Looks how far the octets of marked writes have come.
    pub(crate) fn account_for_marks(&mut self) {
        let mut told = Vec::new();
        for (fd, socket) in self.files.sockets_mut() {
            if socket.marks.is_idle() {
                continue;
            }
            let queued = self.stack.send_queued(socket.id);
            let unsent = self.stack.info(socket.id).map_or(0, |info| info.not_sent);
            let over = queued.is_err() || self.stack.state(socket.id) == Ok(portolan_stack::State::Closed);
            let written = socket.marks.written;
            let acknowledged = written.saturating_sub(u64::from(queued.unwrap_or(0)));
            let sent = written.saturating_sub(u64::from(unsent));
            if socket.marks.progress(self.now, sent, acknowledged, over) {
                told.push(fd);
            }
        }
        for fd in told {
            self.wake_epolls_for(fd, libc::EPOLLERR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_that_follow_each_other_are_one_notice() {
        let mut marks = Marks::default();
        for _ in 0..3 {
            marks.wrote(10);
            marks.end_of_call(true);
        }
        assert!(!marks.progress(Instant::ZERO, 30, 9, false));
        assert!(marks.progress(Instant::ZERO, 30, 20, false));
        assert_eq!(marks.notices, [Notice::Zerocopy { first: 0, last: 1 }]);
        assert!(marks.progress(Instant::ZERO, 30, 30, false));
        assert_eq!(marks.notices, [Notice::Zerocopy { first: 0, last: 2 }]);
    }

    #[test]
    fn an_octet_is_stamped_when_queued_sent_and_acknowledged() {
        let mut marks = Marks::default();
        marks.wrote(100);
        marks.set_stamping(MOMENTS | OPT_ID, 100);
        marks.wrote(11);
        marks.end_of_call(false);
        assert!(!marks.progress(Instant::ZERO, 110, 100, false));
        let at = Instant::from_millis(1);
        assert!(marks.progress(at, 111, 100, false));
        assert!(marks.progress(at, 111, 111, false));
        let stamp = |kind| Notice::Stamp { kind, key: 10, at };
        assert_eq!(marks.notices, [stamp(1), stamp(0), stamp(2)]);
    }
}
