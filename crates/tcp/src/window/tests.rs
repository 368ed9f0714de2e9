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
