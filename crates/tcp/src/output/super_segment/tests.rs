use crate::testing::Rig;

/// A connection whose link cuts super-segments, after a round trip of so many milliseconds.
fn rig(rtt_ms: u64) -> Rig {
    let mut rig = Rig::established();
    rig.host.gso_max = 65_535;
    rig.write(1_000);
    rig.expect("P. 1:1001(1000) ack 1");
    rig.host.now = rig.host.now.plus_micros(rtt_ms * 1_000);
    rig.gets(". 1:1(0) ack 1001 win 60000");
    rig
}

#[test]
fn a_slow_connection_sends_two_segments_at_once_and_pushes_them() {
    let mut rig = rig(100);
    rig.write(5_000);
    rig.expect("P. 1001:3001(2000) ack 1");
    rig.expect("P. 3001:5001(2000) ack 1");
    rig.expect("P. 5001:6001(1000) ack 1");
}

#[test]
fn a_connection_to_a_near_peer_sends_half_of_its_window_at_once() {
    let mut rig = rig(0);
    rig.write(20_000);
    rig.expect("P. 1001:6001(5000) ack 1");
    rig.expect("P. 6001:11001(5000) ack 1");
}

#[test]
fn single_segments_are_pushed_at_the_end_only() {
    let mut rig = rig(0);
    rig.host.gso_max = 0;
    rig.write(2_000);
    rig.expect(". 1001:2001(1000) ack 1");
    rig.expect("P. 2001:3001(1000) ack 1");
}

#[test]
fn a_host_may_push_super_segments_as_it_does_single_ones() {
    let mut rig = rig(0);
    rig.host.config.push_super_segments = false;
    rig.write(20_000);
    rig.expect(". 1001:6001(5000) ack 1");
}

#[test]
fn a_host_may_send_all_that_the_window_takes_at_once() {
    let mut rig = rig(100);
    rig.host.config.super_segments_by_rate = false;
    rig.write(20_000);
    rig.expect("P. 1001:11001(10000) ack 1");
    rig.expect_nothing();
}
