use portolan_link::Instant;
use portolan_wire::SeqNumber;

use super::{CUTS_MAX, Flight};
use crate::testing::pair::Rng;

const UNA: SeqNumber = SeqNumber(u32::MAX - 5_000);
const MSS: u32 = 1000;

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// Segments of 1,000 octets, one a millisecond.
fn flight(segments: u32) -> Flight {
    let mut flight = Flight::default();
    for number in 0..segments {
        flight.on_sent(UNA + number * MSS, MSS, at(u64::from(number)), 0);
    }
    flight
}

fn check(flight: &Flight, segments: u32) {
    flight.check(UNA, UNA + segments * MSS).unwrap();
}

#[test]
fn an_acknowledgement_gives_the_oldest_time_of_sending() {
    let mut flight = flight(5);
    let acked = flight.acknowledge(UNA + 2500, at(50));
    assert_eq!((acked.delivered, acked.sent_at), (2500, Some(at(0))));
    flight.check(UNA + 2500, UNA + 5000).unwrap();
    assert_eq!(flight.in_flight(), 2500);
}

// RFC 9293 MUST-18
#[test]
fn what_was_sent_twice_measures_nothing() {
    let mut flight = flight(3);
    flight.mark_first_lost(MSS);
    flight.on_resent(UNA, MSS, at(10), 0);
    assert_eq!(flight.acknowledge(UNA + 2000, at(50)).sent_at, None);
    assert_eq!(flight.acknowledge(UNA + 3000, at(50)).sent_at, Some(at(2)));
}

#[test]
fn sacked_runs_become_one_record() {
    let mut flight = flight(10);
    assert_eq!(flight.sack(UNA + 2000, UNA + 3000), 1000);
    assert_eq!(flight.sack(UNA + 4000, UNA + 5500), 1500);
    assert_eq!(flight.sack(UNA + 1500, UNA + 6000), 2000);
    check(&flight, 10);
    assert_eq!(flight.sacked, 4500);
    assert_eq!(flight.records.iter().filter(|record| record.len == 4500).count(), 1);
    assert_eq!(flight.sack(UNA + 2000, UNA + 5000), 0, "nothing new");
    assert_eq!(flight.in_flight(), 5500);
}

// RFC 6675 §4
#[test]
fn lost_is_what_lies_below_more_than_two_segments() {
    let mut flight = flight(10);
    flight.sack(UNA + 1000, UNA + 3000);
    flight.mark_lost_by_sack(MSS);
    assert_eq!(flight.lost, 0);
    flight.sack(UNA + 3000, UNA + 3001);
    flight.mark_lost_by_sack(MSS);
    assert_eq!(flight.lost, 1000);
    check(&flight, 10);
}

// RFC 6675 §4
#[test]
fn lost_is_what_lies_below_three_runs_however_short() {
    let mut flight = flight(10);
    for start in [1000, 3000, 5000] {
        assert_eq!(flight.lost, 0);
        flight.sack(UNA + start, UNA + start + 10);
        flight.mark_lost_by_sack(MSS);
    }
    assert_eq!(flight.lost, 1000);
    check(&flight, 10);
}

#[test]
fn lost_records_are_sent_again_once_each_and_in_order() {
    let mut flight = flight(10);
    flight.sack(UNA + 1000, UNA + 2000);
    flight.sack(UNA + 5000, UNA + 9000);
    flight.mark_lost_by_sack(MSS);
    assert_eq!(flight.lost, 4000);
    let mut again = std::vec::Vec::new();
    while let Some(record) = flight.next_to_resend() {
        let len = record.len.min(600);
        again.push(record.seq.since(UNA).unwrap());
        flight.on_resent(record.seq, len, at(20), 0);
        check(&flight, 10);
    }
    assert_eq!(again, [0, 600, 2000, 2600, 3000, 3600, 4000, 4600]);
    assert_eq!(flight.in_flight(), 4000 + 1000);
}

// RFC 2018 §8, H7
#[test]
fn a_timeout_after_reneging_forgets_what_was_sacked() {
    let mut flight = flight(5);
    flight.sack(UNA + 1000, UNA + 3000);
    flight.acknowledge(UNA + 1000, at(9));
    assert!(flight.mark_all_lost(), "the first octet outstanding is one that the peer said it had");
    assert_eq!((flight.sacked, flight.lost), (0, 4000));
    flight.check(UNA + 1000, UNA + 5000).unwrap();
}

#[test]
fn a_timeout_without_reneging_keeps_what_was_sacked() {
    let mut flight = flight(5);
    flight.sack(UNA + 1000, UNA + 3000);
    assert!(!flight.mark_all_lost());
    assert_eq!((flight.sacked, flight.lost), (2000, 3000));
    check(&flight, 5);
}

// G5, G8
#[test]
fn a_peer_cannot_cut_records_without_end() {
    let mut flight = Flight::default();
    flight.on_sent(UNA, 1_000_000, at(0), 0);
    for start in (1..100_000).step_by(2) {
        flight.sack(UNA + start, UNA + start + 1);
        flight.mark_lost_by_sack(MSS);
    }
    assert!(flight.records.len() <= CUTS_MAX);
    flight.check(UNA, UNA + 1_000_000).unwrap();
}

// E6: the scoreboard equals a model with one flag for each octet, whatever the order of blocks.
#[test]
fn random_blocks_agree_with_a_model() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut flight = flight(20);
        let mut model = [false; 20_000];
        let mut una = 0;
        for _ in 0..80 {
            let left = una + 1 + rng.below(20_000 - una as u64 - 1) as usize;
            let right = (left + 1 + rng.below(3_000) as usize).min(20_000);
            if left < right {
                let new = model[left..right].iter().filter(|had| !**had).count();
                assert_eq!(flight.sack(UNA + left as u32, UNA + right as u32) as usize, new);
                model[left..right].fill(true);
            }
            if rng.chance(100) {
                flight.mark_lost_by_sack(MSS);
            }
            if rng.chance(100)
                && let Some(record) = flight.next_to_resend()
            {
                flight.on_resent(record.seq, 1 + rng.below(u64::from(record.len)) as u32, at(100), 0);
            }
            if rng.chance(50) {
                una = (una + rng.below(500) as usize).min(19_000);
                flight.acknowledge(UNA + una as u32, at(100));
            }
            flight.check(UNA + una as u32, UNA + 20_000).unwrap();
            assert_eq!(flight.sacked as usize, model[una..].iter().filter(|had| **had).count());
        }
    }
}
