use std::time::Duration;

use super::*;

fn impairer(text: &str, seed: u64) -> Impairer {
    Impairer::new(text.parse::<Schedule>().unwrap(), seed)
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

/// Mean and standard deviation of the delays of 20,000 packets, in microseconds.
fn delays(text: &str) -> (f64, f64) {
    let out = run(&mut impairer(text, 5), 20_000, 1_000_000, 60);
    let of = |(number, (at, _)): (usize, &(u64, Vec<u8>))| (*at - number as u64 * 1_000_000) as f64;
    let delays: Vec<f64> = out.iter().enumerate().map(of).collect();
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let variance = delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / delays.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn delays_follow_their_distribution() {
    for (words, mean, deviation) in [
        ("", 100_000.0, 10_000.0 / 3.0_f64.sqrt()),
        ("distribution uniform", 100_000.0, 10_000.0 / 3.0_f64.sqrt()),
        ("distribution normal", 100_000.0, 10_000.0),
        ("distribution pareto", 99_671.0, 8_209.0),
        ("distribution paretonormal", 99_785.0, 8_495.0),
        // The draws lie closer together, as netem's do.
        ("50%", 100_000.0, 10_000.0 / 3.0),
    ] {
        let (is_mean, is_deviation) = delays(&format!("delay 100ms 10ms {words}"));
        assert!((is_mean - mean).abs() < 300.0, "{words}: mean {is_mean}");
        assert!((is_deviation / deviation - 1.0).abs() < 0.03, "{words}: deviation {is_deviation}");
    }
    let (mean, deviation) = delays("delay 1ms 10ms distribution normal");
    assert!(mean > 4_000.0 && deviation < 7_000.0, "no packet arrives before it was sent");
}

#[test]
fn correlated_losses_come_in_rows() {
    let rows = |text: &str| {
        let out = run(&mut impairer(text, 9), 20_000, 10, 60);
        let arrived = numbers(&out);
        let gaps = arrived.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
        (20_000 - arrived.len()) as f64 / gaps as f64
    };
    let (apart, together) = (rows("loss 40%"), rows("loss 40% 80%"));
    assert!((1.5..1.8).contains(&apart), "1 / (1 - 0.4): {apart}");
    assert!(together > 1.3 * apart, "{together}");
}

#[test]
fn a_gap_leaves_only_every_so_many_packets_to_reordering() {
    let out = run(&mut impairer("delay 10ms reorder 100% gap 5", 1), 100, 1000, 60);
    let at_once: Vec<u32> = out
        .iter()
        .zip(numbers(&out))
        .filter(|((at, _), number)| *at == u64::from(*number) * 1000)
        .map(|(_, number)| number)
        .collect();
    assert_eq!(at_once, (4..100).step_by(5).collect::<Vec<_>>());
}

#[test]
fn a_mark_takes_the_place_of_a_loss_where_the_sender_takes_marks() {
    let mut impaired = impairer("loss 100% ecn", 1).over(Medium::Ip);
    let (src, dst) = (portolan_wire::Address::v4(10, 0, 0, 1), portolan_wire::Address::v4(10, 0, 0, 2));
    for (tos, arrives) in [(2, true), (0, false)] {
        let mut packet = vec![0; 20];
        let fields = portolan_wire::ipv4::Emit { src, dst, protocol: 6, ttl: 64, tos, ..Default::default() };
        fields.emit(&mut packet).unwrap();
        impaired.push(Instant::ZERO, &packet);
        let got = impaired.poll(Instant::ZERO);
        assert_eq!(got.is_some(), arrives);
        if let Some(got) = got {
            assert_eq!(portolan_wire::ipv4::parse(&got).unwrap().header.ecn(), 3);
        }
    }
    assert_eq!((impaired.stats().marked, impaired.stats().lost), (1, 1));
}

#[test]
fn a_rate_counts_the_links_framing() {
    // 1500 octets are 32 ATM cells of 53: 13,568 bits.
    let out = run(&mut impairer("rate 1mbit 0 48 5", 1), 3, 0, 1500);
    assert_eq!(out.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [13_568, 27_136, 40_704]);
}

#[test]
fn slots_let_packets_go_together() {
    let out = run(&mut impairer("slot 10ms packets 3", 1), 10, 100, 60);
    let times: Vec<u64> = out.iter().map(|(at, _)| *at).collect();
    // The first slot opens 10 ms after the first packet; each is followed by the next when it is full.
    assert_eq!(times, [10_000, 10_000, 10_000, 20_000, 20_000, 20_000, 30_000, 30_000, 30_000, 40_000]);
    assert!(numbers(&out).is_sorted());
    let late = run(&mut impairer("slot 10ms 20ms", 1), 100, 100_000, 60);
    let waits: Vec<u64> =
        late.iter().enumerate().map(|(number, (at, _))| at - number as u64 * 100_000).collect();
    assert!(
        waits.iter().all(|wait| (10_000..=20_000).contains(wait)) && waits.iter().any(|wait| *wait > 15_000)
    );
}

#[test]
fn a_schedule_changes_what_happens_to_the_microsecond() {
    let mut impaired = impairer("at 50ms: loss 100%; at 80ms: loss 0", 1);
    let out = run(&mut impaired, 100, 1000, 60);
    assert_eq!(numbers(&out), (0..50).chain(80..100).collect::<Vec<_>>());
    assert!(impaired.is_idle(), "after its last step");
    let text = "delay 10ms 5ms; at 20ms: loss 30%; at 60ms: lossy-3g delay 1ms";
    let first = run(&mut impairer(text, 42), 200, 500, 600);
    assert_eq!(first, run(&mut impairer(text, 42), 200, 500, 600), "equal seeds give equal results");
}
