use portolan_link::Instant;
use portolan_wire::{Address, Endpoint, FlowKey};

use super::{initial_sequence, timestamp_offset};

fn flow(port: u16) -> FlowKey {
    let local = Endpoint { address: Address::v4(10, 0, 0, 1), port };
    let remote = Endpoint { address: Address::v4(10, 0, 0, 2), port: 80 };
    FlowKey { local, remote, protocol: 6, zone: 0 }
}

// RFC 9293 MUST-8
#[test]
fn one_tuple_counts_every_four_microseconds() {
    let key = [7; 16];
    let at = |us| initial_sequence(&key, &flow(1), Instant::from_micros(us));
    assert_eq!(at(4_000).since(at(0)), Some(1_000));
}

// RFC 9293 MUST-9, SHLD-1
#[test]
fn tuples_and_keys_are_unrelated() {
    let at = |key: u8, port| initial_sequence(&[key; 16], &flow(port), Instant::ZERO);
    assert_ne!(at(7, 1), at(7, 2));
    assert_ne!(at(7, 1), at(8, 1));
}

#[test]
fn the_timestamp_offset_is_one_per_pair_of_hosts() {
    let key = [7; 16];
    assert_eq!(timestamp_offset(&key, &flow(1)), timestamp_offset(&key, &flow(2)));
    assert_ne!(timestamp_offset(&key, &flow(1)), timestamp_offset(&[8; 16], &flow(1)));
}

// RFC 9293 SHLD-1
#[test]
fn sequence_numbers_are_spread_over_the_whole_space() {
    let mut sixteenths = [0_u32; 16];
    for port in 0..4_096 {
        let seq = initial_sequence(&[3; 16], &flow(port), Instant::ZERO);
        sixteenths[(seq.0 >> 28) as usize] += 1;
    }
    assert!(sixteenths.iter().all(|count| (180..340).contains(count)), "{sixteenths:?}");
}
