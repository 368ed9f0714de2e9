use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{AckClock, CUTS_MAX, Delivery, Fate, Flight, Sending, Tally};
use crate::testing::pair::Rng;

const UNA: SeqNumber = SeqNumber(u32::MAX - 5_000);
const MSS: u32 = 1000;

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn sending(from: u32, len: u32, ms: u64) -> Sending {
    Sending { seq: UNA + from, len, mss: MSS as u16, now: at(ms), delivered: 0, joins: true }
}

/// Segments of 1,000 octets, one a millisecond.
fn flight(segments: u32) -> Flight {
    let mut flight = Flight::default();
    for number in 0..segments {
        flight.on_sent(&sending(number * MSS, MSS, u64::from(number)), false);
    }
    flight
}

fn check(flight: &Flight, segments: u32) {
    flight.check(UNA, UNA + segments * MSS).unwrap();
}

fn clock(ms: u64) -> AckClock {
    AckClock { now: at(ms), min_rtt_us: 0, echo_ms: None }
}

fn acknowledge(flight: &mut Flight, octets: u32, ms: u64) -> Delivery {
    let mut delivery = Delivery::default();
    flight.acknowledge(UNA + octets, &clock(ms), &mut delivery);
    delivery
}

/// Returns how many octets were new.
fn sack(flight: &mut Flight, left: u32, right: u32) -> u32 {
    let mut delivery = Delivery::default();
    let highest = flight.highest_sacked;
    flight.sack(UNA + left, UNA + right, highest, &clock(100), &mut delivery);
    delivery.new.octets
}

fn mark(flight: &mut Flight, from: u32, to: u32) {
    for index in flight.indices(UNA + from, UNA + to) {
        flight.mark_lost(index);
    }
}

#[test]
fn an_acknowledgement_gives_the_times_of_sending() {
    let mut flight = flight(5);
    let delivery = acknowledge(&mut flight, 2500, 50);
    assert_eq!((delivery.new.octets, delivery.acked_sent), (2500, Some((at(0), at(2)))));
    flight.check(UNA + 2500, UNA + 5000).unwrap();
    assert_eq!((flight.in_flight(), flight.outstanding.segments), (2500, 3));
}

// RFC 9293 MUST-18
#[test]
fn what_was_sent_twice_measures_nothing() {
    let mut flight = flight(3);
    mark(&mut flight, 0, 1000);
    flight.on_resent(&sending(0, MSS, 10), false);
    assert!(acknowledge(&mut flight, 2000, 50).ambiguous);
    let delivery = acknowledge(&mut flight, 3000, 50);
    assert!(!delivery.ambiguous);
    assert_eq!(delivery.acked_sent, Some((at(2), at(2))));
}

#[test]
fn sacked_runs_become_one_record() {
    let mut flight = flight(10);
    assert_eq!(sack(&mut flight, 2000, 3000), 1000);
    assert_eq!(sack(&mut flight, 4000, 6000), 2000);
    assert_eq!(sack(&mut flight, 1000, 6000), 2000);
    check(&flight, 10);
    assert_eq!(flight.sacked, Tally { octets: 5000, segments: 5 });
    assert_eq!(flight.records.iter().filter(|record| record.len == 5000).count(), 1);
    assert_eq!(sack(&mut flight, 2000, 5000), 0, "nothing new");
    assert_eq!(flight.in_flight(), 5000);
}

#[test]
fn a_part_of_a_segment_does_not_count() {
    let mut flight = Flight::default();
    flight.on_sent(&sending(0, 4500, 0), false);
    assert_eq!(sack(&mut flight, 3999, 4000), 0);
    assert_eq!(sack(&mut flight, 1500, 3500), 1000, "only the one that it covers whole");
    assert_eq!(sack(&mut flight, 3500, 4500), 500, "the last one is short");
    assert_eq!(flight.sacked, Tally { octets: 1500, segments: 2 });
    flight.check(UNA, UNA + 4500).unwrap();
}

#[test]
fn text_that_arrives_after_text_above_it_is_late_unless_it_was_sent_again() {
    let mut flight = flight(10);
    sack(&mut flight, 5000, 6000);
    let mut delivery = Delivery::default();
    flight.sack(UNA + 2000, UNA + 3000, UNA + 6000, &clock(50), &mut delivery);
    assert_eq!(delivery.late_from, Some(UNA + 2000));
    mark(&mut flight, 0, 1000);
    flight.on_resent(&sending(0, MSS, 60), false);
    assert_eq!(acknowledge(&mut flight, 1000, 70).late_from, None);
    assert_eq!(acknowledge(&mut flight, 2000, 70).late_from, Some(UNA + 1000));
}

#[test]
fn lost_records_are_sent_again_once_each_and_in_order() {
    let mut flight = flight(10);
    sack(&mut flight, 1000, 2000);
    sack(&mut flight, 5000, 9000);
    mark(&mut flight, 0, 1000);
    mark(&mut flight, 2000, 5000);
    assert_eq!(flight.lost.octets, 4000);
    let mut again = std::vec::Vec::new();
    while let Some(record) = flight.next_to_resend() {
        let from = record.seq.since(UNA).unwrap();
        again.push(from);
        flight.on_resent(&sending(from, record.len.min(600), 20), false);
        check(&flight, 10);
    }
    assert_eq!(again, [0, 600, 2000, 2600, 3000, 3600, 4000, 4600]);
    assert_eq!(flight.in_flight(), 4000 + 1000);
}

// RFC 2018 §8, H7
#[test]
fn a_timeout_after_reneging_forgets_what_was_sacked() {
    let mut flight = flight(5);
    sack(&mut flight, 1000, 3000);
    acknowledge(&mut flight, 1000, 9);
    assert!(flight.head_is_sacked(), "the first octet outstanding is one that the peer said it had");
    assert!(flight.mark_lost_if(|_| true));
    assert_eq!((flight.sacked.octets, flight.lost.octets), (0, 4000));
    flight.check(UNA + 1000, UNA + 5000).unwrap();
}

#[test]
fn a_timeout_without_reneging_keeps_what_was_sacked() {
    let mut flight = flight(5);
    sack(&mut flight, 1000, 3000);
    assert!(!flight.mark_lost_if(|record| record.sent_at < at(4)));
    assert_eq!((flight.sacked.octets, flight.lost.octets), (2000, 2000));
    check(&flight, 5);
    flight.unmark_lost();
    assert_eq!((flight.sacked.octets, flight.lost.octets), (2000, 0));
    check(&flight, 5);
}

// RFC 8985 §7.3
#[test]
fn the_last_segment_is_found_within_its_record() {
    let mut flight = Flight::default();
    flight.on_sent(&sending(0, 3000, 0), false);
    assert_eq!(flight.last_segment(), Some((UNA + 2000, 1000)));
    flight.on_sent(&sending(3000, 2501, 1), true);
    assert_eq!(flight.last_segment(), Some((UNA + 5000, 501)));
    flight.on_sent(&sending(5501, 20, 2), false);
    assert_eq!(flight.last_segment(), Some((UNA + 5501, 20)));
}

// G5, G8
#[test]
fn a_peer_cannot_cut_records_without_end() {
    let mut flight = Flight::default();
    flight.on_sent(&Sending { mss: 1, ..sending(0, 1_000_000, 0) }, false);
    for start in (1..100_000).step_by(2) {
        sack(&mut flight, start, start + 1);
    }
    assert!(flight.records.len() <= CUTS_MAX);
    flight.check(UNA, UNA + 1_000_000).unwrap();
}

// E6: the scoreboard equals a model with one flag for each segment, whatever the order of blocks.
#[test]
fn random_blocks_agree_with_a_model() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut flight = flight(20);
        let mut model = [false; 20];
        let mut una = 0;
        for step in 0..80 {
            let left = una + 1 + rng.below(20_000 - una as u64 - 1) as usize;
            let right = (left + 1 + rng.below(3_000) as usize).min(20_000);
            // Only the first segment can be cut, by an acknowledgement, and then in its middle.
            let (from, to) = (left.div_ceil(1000), right / 1000);
            let inside = left / 1000 != una / 1000 && right / 1000 > una / 1000;
            if inside && from < to {
                let new = model[from..to].iter().filter(|had| !**had).count();
                assert_eq!(sack(&mut flight, left as u32, right as u32) as usize, new * 1000, "seed {seed}");
                model[from..to].fill(true);
            }
            if rng.chance(100) {
                flight.detect_losses(at(200 + step), 0);
            }
            if rng.chance(100)
                && let Some(record) = flight.next_to_resend()
            {
                let from = record.seq.since(UNA).unwrap();
                flight.on_resent(&sending(from, record.len, 100 + step), false);
            }
            if rng.chance(50) {
                una = (una + rng.below(500) as usize).min(19_000);
                acknowledge(&mut flight, una as u32, 100 + step);
            }
            if rng.chance(20) {
                flight.unmark_lost();
            }
            flight.check(UNA + una as u32, UNA + 20_000).unwrap();
            let whole = una.div_ceil(1000);
            let sacked = model[whole..].iter().filter(|had| **had).count() * 1000;
            let part = if una % 1000 > 0 && model[una / 1000] { 1000 - una % 1000 } else { 0 };
            assert_eq!(flight.sacked.octets as usize, sacked + part, "seed {seed}");
            let is_fresh = flight.records.iter().filter(|record| record.fate == Fate::SACKED).count();
            assert!(is_fresh <= 10);
        }
    }
}

// RFC 8985 §6.2, step 5: in a long queue of retransmissions, those stay that are on their way.
#[test]
fn a_retransmission_on_its_way_is_not_forgotten_for_those_that_have_arrived() {
    let mut flight = flight(410);
    let arrive = |flight: &mut Flight, from: u32, to: u32| {
        let (left, right, highest) = (UNA + from * MSS, UNA + to * MSS, flight.highest_sacked);
        flight.sack(left, right, highest, &clock(800), &mut Delivery::default());
    };
    arrive(&mut flight, 400, 410);
    mark(&mut flight, 0, 400 * MSS);
    for number in 0..400 {
        let again = Sending { joins: false, ..sending(number * MSS, MSS, 300 + u64::from(number)) };
        flight.on_resent(&again, false);
    }
    // All of them arrive but the first and one in the middle, of which the first is overdue.
    arrive(&mut flight, 1, 200);
    arrive(&mut flight, 201, 400);
    assert!(flight.detect_losses(at(800), 200_000).is_some());
    assert_eq!(flight.next_to_resend().map(|record| record.seq), Some(UNA));
    flight.on_resent(&sending(0, MSS, 800), false);
    flight.detect_losses(at(900), 200_000);
    assert_eq!(flight.next_to_resend().map(|record| record.seq), Some(UNA + 200 * MSS));
    check(&flight, 410);
}
