use portolan_link::Instant;

use super::Autotune;

#[test]
fn a_faster_reader_gets_a_larger_buffer_once_in_a_round_trip() {
    let mut tune = Autotune::default();
    tune.on_echo(10_000);
    let at = |ms: u64| Instant::from_millis(1_000 + ms);
    tune.on_read(at(0), 0, 0);
    assert_eq!(tune.on_read(at(5), 40_000, 0), None, "the round trip is not over");
    assert_eq!(tune.on_read(at(10), 60_000, 0), Some(400_000));
    assert_eq!(tune.on_read(at(20), 100_000, 0), None, "no faster than before");
    assert_eq!(tune.on_read(at(30), 150_000, 0), Some(400_000));
}

#[test]
fn old_echoes_hardly_count() {
    let mut tune = Autotune::default();
    tune.on_echo(10_000);
    tune.on_echo(50_000_000);
    assert!(tune.rtt_us < 1_000_000);
    tune.on_echo(5_000);
    assert_eq!(tune.rtt_us, 5_000);
}
