//! The gateway's end of a wire that the command takes with it when it ends: that is the end of the run, and no failure to be
//! told of.

use portolan_drivers::{PollLink, Readiness};
use portolan_link::{Instant, Link, LinkCaps, LinkError, Pool, RxBatch, TxBatch};

/// A link that falls silent when it fails. What it has still been given is lost, as on a wire that is cut.
#[derive(Debug)]
pub(super) struct Departing<L>(pub(super) L);

impl<L: Link> Link for Departing<L> {
    fn caps(&self) -> LinkCaps {
        self.0.caps()
    }

    fn receive(&mut self, now: Instant, pool: &mut Pool, batch: &mut RxBatch) -> Result<usize, LinkError> {
        Ok(self.0.receive(now, pool, batch).unwrap_or(0))
    }

    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        Ok(self.0.transmit(now, batch).unwrap_or_else(|_| {
            let lost = batch.len();
            batch.clear();
            lost
        }))
    }
}

impl<L: PollLink> PollLink for Departing<L> {
    fn readiness(&self) -> Readiness<'_> {
        self.0.readiness()
    }
}

#[cfg(test)]
mod tests {
    use portolan_link::Medium;

    use super::*;

    struct Cut;

    impl Link for Cut {
        fn caps(&self) -> LinkCaps {
            LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 0, checksum: false }
        }

        fn receive(&mut self, _: Instant, _: &mut Pool, _: &mut RxBatch) -> Result<usize, LinkError> {
            Err(LinkError::Down)
        }

        fn transmit(&mut self, _: Instant, _: &mut TxBatch) -> Result<usize, LinkError> {
            Err(LinkError::Gone)
        }
    }

    #[test]
    fn a_wire_that_is_cut_is_silent() {
        let mut link = Departing(Cut);
        let (mut pool, mut arrived, mut departing) = (Pool::new(), RxBatch::new(1), TxBatch::new(1));
        assert_eq!(link.receive(Instant::ZERO, &mut pool, &mut arrived), Ok(0));
        assert_eq!(link.transmit(Instant::ZERO, &mut departing), Ok(0));
        assert!(departing.is_empty());
    }
}
