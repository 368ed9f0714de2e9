//! `docs/conformance.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::requirement::{Level, Requirement};
use super::{Ledger, NOT_MET};
use crate::sources::Place;
use crate::table::{self, cell};

const SCRIPTS: &str = "docs/data/packetdrill.csv";

/// The tables of RFC 1122 that count, with what the report calls them.
const TABLES_1122: [(&str, &str); 3] = [
    ("1122 2.5 LINK", "RFC 1122 §2.5, link layer"),
    ("1122 3.5 INTERNET", "RFC 1122 §3.5, internet layer"),
    ("1122 4.1.5 UDP", "RFC 1122 §4.1.5, UDP"),
];

/// The results of the public packet scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    /// The program and its commit, as the file's first line says.
    heading: String,
    /// Folder, script, result, reason.
    rows: Vec<[String; 4]>,
}

impl Scripts {
    /// The results, if there are any yet.
    ///
    /// # Errors
    /// The file is there but not a table.
    pub(super) fn read() -> Result<Option<Scripts>, String> {
        let Ok(text) = fs::read_to_string(SCRIPTS) else { return Ok(None) };
        let heading = text.lines().next().and_then(|line| line.strip_prefix('#')).unwrap_or_default();
        Ok(Some(Scripts { heading: heading.trim().to_owned(), rows: table::read(SCRIPTS)? }))
    }
}

impl Ledger {
    /// The whole document.
    pub(super) fn report(&self) -> String {
        let mut out = String::from(
            "# Conformance\n\n\
             Written by `cargo xtask ledger`; not to be edited. Requirements are named in comments beside the code that\n\
             meets them and on the tests that prove them; *met* means that there is such a test. What is not met stands\n",
        );
        let _ = writeln!(
            out,
            "in `{NOT_MET}` with its reason. `cargo xtask test` fails when this page is stale, when a MUST of RFC 9293 has"
        );
        out.push_str("no test, and when a comment names a requirement that there is not.\n\n");
        self.summary(&mut out);
        if let Some(scripts) = &self.scripts {
            scripts.report(&mut out);
        }
        out.push_str("\n## RFC 9293\n\nThe rows of its appendix B, in their order.\n\n");
        out.push_str("| id | | requirement | code | test |\n|---|---|---|---|---|\n");
        for row in self.requirements.iter().filter(|row| row.rfc == 9293) {
            let proof = match self.tests.get(&row.id) {
                Some(tests) => places(tests),
                None => format!("**{}**", self.excuse(row)),
            };
            let code = self.code.get(&row.id).map_or(String::new(), |code| places(code));
            let _ =
                writeln!(out, "| {} | {} | {} | {code} | {proof} |", row.id, row.words(), cell(&row.feature));
        }
        for (group, title) in TABLES_1122 {
            self.table_1122(&mut out, group, title);
        }
        out
    }

    fn summary(&self, out: &mut String) {
        out.push_str("| requirements | rows | met | not met |\n|---|---:|---:|---:|\n");
        for prefix in ["MUST", "SHLD", "MAY", "REC"] {
            let mut rows: Vec<&Requirement> =
                self.requirements.iter().filter(|row| row.id.split('-').next() == Some(prefix)).collect();
            rows.dedup_by_key(|row| &row.id);
            rows.sort_by_key(|row| &row.id);
            rows.dedup_by_key(|row| &row.id);
            let met = rows.iter().filter(|row| self.is_met(row)).count();
            let _ = writeln!(out, "| RFC 9293 {prefix} | {} | {met} | {} |", rows.len(), rows.len() - met);
        }
        out.push_str("\n| RFC 1122 | rows | met | superseded | open |\n|---|---:|---:|---:|---:|\n");
        for (group, title) in TABLES_1122 {
            let rows: Vec<_> = self.requirements.iter().filter(|row| row.group == group).collect();
            let met = rows.iter().filter(|row| self.is_met(row)).count();
            let superseded = rows.iter().filter(|row| self.status(row) == "superseded").count();
            let title = title.trim_start_matches("RFC 1122 ");
            let open = rows.len() - met - superseded;
            let _ = writeln!(out, "| {title} | {} | {met} | {superseded} | {open} |", rows.len());
        }
        out.push_str("\nThe rows of RFC 1122 §4.2.5 (TCP) are history: RFC 9293 has replaced them.\n");
    }

    fn table_1122(&self, out: &mut String, group: &str, title: &str) {
        let _ = writeln!(out, "\n## {title}\n\nA row's id is its number in the RFC's table.\n");
        out.push_str("| id | section | | requirement | |\n|---|---|---|---|---|\n");
        for row in self.requirements.iter().filter(|row| row.group == group) {
            let state = match self.tests.get(&row.id) {
                Some(tests) => format!("met: {}", places(tests)),
                None => self.excuse(row),
            };
            let (section, feature) = (&row.section, cell(&row.feature));
            let _ = writeln!(out, "| {} | §{section} | {} | {feature} | {state} |", row.id, row.words());
        }
    }

    fn status(&self, row: &Requirement) -> &str {
        self.excuses.get(&row.id).map_or("", |excuse| &excuse.status)
    }

    fn excuse(&self, row: &Requirement) -> String {
        match self.excuses.get(&row.id) {
            Some(excuse) if excuse.status == "superseded" => {
                format!("superseded by {}", cell(&excuse.reason))
            }
            Some(excuse) => format!("{}: {}", excuse.status, cell(&excuse.reason)),
            None if row.level == Level::Must && row.rfc == 9293 => "no test".to_owned(),
            None => "no test and no reason".to_owned(),
        }
    }
}

impl Scripts {
    fn report(&self, out: &mut String) {
        let passed = |rows: &[&[String; 4]]| rows.iter().filter(|[_, _, result, _]| result == "pass").count();
        let all: Vec<&[String; 4]> = self.rows.iter().collect();
        let _ = writeln!(
            out,
            "\n## Packet scripts\n\nThe public scripts for TCP of Google's packetdrill (github.com/google/packetdrill, \
             gtests/net/tcp), judged by\nthe real program at its default tolerance in virtual time, each over IPv4, by\n\
             `cargo xtask packetdrill --binary PATH --scripts DIR`. Commit: {}.\n",
            cell(self.heading.trim_start_matches("packetdrill "))
        );
        out.push_str("| folder | scripts | passed |\n|---|---:|---:|\n");
        let mut folders: BTreeMap<&str, Vec<&[String; 4]>> = BTreeMap::new();
        for row in &self.rows {
            folders.entry(row[0].as_str()).or_default().push(row);
        }
        for (folder, rows) in &folders {
            let _ = writeln!(out, "| {} | {} | {} |", cell(folder), rows.len(), passed(rows));
        }
        let _ = writeln!(out, "| **all** | **{}** | **{}** |", all.len(), passed(&all));
        if passed(&all) < all.len() {
            out.push_str("\n| script that does not pass | result | reason |\n|---|---|---|\n");
        }
        for [folder, script, result, reason] in self.rows.iter().filter(|row| row[2] != "pass") {
            let _ =
                writeln!(out, "| {}/{} | {} | {} |", cell(folder), cell(script), cell(result), cell(reason));
        }
    }
}

/// Places as a cell, one line each.
fn places(places: &[Place]) -> String {
    let lines: Vec<String> = places
        .iter()
        .map(|place| match place.item.as_str() {
            "" => format!("`{}`", place.path),
            item => format!("`{}` {item}", place.path),
        })
        .collect();
    lines.join("<br>")
}
