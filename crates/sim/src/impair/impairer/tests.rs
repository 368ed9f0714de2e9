use std::time::Duration;

use super::*;

fn impairer(text: &str, seed: u64) -> Impairer {
    Impairer::new(text.parse().unwrap(), seed)
}

/// Pushes `count` numbered packets at `gap_us` from each other; returns what comes out: time in microseconds, packet.
fn run(impairer: &mut Impairer, count: u32, gap_us: u64, len: usize) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    for number in 0..count {
        let now = Instant::from_micros(u64::from(number) * gap_us);
        drain(impairer, now, &mut out);
        let mut packet = vec![0; len];
        packet[..4].copy_from_slice(&number.to_be_bytes());
        impairer.push(now, &packet);
    }
    drain(impairer, Instant::MAX, &mut out);
    out
}

fn drain(impairer: &mut Impairer, until: Instant, out: &mut Vec<(u64, Vec<u8>)>) {
    while let Some(at) = impairer.next_deadline().filter(|&at| at <= until) {
        let packet = impairer.poll(at).expect("there is a packet at the deadline");
        out.push((at.as_micros(), packet));
    }
    assert!(impairer.poll(until).is_none());
}

fn numbers(out: &[(u64, Vec<u8>)]) -> Vec<u32> {
    out.iter().map(|(_, packet)| u32::from_be_bytes(packet[..4].try_into().unwrap())).collect()
}

#[test]
fn without_faults_packets_pass_at_once_and_in_order() {
    let mut impairer = Impairer::new(Impairment::default(), 1);
    let out = run(&mut impairer, 500, 0, 60);
    assert_eq!(numbers(&out), (0..500).collect::<Vec<_>>());
    assert!(out.iter().all(|(at, packet)| *at == 0 && packet.len() == 60));
}

#[test]
fn a_delay_is_exact_and_keeps_order() {
    let out = run(&mut impairer("delay 80ms", 1), 100, 1000, 60);
    for (number, (at, _)) in out.iter().enumerate() {
        assert_eq!(*at, 80_000 + number as u64 * 1000);
    }
}

#[test]
fn jitter_stays_in_its_range_and_fills_it() {
    let out = run(&mut impairer("delay 80ms 10ms", 1), 1000, 200_000, 60);
    let delays: Vec<u64> =
        out.iter().enumerate().map(|(number, (at, _))| at - number as u64 * 200_000).collect();
    assert!(delays.iter().all(|delay| (70_000..=90_000).contains(delay)));
    assert!(delays.iter().any(|&delay| delay < 71_000) && delays.iter().any(|&delay| delay > 89_000));
    let close = run(&mut impairer("delay 80ms 10ms", 1), 100, 100, 60);
    assert!(!numbers(&close).is_sorted(), "packets that are close overtake each other, as with netem");
}

#[test]
fn shares_are_kept() {
    // 20,000 draws of 2 %: 400 with a standard deviation of 20.
    let mut impaired = impairer("loss 2% duplicate 2% corrupt 2% reorder 2% delay 1ms limit 1000000", 3);
    run(&mut impaired, 20_000, 10, 60);
    let stats = impaired.stats();
    for count in [stats.lost, stats.duplicated, stats.corrupted, stats.reordered] {
        assert!((300..500).contains(&count), "{stats:?}");
    }
    assert_eq!(stats.pushed, 20_000);
    assert_eq!(stats.delivered, stats.pushed - stats.lost + stats.duplicated);
}

#[test]
fn certain_and_impossible_faults() {
    assert!(run(&mut impairer("loss 100%", 1), 1000, 1, 60).is_empty());
    assert_eq!(run(&mut impairer("duplicate 100%", 1), 100, 1, 60).len(), 200);
    assert_eq!(run(&mut impairer("loss 100% duplicate 100%", 1), 100, 1, 60).len(), 100);
    assert_eq!(run(&mut impairer("loss 0% corrupt 0%", 1), 100, 1, 60).len(), 100);
}

#[test]
fn corruption_flips_exactly_one_bit_anywhere() {
    let mut impaired = impairer("corrupt 100%", 1);
    let mut seen = [false; 60];
    for _ in 0..2000 {
        impaired.push(Instant::ZERO, &[0x55; 60]);
        let packet = impaired.poll(Instant::ZERO).unwrap();
        let flipped: u32 = packet.iter().map(|octet| (octet ^ 0x55).count_ones()).sum();
        assert_eq!(flipped, 1);
        seen[packet.iter().position(|&octet| octet != 0x55).unwrap()] = true;
    }
    assert!(seen.iter().all(|&seen| seen));
    impaired.push(Instant::ZERO, &[]);
    assert_eq!(impaired.poll(Instant::ZERO), Some(vec![]));
}

#[test]
fn reordered_packets_skip_the_delay() {
    let out = run(&mut impairer("delay 10ms reorder 25%", 1), 1000, 1000, 60);
    let order = numbers(&out);
    let mut early = 0;
    for (number, (at, _)) in order.iter().zip(&out) {
        let delay = at - u64::from(*number) * 1000;
        assert!(delay == 0 || delay == 10_000);
        early += u32::from(delay == 0);
    }
    assert!((200..300).contains(&early) && !order.is_sorted());
}

#[test]
fn a_rate_serialises_and_a_delay_comes_on_top() {
    // 1250 octets at 10 Mbit/s are 1 ms.
    let out = run(&mut impairer("rate 10mbit delay 5ms", 1), 10, 0, 1250);
    for (number, (at, _)) in out.iter().enumerate() {
        assert_eq!(*at, 5_000 + (number as u64 + 1) * 1000);
    }
    // A wire that was idle does not save up.
    let mut idle = impairer("rate 10mbit", 1);
    run(&mut idle, 1, 0, 1250);
    idle.push(Instant::from_millis(100), &[0; 1250]);
    assert_eq!(idle.next_deadline(), Some(Instant::from_millis(101)));
}

#[test]
fn the_limit_bounds_what_is_held() {
    let mut impaired = impairer("rate 10mbit limit 100", 1);
    for _ in 0..1000 {
        impaired.push(Instant::ZERO, &[0; 1250]);
        assert!(impaired.held() <= 100);
    }
    assert_eq!(impaired.stats().overflowed, 900);
    let mut out = Vec::new();
    drain(&mut impaired, Instant::MAX, &mut out);
    assert_eq!(out.len(), 100);
}

#[test]
fn equal_seeds_give_equal_results_and_others_do_not() {
    let text = "delay 20ms 5ms loss 10% duplicate 5% reorder 5% corrupt 5% rate 10mbit limit 50";
    let first = run(&mut impairer(text, 42), 2000, 500, 600);
    assert_eq!(first, run(&mut impairer(text, 42), 2000, 500, 600));
    assert_ne!(first, run(&mut impairer(text, 43), 2000, 500, 600));
}

#[test]
fn absurd_times_saturate() {
    let mut impaired = impairer("delay 3600s 3600s rate 1bit", 1);
    for _ in 0..100 {
        impaired.push(Instant::MAX, &[0; 65_535]);
    }
    assert_eq!(impaired.next_deadline(), Some(Instant::MAX));
    assert!(Instant::ZERO + Duration::MAX == Instant::MAX);
}
