use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::reset_for;
use crate::testing::notation::parse;
use crate::testing::{IRS, ISS};

#[test]
fn syn_and_fin_count_as_one_each() {
    assert_eq!(parse("SF. 0:10(10) ack 1").0.sequence_len(), 12);
    assert_eq!(parse(". 1:1(0) ack 1").0.sequence_len(), 0);
}

#[test]
fn a_reset_answers_an_ack_with_its_own_number() {
    let plan = reset_for(&parse("P. 1:11(10) ack 5").0).unwrap();
    assert_eq!((plan.seq, plan.flags), (SeqNumber(ISS.wrapping_add(5)), Flags::RST));
}

#[test]
fn a_reset_acknowledges_a_segment_without_ack() {
    let plan = reset_for(&parse("S 0:0(0)").0).unwrap();
    assert_eq!((plan.seq, plan.ack), (SeqNumber(0), SeqNumber(IRS.wrapping_add(1))));
    assert_eq!(plan.flags, Flags::RST | Flags::ACK);
}

#[test]
fn a_reset_is_never_answered() {
    assert!(reset_for(&parse("R 1:1(0)").0).is_none());
}
