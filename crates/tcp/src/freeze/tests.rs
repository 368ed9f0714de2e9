use std::vec::Vec;

use super::*;
use crate::testing::pair::{Pair, Plan, Rng, Wire};
use crate::testing::{Host, Rig, plain};
use crate::{Config, Ecn, Signals, ThawError};

/// A connection with text under way, text unsent, text to read and a gap in what came.
fn busy() -> Rig {
    let mut rig = Rig::established();
    rig.write(30_000);
    rig.drain();
    rig.gets("P. 1:501(500) ack 1001 win 60000");
    rig.gets("P. 1001:1501(500) ack 1001 win 60000");
    rig.drain();
    rig
}

/// Takes the connection to another host.
fn moved(mut rig: Rig) -> Rig {
    let frozen = rig.tcb.freeze(&rig.host.cx()).unwrap();
    let mut host = Host::new(rig.host.config.clone());
    // Another machine, another clock.
    host.now = rig.host.now.plus_micros(777_000_000);
    let tcb = Tcb::thaw(&mut host.cx(), &frozen, 9).unwrap();
    let rig = Rig { host, tcb, window: rig.window, written: rig.written, read: rig.read };
    rig.check();
    rig
}

#[test]
fn a_thawed_connection_goes_on_where_it_was() {
    let mut rig = moved(busy());
    assert_eq!(rig.host.stats.curr_estab, 1);
    rig.read(500);
    // It has said that something is missing; the text behind the gap is forgotten and comes again.
    let ack = rig.sends().unwrap();
    assert!(ack.ends_with("ack 501"), "{ack}");
    rig.gets("P. 501:1501(1000) ack 10001 win 60000");
    rig.read(1000);
    let more = rig.drain();
    assert!(more.iter().any(|line| line.contains("ack 1501")), "{more:?}");
    for ack in [15_001, 20_001, 25_001, 30_001] {
        rig.drain();
        rig.gets(&std::format!(". 1501:1501(0) ack {ack} win 60000"));
    }
    assert_eq!(rig.tcb.send_queued(&rig.host.cx()), 0);
}

#[test]
fn what_was_under_way_and_is_lost_goes_again() {
    let mut rig = moved(busy());
    rig.drain();
    let mut again = Vec::new();
    rig.wait_until(|rig| {
        again.extend(rig.drain());
        again.iter().any(|line| line.contains("1001:2001(1000)"))
    });
}

#[test]
fn timestamps_go_on_with_another_clock() {
    let config = Config { timestamps: true, ..plain() };
    let mut rig = Rig::connecting(config);
    rig.drain();
    let echo = rig.tcb.ts.value(rig.host.now);
    rig.gets(&std::format!("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,TS val 700 ecr {echo},wscale 0>"));
    rig.drain();
    let stamp = |rig: &mut Rig| {
        rig.tcb.owe_ack();
        rig.poll(u32::MAX).unwrap().0.options.timestamps.unwrap()
    };
    let before = stamp(&mut rig);
    let mut rig = moved(rig);
    let after = stamp(&mut rig);
    assert_eq!(after, before, "no time has passed for the peer");
    rig.pass_ms(5);
    assert_eq!(stamp(&mut rig).value, before.value + 5);
}

#[test]
fn every_open_state_can_be_frozen_and_no_other() {
    use State::*;
    for state in [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck] {
        let rig = moved(Rig::in_state(state));
        rig.expect_state(state);
    }
    for state in [SynSent, SynReceived, TimeWait, Closed] {
        let mut rig = Rig::in_state(state);
        assert_eq!(rig.tcb.freeze(&rig.host.cx()), Err(FreezeError::NotOpen), "{state:?}");
    }
}

#[test]
fn options_and_figures_survive() {
    let mut rig = busy();
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.user_timeout_ms = 4321;
    options.common.congestion = CongestionAlgorithm::Bbr;
    options.seldom.fin_wait2 = FinWait2::Seconds(7);
    options.seldom.max_pacing_rate = 1 << 40;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    let before = rig.info();
    let mut rig = moved(rig);
    assert_eq!(rig.tcb.options(&rig.host.slabs), options);
    let after = rig.info();
    assert_eq!(
        (after.bytes_acked, after.bytes_received, after.rtt_us, after.cwnd, after.segs_in, after.min_rtt_us),
        (
            before.bytes_acked,
            before.bytes_received,
            before.rtt_us,
            before.cwnd,
            before.segs_in,
            before.min_rtt_us
        )
    );
}

/// Whatever is done to the octets: an error, or a connection whose invariants hold and which can be used.
fn survives(octets: &[u8]) -> bool {
    let mut host = Host::new(plain());
    let result = Tcb::thaw(&mut host.cx(), octets, 0);
    let Ok(tcb) = result else {
        assert_eq!(host.slabs.in_use(), 0, "what was taken is given back");
        return false;
    };
    let mut rig = Rig { host, tcb, window: 0, written: 0, read: 0 };
    rig.check();
    for _ in 0..3 {
        for _ in 0..100 {
            let mut chunks = portolan_link::Chunks::new();
            if rig.tcb.poll_segment(&mut rig.host.cx(), u32::MAX, &mut chunks).is_none() {
                break;
            }
            rig.check();
        }
        let mut out = [0; 4096];
        let _ = rig.tcb.read(&mut rig.host.cx(), &mut out);
        let _ = rig.tcb.write(&mut rig.host.cx(), &out);
        rig.check();
        if let Some(deadline) = rig.tcb.next_deadline() {
            rig.host.now = rig.host.now.max(deadline);
            rig.tcb.on_deadline(&mut rig.host.cx());
            rig.check();
        }
    }
    let _ = rig.info();
    rig.tcb.release(&mut rig.host.slabs, &mut rig.host.pool);
    assert_eq!(rig.host.slabs.in_use(), 0);
    true
}

#[test]
fn every_truncation_and_bit_flip_is_an_error_or_a_sound_connection() {
    for state in [State::Established, State::FinWait1, State::CloseWait, State::FinWait2] {
        let mut rig = if state == State::Established { busy() } else { Rig::in_state(state) };
        let frozen = rig.tcb.freeze(&rig.host.cx()).unwrap();
        assert!(survives(&frozen));
        // What precedes the text has a fixed width; of the text, every octet is as good as any other.
        let head = frozen.len().min(400);
        for len in (0..head).chain(frozen.len().saturating_sub(5)..frozen.len()) {
            assert!(!survives(&frozen[..len]), "cut to {len} octets");
        }
        assert!(!survives(&[&frozen[..], &[0]].concat()), "with an octet too many");
        let mut sound = 0;
        for at in 0..head {
            for bit in 0..8 {
                let mut flipped = frozen.clone();
                flipped[at] ^= 1 << bit;
                sound += u32::from(survives(&flipped));
            }
        }
        assert!(sound > 0, "some numbers may have any value");
    }
}

#[test]
fn noise_is_no_connection() {
    let mut rng = Rng::new(3);
    let mut rig = busy();
    let frozen = rig.tcb.freeze(&rig.host.cx()).unwrap();
    for _ in 0..3_000 {
        let mut noise = frozen.clone();
        let width = 1 + rng.below(12) as usize;
        let at = rng.below(260) as usize;
        noise[at..at + width].fill_with(|| [0, 0xff, rng.next() as u8][rng.below(3) as usize]);
        survives(&noise);
    }
    let mut host = Host::new(plain());
    assert_eq!(Tcb::thaw(&mut host.cx(), &[], 0).unwrap_err(), ThawError::Malformed);
    assert_eq!(Tcb::thaw(&mut host.cx(), &[VERSION + 1, 0], 0).unwrap_err(), ThawError::Version);
    // A length that promises 4 GiB costs nothing.
    let lengths = frozen.len() - rig.tcb.send_queued(&rig.host.cx()) as usize - 4 - 500 - 4;
    let mut huge = frozen[..lengths].to_vec();
    huge.extend([0xff; 64]);
    assert_eq!(Tcb::thaw(&mut host.cx(), &huge, 0).unwrap_err(), ThawError::Malformed);
}

#[test]
fn who_has_forgotten_sends_nothing() {
    let mut rig = busy();
    rig.tcb.forget(&mut rig.host.cx());
    rig.expect_nothing();
    rig.expect_state(State::Closed);
    assert_eq!(rig.host.stats.curr_estab, 0);
    assert_eq!(rig.gets(". 1501:1501(0) ack 1"), Signals::DROPPED);
}

/// Transfers both ways over a bad wire, with either end frozen and thawed at random moments, are byte-exact.
#[test]
fn transfers_survive_hand_overs_at_any_moment() {
    let mut handed_over = 0;
    for seed in 0..300 {
        let mut rng = Rng::new(seed + 1);
        let wire =
            Wire { loss: rng.below(40), duplicate: rng.below(20), reorder: rng.below(100), delay_us: 5_000 };
        let plan = |rng: &mut Rng| Plan { octets: rng.below(200_000), piece: 20_000, lazy: rng.below(300) };
        let plans = [plan(&mut rng), plan(&mut rng)];
        let ecn = [Ecn::Passive, Ecn::On, Ecn::Accurate][seed as usize % 3];
        let config = || Config { timestamps: seed % 2 == 0, sack: seed % 4 > 0, ecn, ..Config::default() };
        let gso_max = if seed % 5 == 0 { 65_535 } else { 0 };
        let mut pair = Pair::new(seed, [config(), config()], gso_max, wire, plans, seed % 7 == 0);
        pair.hand_over = 1 + rng.below(100);
        pair.run(3_600);
        pair.assert_complete();
        handed_over += pair.handed_over;
    }
    assert!(handed_over > 500, "{handed_over} hand-overs");
}
