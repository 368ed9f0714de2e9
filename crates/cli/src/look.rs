//! The verbs that look at running hosts and change them.

use std::io::{self, Write};
use std::process::ExitCode;

use portolan_run::admin::AdminError;
use portolan_run::admin::message::Info;
use portolan_run::{dump as packets, ls as hosts, shape as wires, ss as sockets, summary};
use serde::Serialize;

use crate::arguments::{DumpArguments, LsArguments, PresetsArguments, ShapeArguments, SsArguments};
use crate::{print, wrong_usage};

/// `portolan ls`.
pub(crate) fn ls(arguments: &LsArguments) -> ExitCode {
    show(hosts::list(), arguments.json, hosts::render)
}

/// `portolan ss`.
pub(crate) fn ss(arguments: &SsArguments) -> ExitCode {
    match arguments.query() {
        Ok(query) => show(sockets::list(&query), arguments.json, |hosts| sockets::render(hosts, &query)),
        Err(line) => wrong_usage(&line),
    }
}

/// `portolan shape`.
pub(crate) fn shape(arguments: &ShapeArguments) -> ExitCode {
    let (up, down) = match arguments.change() {
        Ok(change) => change,
        Err(line) => return wrong_usage(&line),
    };
    let is_look = up.is_none() && down.is_none();
    match wires::shape(&arguments.host, up, down) {
        Ok(shape) if arguments.json => print(&(ascii(&json(&shape)) + "\n")),
        Ok(shape) if is_look => print(&wires::render(&shape)),
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "portolan: {}", summary::escape(&failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// `portolan presets`.
pub(crate) fn presets(arguments: &PresetsArguments) -> ExitCode {
    let presets = wires::presets();
    print(&if arguments.json { json(&presets) + "\n" } else { wires::render_presets(&presets) })
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).unwrap_or_default()
}

/// JSON in ASCII: outside of strings there is nothing else, and within them every character has an escape.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

/// `portolan dump`.
pub(crate) fn dump(arguments: &DumpArguments) -> ExitCode {
    if arguments.list {
        return show(hosts::list(), false, names);
    }
    let result = match arguments.query() {
        Ok(query) => packets::run(&query),
        Err(line) => return wrong_usage(&line),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "portolan: {}", summary::escape(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// As tcpdump lists interfaces.
fn names(hosts: &[Info]) -> String {
    let lines = hosts.iter().enumerate();
    lines.map(|(index, host)| format!("{}.{}\n", index + 1, summary::escape(&host.identity.name))).collect()
}

/// Prints what the hosts said, then a line for each that said nothing, which is a failure.
fn show<T: Serialize>(
    asked: Result<(Vec<T>, Vec<AdminError>), AdminError>,
    json: bool,
    render: impl FnOnce(&[T]) -> String,
) -> ExitCode {
    let (found, failures) = match asked {
        Ok(answers) => answers,
        Err(failure) => (Vec::new(), vec![failure]),
    };
    let text = match serde_json::to_string_pretty(&found) {
        Ok(text) if json => ascii(&text) + "\n",
        _ => render(&found),
    };
    let code = if found.is_empty() && !failures.is_empty() { ExitCode::SUCCESS } else { print(&text) };
    for failure in &failures {
        let _ = writeln!(io::stderr(), "portolan: {}", summary::escape(&failure.to_string()));
    }
    if failures.is_empty() { code } else { ExitCode::FAILURE }
}
