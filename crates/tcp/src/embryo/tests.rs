use portolan_link::Instant;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::{Agreed, Embryo, EmbryoDeadline, EmbryoVerdict, PassiveOpen};
use crate::testing::notation::parse;
use crate::testing::{IRS, ISS};
use crate::{Config, SegmentPlan, SocketOptions};

const NOW: Instant = Instant::from_millis(5_000);

fn embryo(line: &str) -> Embryo {
    embryo_of(&Config::default(), &SocketOptions::new(&Config::default()), line)
}

fn embryo_of(config: &Config, options: &SocketOptions, line: &str) -> Embryo {
    let open = PassiveOpen { now: NOW, config, options, mss: 1460, timestamp_offset: 7 };
    Embryo::on_syn(&open, &parse(line).0, SeqNumber(ISS))
}

fn judge(embryo: &mut Embryo, line: &str) -> EmbryoVerdict {
    embryo.on_segment(&Config::default(), NOW, &parse(line).0, 0)
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
    assert!(matches!(embryo.on_segment(&config, NOW, &syn, 0), EmbryoVerdict::Ignore));
    let later = NOW.plus_micros(1_000_000);
    assert!(matches!(embryo.on_segment(&config, later, &syn, 0), EmbryoVerdict::SynAck));
    assert!(matches!(embryo.on_segment(&config, later, &syn, 0), EmbryoVerdict::Ignore));
}

#[test]
fn the_syn_ack_is_repeated_and_then_given_up() {
    let config = Config::default();
    let mut embryo = embryo("S 0:0(0)");
    assert_eq!(embryo.on_deadline(&config, NOW, 0), EmbryoDeadline::Wait);
    let mut waits = std::vec::Vec::new();
    let mut now = NOW;
    loop {
        let next = embryo.next_deadline();
        waits.push(next.micros_since(now) / 1_000_000);
        now = next;
        if embryo.on_deadline(&config, now, 0) == EmbryoDeadline::GiveUp {
            break;
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
}

// RFC 7323 §3.2, §5.3
#[test]
fn timestamps_are_checked_from_the_first_segment_on() {
    let mut embryo = embryo("S 0:0(0) <TS val 100 ecr 0>");
    assert!(matches!(judge(&mut embryo, ". 2:2(0) ack 1"), EmbryoVerdict::Ignore));
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1 <TS val 99 ecr 1>"), EmbryoVerdict::Challenge(_)));
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1 <TS val 100 ecr 1>"), EmbryoVerdict::Establish));
}

/// As Linux: the very ACK that is waited for may come without timestamps, and then there are none.
#[test]
fn timestamps_that_are_lost_on_the_way_are_given_up() {
    let mut embryo = embryo("S 0:0(0) <TS val 100 ecr 0>");
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 2"), EmbryoVerdict::Ignore));
    assert!(embryo.has(Agreed::TIMESTAMPS));
    assert!(matches!(judge(&mut embryo, ". 1:1(0) ack 1"), EmbryoVerdict::Establish));
    assert!(!embryo.has(Agreed::TIMESTAMPS));
}

#[test]
fn window_and_scale_are_those_of_the_listener_s_buffer() {
    let config = Config::default();
    let mut options = SocketOptions::new(&config);
    options.common.recv_buffer_max = 20_000;
    let plan = embryo_of(&config, &options, "S 0:0(0) <mss 1000,wscale 2>").syn_ack(NOW);
    assert_eq!((plan.window, plan.options.window_scale), (20_000, Some(0)));
    options.common.recv_buffer_max = 1 << 20;
    let plan = embryo_of(&config, &options, "S 0:0(0) <mss 1000,wscale 2>").syn_ack(NOW);
    assert_eq!((plan.window, plan.options.window_scale), (65_535, Some(5)));
}

/// TCP_DEFER_ACCEPT: the ACK alone opens nothing, the SYN-ACK is not sent again while the peer's text is waited for,
/// and at the end the peer gets a last chance.
#[test]
fn a_listener_may_wait_for_text() {
    let config = Config::default();
    let (ack, text) = (parse(". 1:1(0) ack 1").0, parse("P. 1:11(10) ack 1").0);
    let mut embryo = embryo("S 0:0(0) <mss 1000>");
    assert!(matches!(embryo.on_segment(&config, NOW, &ack, 3), EmbryoVerdict::Ignore));
    assert!(matches!(embryo.on_segment(&config, NOW, &text, 3), EmbryoVerdict::Establish));
    let mut asked = std::vec::Vec::new();
    for _ in 0..5 {
        let now = embryo.next_deadline();
        asked.push(embryo.on_deadline(&config, now, 3) == EmbryoDeadline::Resend);
    }
    assert_eq!(asked, [false, false, true, true, true]);
    let now = embryo.next_deadline();
    assert!(matches!(embryo.on_segment(&config, now, &ack, 3), EmbryoVerdict::Establish), "the time is over");
    assert_eq!(embryo.on_deadline(&config, now, 3), EmbryoDeadline::GiveUp);
}
