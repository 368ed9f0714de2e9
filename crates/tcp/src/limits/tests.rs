use crate::testing::Rig;

#[test]
fn time_is_counted_by_what_limits_the_sender() {
    let mut rig = Rig::established();
    rig.pass_ms(1_000);
    rig.write(10_000);
    rig.drain();
    rig.pass_ms(30);
    rig.gets(". 1:1(0) ack 10001 win 0");
    rig.drain();
    rig.pass_ms(500);
    rig.write(10_000);
    rig.drain();
    rig.pass_ms(50);
    let info = rig.info();
    assert_eq!((info.busy_us, info.rwnd_limited_us, info.sndbuf_limited_us), (80_000, 50_000, 0));
}

#[test]
fn a_sender_is_idle_from_the_last_acknowledgement_on() {
    let mut rig = Rig::established();
    rig.write(100);
    rig.drain();
    rig.pass_ms(30);
    rig.gets(". 1:1(0) ack 101 win 1000");
    rig.pass_ms(2_000);
    assert_eq!(rig.info().busy_us, 30_000);
}
