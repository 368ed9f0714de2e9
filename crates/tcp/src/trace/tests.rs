use std::string::String;
use std::vec::Vec;

use super::*;
use crate::congestion::NewReno;
use crate::testing::{ISS, Rig, plain};

/// The events since the last call, one line each; sequence numbers count from the initial one.
fn told(rig: &mut Rig) -> Vec<String> {
    let events = core::mem::take(&mut rig.host.events.0);
    events.iter().map(line).collect()
}

fn line(event: &TraceEvent) -> String {
    let relative = |seq: SeqNumber| seq.0.wrapping_sub(ISS);
    match *event {
        TraceEvent::State { from, to } => std::format!("{from:?} -> {to:?}"),
        TraceEvent::Transmit { seq, text_len, retransmission } => {
            std::format!("{} {}({text_len})", if retransmission { "again" } else { "send" }, relative(seq))
        }
        TraceEvent::Recovery { from, to, recover } => {
            std::format!("{from:?} -> {to:?} until {:?}", recover.map(relative))
        }
        ref other => std::format!("{other:?}"),
    }
}

/// Ten segments under way, and nothing told of it.
fn ten() -> Rig {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.drain();
    rig.pass_ms(10);
    told(&mut rig);
    rig
}

#[test]
fn a_connection_that_opens_tells_its_first_figures() {
    let mut rig = Rig::established();
    assert_eq!(
        told(&mut rig),
        [
            "Closed -> SynSent",
            "send 0(0)",
            "SendWindow { octets: 60000 }",
            "Rtt { sample_us: 10000, srtt_us: 10000, rttvar_us: 5000, min_us: 10000 }",
            "SynSent -> Established",
            "Rto { rto_us: 210000, backoffs: 0 }",
            "Congestion { cwnd: 10000, ssthresh: 4294967295 }",
            "Mss { octets: 1000 }",
            "Reordering { segments: 3 }",
            "send 1(0)",
        ]
    );
}

#[test]
fn a_loss_that_is_repaired_is_told_from_the_hole_to_the_end() {
    let mut rig = ten();
    rig.gets(". 1:1(0) ack 1 <sack 1001:2001>");
    rig.gets(". 1:1(0) ack 1 <sack 1001:4001>");
    rig.drain();
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 1 <sack 1001:10001>");
    rig.gets(". 1:1(0) ack 10001");
    let mut told = told(&mut rig);
    told.retain(|line| !line.starts_with("Rtt ") && !line.starts_with("Rto "));
    assert_eq!(
        told,
        [
            "Open -> Disorder until None",
            "Lost { octets: 1000, total: 1000 }",
            "Disorder -> Recovery until Some(10001)",
            "Congestion { cwnd: 8000, ssthresh: 5000 }",
            "again 1(1000)",
            "Congestion { cwnd: 5000, ssthresh: 5000 }",
            "Recovery -> Open until None",
        ]
    );
}

#[test]
fn a_timeout_for_nothing_is_told_with_its_undoing() {
    let mut rig = ten();
    rig.wait();
    rig.drain();
    // F-RTO: an acknowledgement of what was sent once only, before the timeout, after new text has gone.
    rig.write(2000);
    rig.gets(". 1:1(0) ack 1001");
    rig.drain();
    rig.gets(". 1:1(0) ack 3001");
    let mut told = told(&mut rig);
    told.retain(|line| !line.starts_with("Rtt "));
    assert_eq!(
        told,
        [
            "Timeout { backoffs: 1 }",
            "Rto { rto_us: 420000, backoffs: 1 }",
            "Lost { octets: 10000, total: 10000 }",
            "Open -> Loss until Some(10001)",
            "Congestion { cwnd: 1000, ssthresh: 5000 }",
            "again 1(1000)",
            "Congestion { cwnd: 2000, ssthresh: 5000 }",
            "send 10001(1000)",
            "send 11001(1000)",
            "Undone { timeout: true }",
            "Rto { rto_us: 250000, backoffs: 0 }",
            "Loss -> Open until None",
            "Congestion { cwnd: 12000, ssthresh: 4294967295 }",
        ]
    );
}

#[test]
fn what_the_application_changes_is_told_as_well() {
    let mut rig = ten();
    rig.tcb.set_congestion_control(&mut rig.host.cx(), std::boxed::Box::new(NewReno::new(3000, u32::MAX)));
    assert_eq!(told(&mut rig), ["Congestion { cwnd: 3000, ssthresh: 4294967295 }"]);
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.mss_clamp = 500;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    assert_eq!(told(&mut rig), ["Mss { octets: 500 }"]);
}

#[test]
fn a_syn_that_is_lost_is_told() {
    let mut rig = Rig::connecting(plain());
    rig.drain();
    rig.wait();
    let told = told(&mut rig);
    assert_eq!(told[2..], ["Timeout { backoffs: 1 }", "Rto { rto_us: 2000000, backoffs: 1 }"], "{told:?}");
}

#[test]
fn who_does_not_listen_changes_nothing() {
    struct Deaf;
    impl Tracer for Deaf {
        fn event(&mut self, _now: Instant, _flow: u64, event: TraceEvent) {
            let compared = matches!(event, TraceEvent::Congestion { .. } | TraceEvent::Rto { .. });
            assert!(!compared, "{event:?} though nobody listens");
        }
        fn is_on(&self) -> bool {
            false
        }
    }
    let mut rig = ten();
    let mut cx = rig.host.cx();
    let mut deaf = Deaf;
    cx.tracer = &mut deaf;
    cx.now = cx.now.plus_micros(1_000_000);
    rig.tcb.on_deadline(&mut cx);
    assert_eq!(rig.info().cwnd, 1000);
}
