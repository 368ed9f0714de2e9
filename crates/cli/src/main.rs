//! The program `portolan`.
//!
//! This crate reads the command line and nothing else: what a verb does is
//! in `portolan_run`. Data goes to standard output, everything else to standard error, a line each.

mod arguments;
mod hosts;
mod look;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{DoctorArguments, Verb};
use portolan_run::{channel, doctor, netns, stack_process, summary, supervisor};

/// Wrong usage, for every verb.
const USAGE: u8 = 2;

/// The preload library, as `build.rs` has built it.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libportolan_preload.so"));

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    if let Some(first) = std::env::args_os().nth(1) {
        if first == channel::HIDDEN_ARGUMENT {
            return stack_process::main();
        }
        if first == netns::HIDDEN_ARGUMENT {
            return netns::inside::main(std::env::args_os().skip(2));
        }
        if let Some(code) = doctor::probe(&first) {
            return code;
        }
    }
    match arguments::parse(std::env::args_os()) {
        Ok(Verb::Run(arguments)) => match arguments.into_run(LIBRARY) {
            Ok(run) => supervisor::run(run).into(),
            Err(line) => wrong_usage(&line),
        },
        Ok(Verb::Up(arguments)) => hosts::up(*arguments),
        Ok(Verb::Down(arguments)) => hosts::down(&arguments),
        Ok(Verb::Ls(arguments)) => look::ls(&arguments),
        Ok(Verb::Ss(arguments)) => look::ss(&arguments),
        Ok(Verb::Dump(arguments)) => look::dump(&arguments),
        Ok(Verb::Shape(arguments)) => look::shape(&arguments),
        Ok(Verb::Presets(arguments)) => look::presets(&arguments),
        Ok(Verb::Doctor(arguments)) => examine(&arguments),
        Ok(Verb::Print(text)) => print(&text),
        Err(line) => wrong_usage(&line),
    }
}

fn wrong_usage(line: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "portolan: {}", summary::escape(line));
    USAGE.into()
}

fn examine(arguments: &DoctorArguments) -> ExitCode {
    let checks = doctor::examine(LIBRARY);
    let text = if arguments.json {
        serde_json::to_string_pretty(&checks).unwrap_or_default() + "\n"
    } else {
        doctor::render(&checks)
    };
    let _ = print(&text);
    if doctor::is_healthy(&checks) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes data to standard output. That nobody reads it any more is not an error.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// A bug in one line. The backtrace is for those who ask for it.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("no reason given");
    let place =
        panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let line = summary::escape(&format!("a bug in portolan: {text}{place}; please report it"));
    let _ = writeln!(io::stderr(), "portolan: {line}");
    if std::env::var_os("PORTOLAN_BACKTRACE").is_some_and(|value| value == "1") {
        let _ = writeln!(io::stderr(), "{}", std::backtrace::Backtrace::force_capture());
    }
}
