//! Which licences and sources the dependency tree has, held against `deny.toml`.
//!
//! `cargo deny` is asked where it is installed. Where it is not, the two checks that matter most are done here on what
//! `cargo tree` and `Cargo.lock` say, so that no machine passes unchecked.

use std::fs;
use std::process::Command;

use crate::step::Outcome;

/// Checks every package of the tree.
pub(crate) fn check() -> Outcome {
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return crate::step::cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"], &[]);
    }
    let allowed = allowed_licences(&fs::read_to_string("deny.toml").unwrap_or_default());
    let words =
        ["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}|{l}", "--locked"];
    let output = match Command::new("cargo").args(words).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => return Outcome::fail(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => return Outcome::fail(format!("cargo tree: {error}")),
    };
    let tree = String::from_utf8_lossy(&output.stdout);
    let mut packages: Vec<(&str, &str)> = tree.lines().filter_map(|line| line.split_once('|')).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut outcome = Outcome { passed: u64::from(packages.len() > 1), ..Outcome::default() };
    for (package, licence) in packages {
        if !permitted(licence, &allowed) {
            outcome.add(Outcome::fail(format!(
                "{package} has licence '{licence}', which deny.toml does not allow"
            )));
        }
    }
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    for source in lock.lines().filter_map(|line| line.strip_prefix("source = ")) {
        if source != "\"registry+https://github.com/rust-lang/crates.io-index\"" {
            outcome.add(Outcome::fail(format!(
                "Cargo.lock has a package from {source}: only crates.io is allowed"
            )));
        }
    }
    outcome
}

/// The quoted words of the `allow` list.
fn allowed_licences(deny: &str) -> Vec<String> {
    let list =
        deny.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied with allowed licences: one side of an OR, all sides of an AND.
fn permitted(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.trim().replace('/', " OR ");
    if let Some(inner) = expression.strip_suffix(" (*)") {
        return permitted(inner, allowed);
    }
    split_outside(&expression, " AND ").iter().all(|part| {
        split_outside(strip_parentheses(part), " OR ").iter().any(|choice| {
            let choice = strip_parentheses(choice);
            allowed.iter().any(|licence| licence == choice)
                || (choice.contains(" AND ") && permitted(choice, allowed))
        })
    })
}

fn strip_parentheses(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(text)
}

/// Splits at `word` where no parenthesis is open.
fn split_outside<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth, mut at) = (Vec::new(), 0, 0_i32, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(word) => {
                parts.push(&text[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        allowed_licences("[licenses]\nallow = [\n \"MIT\",\n \"Apache-2.0\", \"BSD-3-Clause\",\n]\n")
    }

    #[test]
    fn spdx_expressions_are_judged() {
        for (expression, verdict) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MPL-2.0", false),
            ("MIT AND MPL-2.0", false),
            ("(MIT OR GPL-2.0) AND BSD-3-Clause", true),
            ("(MPL-2.0 OR GPL-2.0) AND BSD-3-Clause", false),
            ("", false),
            ("MIT (*)", true),
        ] {
            assert_eq!(permitted(expression, &allowed()), verdict, "{expression}");
        }
    }
}
