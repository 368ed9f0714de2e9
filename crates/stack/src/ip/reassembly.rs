//! Fragments become packets again (RFC 791 §3.2, RFC 1122 §3.3.2, RFC 8200 §4.5).
//!
//! Memory is bounded and charged by footprint. When it is full, the datagram that has waited longest is forgotten:
//! honest datagrams are whole within milliseconds, so that a flood of halves pushes out its own first. Overlapping
//! fragments spoil their datagram in both versions (RFC 5722 §3), because nobody sends them by mistake.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashMap;
use portolan_link::{Checksum, Chunks, PacketBuf};
use portolan_wire::{Address, protocol};

use crate::LinkId;
use crate::drop::DropReason;
use crate::event::Quote;
use crate::ip::icmp_error::Complaint;
use crate::ip::input::Arrival;
use crate::ip::output::Envelope;
use crate::link::ethernet::Frame;
use crate::random::Keyed;
use crate::slab::Slab;
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};

/// Fragments of one datagram. 64 KiB in fragments of 1280 octets are 53.
const PARTS_MAX: usize = 64;
/// Names of datagrams that are gone, beyond as many as there are datagrams, before the list of names is cleared of them.
const ORDER_SLACK: usize = 64;
/// The longest payload whose packet still has a length that its header can say.
const PAYLOAD_MAX: usize = 65_535 - 20;

/// A packet's fragment fields, of either version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fragment {
    pub(crate) id: u32,
    pub(crate) offset: u16,
    pub(crate) more: bool,
    pub(crate) next_header: u8,
}

/// What has become of a fragment.
pub(crate) enum Outcome {
    /// It waits for the others.
    Kept,
    /// It was the last one missing: here is the whole packet.
    Whole(Frame, Arrival),
}

/// RFC 791: what fragments of one datagram have in common. RFC 8200 §4.5 leaves the protocol out, and we do not: a
/// difference there means a forgery.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    link: LinkId,
    src: Address,
    dst: Address,
    protocol: u8,
    id: u32,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    /// In the order of their offsets, without overlap.
    parts: Vec<(usize, Chunks)>,
    received: usize,
    total: Option<usize>,
    footprint: usize,
    timer: Option<TimerId>,
    /// From the fragment at offset 0.
    first: Option<(Arrival, Quote)>,
}

/// All datagrams of which fragments wait.
#[derive(Debug)]
pub(crate) struct Reassembly {
    index: HashMap<Key, u32, Keyed>,
    datagrams: Slab<Datagram>,
    /// Numbers and generations, the oldest first; some are gone already.
    order: VecDeque<(u32, u32)>,
    footprint: usize,
}

impl Reassembly {
    pub(crate) fn new(keyed: Keyed) -> Reassembly {
        Reassembly {
            index: HashMap::with_hasher(keyed),
            datagrams: Slab::new(),
            order: VecDeque::new(),
            footprint: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    fn remove(&mut self, index: u32) -> Option<Datagram> {
        let datagram = self.datagrams.remove(index)?;
        self.index.remove(&datagram.key);
        self.footprint -= datagram.footprint;
        while let Some(&(oldest, generation)) = self.order.front()
            && self.datagrams.generation(oldest) != Some(generation)
        {
            self.order.pop_front();
        }
        // One datagram that is never whole must not keep the names of all that came after it.
        if self.order.len() > 2 * self.datagrams.len() + ORDER_SLACK {
            let datagrams = &self.datagrams;
            self.order.retain(|&(index, generation)| datagrams.generation(index) == Some(generation));
        }
        Some(datagram)
    }
}

impl Datagram {
    /// Puts a fragment's octets in their place. `Ok(false)` for an exact repetition.
    fn put(&mut self, start: usize, more: bool, text: Chunks) -> Result<bool, DropReason> {
        let end = start + text.len();
        if self.total.is_some_and(|total| end > total || !more && end != total) {
            return Err(DropReason::FragmentMalformed);
        }
        let at = self.parts.partition_point(|(other, _)| *other < start);
        if let Some((other, part)) = self.parts.get(at)
            && *other == start
            && part.len() == text.len()
        {
            return Ok(false);
        }
        let before = at.checked_sub(1).and_then(|at| self.parts.get(at));
        let overlaps = before.is_some_and(|(other, part)| other + part.len() > start)
            || self.parts.get(at).is_some_and(|(other, _)| *other < end);
        if overlaps {
            return Err(DropReason::FragmentOverlap);
        }
        if !more {
            if self.parts.last().is_some_and(|(other, part)| other + part.len() > end) {
                return Err(DropReason::FragmentMalformed);
            }
            self.total = Some(end);
        }
        if self.parts.len() >= PARTS_MAX {
            return Err(DropReason::FragmentLimit);
        }
        self.received += text.len();
        self.footprint += text.footprint();
        self.parts.insert(at, (start, text));
        Ok(true)
    }

    fn is_whole(&self) -> bool {
        self.total == Some(self.received) && self.first.is_some()
    }
}

impl Stack {
    /// Takes a fragment out of its frame.
    pub(crate) fn reassemble(
        &mut self,
        frame: &mut Frame,
        arrival: &Arrival,
        fragment: Fragment,
    ) -> Result<Outcome, DropReason> {
        let v4 = arrival.src.is_v4();
        self.engine.ip_stats(v4).reasm_reqds += 1;
        let len = frame.len() - arrival.header_len.min(frame.len());
        judge(arrival, &fragment, len)?;
        let quote = Quote::new(frame.bytes());
        let mut text = Chunks::new();
        if let Some(mut packet) = frame.packet.take() {
            packet.consume(arrival.header_len);
            packet.into_text(&mut self.engine.pool, &mut text);
        }
        let key = Key {
            link: arrival.link,
            src: arrival.src,
            dst: arrival.dst,
            protocol: fragment.next_header,
            id: fragment.id,
        };
        let index = self.waiting_datagram(key);
        let Some(datagram) = self.reassembly.datagrams.get_mut(index) else {
            return Err(DropReason::FragmentLimit);
        };
        let before = datagram.footprint;
        if let Err(reason) = datagram.put(fragment.offset.into(), fragment.more, text) {
            self.forget_datagram(index);
            self.engine.ip_stats(v4).reasm_fails += 1;
            return Err(reason);
        }
        if fragment.offset == 0 {
            datagram.first = Some((*arrival, quote));
        }
        self.reassembly.footprint += datagram.footprint - before;
        if !datagram.is_whole() {
            self.enforce_limit(index);
            return Ok(Outcome::Kept);
        }
        self.engine.ip_stats(v4).reasm_oks += 1;
        let datagram = self.forget_datagram(index).ok_or(DropReason::FragmentLimit)?;
        self.join(datagram)
    }

    /// The datagram with this key, a new one if there is none.
    fn waiting_datagram(&mut self, key: Key) -> u32 {
        if let Some(&index) = self.reassembly.index.get(&key) {
            return index;
        }
        let deadline = self.engine.now.plus_micros(self.engine.config.reassembly_timeout_us);
        let datagram = Datagram {
            key,
            parts: Vec::new(),
            received: 0,
            total: None,
            footprint: 0,
            timer: None,
            first: None,
        };
        let index = self.reassembly.datagrams.insert(datagram);
        let timer = self.timers.set(deadline, Owner { kind: Kind::Reassembly, index });
        if let Some(datagram) = self.reassembly.datagrams.get_mut(index) {
            datagram.timer = Some(timer);
        }
        self.reassembly.index.insert(key, index);
        let generation = self.reassembly.datagrams.generation(index).unwrap_or(0);
        self.reassembly.order.push_back((index, generation));
        index
    }

    /// Forgets the oldest datagrams until the rest fits, but never the one at hand.
    fn enforce_limit(&mut self, keep: u32) {
        while self.reassembly.footprint > self.engine.config.reassembly_octets_max
            && let Some(&(oldest, _)) = self.reassembly.order.front()
            && oldest != keep
        {
            self.forget_datagram(oldest);
            self.engine.drop(DropReason::FragmentLimit);
        }
    }

    fn forget_datagram(&mut self, index: u32) -> Option<Datagram> {
        let mut datagram = self.reassembly.remove(index)?;
        if let Some(timer) = datagram.timer.take() {
            self.timers.cancel(timer);
        }
        Some(datagram)
    }

    /// RFC 1122 §3.3.2, RFC 8200 §4.5: time is up; the sender hears of it if the first fragment came.
    pub(crate) fn on_reassembly_timeout(&mut self, index: u32) {
        let Some(datagram) = self.reassembly.remove(index) else { return };
        self.engine.drop(DropReason::FragmentTimeout);
        self.engine.ip_stats(datagram.key.src.is_v4()).reasm_fails += 1;
        if let Some((arrival, quote)) = datagram.first
            && !arrival.group
        {
            self.send_icmp_error(arrival.link, quote.as_slice(), Complaint::ReassemblyTime, 0);
        }
    }

    /// Makes one packet of a datagram's fragments, with a header as if it had come whole.
    fn join(&mut self, datagram: Datagram) -> Result<Outcome, DropReason> {
        let (Some((arrival, _)), Some(total)) = (datagram.first, datagram.total) else {
            return Err(DropReason::FragmentMalformed);
        };
        let envelope = Envelope {
            src: arrival.src,
            dst: arrival.dst,
            protocol: datagram.key.protocol,
            hop_limit: arrival.hop_limit,
            tos: arrival.tos,
            flow_label: 0,
            dont_fragment: false,
            id: 0,
            via: None,
        };
        let mut head = [0; 40];
        let header_len = envelope.emit(total, &mut head).map_err(|_| DropReason::FragmentMalformed)?;
        let mut packet = PacketBuf::with_room(&mut self.engine.pool, header_len + total);
        packet.append(head.get(..header_len).unwrap_or(&[]));
        for (_, part) in &datagram.parts {
            for chunk in part.iter() {
                packet.append(chunk.as_slice());
            }
        }
        packet.offload.checksum = Checksum::None;
        let arrival = Arrival {
            protocol: datagram.key.protocol,
            header_len,
            next_header_at: if arrival.src.is_v4() { 9 } else { 6 },
            ..arrival
        };
        Ok(Outcome::Whole(
            Frame { packet: Some(packet), link: arrival.link, link_group: arrival.group },
            arrival,
        ))
    }
}

/// Whether a fragment's place and length are possible.
fn judge(arrival: &Arrival, fragment: &Fragment, len: usize) -> Result<(), DropReason> {
    // RFC 8200 §4.5, RFC 791: all but the last are multiples of 8 octets. RFC 3128: a TCP header in two fragments
    // is meant to slip past a filter.
    let ragged = fragment.more && !len.is_multiple_of(8);
    let tiny =
        fragment.next_header == protocol::TCP && (fragment.offset == 8 || fragment.offset == 0 && len < 20);
    let beyond = usize::from(fragment.offset) + len > PAYLOAD_MAX;
    if len == 0 || ragged || tiny || beyond || arrival.header_len == 0 {
        return Err(DropReason::FragmentMalformed);
    }
    Ok(())
}
