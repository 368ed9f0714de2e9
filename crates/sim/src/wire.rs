//! A simulated cable between two links. A frame that is pushed at one end is cut into packets, and each meets the narrow
//! path, the NAT, the other obstacles and at last the impairments of its lane.

use std::collections::VecDeque;

use portolan_drivers::segmentation::Segmenter;
use portolan_link::{Instant, Medium, Offload, PacketBuf, Pool, RxBatch, TxEntry};

use crate::impair::{Impairer, Impairment, Schedule};
use crate::obstacle::{Fate, Nat, Obstacles, Obstruction};

/// What a wire and the two links on it are like.
#[derive(Clone, Copy, Debug)]
pub struct WireOptions {
    /// What happens from the first host to the second.
    pub forward: Impairment,
    /// What happens from the second host to the first.
    pub backward: Impairment,
    /// The MTU of both links, in octets.
    pub mtu: u16,
    /// Whether both links offer checksums and super-segments of up to 64 KiB. They are cut before the wire.
    pub offload: bool,
    /// Whether super-segments cross whole, as between two stacks of one process; then there are no faults.
    pub whole: bool,
    /// Whether a NAT stands between, which translates the client ports of the first host.
    pub nat: bool,
}

impl Default for WireOptions {
    fn default() -> WireOptions {
        WireOptions {
            forward: Impairment::default(),
            backward: Impairment::default(),
            mtu: 1500,
            offload: false,
            whole: false,
            nat: false,
        }
    }
}

/// A wire: its two directions, and what serves both.
#[derive(Debug)]
pub(crate) struct Wire {
    /// From the first end to the second, and back.
    lanes: [Lane; 2],
    nat: Option<Nat>,
    segmenter: Segmenter,
    translated: Vec<u8>,
}

/// One direction of a wire.
#[derive(Debug)]
pub(crate) struct Lane {
    impairer: Impairer,
    obstruction: Obstruction,
    /// Super-segments that cross whole, without faults.
    whole: Option<VecDeque<(Vec<u8>, Offload)>>,
}

impl Wire {
    pub(crate) fn new(options: &WireOptions, seeds: [u64; 2]) -> Wire {
        let [forward, backward] = seeds;
        Wire {
            lanes: [
                Lane::new(options.forward, options.whole, forward),
                Lane::new(options.backward, options.whole, backward),
            ],
            nat: options.nat.then(Nat::default),
            segmenter: Segmenter::new(Medium::Ethernet),
            translated: Vec::new(),
        }
    }

    pub(crate) fn nat(&mut self) -> Option<&mut Nat> {
        self.nat.as_mut()
    }

    pub(crate) fn set_impairments(&mut self, impairments: [Impairment; 2]) {
        for (lane, impairment) in self.lanes.iter_mut().zip(impairments) {
            lane.impairer.set_impairment(impairment);
        }
    }

    /// Times count from the beginning of the simulation.
    pub(crate) fn set_schedules(&mut self, schedules: [Schedule; 2]) {
        for (lane, schedule) in self.lanes.iter_mut().zip(schedules) {
            lane.impairer.set_schedule(Instant::ZERO, schedule);
        }
    }

    pub(crate) fn set_obstacles(&mut self, obstacles: [Obstacles; 2]) {
        for (lane, obstacles) in self.lanes.iter_mut().zip(obstacles) {
            lane.obstruction.obstacles = obstacles;
        }
    }

    /// Puts a frame on the wire at the end with this number; `each` sees every packet that it stands for. `false` if its
    /// offload contradicts its headers, which no stack of ours may do.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        end: usize,
        entry: &TxEntry,
        mut each: impl FnMut(&[u8]),
    ) -> bool {
        let [first, second] = &mut self.lanes;
        let (lane, back) = if end == 0 { (first, second) } else { (second, first) };
        if let Some(whole) = &mut lane.whole {
            let mut octets = vec![0; entry.len()];
            entry.copy_to(&mut octets);
            each(&octets);
            whole.push_back((octets, entry.offload));
            return true;
        }
        let (nat, translated) = (&mut self.nat, &mut self.translated);
        let cut = self.segmenter.cut(&entry.offload, entry.slices(), |packet| {
            each(packet);
            match (lane.obstruction.narrow(packet), &mut *nat) {
                (Some(Fate::Answered(answer)), _) => back.enter(now, answer),
                (Some(_), _) => {}
                (None, None) => lane.enter(now, packet),
                (None, Some(nat)) => {
                    translated.clear();
                    translated.extend_from_slice(packet);
                    if end == 0 {
                        nat.outward(translated);
                        lane.enter(now, translated);
                    } else if nat.inward(translated) {
                        lane.enter(now, translated);
                    }
                }
            }
        });
        cut.is_ok()
    }

    /// When something arrives at the end with this number.
    pub(crate) fn next_arrival(&self, end: usize) -> Option<Instant> {
        let [first, second] = &self.lanes;
        if end == 0 { second } else { first }.next_deadline()
    }

    /// Fills `batch` with the packets that have arrived by `now` at the end with this number; `each` sees them.
    pub(crate) fn arrive(
        &mut self,
        now: Instant,
        end: usize,
        pool: &mut Pool,
        batch: &mut RxBatch,
        each: impl FnMut(&[u8]),
    ) {
        let [first, second] = &mut self.lanes;
        if end == 0 { second } else { first }.arrive(now, pool, batch, each);
    }
}

impl Lane {
    fn new(impairment: Impairment, whole: bool, seed: u64) -> Lane {
        Lane {
            impairer: Impairer::new(impairment, seed),
            obstruction: Obstruction::new(!seed),
            whole: whole.then(VecDeque::new),
        }
    }

    /// Lets a packet meet the obstacles and then the impairments.
    fn enter(&mut self, now: Instant, packet: &[u8]) {
        if let Fate::Passes(packet) = self.obstruction.pass(packet) {
            self.impairer.push(now, packet);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.whole.as_ref().is_some_and(|whole| !whole.is_empty()) {
            return Some(Instant::ZERO);
        }
        self.impairer.next_deadline()
    }

    fn arrive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch, mut each: impl FnMut(&[u8])) {
        while !batch.is_full() {
            if let Some((octets, offload)) = self.whole.as_mut().and_then(VecDeque::pop_front) {
                each(&octets);
                let mut packet = PacketBuf::copy(pool, &octets);
                packet.offload = offload;
                // It was checked that the batch is not full.
                let _ = batch.push(packet);
            } else if let Some(packet) = self.impairer.poll(now) {
                each(&packet);
                let _ = batch.push(PacketBuf::copy(pool, &packet));
                self.impairer.recycle(packet);
            } else {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
