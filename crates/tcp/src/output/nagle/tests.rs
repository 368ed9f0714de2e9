use crate::testing::Rig;

// RFC 9293 §3.7.4, SHLD-7, with Minshall's mark: what was small and is acknowledged holds nothing back, also while the
// flight is never empty, and however many octets go by: the mark does not come round again.
#[test]
fn a_small_segment_that_is_acknowledged_is_forgotten() {
    for mut rig in [Rig::established(), Rig::established().far_along()] {
        rig.write(100);
        rig.expect("P. 1:101(100) ack 1");
        rig.write(5000);
        assert_eq!(rig.drain().len(), 5);
        rig.write(50);
        rig.expect_nothing();
        let mark = |rig: &Rig| rig.host.slabs.flight(rig.tcb.flight).and_then(|flight| flight.small_end);
        assert!(mark(&rig).is_some());
        rig.gets(". 1:1(0) ack 101");
        assert_eq!(mark(&rig), None, "though more is under way");
        rig.expect("P. 5101:5151(50) ack 1");
    }
}
