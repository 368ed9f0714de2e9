//! The verbs that start and end hosts.

use std::io::{self, Write};
use std::process::ExitCode;

use portolan_run::summary;
use portolan_run::up::{self as hosts, Outcome};

use crate::arguments::{DownArguments, UpArguments};
use crate::wrong_usage;

/// `portolan up`. That the host runs already is no failure, unless it is another one than was asked for.
pub(crate) fn up(arguments: UpArguments) -> ExitCode {
    let (name, config) = match arguments.config() {
        Ok(asked) => asked,
        Err(line) => return wrong_usage(&line),
    };
    match hosts::up(&name, config) {
        Ok(Outcome::Started(notes)) => {
            notes.iter().for_each(|note| say(note));
            ExitCode::SUCCESS
        }
        Ok(Outcome::WasRunning { info, differences }) if differences.is_empty() => {
            say(&format!("the host '{name}' is already running (pid {})", info.identity.pid));
            ExitCode::SUCCESS
        }
        Ok(Outcome::WasRunning { info, differences }) => failed(&format!(
            "the host '{name}' is already running (pid {}) with link {} and another {}; end it first with portolan down {name}",
            info.identity.pid,
            info.link,
            differences.join(", ")
        )),
        Err(line) => failed(&line),
    }
}

/// `portolan down`.
pub(crate) fn down(arguments: &DownArguments) -> ExitCode {
    match hosts::down(&arguments.name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure.to_string()),
    }
}

fn failed(line: &str) -> ExitCode {
    say(line);
    ExitCode::FAILURE
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "portolan: {}", summary::escape(line));
}
