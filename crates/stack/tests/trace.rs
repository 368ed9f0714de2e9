//! A library's user listens to the events of connections.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::sync::{Arc, Mutex};

use common::{A, Pair};
use portolan_link::Instant;
use portolan_stack::{CaState, TraceEvent, Tracer};
use portolan_wire::Family;

/// Keeps what it hears.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Instant, u64, TraceEvent)>>>);

impl Tracer for Log {
    fn event(&mut self, now: Instant, flow: u64, event: TraceEvent) {
        self.0.lock().unwrap().push((now, flow, event));
    }
}

/// A transfer that loses one segment: what host A hears of it.
fn story() -> Vec<(Instant, u64, TraceEvent)> {
    let mut pair = Pair::new();
    let log = Log::default();
    pair.hosts[A].set_tracer(Box::new(log.clone()));
    let (client, _server) = pair.connected(Family::V4, 7);
    let flow = pair.hosts[A].flows()[0].trace_id;
    // The first segment with a full text is lost, once.
    static LOST: Mutex<bool> = Mutex::new(false);
    *LOST.lock().unwrap() = false;
    pair.lose =
        |from, frame| from == A && frame.len() > 1000 && !core::mem::replace(&mut LOST.lock().unwrap(), true);
    assert_eq!(pair.hosts[A].write(pair.now, client, &[7; 12_000]), Ok(12_000));
    pair.pass(1_000_000);
    let events = log.0.lock().unwrap().clone();
    assert!(events.iter().all(|(_, of, _)| *of == flow), "one connection, and its id is known");
    events
}

#[test]
fn a_loss_is_heard_with_its_recovery_and_the_same_each_time() {
    let events = story();
    let recoveries: Vec<(CaState, CaState)> = events
        .iter()
        .filter_map(|(_, _, event)| match *event {
            TraceEvent::Recovery { from, to, .. } => Some((from, to)),
            _ => None,
        })
        .collect();
    use CaState::{Open, Recovery};
    assert_eq!(recoveries, [(Open, Recovery), (Recovery, Open)], "the duplicates came in one batch");
    let lost = events.iter().find_map(|(_, _, event)| match *event {
        TraceEvent::Lost { octets, .. } => Some(octets),
        _ => None,
    });
    assert_eq!(lost, Some(1448));
    assert!(
        events.iter().any(|(_, _, event)| matches!(event, TraceEvent::Transmit { retransmission: true, .. }))
    );
    // An ACK that says nothing of the path's MTU does not change the MSS.
    assert_eq!(events.iter().filter(|(_, _, event)| matches!(event, TraceEvent::Mss { .. })).count(), 1);
    assert_eq!(events, story());
}
