use std::string::String;

use portolan_link::Instant;
use portolan_wire::tcp::Flags;
use portolan_wire::{Address, Endpoint, FlowKey, SeqNumber, protocol};

use super::{CookieKeys, EPOCH_MS, make};
use crate::embryo::{Agreed, Embryo, EmbryoVerdict, PassiveOpen};
use crate::testing::notation::parse;
use crate::testing::{IRS, ISS};
use crate::{Config, Segment, SegmentPlan, SocketOptions};

/// The keys at this millisecond, if cookies were made in every epoch since `FIRST_MS`.
fn keys(ms: u64) -> CookieKeys {
    let mut keys = CookieKeys::new([7; 16]);
    for epoch in FIRST_MS / EPOCH_MS..=ms / EPOCH_MS {
        keys.rotate(Instant::from_millis(epoch * EPOCH_MS), [epoch as u8; 16]);
    }
    keys
}

const FIRST_MS: u64 = 600_000;
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
        plan = Some(embryo.cookie_syn_ack(&keys(ms), &flow(), open.now));
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
    at(ms, |open| embryo = Embryo::from_cookie(open, segment, &keys(ms), &flow()));
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
                let stamped = normal.options.timestamps.is_some();
                let shape = |plan: &SegmentPlan| {
                    let options = plan.options;
                    let scale = options.window_scale.filter(|_| stamped);
                    (options.mss, scale, options.sack_permitted, options.timestamps.is_some())
                };
                assert!(stamped || plan.options.window_scale.is_none());
                assert_eq!(shape(&plan), shape(&normal));
                assert_eq!((plan.ack, plan.flags, plan.window), (normal.ack, normal.flags, normal.window));
                let mut hatched = hatch(&ack(&plan), 5_060_000).unwrap();
                let sizes = (hatched.peer_mss, kept.peer_mss);
                assert!(sizes.0 <= sizes.1 && sizes.0 * 9 >= sizes.1, "{sizes:?}");
                let (scales, mut agreed) = (kept.scales, kept.agreed);
                if stamped {
                    assert_eq!(hatched.scales, scales);
                } else {
                    // Only a timestamp remembers the scale.
                    agreed.remove(Agreed::SCALING);
                    assert_eq!((hatched.scales.snd().get(), hatched.scales.rcv().get()), (0, 0));
                }
                assert_eq!(hatched.agreed, agreed);
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
            let plan = embryo.cookie_syn_ack(&keys(5_000_000), &flow(), open.now);
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
        assert!(Embryo::from_cookie(open, &good, &keys(5_000_100), &other).is_none());
        assert!(Embryo::from_cookie(open, &good, &CookieKeys::new([8; 16]), &flow()).is_none());
        for line in ["S. 1:1(0) ack 1", "R. 1:1(0) ack 1", "S 1:1(0)"] {
            let mut segment = parse(line).0;
            segment.ack = good.ack;
            assert!(Embryo::from_cookie(open, &segment, &keys(5_000_100), &flow()).is_none(), "{line}");
        }
    });
}

/// A blind guess is right once in 2^27, see [`there_are_32_good_numbers_and_16_with_timestamps`].
#[test]
fn guesses_of_a_cookie_fail() {
    let mut segment = parse(". 1:1(0) ack 1").0;
    let mut number = 1_u32;
    let keys = keys(5_000_000);
    at(5_000_000, |open| {
        let hits = (0..100_000).filter(|_| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            segment.ack = SeqNumber(number);
            Embryo::from_cookie(open, &segment, &keys, &flow()).is_some()
        });
        assert_eq!(hits.count(), 0);
    });
}

/// How many numbers are good is what a guess depends on: all that a cookie can say, in two epochs.
#[test]
fn there_are_32_good_numbers_and_16_with_timestamps() {
    let keys = keys(5_000_000);
    let epoch = 5_000_000 / EPOCH_MS;
    for (stamped, expected) in [(false, 32), (true, 16)] {
        let options = if stamped { "<TS val 9 ecr 0>" } else { "" };
        let mut segment = parse(std::format!(". 1:1(0) ack 1 {options}").trim_end()).0;
        if let Some(timestamps) = &mut segment.options.timestamps {
            timestamps.echo = OFFSET.wrapping_add(4_999_000);
        }
        let mut good = std::collections::BTreeSet::new();
        at(5_000_000, |open| {
            for (epoch, code) in [epoch - 1, epoch].into_iter().flat_map(|e| (0..256).map(move |c| (e, c))) {
                let cookie = make(keys.of(epoch).unwrap(), &flow(), SeqNumber(IRS), epoch, code);
                segment.ack = cookie + 1;
                if Embryo::from_cookie(open, &segment, &keys, &flow()).is_some() {
                    good.insert(cookie.0);
                }
            }
        });
        assert_eq!(good.len(), expected);
    }
}

/// Each epoch has a key of its own, and no key outlives its cookies.
#[test]
fn keys_change_with_the_epoch() {
    let plan = syn_ack("S 0:0(0) <mss 1460>", 5_000_000);
    let good = ack(&plan);
    let made = keys(5_000_000);
    assert!(made.is_stale(Instant::from_millis(5_000_000 + EPOCH_MS)));
    let next = keys(5_000_000 + EPOCH_MS);
    let other = keys(5_000_000 + 2 * EPOCH_MS);
    at(5_000_000 + EPOCH_MS, |open| {
        for (keys, expected) in [(&made, true), (&next, true), (&other, false)] {
            assert_eq!(Embryo::from_cookie(open, &good, keys, &flow()).is_some(), expected);
        }
    });
    assert_eq!(std::format!("{made:?}"), "CookieKeys(secret)");
}
