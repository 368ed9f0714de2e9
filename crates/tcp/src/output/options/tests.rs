use crate::Config;
use crate::testing::Rig;

// RFC 9293 MUST-65, SHLD-5, MAY-3
#[test]
fn the_mss_is_only_in_the_syn() {
    let mut rig = Rig::connecting(Config::default());
    assert!(rig.poll(0).unwrap().0.options.mss.is_some());
    rig.gets("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 1 ecr 1000077,wscale 1>");
    rig.write(10);
    while let Some((plan, _)) = rig.poll(u32::MAX) {
        assert!(plan.options.mss.is_none() && plan.options.window_scale.is_none());
        assert!(plan.options.timestamps.is_some());
    }
}

#[test]
fn options_never_take_more_than_forty_octets() {
    let mut rig = Rig::connecting(Config::default());
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 <mss 1000,sackOK,TS val 1 ecr 1000077,wscale 1>");
    for at in [101, 301, 501, 701, 901] {
        rig.gets(&std::format!("P. {at}:{}(100) ack 1 <TS val 1 ecr 1>", at + 100));
    }
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!(plan.options.sack.len(), 3);
    assert_eq!(plan.options.len(), 40);
    assert_eq!(rig.tcb.options_len(&rig.host.slabs), 40);
}

// RFC 9293 MUST-14, TCP_MAXSEG
#[test]
fn a_clamp_limits_both_ways() {
    let mut rig = Rig::connecting_with(crate::testing::plain(), |options| options.common.mss_clamp = 700);
    rig.expect("S 0:0(0) <mss 700,sackOK,wscale 7>");
    rig.gets("S. 0:0(0) ack 1 <mss 1000>");
    assert_eq!(rig.info().snd_mss, 700);
}
