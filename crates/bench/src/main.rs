//! Portolan measured beside others. `cargo xtask bench` runs it.
//!
//! `steps` is the cost of single steps (`steps.rs`, against the hand-made peer of `peer.rs`). `loss` is the grid of
//! goodput over bad wires beside Linux (`loss.rs`); who sends to whom is in `transfer.rs`. `run` is `portolan run`
//! beside the machine's own network and pasta (`run.rs`).

mod bridge;
mod loss;
mod namespace;
mod peer;
mod run;
mod steps;
mod transfer;

use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: portolan-bench steps [--short]
       portolan-bench run [--short]
       portolan-bench loss [--short] [--seconds S] [--repeat N] [--jobs N] [--control NAME]
  steps        what single steps of a host cost: segments, holes, timers, connections
  run          `portolan run` beside the machine's own network and pasta; needs root, iperf3 and passt
  loss         goodput over bad wires beside Linux's; needs root, for TAPs in network namespaces
  --short      a seventh of the cells or one round, and bounds that noise does not break
  --seconds S  how long each transfer lasts (default 3)
  --repeat N   transfers of each end per cell, of which the median counts (default 3; 1 with --short)
  --jobs N     cells at the same time (default 4)
  --control NAME  only this congestion control's cells";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let what = words.next();
    if what.as_deref() == Some("ping-pong") {
        return run::ping_pong(words.next().as_deref());
    }
    let parsed = parse(words);
    let (outcome, bound) = match (what.as_deref(), parsed) {
        (Some("loss"), Ok(options)) => {
            (loss::run(&options), format!("a median ratio or a cell is below {:?}", options.bounds))
        }
        (Some("run"), Ok(options)) => (run::run(options.short), "an aim is missed".to_owned()),
        (Some("steps"), Ok(options)) => (
            steps::run(options.short),
            "the cost of holes is not flat: 100 times as many cost more than 10 times".to_owned(),
        ),
        (_, Err(why)) => return usage(&why),
        _ => return usage("say what to measure: steps, run or loss"),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("portolan-bench: {bound}");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("portolan-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("portolan-bench: {why}\n{USAGE}");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<loss::Options, String> {
    let mut seconds = 3.0;
    let mut repetitions = None;
    let mut jobs = 4;
    let mut short = false;
    let mut control = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--short" => short = true,
            "--seconds" => seconds = number(&word, &value()?, 0.1, 600.0)?,
            "--repeat" => repetitions = Some(number(&word, &value()?, 1.0, 99.0)? as usize),
            "--control" => control = Some(value()?),
            "--jobs" => jobs = number(&word, &value()?, 1.0, 64.0)? as usize,
            _ => return Err(format!("unknown word '{word}'")),
        }
    }
    Ok(loss::Options {
        duration: Duration::from_secs_f64(seconds),
        repetitions: repetitions.unwrap_or(if short { 1 } else { 3 }),
        jobs,
        short,
        control,
        // One transfer of a few seconds over a lossy wire differs from the next by half.
        bounds: if short { (0.5, 0.1) } else { (1.0, 0.5) },
    })
}

fn number(word: &str, text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("{word} {text}: a number from {least} to {most} is allowed")),
    }
}
