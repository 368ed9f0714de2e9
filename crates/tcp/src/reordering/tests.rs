use portolan_wire::SeqNumber;

use super::{Learned, Reordering};
use crate::Config;
use crate::testing::Rig;

const UNA: SeqNumber = SeqNumber(u32::MAX - 500);

#[test]
fn the_degree_is_the_farthest_that_something_was_late() {
    let config = Config::default();
    let mut reordering = Reordering::default();
    assert_eq!(reordering.degree(&config), 3);
    reordering.on_late(&config, UNA, UNA + 3000, 1000);
    assert_eq!((reordering.degree(&config), reordering.learned.seen), (3, 1));
    reordering.on_late(&config, UNA, UNA + 5001, 1000);
    assert_eq!((reordering.degree(&config), reordering.learned.seen), (6, 2));
    assert!(reordering.is_unusual(&config));
    reordering.on_late(&config, UNA, UNA + 1_000_000, 1000);
    assert_eq!(reordering.degree(&config), 300, "bounded");
    reordering.on_timeout(&config, 3);
    assert_eq!(reordering.degree(&config), 3, "a timeout shows that it was too much");
}

// RFC 8985 §6.2, step 4
#[test]
fn without_reordering_proof_of_loss_leaves_nothing_to_wait_for() {
    let mut reordering = Reordering::default();
    assert_eq!(reordering.reo_wnd_us(true, 20_000, 30_000), 0);
    assert_eq!(reordering.reo_wnd_us(false, 20_000, 30_000), 5_000);
    reordering.learned.seen = 1;
    assert_eq!(reordering.reo_wnd_us(true, 20_000, 30_000), 5_000);
}

// RFC 8985 §6.2, step 4: once in a round trip, no more than a round trip, and for sixteen recoveries.
#[test]
fn duplicates_widen_the_window() {
    let mut reordering = Reordering::resume(Learned { seen: 1, ..Learned::default() });
    let wnd_us = |reordering: &Reordering| reordering.reo_wnd_us(true, 20_000, 30_000);
    reordering.widen(UNA, UNA + 100);
    reordering.widen(UNA + 99, UNA + 200);
    assert_eq!(wnd_us(&reordering), 10_000);
    reordering.widen(UNA + 100, UNA + 200);
    assert_eq!(wnd_us(&reordering), 15_000);
    for round in 2..20 {
        reordering.widen(UNA + round * 100, UNA + round * 100 + 100);
    }
    assert_eq!(wnd_us(&reordering), 30_000, "srtt");
    for _ in 0..15 {
        reordering.on_recovered(false);
        assert_eq!(wnd_us(&reordering), 30_000);
    }
    reordering.on_recovered(false);
    assert_eq!(wnd_us(&reordering), 5_000);
}

#[test]
fn on_a_path_that_never_reordered_duplicates_widen_nothing() {
    let mut reordering = Reordering::default();
    reordering.widen(UNA, UNA + 100);
    assert_eq!(reordering, Reordering::default());
}

// RFC 8985 §3.3.2
#[test]
fn a_widened_window_is_as_wide_as_text_was_late() {
    let config = Config::default();
    let mut reordering = Reordering::default();
    reordering.on_late(&config, UNA, UNA + 9000, 1000);
    reordering.note_lateness(18_000);
    reordering.note_lateness(7_000);
    // Text that overtook a queue has made the least round trip next to nothing.
    assert_eq!(reordering.reo_wnd_us(true, 100, 30_000), 25, "no retransmission was for nothing yet");
    reordering.widen(UNA, UNA + 9000);
    assert_eq!(reordering.reo_wnd_us(true, 100, 30_000), 18_000);
    assert_eq!(reordering.reo_wnd_us(true, 100, 12_000), 12_000, "srtt");
    for _ in 0..16 {
        reordering.on_recovered(false);
    }
    assert_eq!(reordering.reo_wnd_us(true, 100, 30_000), 25);
}

// RFC 6298 §3; BBR holds its window to the least round trip of ten seconds.
#[test]
fn a_segment_that_overtakes_others_is_no_measurement_of_the_path() {
    let mut rig = Rig::established();
    rig.write(1000);
    rig.drain();
    rig.pass_ms(20);
    rig.gets(". 1:1(0) ack 1001");
    let before = (rig.info().min_rtt_us, rig.info().rtt_us);
    assert_eq!(before.0, 10_000, "the handshake took less");

    rig.write(3000);
    rig.drain();
    rig.pass_ms(1);
    rig.gets(". 1:1(0) ack 1001 <sack 3001:4001>");
    assert_eq!((rig.info().min_rtt_us, rig.info().rtt_us), before);
    // One that took no less than usual measures, hole or not.
    rig.pass_ms(29);
    rig.gets(". 1:1(0) ack 1001 <sack 2001:4001>");
    assert!(rig.info().rtt_us > before.1);
}
