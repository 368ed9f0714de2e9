use crate::testing::{Rig, plain};

// RFC 2883 §4.1, example 1
#[test]
fn a_segment_that_arrives_again_is_reported_once() {
    let mut rig = Rig::established();
    rig.gets("P. 1:101(100) ack 1");
    rig.wait();
    rig.expect(". 1:1(0) ack 101");
    rig.gets("P. 1:101(100) ack 1");
    rig.expect(". 1:1(0) ack 101 <sack 1:101>");
    rig.gets("P. 101:201(100) ack 1");
    rig.wait();
    rig.expect(". 1:1(0) ack 201");
    assert_eq!(rig.host.stats.dsacks_sent, 1);
}

// RFC 2883 §4.1, example 2
#[test]
fn a_duplicate_out_of_order_stands_before_the_block_that_holds_it() {
    let mut rig = Rig::established();
    rig.gets(". 1001:2001(1000) ack 1");
    rig.expect(". 1:1(0) ack 1 <sack 1001:2001>");
    rig.gets(". 3001:4001(1000) ack 1");
    rig.expect(". 1:1(0) ack 1 <sack 3001:4001 1001:2001>");
    rig.gets(". 1001:2001(1000) ack 1");
    rig.expect(". 1:1(0) ack 1 <sack 1001:2001 1001:2001 3001:4001>");
}

// RFC 2883 §4.2.1
#[test]
fn the_part_of_a_segment_that_had_arrived_is_reported() {
    let mut rig = Rig::established();
    rig.gets(". 1:1001(1000) ack 1");
    rig.gets(". 501:2001(1500) ack 1");
    rig.expect(". 1:1(0) ack 2001 <sack 501:1001>");
    rig.gets(". 3001:4001(1000) ack 1");
    rig.expect(". 1:1(0) ack 2001 <sack 3001:4001>");
    rig.gets(". 3501:4501(1000) ack 1");
    rig.expect(". 1:1(0) ack 2001 <sack 3501:4001 3001:4501>");
}

#[test]
fn a_fin_that_arrives_again_is_reported() {
    let mut rig = Rig::established();
    rig.gets("F. 1:101(100) ack 1");
    rig.expect(". 1:1(0) ack 102");
    rig.gets("F. 1:101(100) ack 1");
    rig.expect(". 1:1(0) ack 102 <sack 1:102>");
}

#[test]
fn without_sack_or_without_the_knob_nothing_is_reported() {
    let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";
    let off = Rig::established_with(crate::Config { dsack: false, ..plain() }, |_| {}, syn_ack);
    for mut rig in [Rig::without_sack(), off] {
        rig.gets("P. 1:101(100) ack 1");
        rig.gets("P. 1:101(100) ack 1");
        rig.expect(". 1:1(0) ack 101");
    }
}

#[test]
fn with_timestamps_there_is_room_for_three_blocks_in_all() {
    let mut rig = Rig::connecting(crate::Config { timestamps: true, ..plain() });
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,TS val 5 ecr 0>");
    for start in [1001, 3001, 5001, 5001] {
        rig.drain();
        rig.gets(&std::format!(". {start}:{}(1000) ack 1 <TS val 6 ecr 0>", start + 1000));
    }
    let sent = rig.sends().unwrap();
    assert!(sent.ends_with("sack 5001:6001 5001:6001 3001:4001>"), "{sent}");
}

#[test]
fn what_lies_before_the_connection_never_arrived() {
    let mut rig = Rig::established();
    rig.gets(". -100:0(100) ack 1");
    rig.expect(". 1:1(0) ack 1");
}
