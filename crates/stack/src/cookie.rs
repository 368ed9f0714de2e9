//! SYN cookies (RFC 4987 §3.6): what a listener does with SYNs when its queue is full. Nothing is kept of them; the ACK
//! of a SYN-ACK brings back what there was to know. How, is in `portolan-tcp`.

use portolan_tcp::Embryo;
use portolan_wire::tcp::Flags;

use crate::LinkId;
use crate::demux::Incoming;
use crate::drop::DropReason;
use crate::embryo::{EmbryoRecord, Parent};
use crate::link::ethernet::Frame;
use crate::stack::Stack;

/// How long a cookie may be good, in microseconds. Without one given out since, none is believed.
const COOKIE_LIFETIME_US: u64 = 128_000_000;

impl Stack {
    /// Answers a SYN with a cookie.
    pub(crate) fn send_syn_cookie(&mut self, listener: u32, incoming: &Incoming) -> Result<(), DropReason> {
        let parent = Parent::Listener(listener);
        let (embryo, _) = self.make_embryo(&incoming.key, &incoming.segment, parent, None)?;
        let now = self.engine.now;
        let plan = embryo.cookie_syn_ack(self.engine.random.fresh_cookie_keys(now), &incoming.key, now);
        let (ttl, tos) = self.ttl_tos_of(listener);
        if let Some(record) = self.listener_mut(listener) {
            record.cookies_until = now.plus_micros(COOKIE_LIFETIME_US);
        }
        self.engine.stats.tcp_host.syn_cookies_sent += 1;
        self.send_control(&incoming.key, &plan, ttl, tos);
        Ok(())
    }

    /// The listener that may have answered the SYN before this segment with a cookie.
    pub(crate) fn cookie_listener(&self, incoming: &Incoming, link: LinkId) -> Option<u32> {
        let flags = incoming.segment.flags;
        let knob = self.engine.config.tcp.syn_cookies;
        let may_be = knob > 0 && flags.contains(Flags::ACK) && !flags.intersects(Flags::SYN | Flags::RST);
        let listener = self.ports.listener(&incoming.key, link).filter(|_| may_be && !self.stopping)?;
        let until = self.listener(listener)?.cookies_until;
        (knob > 1 || until > self.engine.now).then_some(listener)
    }

    /// A segment for no connection may be the ACK of a cookie, and then it makes one; `None` if it is not.
    pub(crate) fn cookie_input(
        &mut self,
        listener: u32,
        incoming: &Incoming,
        frame: &mut Frame,
    ) -> Option<Result<(), DropReason>> {
        let (key, segment) = (incoming.key, &incoming.segment);
        let parent = Parent::Listener(listener);
        let made = self.with_passive_open(&key, parent, |stack, open| {
            Embryo::from_cookie(open, segment, &stack.engine.random.cookies, &key)
        });
        let (embryo, mss) = match made {
            Ok((Some(embryo), mss)) => (embryo, mss),
            Ok((None, _)) => {
                self.engine.stats.tcp_host.syn_cookies_failed += 1;
                return None;
            }
            Err(reason) => return Some(Err(reason)),
        };
        self.engine.stats.tcp_host.syn_cookies_received += 1;
        if !self.accept_queue_has_room(listener) {
            // As with a record, the last ACK is as if it had been lost; but nobody repeats the SYN-ACK.
            self.engine.stats.tcp_host.listen_overflows += 1;
            return Some(Err(DropReason::AcceptQueueFull));
        }
        if self.flows.connections.len() >= self.engine.config.connections_max {
            return Some(Err(DropReason::ConnectionsFull));
        }
        let opened_at = self.engine.now;
        let connection = self.hatch(EmbryoRecord::new(key, embryo, parent, mss, opened_at));
        Some(self.complete(connection, parent, incoming, frame))
    }
}
