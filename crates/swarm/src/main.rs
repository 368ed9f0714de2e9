//! `portolan-swarm`: plays seeds on all cores, tells of those that fail, and shrinks the first of them. `cargo xtask sim`
//! builds it with optimisation and hands its words on.

mod swarm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use portolan_drivers::Capture;
use portolan_swarm::{Plan, attempt, quieten_panics, shrink};
use swarm::Swarm;

const USAGE: &str =
    "usage: cargo xtask sim [--seeds N] [--from S] [--jobs J] [--replay PLAN] [--pcap FILE] [--no-shrink]
  --seeds N      how many seeds to play (1000)
  --from S       the first seed (0)
  --jobs J       threads (all cores)
  --replay PLAN  play one plan, as a failure printed it, or one seed
  --pcap FILE    where to write the frames of the replayed or shrunk plan (swarm.pcapng)
  --no-shrink    do not shrink the first failure";

/// Plans that are tried to make a failure small.
const SHRINK_ATTEMPTS_MAX: usize = 3000;

struct Options {
    seeds: u64,
    from: u64,
    jobs: usize,
    replay: Option<String>,
    pcap: PathBuf,
    shrink: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("sim: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    quieten_panics();
    match &options.replay {
        Some(text) => replay(text, &options),
        None => run(&options),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options =
        Options { seeds: 1000, from: 0, jobs, replay: None, pcap: "swarm.pcapng".into(), shrink: true };
    while let Some(word) = words.next() {
        if word == "--no-shrink" {
            options.shrink = false;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("'{word}' needs a value"))?;
        let bad = |_| format!("{word} {value}: not a number");
        match word.as_str() {
            "--seeds" => options.seeds = value.parse().map_err(bad)?,
            "--from" => options.from = value.parse().map_err(bad)?,
            "--jobs" => options.jobs = value.parse::<usize>().map_err(bad)?.max(1),
            "--replay" => options.replay = Some(value),
            "--pcap" => options.pcap = value.into(),
            _ => return Err(format!("unknown word '{word}'")),
        }
    }
    Ok(options)
}

/// Plays one plan and records it.
fn replay(text: &str, options: &Options) -> ExitCode {
    let plan = match text.parse::<u64>() {
        Ok(seed) => Plan::draw(seed),
        Err(_) => match text.parse::<Plan>() {
            Ok(plan) => plan,
            Err(why) => {
                eprintln!("sim: --replay: {why}");
                return ExitCode::from(2);
            }
        },
    };
    println!("{plan}");
    let capture = match Capture::create(&options.pcap, true, SystemTime::UNIX_EPOCH) {
        Ok(capture) => capture,
        Err(error) => {
            eprintln!("sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = attempt(&plan, Some(capture.clone()));
    capture.flush();
    println!("frames: {}", options.pcap.display());
    match result {
        Ok(report) => {
            println!("passed: {report:?}");
            ExitCode::SUCCESS
        }
        Err(verdict) => {
            println!("FAILED {}", verdict.text);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let swarm = Swarm::play(options.from, options.seeds, options.jobs);
    print!("{swarm}");
    let Some((seed, verdict)) = swarm.failures.first() else { return ExitCode::SUCCESS };
    println!("FAILED seed {seed} {}", verdict.text);
    if options.shrink {
        let shrunk = shrink(Plan::draw(*seed), verdict.clone(), SHRINK_ATTEMPTS_MAX);
        println!("shrunk in {} attempts; FAILED {}", shrunk.attempts, shrunk.verdict.text);
        if let Ok(capture) = Capture::create(&options.pcap, true, SystemTime::UNIX_EPOCH) {
            let _ = attempt(&shrunk.plan, Some(capture));
            println!("frames: {}", options.pcap.display());
        }
        println!("replay: cargo xtask sim --replay '{}'", shrunk.plan);
    } else {
        println!("replay: cargo xtask sim --replay {seed}");
    }
    ExitCode::FAILURE
}
