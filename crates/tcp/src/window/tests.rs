use crate::testing::{Rig, plain};
use crate::{Config, Context};

use super::scale_for;

#[test]
fn the_scale_is_the_least_that_expresses_the_buffer() {
    let config = Config::default();
    let scales = [1_000, 65_535, 65_536, 6 << 20, u32::MAX].map(|max| scale_for(&config, max).get());
    assert_eq!(scales, [0, 0, 1, 7, 14]);
    let config = Config { window_scaling: false, ..config };
    assert_eq!(scale_for(&config, 6 << 20).get(), 0);
}

// RFC 9293 SHLD-14, MUST-39
#[test]
fn the_right_edge_never_moves_left() {
    let mut rig = Rig::established();
    let mut edge = rig.tcb.rcv.adv;
    for at in (1..100_001).step_by(1000) {
        rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
        rig.drain();
        assert!(rig.tcb.rcv.adv.at_or_after(edge));
        edge = rig.tcb.rcv.adv;
    }
    rig.read(100_000);
    assert!(rig.tcb.rcv.adv.at_or_after(edge));
}

#[test]
fn the_window_field_promises_no_more_than_is_accepted() {
    let mut rig = Rig::established();
    for at in (1..60_001).step_by(100) {
        rig.gets(&std::format!("P. {at}:{}(100) ack 1", at + 100));
        rig.wait();
        rig.drain();
        let promised = u32::from(rig.window) << rig.tcb.rcv.scale.get();
        assert!(promised <= rig.tcb.rcv.wnd());
    }
}

#[test]
fn a_fast_reader_gets_a_larger_buffer() {
    let mut rig = Rig::established();
    let mut at = 1_u32;
    for _ in 0..40 {
        for _ in 0..100 {
            rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
            at += 1000;
            rig.drain();
        }
        rig.read(100_000);
        rig.pass_ms(10);
    }
    assert!(rig.info().rcv_space > 128 * 1024, "{}", rig.info().rcv_space);
    assert!(rig.info().rcv_space <= 6 << 20);
}

#[test]
fn the_least_buffer_is_not_nothing() {
    let mut rig =
        Rig::established_with(plain(), |options| options.common.recv_buffer_max = 0, "S. 0:0(0) ack 1");
    rig.gets("P. 1:101(100) ack 1");
    rig.read(100);
    let _: Context<'_> = rig.host.cx();
}

/// Full segments of 1,400 octets in order, from octet `at` of the peer's stream on, until the window is full; nobody
/// reads. Returns the next octet.
fn fill(rig: &mut Rig, mut at: u32) -> u32 {
    for _ in 0..1000 {
        if rig.tcb.rcv.wnd() < 1400 {
            break;
        }
        let edge = rig.tcb.rcv.adv;
        rig.gets(&std::format!(". {at}:{}(1400) ack 1", at + 1400));
        rig.drain();
        assert!(rig.tcb.rcv.adv.at_or_after(edge), "SHLD-14");
        at += 1400;
    }
    at
}

/// An open connection of a host with `memory_max` octets for text.
fn poor(memory_max: usize) -> Rig {
    let config = Config { memory_max, ..plain() };
    Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,wscale 7>")
}

// RFC 9293 SHLD-14, MAY-8
#[test]
fn no_more_is_promised_than_the_host_has_memory_for() {
    for memory_max in [70_000, 20_000, 100_000, 0] {
        let mut rig = poor(memory_max);
        assert!(rig.tcb.rcv.wnd() <= (memory_max as u32 / 2).max(4096), "{}", rig.tcb.rcv.wnd());
        let mut at = 1;
        for _ in 0..5 {
            let from = at;
            at = fill(&mut rig, at);
            assert_eq!(rig.host.stats.memory_drops, 0, "what was promised is kept");
            assert!(at - from >= 2800 && rig.host.slabs.memory() <= memory_max + 8192);
            rig.read((at - from) as usize);
            rig.drain();
            assert!(rig.tcb.rcv.wnd() >= 1400, "the window opens again");
        }
    }
}

// RFC 9293 SHLD-14
#[test]
fn when_memory_becomes_short_the_right_edge_stands_still() {
    let mut rig = poor(32 << 20);
    rig.gets(". 1:1401(1400) ack 1");
    rig.drain();
    let edge = rig.tcb.rcv.adv;
    rig.host.config.memory_max = 0;
    rig.gets(". 1401:2801(1400) ack 1");
    rig.drain();
    assert_eq!((rig.tcb.rcv.adv, rig.host.stats.memory_drops), (edge, 0));
    // What had been promised before is refused as far as it has to be, and that is counted.
    rig.gets(". 2801:4201(1400) ack 1");
    rig.drain();
    assert_eq!((rig.tcb.rcv.adv, rig.host.stats.memory_drops), (edge, 1));
    rig.host.config.memory_max = 32 << 20;
    rig.gets(". 2801:4201(1400) ack 1");
    rig.read(4200);
    rig.gets(". 4201:5601(1400) ack 1");
    rig.drain();
    assert!(rig.tcb.rcv.adv.after(edge));
}

#[test]
fn a_window_that_opens_slowly_stays_ahead_of_slow_start() {
    let mut config = Config { window_opens_slowly: true, ..plain() };
    config.recv_buffer.initial = 540_000;
    let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,wscale 7>";
    let mut rig = Rig::established_with(config, |_| {}, syn_ack);
    let window = |rig: &Rig| u32::from(rig.window) << rig.tcb.rcv.scale.get();
    assert_eq!(window(&rig), 65_536);
    let mut at = 1;
    for round in 0..8 {
        // Twice as much as the round before, from ten segments on.
        for _ in 0..10 << round {
            if at > 400_000 {
                break;
            }
            assert!(rig.tcb.rcv.wnd() >= 1000, "{at}");
            rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
            rig.read(1000);
            at += 1000;
        }
        rig.drain();
    }
    assert!(window(&rig) > 500_000, "{}", window(&rig));
    assert!(rig.info().rcv_ssthresh >= 540_000);
}

#[test]
fn a_trickle_does_not_open_a_window() {
    let mut config = Config { window_opens_slowly: true, ..plain() };
    config.recv_buffer.initial = 540_000;
    let mut rig = Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1460,wscale 7>");
    for at in (1..5001).step_by(50) {
        rig.gets(&std::format!("P. {at}:{}(50) ack 1", at + 50));
        rig.read(50);
        rig.drain();
    }
    assert_eq!(rig.info().rcv_ssthresh, 65_536);
}

// TCP_WINDOW_CLAMP
#[test]
fn a_clamp_limits_the_window_from_the_syn_on() {
    let clamp = |options: &mut crate::SocketOptions| options.seldom.window_clamp = 8_000;
    let mut rig =
        Rig::established_with(plain(), clamp, "S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,wscale 7>");
    assert_eq!(rig.tcb.rcv.wnd(), 8_000);
    for at in (1..42_001).step_by(1400) {
        rig.gets(&std::format!(". {at}:{}(1400) ack 1", at + 1400));
        rig.read(1400);
        rig.drain();
        assert!((6_000..=8_000).contains(&rig.tcb.rcv.wnd()), "{}", rig.tcb.rcv.wnd());
    }
}

// TCP_WINDOW_CLAMP; RFC 9293 SHLD-14
#[test]
fn a_clamp_set_later_lets_the_window_close_and_not_shrink() {
    let mut rig = Rig::established();
    let edge = rig.tcb.rcv.adv;
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.seldom.window_clamp = 8_000;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    let mut at = 1;
    while rig.tcb.rcv.wnd() > 8_000 {
        assert_eq!(rig.tcb.rcv.adv, edge);
        rig.gets(&std::format!(". {at}:{}(1400) ack 1", at + 1400));
        rig.read(1400);
        rig.drain();
        at += 1400;
    }
    for _ in 0..10 {
        rig.gets(&std::format!(". {at}:{}(1400) ack 1", at + 1400));
        rig.read(1400);
        rig.drain();
        at += 1400;
        assert!((5_000..=8_000).contains(&rig.tcb.rcv.wnd()), "{}", rig.tcb.rcv.wnd());
    }
}

// RFC 7323 §2.3: the scale stays as it was agreed on, however small the buffer becomes later.
#[test]
fn a_buffer_smaller_than_a_unit_of_the_window_still_opens_it() {
    let mut rig = Rig::established_with(
        plain(),
        |options| options.common.recv_buffer_max = 1 << 30,
        "S. 0:0(0) ack 1 win 60000 <mss 1000,wscale 0>",
    );
    let unit = 1 << rig.tcb.rcv.scale.get();
    assert_eq!(unit, 1 << 14);
    let mut options = rig.tcb.options(&rig.host.slabs);
    options.common.recv_buffer_max = 2_304;
    rig.tcb.set_options(&mut rig.host.cx(), &options);
    // What was promised first comes, and is read.
    let mut at = 1;
    for _ in 0..200 {
        rig.gets(&std::format!(". {at}:{}(1000) ack 1", at + 1000));
        rig.drain();
        rig.read(1000);
        rig.drain();
        at += 1000;
    }
    // A probe's answer says so.
    rig.gets(&std::format!(". {}:{}(0) ack 1", at - 1, at - 1));
    rig.drain();
    assert_eq!(rig.window, 1, "in units");
}
