use super::*;
use crate::testing::{Host, ISS, Rig, plain};
use crate::{Config, Ecn, Embryo, PassiveOpen, SocketOptions};
use portolan_link::Instant;
use portolan_wire::SeqNumber;

fn asking() -> Config {
    Config { ecn: Ecn::Accurate, ..plain() }
}

/// An open connection whose peer agrees, and tells that our SYN came unmarked.
fn rig() -> Rig {
    let mut rig = Rig::connecting(asking());
    rig.expect("SEWe 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets("SW. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    assert!(rig.info().accurate_ecn);
    rig
}

const NOW: Instant = Instant::from_millis(1_000_000);

/// What a listener makes of a SYN.
fn embryo(segment: &Segment) -> Embryo {
    let config = asking();
    let options = SocketOptions::new(&config);
    let open = PassiveOpen { now: NOW, config: &config, options: &options, mss: 1460, timestamp_offset: 0 };
    Embryo::on_syn(&open, segment, SeqNumber(ISS))
}

fn ace_sent(rig: &mut Rig) -> (u32, Option<AccEcnOption>) {
    let (plan, _) = rig.poll(u32::MAX).expect("a segment");
    (ace_of(plan.flags), plan.options.accurate_ecn)
}

// RFC 9768 §3.1.2, table 2; §3.2.2.1, table 3
#[test]
fn the_handshake_tells_codepoints() {
    for (codepoint, ace) in [(NOT_ECT, 0b010), (ECT_1, 0b011), (ECT_0, 0b100), (CE, 0b110)] {
        assert_eq!(ace_of(handshake_flags(codepoint)), ace);
        assert_eq!(told_codepoint(handshake_flags(codepoint)), Some(codepoint));
        let mut segment = crate::testing::notation::parse("SEWe 0:0(0) win 60000 <mss 1000>").0;
        segment.ecn = codepoint;
        assert_eq!(ace_of(embryo(&segment).syn_ack(NOW).flags), ace);
    }
    // What the SYN-ACK had is told by the first ACK.
    let mut rig = Rig::connecting(asking());
    rig.drain();
    rig.gets("[ect1] SW. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    assert_eq!(ace_sent(&mut rig).0, 0b011);
    rig.gets("P. 1:101(100) ack 1 win 60000");
    rig.read(100);
    rig.write(10);
    assert_eq!(ace_sent(&mut rig).0, 5, "and then the field counts, from 5 on");
}

// RFC 9768 §3.1.2, table 2
#[test]
fn a_peer_may_agree_to_less() {
    for (syn_ack, ecn, accurate) in [
        ("SE. 0:0(0) ack 1 win 60000 <mss 1000>", true, false),
        ("S. 0:0(0) ack 1 win 60000 <mss 1000>", false, false),
        ("SEWe. 0:0(0) ack 1 win 60000 <mss 1000>", false, false),
        ("SEe. 0:0(0) ack 1 win 60000 <mss 1000>", true, true),
    ] {
        let mut rig = Rig::connecting(asking());
        rig.drain();
        rig.gets(syn_ack);
        assert_eq!((rig.info().ecn, rig.info().accurate_ecn), (ecn, accurate), "{syn_ack}");
    }
}

// RFC 9768 §3.2.2.3: our SYN was not capable.
#[test]
fn who_overwrites_the_bits_gets_nothing_to_mark() {
    for (syn_ack, capable) in [("SW.", true), ("SEW.", false), ("Se.", false), ("SWe.", false)] {
        let mut rig = Rig::connecting(asking());
        rig.drain();
        rig.gets(&std::format!("{syn_ack} 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>"));
        rig.drain();
        rig.write(1000);
        let (plan, _) = rig.poll(u32::MAX).unwrap();
        assert_eq!(plan.ecn == ECT_0, capable, "{syn_ack}");
    }
}

// RFC 9768 §3.2.2, §3.2.3
#[test]
fn every_marked_segment_is_counted_and_its_octets_are() {
    let mut rig = rig();
    rig.drain();
    rig.gets("[ect0] . 1:1001(1000) ack 1 win 60000");
    rig.gets("[ce] . 1001:2001(1000) ack 1 win 60000");
    let (ace, option) = ace_sent(&mut rig);
    assert_eq!(ace, 6, "a change is told at once");
    assert_eq!(option, Some(AccEcnOption { e0b: 1001, ceb: 1000, e1b: 1 }));
    for at in 2..6 {
        rig.gets(&std::format!("[ce] . {0}001:{1}001(1000) ack 1 win 60000", at, at + 1));
    }
    let (ace, option) = ace_sent(&mut rig);
    assert_eq!((ace, option.unwrap().ceb), (2, 5000), "5 and 5, modulo 8");
}

// RFC 9768 §3.2.2.5.2, appendix A.2
#[test]
fn a_field_that_may_have_wrapped_is_taken_for_the_most_that_it_is_likely_to_mean() {
    // How far the field moved, segments delivered, octets, whether marks prevail; segments marked.
    for (least, delivered, octets, prevail, expected) in [
        (0, 4, None, true, 0),
        (2, 4, None, false, 2),
        (7, 7, None, false, 7),
        (0, 8, None, false, 0),
        (0, 8, None, true, 8),
        (0, 20, None, true, 16),
        (1, 20, None, false, 17),
        (0, 20, Some(0), true, 0),
        (0, 20, Some(9_000), false, 16),
        (1, 20, Some(1_000), true, 1),
        (1, 20, Some(9_000), false, 17),
    ] {
        let segments = newly_marked(least, delivered, octets, 1_000, prevail);
        assert_eq!(segments, expected, "{least}, {delivered} delivered, {octets:?} octets, {prevail}");
    }
}

// RFC 9768 §3.2.2.5.2: many segments at once, and no mark.
#[test]
fn a_stretch_ack_in_text_is_no_sign_of_marks() {
    let mut rig = rig();
    rig.drain();
    rig.write(10_000);
    assert_eq!(rig.drain().len(), 10);
    rig.gets("[ect0] eE. 1:1001(1000) ack 10001 win 60000");
    assert_eq!((rig.info().delivered_ce, rig.info().ssthresh), (0, u32::MAX));
    rig.write(16_000);
    assert_eq!(rig.drain().len(), 16);
    // The field moves, and then stands still because it has wrapped.
    rig.gets("[ect0] eW. 1001:2001(1000) ack 10002 win 60000");
    rig.gets("[ect0] eW. 2001:3001(1000) ack 18002 win 60000");
    assert_eq!(rig.info().delivered_ce, 1 + 8_000);
}

// RFC 9768 §3.2.3: text tells of octets that were marked, once, and has room for it.
#[test]
fn text_has_the_option_when_there_is_a_mark_to_tell_of() {
    let mut rig = rig();
    rig.drain();
    rig.write(1_000);
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!(plan.options.accurate_ecn, None);
    rig.gets("[ce] eE. 1:1001(1000) ack 1001 win 60000");
    rig.write(3_000);
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!(plan.options.accurate_ecn, Some(AccEcnOption { e0b: 1, ceb: 1000, e1b: 1 }));
    assert_eq!((plan.text_len, plan.options.len()), (988, 12));
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!((plan.options.accurate_ecn, plan.text_len), (None, 1_000));
}

// RFC 9768 §3.2.2.5.2; RFC 3168 §6.1.2
#[test]
fn marks_reduce_the_window_once_in_a_window_of_text() {
    let mut rig = rig();
    rig.drain();
    rig.write(10_000);
    rig.drain();
    // The field: 5, then 6, then 7.
    rig.gets("eE. 1:1(0) ack 1001 win 60000");
    assert_eq!(rig.info().delivered_ce, 0);
    let before = rig.info().ssthresh;
    rig.gets("eW. 1:1(0) ack 2001 win 60000");
    assert_eq!((before, rig.info().ssthresh), (u32::MAX, 4_500), "half of what was outstanding");
    assert_eq!(rig.info().delivered_ce, 1_000);
    let reduced = rig.info().ssthresh;
    rig.gets("eWE. 1:1(0) ack 3001 win 60000");
    assert_eq!(rig.info().ssthresh, reduced);
    assert_eq!(rig.info().delivered_ce, 2_000);
}

// RFC 9768 §3.2.2.4
#[test]
fn a_listener_finds_out_that_the_field_is_zeroed() {
    for (ack, capable) in [("W.", true), (".", false), ("eW.", false)] {
        let segment = crate::testing::notation::parse("SEWe 0:0(0) win 60000 <mss 1000,sackOK,wscale 0>").0;
        let mut host = Host::new(asking());
        let options = SocketOptions::new(&host.config);
        let tcb = Tcb::from_embryo(&mut host.cx(), &embryo(&segment), &options, 1);
        let mut rig = Rig { host, tcb, window: 0, written: 0, read: 0 };
        rig.gets(&std::format!("{ack} 1:1(0) ack 1 win 60000"));
        rig.write(1000);
        let (plan, _) = rig.poll(u32::MAX).unwrap();
        assert_eq!(plan.ecn == ECT_0, capable, "{ack}");
    }
}
