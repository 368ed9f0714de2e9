//! Documents that a command writes: written, or compared with what would be written.

use std::fs;

use crate::step::Outcome;

/// Writes `text` to `path`; with `check` it must already be there, and `command` is what would write it.
pub(crate) fn write(path: &str, text: &str, command: &str, check: bool) -> Outcome {
    if check {
        return match fs::read_to_string(path) {
            Ok(old) if old == text => Outcome::pass(),
            _ => Outcome::fail(format!("{path} is stale: run `{command}`")),
        };
    }
    match fs::write(path, text) {
        Ok(()) => Outcome::pass(),
        Err(error) => Outcome::fail(format!("{path}: {error}")),
    }
}
