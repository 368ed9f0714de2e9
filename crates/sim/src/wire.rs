//! A simulated cable between two links.

use std::collections::VecDeque;

use portolan_drivers::segmentation::Segmenter;
use portolan_link::{Instant, Medium, Offload, PacketBuf, Pool, RxBatch, TxEntry};

use crate::impair::{Impairer, Impairment};

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
}

impl Default for WireOptions {
    fn default() -> WireOptions {
        WireOptions {
            forward: Impairment::default(),
            backward: Impairment::default(),
            mtu: 1500,
            offload: false,
            whole: false,
        }
    }
}

/// One direction of a wire.
#[derive(Debug)]
pub(crate) struct Lane {
    impairer: Impairer,
    segmenter: Segmenter,
    /// Super-segments that cross whole, without faults.
    whole: Option<VecDeque<(Vec<u8>, Offload)>>,
}

impl Lane {
    pub(crate) fn new(impairment: Impairment, whole: bool, seed: u64) -> Lane {
        Lane {
            impairer: Impairer::new(impairment, seed),
            segmenter: Segmenter::new(Medium::Ethernet),
            whole: whole.then(VecDeque::new),
        }
    }

    pub(crate) fn set_impairment(&mut self, impairment: Impairment) {
        self.impairer.set_impairment(impairment);
    }

    /// Puts a frame on the wire; `each` sees every packet that it stands for. `false` if its offload contradicts its
    /// headers, which no stack of ours may do.
    pub(crate) fn push(&mut self, now: Instant, entry: &TxEntry, mut each: impl FnMut(&[u8])) -> bool {
        if let Some(whole) = &mut self.whole {
            let mut octets = vec![0; entry.len()];
            entry.copy_to(&mut octets);
            each(&octets);
            whole.push_back((octets, entry.offload));
            return true;
        }
        let impairer = &mut self.impairer;
        let cut = self.segmenter.cut(&entry.offload, entry.slices(), |packet| {
            each(packet);
            impairer.push(now, packet);
        });
        cut.is_ok()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.whole.as_ref().is_some_and(|whole| !whole.is_empty()) {
            return Some(Instant::ZERO);
        }
        self.impairer.next_deadline()
    }

    /// Fills `batch` with the packets that have arrived by `now`.
    pub(crate) fn arrive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) {
        while !batch.is_full() {
            if let Some((octets, offload)) = self.whole.as_mut().and_then(VecDeque::pop_front) {
                let mut packet = PacketBuf::copy(pool, &octets);
                packet.offload = offload;
                // It was checked that the batch is not full.
                let _ = batch.push(packet);
            } else if let Some(packet) = self.impairer.poll(now) {
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
