//! Attack row O5: what must not be guessed comes from the system's entropy, and nothing around a program can make it
//! come from anywhere else.

mod common;

use std::fs;
use std::path::Path;

use common::{PLAIN, describe_one};
use portolan::{Host, Seed, Worker};
use portolan_drivers::wire;
use portolan_link::TxBatch;
use portolan_stack::LinkId;
use portolan_wire::{Address, Endpoint, EthernetAddress, Family, tcp};

/// Connections that are looked at.
const SYNS: usize = 16;
/// Initial sequence numbers move on by one in 4 µs (RFC 6528): more than this in no test's time.
const TICKS: u32 = 60 * 250_000;

/// The ports and initial sequence numbers that a host chooses for its first connections to one server.
fn first_choices(seed: Option<Seed>) -> Vec<(u16, u32)> {
    let (link, _other) = wire::pair(PLAIN, PLAIN);
    let server = Address::v4(10, 0, 0, 9);
    let builder = match seed {
        Some(seed) => describe_one(1, link).seed(seed),
        // As every program makes its host: the seed is not mentioned.
        None => Host::builder()
            .link("wire", EthernetAddress([2, 0, 0, 0, 0, 1]), link)
            .address("10.0.0.1/24".parse().unwrap()),
    };
    let (host, _worker): (Host, Worker) =
        builder.neighbour(server, EthernetAddress([2, 0, 0, 0, 0, 9])).build().unwrap();
    let link: LinkId = host.link("wire").unwrap();
    let mut batch = TxBatch::new(64);
    host.with_stack(|stack, now| {
        for _ in 0..SYNS {
            let socket = stack.tcp_socket(Family::V4).unwrap();
            stack.connect(now, socket, Endpoint::new(server, 80)).unwrap();
        }
        stack.poll_transmit(now, link, &mut batch);
    });
    let syns: Vec<(u16, u32)> = batch
        .iter()
        .filter_map(|entry| tcp::parse(entry.head().get(34..)?).ok())
        .filter(|(header, ..)| header.dst_port() == 80)
        .map(|(header, ..)| (header.src_port(), header.seq().0))
        .collect();
    assert_eq!(syns.len(), SYNS);
    syns
}

/// How many of the choices of two hosts are the same but for the time that has passed.
fn alike(a: &[(u16, u32)], b: &[(u16, u32)]) -> (usize, usize) {
    let near = |a: u32, b: u32| a.wrapping_sub(b) < TICKS || b.wrapping_sub(a) < TICKS;
    let pairs = || a.iter().zip(b);
    (pairs().filter(|(a, b)| a.0 == b.0).count(), pairs().filter(|(a, b)| near(a.1, b.1)).count())
}

#[test]
fn o5_hosts_draw_their_secrets_from_the_system() {
    let fixed = || first_choices(Some(Seed::fixed(7)));
    assert_eq!(alike(&fixed(), &fixed()), (SYNS, SYNS), "the test can tell");
    for seed in [|| None, || Some(Seed::from_system())] {
        let (ports, numbers) = alike(&first_choices(seed()), &first_choices(seed()));
        assert!(ports < SYNS / 2 && numbers < SYNS / 2, "{ports} equal ports, {numbers} equal numbers");
        let (ports, numbers) = alike(&first_choices(seed()), &fixed());
        assert!(ports < SYNS / 2 && numbers < SYNS / 2, "{ports} equal ports, {numbers} equal numbers");
    }
}

/// What reads the environment, in our sources.
const READERS: [&str; 6] = ["env::var", "env::vars", "getenv", "var_os(", "env(\"", "env = \""];

/// Every line of the non-test sources under `folder` that `is_bad` finds fault with.
fn find(folder: &Path, is_bad: &dyn Fn(&str) -> bool, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            find(&path, is_bad, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
            let bad = production.lines().enumerate().filter(|(_, line)| is_bad(line));
            found.extend(bad.map(|(n, line)| format!("{}:{}: {line}", path.display(), n + 1)));
        }
    }
}

#[test]
fn o5_no_production_source_reads_a_seed_from_the_environment() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let reads = |line: &str| READERS.iter().any(|reader| line.contains(reader));
    let mut found = Vec::new();
    // These have no business with the environment at all.
    for folder in ["wire/src", "link/src", "tcp/src", "stack/src", "drivers/src", "net/src", "sim/src/impair"]
    {
        find(&crates.join(folder), &reads, &mut found);
    }
    // Compiled only with planted faults, of which it chooses one.
    found.retain(|place| !place.contains("tcp/src/planted.rs"));
    // These read it, but no seed out of it.
    let seeds = |line: &str| reads(line) && line.to_ascii_lowercase().contains("seed");
    for folder in ["protocol/src", "preload/src", "run/src", "cli/src"] {
        find(&crates.join(folder), &seeds, &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
    let source = fs::read_to_string(crates.join("net/src/seed.rs")).unwrap();
    assert!(source.contains("getrandom::fill"), "the source of the secrets has moved");
    let mut control = Vec::new();
    find(&crates.join("sim/src"), &reads, &mut control);
    assert!(
        !control.is_empty(),
        "the test can tell: the simulator's scenarios take their seed from a variable"
    );
}
