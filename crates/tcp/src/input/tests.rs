use std::vec::Vec;

use portolan_wire::SeqNumber;
use portolan_wire::tcp::{Flags, Options, Timestamps};
use proptest::prelude::*;

use crate::testing::{IRS, ISS, Rig};
use crate::{Segment, State};

const STATES: [State; 10] = [
    State::Closed,
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

/// A number near `base`, or anywhere.
fn near(base: u32) -> impl Strategy<Value = SeqNumber> {
    prop_oneof![
        8 => (-10_i32..20_000).prop_map(move |offset| base.wrapping_add_signed(offset)),
        1 => (-200_000_i32..200_000).prop_map(move |offset| base.wrapping_add_signed(offset)),
        1 => any::<u32>(),
    ]
    .prop_map(SeqNumber)
}

fn options() -> impl Strategy<Value = Options> {
    let blocks = prop::collection::vec((near(ISS), near(ISS)), 0..4);
    let stamps = prop::option::of((0_u32..5, any::<u32>()));
    (blocks, stamps, any::<Option<u8>>()).prop_map(|(blocks, stamps, window_scale)| Options {
        sack: blocks.into_iter().collect(),
        timestamps: stamps.map(|(value, echo)| Timestamps { value, echo }),
        window_scale,
        ..Options::default()
    })
}

fn segment() -> impl Strategy<Value = (Segment, Vec<u8>)> {
    // ACK alone most of the time, or nothing would ever get far.
    let flags = prop_oneof![3 => Just(Flags::ACK), 2 => (0_u16..512).prop_map(Flags::from_bits)];
    let len = prop_oneof![Just(0), 1_usize..20, 1_usize..5_000];
    let window = prop_oneof![Just(0), 0_u16..3_000, any::<u16>()];
    (near(IRS), near(ISS), flags, len, window, any::<u16>(), options()).prop_map(
        |(seq, ack, flags, len, window, urgent, options)| {
            let segment = Segment { seq, ack, flags, window, urgent, options, text_len: len as u32, ecn: 0 };
            (segment, std::vec![0; len])
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Gets(Segment, Vec<u8>),
    Write(usize),
    Read(usize),
    Send(u32),
    Wait(u64),
    Shutdown,
    Close,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => segment().prop_map(|(segment, text)| Step::Gets(segment, text)),
        3 => (0_usize..20_000).prop_map(Step::Write),
        2 => (0_usize..20_000).prop_map(Step::Read),
        4 => any::<u32>().prop_map(Step::Send),
        2 => (0_u64..3_000).prop_map(Step::Wait),
        1 => Just(Step::Shutdown),
    ]
}

fn ending() -> impl Strategy<Value = Step> {
    prop_oneof![Just(Step::Shutdown), Just(Step::Close), Just(Step::Abort)]
}

/// Carries out a step; the rig checks every invariant.
fn run(rig: &mut Rig, step: &Step) {
    match step {
        Step::Gets(segment, text) => _ = rig.gets_segment(segment, text),
        Step::Write(len) => _ = rig.tcb.write(&mut rig.host.cx(), &std::vec![0; *len]),
        Step::Read(len) => _ = rig.tcb.read(&mut rig.host.cx(), &mut std::vec![0; *len]),
        Step::Send(budget) => {
            let mut rounds = 0;
            while rig.poll(*budget).is_some() {
                rounds += 1;
                assert!(rounds < 5_000, "poll_segment comes to an end");
            }
        }
        Step::Wait(ms) => {
            rig.pass_ms(*ms);
            rig.tcb.on_deadline(&mut rig.host.cx());
        }
        Step::Shutdown => _ = rig.tcb.shutdown_write(&mut rig.host.cx()),
        Step::Close => _ = rig.tcb.close(&mut rig.host.cx()),
        Step::Abort => _ = rig.tcb.abort(&mut rig.host.cx()),
    }
    rig.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// G16, RFC 9293 MUST-34 and the whole of class E: whatever arrives in whatever state, the invariants hold,
    /// nothing panics, and memory stays within what the buffers allow.
    #[test]
    fn any_segments_in_any_state(
        state in prop::sample::select(&STATES[..]),
        super_segments in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
        end in ending(),
        late in prop::collection::vec(step(), 0..6),
    ) {
        let mut rig = Rig::in_state(state);
        rig.host.gso_max = if super_segments { 65_535 } else { 0 };
        for step in steps.iter().chain([&end]).chain(&late) {
            run(&mut rig, step);
        }
        let queued = rig.tcb.receive_queued(&rig.host.cx());
        prop_assert!(queued <= rig.tcb.rcv.buffer + 65_535);
    }
}

/// E9, E10: every set of flags, in every state, with numbers that are right and wrong, leaves a sound connection.
#[test]
fn every_set_of_flags_in_every_state() {
    for state in STATES {
        for bits in 0..512 {
            for (seq, ack) in [(1, 1), (1, 9), (0, 1), (900_000, 1), (2, 2), (0, 0)] {
                let mut rig = Rig::in_state(state);
                let segment = Segment {
                    seq: SeqNumber(IRS.wrapping_add(seq)),
                    ack: SeqNumber(ISS.wrapping_add(ack)),
                    flags: Flags::from_bits(bits),
                    window: 1000,
                    urgent: 3,
                    options: Options::default(),
                    text_len: 5,
                    ecn: 0,
                };
                rig.gets_segment(&segment, &[1, 2, 3, 4, 5]);
                rig.drain();
            }
        }
    }
}

// RFC 9293 MUST-5, MUST-65: options of a SYN mean nothing later and do no harm, and the others count in any segment.
#[test]
fn options_may_stand_in_any_segment() {
    let mut rig = Rig::connecting(crate::Config { quick_acks: 0, ..crate::Config::default() });
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 10 ecr 1000077,wscale 0>");
    rig.drain();
    let mss = rig.info().snd_mss;
    let all = |ts: u32| std::format!("<mss 100,sackOK,TS val {ts} ecr 1,wscale 9>");
    rig.gets(&std::format!("P. 1:11(10) ack 1 {}", all(20)));
    assert_eq!((rig.tcb.ts.recent, rig.info().snd_mss, rig.info().snd_wscale), (20, mss, 0));
    rig.gets(&std::format!(". 11:11(0) ack 1 {}", all(30)));
    assert_eq!(rig.tcb.ts.recent, 20, "a timestamp counts up to the last ACK sent");
    rig.drain();
    rig.read(10);
    rig.gets(&std::format!("F. 11:11(0) ack 1 {}", all(40)));
    rig.expect_state(State::CloseWait);
}
