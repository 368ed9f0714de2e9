use portolan_link::Instant;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::{Embryo, EmbryoDeadline, EmbryoVerdict};
use crate::testing::{IRS, ISS, parse};
use crate::{Config, SegmentPlan};

const NOW: Instant = Instant::from_millis(5_000);

fn embryo(line: &str) -> Embryo {
    Embryo::on_syn(NOW, &Config::default(), &parse(line).0, 1460, SeqNumber(ISS), 7)
}

fn judge(embryo: &mut Embryo, line: &str) -> EmbryoVerdict {
    embryo.on_segment(&Config::default(), NOW, &parse(line).0)
}

fn syn_ack(embryo: &Embryo) -> SegmentPlan {
    embryo.syn_ack(NOW)
}

#[test]
fn the_syn_ack_offers_what_the_syn_offered() {
    let plan = syn_ack(&embryo("S 0:0(0) <mss 1000,sackOK,TS val 5 ecr 0,wscale 3>"));
    assert_eq!((plan.seq.0, plan.ack.0), (ISS, IRS.wrapping_add(1)));
    assert_eq!(plan.flags, Flags::SYN | Flags::ACK);
    assert_eq!(plan.options.window_scale, Some(7));
    assert!(plan.options.sack_permitted);
    assert_eq!(plan.options.timestamps.unwrap().echo, 5);
    let plan = syn_ack(&embryo("S 0:0(0) <mss 1000>"));
    assert_eq!(plan.options.mss.unwrap().get(), 1460);
    assert_eq!(
        (plan.options.window_scale, plan.options.sack_permitted, plan.options.timestamps),
        (None, false, None)
    );
}

#[test]
fn only_the_ack_of_our_syn_completes_the_handshake() {
    let mut embryo = embryo("S 0:0(0) <mss 1000>");
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1"), EmbryoVerdict::Establish));
    assert!(matches!(judge(&mut embryo, "P. 1:11(10) ack 1"), EmbryoVerdict::Establish));
    for line in [". 1:1(0) ack 0", ". 1:1(0) ack 2"] {
        let EmbryoVerdict::Reset(plan) = judge(&mut embryo, line) else { panic!("{line}") };
        assert_eq!(plan.seq, parse(line).0.ack);
    }
    assert!(matches!(judge(&mut embryo, "P 1:11(10)"), EmbryoVerdict::Ignore));
    assert!(matches!(judge(&mut embryo, ". 900000:900000(0) ack 1"), EmbryoVerdict::Challenge(_)));
}

// RFC 5961 §3.2
#[test]
fn only_the_exact_reset_deletes() {
    let mut embryo = embryo("S 0:0(0) <mss 1000>");
    assert!(matches!(judge(&mut embryo, "R 900000:900000(0)"), EmbryoVerdict::Ignore));
    assert!(matches!(judge(&mut embryo, "R 100:100(0)"), EmbryoVerdict::Challenge(_)));
    assert!(
        matches!(judge(&mut embryo, "R 101:101(0)"), EmbryoVerdict::Ignore),
        "one challenge is enough for now"
    );
    assert!(matches!(judge(&mut embryo, "R 1:1(0)"), EmbryoVerdict::Delete));
}

// RFC 9293 MUST-11; RFC 5961 §4.2
#[test]
fn another_syn_leads_back_to_listen_only_from_within_the_window() {
    for (line, ends) in [("S 1:1(0)", true), ("S. 500:500(0) ack 1", true), ("S 900000:900000(0)", false)] {
        let mut embryo = embryo("S 0:0(0) <mss 1000>");
        let verdict = judge(&mut embryo, line);
        assert_eq!(matches!(verdict, EmbryoVerdict::Delete), ends, "{line} {verdict:?}");
        assert_eq!(matches!(verdict, EmbryoVerdict::Challenge(_)), !ends, "{line} {verdict:?}");
    }
}

// G13
#[test]
fn the_syn_again_is_answered_but_not_a_flood_of_it() {
    let config = Config::default();
    let mut embryo = embryo("S 0:0(0) <mss 1000>");
    let syn = parse("S 0:0(0) <mss 1000>").0;
    assert!(matches!(embryo.on_segment(&config, NOW, &syn), EmbryoVerdict::Ignore));
    let later = NOW.plus_micros(1_000_000);
    assert!(matches!(embryo.on_segment(&config, later, &syn), EmbryoVerdict::SynAck));
    assert!(matches!(embryo.on_segment(&config, later, &syn), EmbryoVerdict::Ignore));
}

#[test]
fn the_syn_ack_is_repeated_and_then_given_up() {
    let config = Config::default();
    let mut embryo = embryo("S 0:0(0)");
    assert_eq!(embryo.on_deadline(&config, NOW), EmbryoDeadline::Wait);
    let mut waits = std::vec::Vec::new();
    let mut now = NOW;
    loop {
        let next = embryo.next_deadline();
        waits.push(next.micros_since(now) / 1_000_000);
        now = next;
        if embryo.on_deadline(&config, now) == EmbryoDeadline::GiveUp {
            break;
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
}

// RFC 7323 §3.2, §5.3
#[test]
fn timestamps_are_checked_from_the_first_segment_on() {
    let mut embryo = embryo("S 0:0(0) <TS val 100 ecr 0>");
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1"), EmbryoVerdict::Ignore));
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1 <TS val 99 ecr 1>"), EmbryoVerdict::Challenge(_)));
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1 <TS val 100 ecr 1>"), EmbryoVerdict::Establish));
}
