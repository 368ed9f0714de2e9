//! Portolan measured beside others. `cargo xtask bench` runs it.
//!
//! `loss` is the grid of goodput over bad wires beside Linux (`loss.rs`); who sends to whom is in `transfer.rs`.

mod bridge;
mod loss;
mod namespace;
mod transfer;

use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: portolan-bench loss [--short] [--seconds S] [--repeat N] [--jobs N]
  loss         goodput over bad wires beside Linux's; needs root, for TAPs in network namespaces
  --short      a seventh of the cells, and bounds that noise does not break
  --seconds S  how long each transfer lasts (default 3)
  --repeat N   transfers of each end per cell, of which the median counts (default 3; 1 with --short)
  --jobs N     cells at the same time (default 4)";

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("portolan-bench: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match loss::run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("portolan-bench: the ratios are below the bounds {:?}", options.bounds);
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("portolan-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<loss::Options, String> {
    if words.next().as_deref() != Some("loss") {
        return Err("say what to measure: loss".to_owned());
    }
    let mut seconds = 3.0;
    let mut repetitions = None;
    let mut jobs = 4;
    let mut short = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--short" => short = true,
            "--seconds" => seconds = number(&word, &value()?, 0.1, 600.0)?,
            "--repeat" => repetitions = Some(number(&word, &value()?, 1.0, 99.0)? as usize),
            "--jobs" => jobs = number(&word, &value()?, 1.0, 64.0)? as usize,
            _ => return Err(format!("unknown word '{word}'")),
        }
    }
    Ok(loss::Options {
        duration: Duration::from_secs_f64(seconds),
        repetitions: repetitions.unwrap_or(if short { 1 } else { 3 }),
        jobs,
        short,
        // One transfer of a few seconds over a lossy wire differs from the next by half.
        bounds: if short { (0.5, 0.1) } else { (1.0, 0.8) },
    })
}

fn number(word: &str, text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("{word} {text}: a number from {least} to {most} is allowed")),
    }
}
