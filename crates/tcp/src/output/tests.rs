use std::collections::VecDeque;

use crate::testing::Rig;

#[test]
fn a_reset_goes_before_all_else_and_nothing_after_it() {
    let mut rig = Rig::established();
    rig.write(10_000);
    rig.gets("P. 1:11(10) ack 1");
    rig.tcb.abort(&mut rig.host.cx());
    rig.check();
    rig.expect("R. 1:1(0) ack 11");
    rig.expect_nothing();
}

#[test]
fn counters_agree_with_what_was_sent() {
    let mut rig = Rig::established();
    rig.write(4_000);
    let sent: VecDeque<_> = rig.drain().into();
    assert_eq!(sent.len(), 4);
    let info = rig.info();
    assert_eq!((info.segs_out, info.segs_in, info.bytes_sent), (6, 1, 4_000));
    assert_eq!(rig.host.stats.out_segs, 6);
    rig.wait();
    rig.drain();
    assert_eq!((rig.info().total_retransmits, rig.host.stats.retrans_segs), (1, 1));
    assert_eq!(rig.info().bytes_sent, 5_000);
}
