use std::string::String;

use portolan_link::Instant;
use portolan_wire::tcp::Flags;
use portolan_wire::{Address, Endpoint, FlowKey, SeqNumber, protocol};

use crate::embryo::{Agreed, Embryo, EmbryoVerdict, PassiveOpen};
use crate::testing::{IRS, ISS, parse};
use crate::{Config, Segment, SegmentPlan, SocketOptions};

const KEY: [u8; 16] = [7; 16];
const OFFSET: u32 = 0xdead_beef;

fn flow() -> FlowKey {
    let local = Endpoint::new(Address::v4(10, 0, 0, 1), 80);
    let remote = Endpoint::new(Address::v4(10, 0, 0, 2), 4000);
    FlowKey { local, remote, protocol: protocol::TCP, zone: 0 }
}

fn at(ms: u64, use_it: impl FnOnce(&PassiveOpen<'_>)) {
    let config = Config::default();
    let options = SocketOptions::new(&config);
    let now = Instant::from_millis(ms);
    use_it(&PassiveOpen { now, config: &config, options: &options, mss: 1460, timestamp_offset: OFFSET });
}

fn syn_ack(line: &str, ms: u64) -> SegmentPlan {
    let mut plan = None;
    at(ms, |open| {
        let embryo = Embryo::on_syn(open, &parse(line).0, SeqNumber(ISS));
        plan = Some(embryo.cookie_syn_ack(&KEY, &flow(), open.now));
    });
    plan.unwrap()
}

/// The ACK of a SYN-ACK.
fn ack(plan: &SegmentPlan) -> Segment {
    let mut segment = parse(". 1:1(0) ack 1 win 500").0;
    segment.ack = plan.seq + 1;
    if let Some(timestamps) = plan.options.timestamps {
        segment.options.timestamps =
            Some(portolan_wire::tcp::Timestamps { value: timestamps.echo + 9, echo: timestamps.value });
    }
    segment
}

fn hatch(segment: &Segment, ms: u64) -> Option<Embryo> {
    let mut embryo = None;
    at(ms, |open| embryo = Embryo::from_cookie(open, segment, &KEY, &flow()));
    embryo
}

/// Row F8, RFC 4987 §3.6: what the SYN offered comes back, and the options of the SYN-ACK do not tell that it was
/// forgotten.
#[test]
fn the_ack_brings_back_what_the_syn_offered() {
    for options in
        ["", "<mss 1460>", "<mss 1460,sackOK>", "<mss 500,sackOK,wscale 0>", "<mss 1400,wscale 14>"]
    {
        for stamped in [false, true] {
            let options = match (options, stamped) {
                ("", true) => String::from("<TS val 77 ecr 0>"),
                (options, true) => options.replace('>', ",TS val 77 ecr 0>"),
                (options, false) => options.into(),
            };
            let line = std::format!("S 0:0(0) {options}");
            let plan = syn_ack(line.trim_end(), 5_000_123);
            at(5_000_123, |open| {
                let kept = Embryo::on_syn(open, &parse(line.trim_end()).0, SeqNumber(ISS));
                let normal = kept.syn_ack(open.now);
                let shape = |plan: &SegmentPlan| {
                    let options = plan.options;
                    (options.mss, options.window_scale, options.sack_permitted, options.timestamps.is_some())
                };
                assert_eq!(shape(&plan), shape(&normal));
                assert_eq!((plan.ack, plan.flags, plan.window), (normal.ack, normal.flags, normal.window));
                let mut hatched = hatch(&ack(&plan), 5_060_000).unwrap();
                let sizes = (hatched.peer_mss, kept.peer_mss);
                assert!(sizes.0 <= sizes.1 && sizes.0 * 9 >= sizes.1, "{sizes:?}");
                assert_eq!((hatched.scales, hatched.agreed), (kept.scales, kept.agreed));
                assert_eq!((hatched.iss + 1, hatched.irs), (plan.seq + 1, SeqNumber(IRS)));
                let verdict = hatched.on_segment(open.config, open.now, &ack(&plan), 0);
                assert!(matches!(verdict, EmbryoVerdict::Establish));
            });
        }
    }
}

#[test]
fn ecn_is_agreed_on_only_where_a_timestamp_remembers_it() {
    for (options, remembered) in [("mss 1460", false), ("mss 1460,TS val 5 ecr 0", true)] {
        let (mut segment, _) = parse(&std::format!("S 0:0(0) <{options}>"));
        segment.flags = segment.flags | Flags::ECE | Flags::CWR;
        at(5_000_000, |open| {
            let embryo = Embryo::on_syn(open, &segment, SeqNumber(ISS));
            assert!(embryo.has(Agreed::ECN));
            let plan = embryo.cookie_syn_ack(&KEY, &flow(), open.now);
            assert_eq!(plan.flags.contains(Flags::ECE), remembered);
            assert_eq!(hatch(&ack(&plan), 5_000_100).unwrap().has(Agreed::ECN), remembered);
        });
    }
}

#[test]
fn the_stamp_is_never_ahead_of_the_clock_and_less_than_128_ms_behind() {
    for ms in 7_000_000..7_000_200 {
        let plan = syn_ack("S 0:0(0) <mss 1460,sackOK,TS val 5 ecr 0,wscale 14>", ms);
        let value = plan.options.timestamps.unwrap().value;
        let behind = (ms as u32).wrapping_add(OFFSET).wrapping_sub(value);
        assert!(behind < 128, "{behind}");
    }
}

#[test]
fn a_cookie_is_good_for_one_epoch_at_least_and_two_at_most() {
    for stamped in ["", ",TS val 5 ecr 0"] {
        let plan = syn_ack(&std::format!("S 0:0(0) <mss 1460{stamped}>"), 640_000);
        for (ms, good) in
            [(640_000, true), (704_000, true), (767_999, true), (768_000, false), (9_000_000, false)]
        {
            assert_eq!(hatch(&ack(&plan), ms).is_some(), good, "{ms}");
        }
    }
}

#[test]
fn another_flow_number_key_or_echo_makes_no_connection() {
    let plan = syn_ack("S 0:0(0) <mss 1460,sackOK,TS val 5 ecr 0,wscale 7>", 5_000_000);
    let good = ack(&plan);
    assert!(hatch(&good, 5_000_100).is_some());
    assert!(hatch(&Segment { ack: good.ack + 1, ..good }, 5_000_100).is_none());
    assert!(hatch(&Segment { ack: good.ack + 256, ..good }, 5_000_100).is_none());
    assert!(hatch(&Segment { seq: good.seq + 1, ..good }, 5_000_100).is_none());
    let mut late = good;
    late.options.timestamps.as_mut().unwrap().echo ^= 1 << 20;
    assert!(hatch(&late, 5_000_100).is_none());
    at(5_000_100, |open| {
        let mut other = flow();
        other.remote.port += 1;
        assert!(Embryo::from_cookie(open, &good, &KEY, &other).is_none());
        assert!(Embryo::from_cookie(open, &good, &[8; 16], &flow()).is_none());
        for line in ["S. 1:1(0) ack 1", "R. 1:1(0) ack 1", "S 1:1(0)"] {
            let mut segment = parse(line).0;
            segment.ack = good.ack;
            assert!(Embryo::from_cookie(open, &segment, &KEY, &flow()).is_none(), "{line}");
        }
    });
}

/// A blind guess is right once in 2^23: 24 bits of the hash, in two epochs.
#[test]
fn guesses_of_a_cookie_fail() {
    let mut segment = parse(". 1:1(0) ack 1").0;
    let mut number = 1_u32;
    let hits = (0..20_000).filter(|_| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        segment.ack = SeqNumber(number);
        hatch(&segment, 5_000_000).is_some()
    });
    assert_eq!(hits.count(), 0);
}
