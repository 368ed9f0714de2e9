//! `portolan ls`: the hosts that run.

use std::fmt::Write as _;

use crate::admin::AdminError;
use crate::admin::client;
use crate::admin::message::Info;
use crate::summary::escape;

/// Octets of a command that are shown.
const COMMAND_MAX: usize = 60;

/// Every host of this user, and those that did not answer.
pub fn list() -> Result<(Vec<Info>, Vec<AdminError>), AdminError> {
    let (clients, mut failures) = client::connect(None)?;
    let mut hosts = Vec::new();
    for mut client in clients {
        match client.info() {
            Ok(info) => hosts.push(info),
            Err(failure) => failures.push(failure),
        }
    }
    Ok((hosts, failures))
}

/// The table, every line ended; a heading alone when no host runs.
pub fn render(hosts: &[Info]) -> String {
    let mut rows = vec![["NAME", "PID", "LINK", "ADDRESSES", "UPTIME", "COMMAND"].map(str::to_owned)];
    rows.extend(hosts.iter().map(row));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn row(info: &Info) -> [String; 6] {
    let mut command = escape(&info.identity.command.join(" "));
    if command.len() > COMMAND_MAX {
        command.truncate(COMMAND_MAX - 3);
        command.push_str("...");
    }
    [
        escape(&info.identity.name),
        info.identity.pid.to_string(),
        escape(&info.link),
        escape(&info.addresses.join(" ")),
        uptime(info.uptime_s),
        command,
    ]
}

/// As `ps` has it: `[DAYS-][HOURS:]MINUTES:SECONDS`.
fn uptime(seconds: u64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{rest:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{rest:02}"),
        _ => format!("{days}-{hours:02}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests;
