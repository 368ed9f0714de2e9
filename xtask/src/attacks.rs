//! `cargo xtask attacks`: which attack is survived, and which test shows it.
//!
//! The attacks are the rows of `docs/data/attacks.csv`. A test that replays one has the row's id at the head of its
//! name, `f16_...`, or several of them, `e12_e13_...`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::sources::{self, Place, Source};
use crate::step::Outcome;
use crate::table::{self, cell};

const REPORT: &str = "docs/attacks.md";
const ROWS: &str = "docs/data/attacks.csv";

/// The classes of the rows, by letter.
const CLASSES: [(&str, &str); 9] = [
    ("A", "links, ARP and neighbour discovery"),
    ("B", "IP headers and options"),
    ("E", "TCP segments and options"),
    ("F", "blind injection, prediction and side channels"),
    ("G", "exhaustion of TCP's state"),
    ("H", "misbehaving receivers"),
    ("J", "translation and forwarding"),
    ("N", "devices and the local surface"),
    ("O", "time, arithmetic and the life of a process"),
];

/// Writes the report, or with `check` compares it with what would be written.
pub(crate) fn run(check: bool) -> Outcome {
    let (rows, sources) = match table::read::<3>(ROWS).and_then(|rows| Ok((rows, sources::all()?))) {
        Ok(read) => read,
        Err(why) => return Outcome::fail(why),
    };
    let tests = tests(&sources);
    let mut outcome = Outcome::pass();
    for (id, places) in &tests {
        if !rows.iter().any(|[row, ..]| row == id) {
            outcome.add(Outcome::fail(format!("{}: no attack is called {id}", places[0].path)));
        }
    }
    for [id, ..] in &rows {
        if !CLASSES.iter().any(|(class, _)| id.starts_with(class)) {
            outcome.add(Outcome::fail(format!("{ROWS}: {id} is of no class that is known")));
        }
    }
    outcome.add(crate::report::write(REPORT, &report(&rows, &tests), "cargo xtask attacks", check));
    outcome
}

/// The tests of every row.
fn tests(sources: &[Source]) -> BTreeMap<String, Vec<Place>> {
    let mut tests: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for source in sources {
        for name in source.tests() {
            for id in ids(name) {
                let place = Place { path: source.path.clone(), item: name.to_owned(), is_test: true };
                tests.entry(id).or_default().push(place);
            }
        }
    }
    tests
}

/// The rows that the name of a test begins with.
fn ids(name: &str) -> Vec<String> {
    let is_id = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|letter| ('a'..='o').contains(&letter))
            && (2..=3).contains(&part.len())
            && letters.all(|letter| letter.is_ascii_digit())
    };
    name.split('_').take_while(|part| is_id(part)).map(str::to_uppercase).collect()
}

fn report(rows: &[[String; 3]], tests: &BTreeMap<String, Vec<Place>>) -> String {
    let tested = rows.iter().filter(|[id, ..]| tests.contains_key(id)).count();
    let mut out = String::from(
        "# Attacks\n\n\
         Written by `cargo xtask attacks`; not to be edited. Each row is an attack that some stack has fallen to, and the\n\
         tests that replay it here, which have the row's id at the head of their names.\n\n",
    );
    let _ = writeln!(out, "{tested} of {} rows are tested.", rows.len());
    for (class, title) in CLASSES {
        let _ = writeln!(
            out,
            "\n## {class}: {title}\n\n| row | attack | what must hold | verdict | test |\n|---|---|---|---|---|"
        );
        for [id, attack, wanted] in rows.iter().filter(|[id, ..]| id.starts_with(class)) {
            let (verdict, places) = match tests.get(id) {
                Some(places) => {
                    let lines: Vec<String> =
                        places.iter().map(|place| format!("`{}` {}", place.path, place.item)).collect();
                    ("tested", lines.join("<br>"))
                }
                None => ("not yet", String::new()),
            };
            let _ = writeln!(out, "| {id} | {} | {} | {verdict} | {places} |", cell(attack), cell(wanted));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_off_the_names_of_tests() {
        for (name, wanted) in [
            ("e9_every_flag_set", &["E9"][..]),
            ("f16_a_test", &["F16"]),
            ("e12_e13_timestamps", &["E12", "E13"]),
            ("rfc_1071_section_3_example", &[]),
            ("v6_is_no_row", &[]),
            ("e_is_no_row", &[]),
            ("every_e9_is_late", &[]),
        ] {
            assert_eq!(ids(name), wanted, "{name}");
        }
    }

    #[test]
    fn a_row_without_a_test_is_not_yet_survived() {
        let rows = [["E1", "one", "a"], ["E2", "two", "b"]].map(|row| row.map(str::to_owned));
        let source = Source::new("crates/a/tests/b.rs", "#[test]\nfn e1_a_test() {}\n");
        let text = report(&rows, &tests(&[source]));
        assert!(text.contains("1 of 2 rows are tested."));
        assert!(text.contains("| E1 | one | a | tested | `crates/a/tests/b.rs` e1_a_test |"));
        assert!(text.contains("| E2 | two | b | not yet |  |"));
    }
}
