use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use portolan_link::{Link, Medium};

use super::*;

/// A link that does what it is told: each entry is the answer to one call.
struct Scripted {
    answers: Arc<Mutex<VecDeque<Result<usize, LinkError>>>>,
    fd: OwnedFd,
}

impl Link for Scripted {
    fn caps(&self) -> LinkCaps {
        LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 0, checksum: false }
    }

    fn receive(&mut self, _: Instant, _: &mut Pool, _: &mut RxBatch) -> Result<usize, LinkError> {
        self.answers.lock().unwrap().pop_front().unwrap()
    }

    fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<usize, LinkError> {
        let taken = self.answers.lock().unwrap().pop_front().unwrap()?;
        batch.advance(taken);
        Ok(taken)
    }
}

impl PollLink for Scripted {
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Fd(self.fd.as_fd())
    }
}

/// A port with `unsent` frames, whose link gives these answers.
fn port(unsent: usize, answers: &[Result<usize, LinkError>]) -> Port {
    let fd = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
    let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
    // No stack is asked here, so any of its names for a link will do.
    let mut port = Port::new(LinkId::LOOPBACK, "scripted".to_owned(), Box::new(Scripted { answers, fd }));
    for _ in 0..unsent {
        port.unsent.push().unwrap().set_head_len(60);
    }
    port
}

const NOW: Instant = Instant::from_millis(1000);

#[test]
fn a_full_link_is_offered_the_rest_before_anything_new() {
    let mut port = port(3, &[Ok(1), Ok(2)]);
    assert!(port.transmit(NOW));
    assert!(port.is_full() && port.waits_for_room() && !port.takes_frames());
    assert_eq!(port.next_deadline(), Some(NOW + FULL_PAUSE));
    assert!(port.transmit(NOW));
    assert!(!port.is_full() && port.takes_frames());
    assert_eq!(port.next_deadline(), None);
}

#[test]
fn a_link_that_says_it_has_room_and_has_none_is_left_alone_for_a_while() {
    let mut port = port(2, &[Ok(0), Ok(0), Ok(0), Ok(2)]);
    assert!(!port.transmit(NOW));
    assert!(port.waits_for_room());
    assert!(!port.transmit(NOW));
    assert!(port.is_full() && !port.waits_for_room(), "no spinning on a lie");
    assert!(!port.is_retry_due(NOW) && port.is_retry_due(NOW + FULL_PAUSE));
    assert!(!port.transmit(NOW + FULL_PAUSE));
    assert!(port.transmit(NOW + FULL_PAUSE * 2) && port.takes_frames());
}

#[test]
fn a_link_that_is_down_is_tried_again_after_a_pause() {
    let mut pool = Pool::new();
    for error in [LinkError::Down, LinkError::Io(5)] {
        let mut port = port(1, &[Err(error), Ok(0), Ok(1)]);
        assert!(!port.receive(NOW, &mut pool));
        assert!(!port.is_usable() && !port.takes_frames() && !port.is_gone());
        assert!(!port.receive(NOW, &mut pool) && !port.transmit(NOW), "the driver is not called meanwhile");
        assert_eq!(port.next_deadline(), Some(NOW + PAUSE));
        assert!(!port.on_time(NOW));
        assert!(port.on_time(NOW + PAUSE), "it is worth a call now");
        assert!(!port.receive(NOW + PAUSE, &mut pool));
        assert!(port.transmit(NOW + PAUSE) && port.takes_frames());
    }
}

#[test]
fn a_failing_transmit_asks_for_another_turn() {
    let mut down = port(1, &[Err(LinkError::Down)]);
    assert!(down.transmit(NOW), "the deadline has changed");
    let mut gone = port(1, &[Err(LinkError::Gone)]);
    assert!(gone.transmit(NOW) && gone.is_gone());
    assert_eq!(gone.next_deadline(), None);
    assert!(!gone.on_time(Instant::MAX));
}
