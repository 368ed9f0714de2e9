use super::*;

const CLEAN: Wire = Wire { loss: 0, duplicate: 0, reorder: 0, delay_us: 5_000 };
const BAD: Wire = Wire { loss: 50, duplicate: 20, reorder: 100, delay_us: 5_000 };

fn send(octets: u64) -> Plan {
    Plan { octets, piece: 20_000, lazy: 0 }
}

fn run(
    seed: u64,
    configs: [Config; 2],
    gso_max: u32,
    wire: Wire,
    plans: [Plan; 2],
    simultaneous: bool,
) -> Pair {
    let mut pair = Pair::new(seed, configs, gso_max, wire, plans, simultaneous);
    pair.run(36_000);
    pair.assert_complete();
    pair
}

fn both(config: &Config) -> [Config; 2] {
    [config.clone(), config.clone()]
}

#[test]
fn a_clean_wire_carries_text_both_ways() {
    let pair = run(1, both(&Config::default()), 0, CLEAN, [send(300_000), send(200_000)], false);
    assert_eq!(pair.retransmits(0), 0);
    assert_eq!(pair.retransmits(1), 0);
}

#[test]
fn a_clean_wire_carries_super_segments() {
    let pair = run(2, both(&Config::default()), 65_535, CLEAN, [send(3_000_000), send(10)], false);
    assert_eq!(pair.retransmits(0), 0);
    assert!(pair.elapsed_us() < 1_000_000, "{} us", pair.elapsed_us());
}

#[test]
fn a_bad_wire_loses_no_octet() {
    for seed in 0..60 {
        run(seed, both(&Config::default()), 0, BAD, [send(100_000), send(100_000)], false);
    }
}

#[test]
fn a_bad_wire_loses_no_octet_of_super_segments() {
    for seed in 100..130 {
        run(seed, both(&Config::default()), 65_535, BAD, [send(200_000), send(100_000)], false);
    }
}

#[test]
fn a_bad_wire_loses_no_octet_without_sack() {
    let config = Config { sack: false, ..Config::default() };
    for seed in 200..240 {
        run(seed, both(&config), 0, BAD, [send(100_000), send(50_000)], false);
    }
}

#[test]
fn a_bad_wire_loses_no_octet_without_any_option() {
    let config = Config { sack: false, timestamps: false, window_scaling: false, ..Config::default() };
    for seed in 300..340 {
        run(seed, [config.clone(), Config::default()], 0, BAD, [send(100_000), send(50_000)], false);
    }
}

#[test]
fn both_may_open_at_once() {
    for seed in 400..440 {
        run(seed, both(&Config::default()), 0, BAD, [send(20_000), send(20_000)], true);
    }
}

#[test]
fn both_may_close_at_once_with_nothing_to_say() {
    for seed in 500..540 {
        run(seed, both(&Config::default()), 0, BAD, [send(0), send(0)], seed % 2 == 0);
    }
}

// RFC 9293 MAY-8
#[test]
fn a_lazy_reader_shuts_the_window_and_opens_it_again() {
    let small = crate::BufferSize { initial: 8_000, max: 8_000 };
    let config = Config { recv_buffer: small, ..Config::default() };
    let lazy = Plan { octets: 0, piece: 3_000, lazy: 950 };
    for seed in 600..620 {
        run(seed, both(&config), 0, CLEAN, [send(200_000), lazy], false);
        run(seed, both(&config), 65_535, BAD, [send(100_000), lazy], false);
    }
}

#[test]
fn octet_by_octet_is_no_way_to_pin_memory() {
    let config = Config { timestamps: false, ..Config::default() };
    let tiny = Plan { octets: 5_000, piece: 3, lazy: 0 };
    for seed in 700..710 {
        run(seed, both(&config), 0, BAD, [tiny, tiny], false);
    }
}

#[test]
fn a_very_bad_wire_loses_no_octet() {
    let wire = Wire { loss: 250, duplicate: 100, reorder: 300, delay_us: 20_000 };
    let config = Config { retries2: 60, ..Config::default() };
    for seed in 800..820 {
        run(seed, both(&config), 0, wire, [send(20_000), send(20_000)], false);
    }
}

/// Everything that can be turned, turned at random: options, buffers, pieces, laziness, and the wire.
#[test]
fn a_swarm_of_settings_loses_no_octet() {
    for seed in 10_000..10_400_u64 {
        let rng = &mut Rng::new(seed ^ 0xabc);
        let wire = Wire {
            loss: if rng.chance(300) { 0 } else { rng.below(200) },
            duplicate: if rng.chance(500) { 0 } else { rng.below(200) },
            reorder: if rng.chance(500) { 0 } else { rng.below(500) },
            delay_us: 10 + rng.below(100_000),
        };
        let configs = [any_config(rng), any_config(rng)];
        let plans = [any_plan(rng), any_plan(rng)];
        let gso_max = if rng.chance(500) { 65_535 } else { 0 };
        run(seed, configs, gso_max, wire, plans, seed % 5 == 0);
    }
}

fn any_config(rng: &mut Rng) -> Config {
    let max = 3_000 + rng.below(300_000) as u32;
    Config {
        sack: rng.chance(700),
        timestamps: rng.chance(700),
        window_scaling: rng.chance(700),
        recv_buffer: crate::BufferSize { initial: max / 2, max },
        send_buffer: crate::BufferSize { initial: 2_000 + rng.below(100_000) as u32, max: 4 << 20 },
        quick_acks: rng.below(17) as u8,
        // A wire this bad ends honest connections, and here none may end.
        retries2: 40,
        syn_retries: 20,
        synack_retries: 20,
        ..Config::default()
    }
}

fn any_plan(rng: &mut Rng) -> Plan {
    let piece_max = if rng.chance(200) { 50 } else { 30_000 };
    let lazy = if rng.chance(500) { 0 } else { rng.below(990) };
    Plan { octets: rng.below(60_000), piece: 1 + rng.below(piece_max), lazy }
}
