//! Tables of what TCP makes of a path: throughput by loss and RTT, fairness, CUBIC against Reno, curves of the window.
//!
//! They are coarse, and compared with the files in `tests/snapshots`. A changed table is a change to be looked at; then
//! `PORTOLAN_UPDATE=1 cargo test -p portolan-swarm --test tables` writes the new ones.

mod bulk;

use std::cell::Cell;
use std::fmt::Write;
use std::path::Path as File;

use bulk::{Flow, Path, algorithms};
use portolan_tcp::congestion::{CongestionControl, Cubic, NewReno};
use portolan_tcp::{CongestionAlgorithm, UserAlgorithm};

/// The shared bottleneck: a queue of one bandwidth-delay product.
fn bottleneck(kbit: u64, rtt_ms: u64, seconds: u64) -> Path {
    Path { kbit, rtt_ms, limit: limit(kbit, rtt_ms), loss: 0.0, seconds }
}

/// Packets on the way and as many again in the queue, and twenty for bursts.
fn limit(kbit: u64, rtt_ms: u64) -> u32 {
    u32::try_from(2 * kbit * rtt_ms / 8 / 1500 + 20).unwrap()
}

/// Compares a table with its file, or writes it if the environment says so.
fn compare(name: &str, table: &str) {
    let path = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("PORTOLAN_UPDATE").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == table,
        "{name} has changed; if that is meant, PORTOLAN_UPDATE=1 cargo test -p portolan-swarm --test tables\n\
         before:\n{known}\nnow:\n{table}"
    );
}

fn octets(flows: &[Flow]) -> u64 {
    flows.iter().map(|flow| flow.octets).sum()
}

/// Goodput as a share of the rate of the bottleneck, in percent, to the nearest ten.
fn goodput(path: Path, flows: &[Flow]) -> u64 {
    let possible = path.kbit * 1000 / 8 * path.seconds * 3 / 4;
    (octets(flows) * 100 / possible + 5) / 10 * 10
}

#[test]
fn throughput_by_loss_and_round_trip_time() {
    let mut table = String::from(
        "Goodput of one flow over 4 Mbit/s in percent, to the nearest ten, by loss (rows) and RTT (columns)\n",
    );
    for (name, congestion) in algorithms() {
        writeln!(table, "\n{name:>10}   1 ms  20 ms 100 ms").unwrap();
        for loss in [0.0, 0.1, 1.0, 3.0] {
            write!(table, "{loss:>8} %").unwrap();
            for rtt_ms in [1, 20, 100] {
                let path = Path { loss, ..bottleneck(4000, rtt_ms, 20) };
                let flows = bulk::run(1, path, 1, |config| config.tcp.congestion = congestion);
                write!(table, "{:>7}", goodput(path, &flows)).unwrap();
            }
            table.push('\n');
        }
    }
    compare("throughput.txt", &table);
}

#[test]
fn fairness_of_two_to_ten_flows() {
    let mut table = String::from(
        "Jain's index of flows that share 4 Mbit/s at an RTT of 20 ms for 30 s, down to the next 0.05\n\n",
    );
    writeln!(table, "{:>10}{:>6}{:>6}{:>6}", "flows", 2, 5, 10).unwrap();
    for (name, congestion) in algorithms() {
        write!(table, "{name:>10}").unwrap();
        for count in [2, 5, 10] {
            let flows =
                bulk::run(7, bottleneck(4000, 20, 30), count, |config| config.tcp.congestion = congestion);
            let shares: Vec<f64> = flows.iter().map(|flow| flow.octets as f64).collect();
            let (sum, squares): (f64, f64) =
                (shares.iter().sum(), shares.iter().map(|share| share * share).sum());
            let index = sum * sum / (count as f64 * squares);
            write!(table, "{:>6.2}", (index * 20.0).floor() / 20.0).unwrap();
        }
        table.push('\n');
    }
    compare("fairness.txt", &table);
}

thread_local! {
    /// How many connections have asked for a controller.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// CUBIC for every other connection, and NewReno for those between.
static IN_TURN: [UserAlgorithm; 1] = [UserAlgorithm {
    name: "in turn",
    new: |cwnd, ssthresh| -> Box<dyn CongestionControl> {
        match ASKED.replace(ASKED.get() + 1) % 2 {
            0 => Box::new(Cubic::new(cwnd, ssthresh)),
            _ => Box::new(NewReno::new(cwnd, ssthresh)),
        }
    },
}];

#[test]
fn cubic_against_reno_on_one_bottleneck() {
    let mut table = String::from(
        "Share of CUBIC, in percent to the nearest ten, of two flows that share 4 Mbit/s for 60 s; the other is NewReno\n\n",
    );
    for rtt_ms in [20, 100] {
        ASKED.set(0);
        let flows = bulk::run(3, bottleneck(4000, rtt_ms, 60), 2, |config| {
            config.tcp.user_congestion = &IN_TURN;
            config.tcp.congestion = CongestionAlgorithm::User(0);
        });
        assert_eq!(ASKED.get(), 2, "each flow has asked once");
        writeln!(table, "{rtt_ms:>4} ms{:>5}", (flows[0].octets * 100 / octets(&flows) + 5) / 10 * 10)
            .unwrap();
    }
    compare("cubic-against-reno.txt", &table);
}

#[test]
fn curves_of_the_window() {
    let mut table = String::from(
        "Congestion window of one flow over 10 Mbit/s at an RTT of 40 ms, in tens of segments, every second for 30 s\n\n",
    );
    for (name, congestion) in algorithms() {
        let flows = bulk::run(5, bottleneck(10_000, 40, 30), 1, |config| config.tcp.congestion = congestion);
        let tens = flows[0].windows.iter().step_by(2).map(|window| ((window + 5) / 10).to_string());
        writeln!(table, "{name:>10} {}", tens.collect::<Vec<_>>().join(" ")).unwrap();
    }
    compare("windows.txt", &table);
}
