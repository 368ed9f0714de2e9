use std::string::String;
use std::vec::Vec;

use portolan_link::Instant;

use super::{MtuProbing, SizeSearch, lowered};
use crate::testing::pair::{Pair, Plan, Wire};
use crate::testing::{Rig, plain};
use crate::{CaState, Config};

const LATER: Instant = Instant::from_millis(5_000);

/// A connection of a host that searches always, to a peer that takes 1460 octets; the search begins with 512.
fn searching() -> Rig {
    let config = Config { mtu_probing: MtuProbing::Always, base_mss: 512, ..plain() };
    Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,wscale 0>")
}

/// A connection of a host that searches when it must.
fn careless(config: Config) -> Rig {
    let config = Config { mtu_probing: MtuProbing::AfterBlackHole, ..config };
    Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,wscale 0>")
}

/// Octets of the first segment that is sent again, timeout by timeout.
fn sent_again(rig: &mut Rig, timeouts: usize) -> Vec<u32> {
    let mut sizes = Vec::new();
    for _ in 0..timeouts {
        rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        sizes.push(rig.poll(u32::MAX).expect("it goes again").0.text_len);
        rig.drain();
    }
    sizes
}

// RFC 4821 §7.3
#[test]
fn the_search_ends_close_below_what_the_path_takes() {
    let config = Config::default();
    for takes in 512..=1460 {
        let mut search = SizeSearch::new(512, 512, LATER);
        let mut probes = 0;
        while let Some(size) = search.next_size(1460, &config) {
            probes += 1;
            assert!(probes <= 10, "{takes}: it comes to an end");
            assert!(size > search.size, "{takes}: a probe is larger than what is in use");
            if size <= takes {
                (search.size, search.low) = (size, size);
            } else {
                search.high = size - 1;
            }
        }
        assert!(search.size <= takes && takes - search.size < 8, "{takes}: {search:?}");
    }
    let mut whole = SizeSearch::new(512, 512, LATER);
    while let Some(size) = whole.next_size(1460, &config) {
        (whole.size, whole.low) = (size, size);
    }
    assert_eq!(whole.size, 1460, "nothing of a wide path is left unused");
}

// RFC 4821 §7.8
#[test]
fn a_search_that_is_over_begins_again_in_time() {
    let config = Config::default();
    let over = SizeSearch { high: 800, ..SizeSearch::new(796, 796, LATER) };
    let at = |s: u64| over.at(LATER.plus_micros(s * 1_000_000), 1460, &config).next_size(1460, &config);
    assert_eq!(at(599), None);
    assert_eq!(at(600), Some(1128));
}

// RFC 4821 §7.7
#[test]
fn sizes_are_lowered_until_it_makes_a_difference() {
    let config = Config::default();
    for ((octets, size), lower) in [
        ((1460, 1460), Some(1024)),
        ((8960, 8960), Some(1024)),
        ((1024, 1460), Some(512)),
        ((900, 1460), Some(512)),
        ((1024, 1024), Some(512)),
        ((700, 1024), Some(512)),
        ((512, 1460), None),
        ((100, 1460), None),
        ((512, 512), None),
    ] {
        assert_eq!(lowered(octets, size, &config), lower, "{octets} of {size}");
    }
    let linux = Config { mtu_probe_floor: 48, min_mss: 48, ..config };
    assert_eq!(lowered(512, 512, &linux), Some(256));
    assert_eq!(lowered(50, 512, &linux), Some(48));
}

// RFC 4821 §7.7
#[test]
fn a_row_of_timeouts_makes_segments_smaller() {
    let mut rig = careless(plain());
    rig.write(4380);
    rig.drain();
    assert_eq!(sent_again(&mut rig, 6), [1460, 1460, 1024, 512, 512, 512]);
    assert_eq!((rig.info().snd_mss, rig.host.stats.mtu_black_holes), (512, 2));
    rig.gets(". 1:1(0) ack 513 win 60000");
    assert_eq!(rig.poll(u32::MAX).map(|(plan, _)| plan.text_len), Some(512), "it stays small");
}

// A window that was shut while text was on its way, and whose opening was lost.
#[test]
fn behind_a_shut_window_too_segments_become_smaller_in_the_end() {
    let mut rig = careless(plain());
    rig.write(4380);
    rig.drain();
    rig.gets(". 1:1(0) ack 1 win 0");
    assert_eq!(sent_again(&mut rig, 8), [1460, 1460, 1460, 1460, 1460, 1024, 512, 512]);
}

#[test]
fn small_segments_and_hosts_that_do_not_search_blame_no_black_hole() {
    let mut rig = careless(plain());
    rig.write(400);
    rig.drain();
    assert_eq!(sent_again(&mut rig, 6), [400; 6]);
    assert_eq!((rig.info().snd_mss, rig.host.stats.mtu_black_holes), (1460, 0));
    let mut rig = careless(plain());
    rig.host.config.mtu_probing = MtuProbing::Off;
    rig.write(4380);
    rig.drain();
    assert_eq!(sent_again(&mut rig, 6), [1460; 6]);
}

// RFC 4821 §7.2, §7.5, §7.6.1
#[test]
fn a_probe_that_arrives_is_the_new_size() {
    let mut rig = searching();
    rig.write(10_000);
    rig.expect(". 1:987(986) ack 1");
    assert!(rig.drain().iter().all(|line| line.contains("(512)")), "one probe at a time");
    rig.pass_ms(10);
    rig.gets(". 1:1(0) ack 987 win 60000");
    assert_eq!((rig.info().snd_mss, rig.host.stats.mtu_probes_acked), (986, 1));
    assert!(rig.drain().iter().any(|line| line.contains("(986)")));
}

// RFC 4821 §7.4
#[test]
fn a_probe_needs_text_behind_it() {
    let mut rig = searching();
    rig.write(3_000);
    rig.expect(". 1:513(512) ack 1");
    let mut rig = searching();
    rig.write(3_034);
    rig.expect(". 1:987(986) ack 1");
}

// RFC 4821 §7.6.2
#[test]
fn a_lost_probe_is_no_congestion() {
    let mut rig = searching();
    rig.write(10_000);
    rig.drain();
    let cwnd = rig.info().cwnd;
    rig.pass_ms(10);
    for right in [1499, 2011, 2523] {
        rig.drain();
        rig.gets(&std::format!(". 1:1(0) ack 1 win 60000 <sack 987:{right}>"));
    }
    rig.expect(". 1:513(512) ack 1");
    rig.expect(". 513:987(474) ack 1");
    let info = rig.info();
    assert_eq!((info.cwnd, info.ssthresh, info.ca_state), (cwnd, u32::MAX, CaState::Loss));
    assert_eq!((info.snd_mss, rig.host.stats.mtu_probes_lost, rig.host.stats.sack_recoveries), (512, 1, 0));
    rig.pass_ms(10);
    let una = rig.tcb.snd.nxt.since(rig.tcb.snd.iss).unwrap();
    rig.gets(&std::format!(". 1:1(0) ack {una} win 60000"));
    rig.write(6_000);
    assert!(rig.drain().iter().any(|line| line.contains("(748)")), "the next probe is in the middle below");
}

// RFC 4821 §7.6.3, §7.6.4
#[test]
fn a_timeout_ends_the_probe() {
    let mut rig = searching();
    rig.write(10_000);
    rig.drain();
    rig.wait();
    assert_eq!((rig.host.stats.mtu_probes_lost, rig.info().cwnd), (1, 512), "lost, and congestion as well");
    assert_eq!(rig.sends().as_deref(), Some(". 1:513(512) ack 1"));
    let mut rig = searching();
    rig.write(512);
    rig.drain();
    rig.write(10_000);
    assert!(rig.drain().iter().any(|line| line.contains("(986)")), "a probe that is not the first");
    rig.wait();
    assert_eq!(rig.host.stats.mtu_probes_lost, 0, "nothing is known of it");
}

#[test]
fn a_passive_open_that_searches_begins_with_what_its_host_knows() {
    let mut pair =
        narrow_pair(3, usize::MAX, Config { mtu_probing: MtuProbing::Always, ..Config::default() });
    pair.run(60);
    pair.assert_complete();
    assert_eq!(pair.stats(1).mtu_probes_acked, 0, "there is nothing to find");
    assert!(pair.stats(0).mtu_probes_acked >= 5);
    assert!(pair.size_in_use(0) > 1460 - 8);
}

/// Two hosts, and between them a path that drops what has more text than it takes.
fn narrow_pair(seed: u64, text_max: usize, config: Config) -> Pair {
    let wire = Wire { loss: 0, duplicate: 0, reorder: 0, delay_us: 10_000 };
    let plan = Plan { octets: 400_000, piece: 60_000, lazy: 0 };
    let mut pair = Pair::new(seed, [config.clone(), config], 0, wire, [plan, plan], false);
    pair.text_max = text_max;
    pair
}

// RFC 4821 §7.7
#[test]
fn everything_gets_through_a_black_hole() {
    for seed in 0..24 {
        let text_max = 500 + usize::try_from(seed).unwrap() * 40;
        let config = Config { sack: seed % 3 != 0, timestamps: seed % 2 == 0, ..Config::default() };
        let mut pair = narrow_pair(seed, text_max, config);
        pair.run(120);
        pair.assert_complete();
        let overhead = if seed % 2 == 0 { 12 } else { 0 };
        for index in [0, 1] {
            let stats = pair.stats(index);
            assert!((1..=4).contains(&stats.mtu_black_holes), "{text_max}: {stats:?}");
            assert!(stats.timeouts <= 8, "{text_max}: {stats:?}");
            let size = usize::from(pair.size_in_use(index)) - overhead;
            assert!(size <= text_max && text_max - size < 8, "{text_max}: {size} is in use");
        }
    }
}

#[test]
fn a_black_hole_that_loses_at_random_as_well_is_survived() {
    for seed in 100..120 {
        let mut pair = narrow_pair(seed, 700, Config::default());
        pair.lose(30);
        pair.run(900);
        pair.assert_complete();
    }
}

#[test]
fn what_the_peer_takes_limits_the_search() {
    let mut rig = searching();
    rig.host.mss = 600;
    rig.write(10_000);
    rig.expect(". 1:557(556) ack 1");
    let longest = rig.drain().iter().map(String::len).max();
    assert!(longest <= Some(". 9999:9999(512) ack 1".len()));
}
