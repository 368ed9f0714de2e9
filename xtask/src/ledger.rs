//! `cargo xtask ledger`: which requirement is met where, and which test proves it.
//!
//! The requirements are the tables of RFC 9293 appendix B and of RFC 1122 (§2.5, §3.5, §4.1.5), in
//! `docs/data/requirements.csv`. Code and tests name them in comments, which `marks` finds; what is not met stands in
//! `docs/data/not-met.csv` with its reason. `report` writes `docs/conformance.md`. It names files and functions but no
//! lines, so that it changes only when something of it does.

mod marks;
mod report;
mod requirement;

use std::collections::BTreeMap;

use crate::sources::{self, Place};
use crate::step::Outcome;
use crate::table;
use marks::Mark;
use requirement::{Level, Requirement};

const REPORT: &str = "docs/conformance.md";
const NOT_MET: &str = "docs/data/not-met.csv";

/// Why a requirement has no test.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excuse {
    /// `not met`, `superseded` or `open`.
    status: String,
    reason: String,
}

/// Everything that the report says.
#[derive(Debug)]
struct Ledger {
    requirements: Vec<Requirement>,
    code: BTreeMap<String, Vec<Place>>,
    tests: BTreeMap<String, Vec<Place>>,
    excuses: BTreeMap<String, Excuse>,
    scripts: Option<report::Scripts>,
}

/// Writes the report, or with `check` compares it with what would be written. Either way the ledger must be in order.
pub(crate) fn run(check: bool) -> Outcome {
    let ledger = match Ledger::read() {
        Ok(ledger) => ledger,
        Err(why) => return Outcome::fail(why),
    };
    let mut outcome = Outcome::pass();
    for fault in ledger.faults() {
        outcome.add(Outcome::fail(fault));
    }
    outcome.add(crate::report::write(REPORT, &ledger.report(), "cargo xtask ledger", check));
    outcome
}

impl Ledger {
    fn read() -> Result<Ledger, String> {
        let mut ledger = Ledger {
            requirements: requirement::read()?,
            code: BTreeMap::new(),
            tests: BTreeMap::new(),
            excuses: BTreeMap::new(),
            scripts: report::Scripts::read()?,
        };
        for Mark { id, place } in marks::all(&sources::all()?) {
            let side = if place.is_test { &mut ledger.tests } else { &mut ledger.code };
            side.entry(id).or_default().push(place);
        }
        for places in ledger.code.values_mut().chain(ledger.tests.values_mut()) {
            places.sort();
            places.dedup();
        }
        for [id, status, reason] in table::read(NOT_MET)? {
            ledger.excuses.insert(id, Excuse { status, reason });
        }
        Ok(ledger)
    }

    fn is_met(&self, requirement: &Requirement) -> bool {
        self.tests.contains_key(&requirement.id)
    }

    /// What must not be in a ledger.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let known = |id: &String| self.requirements.iter().any(|requirement| requirement.id == *id);
        for (id, places) in self.code.iter().chain(&self.tests) {
            if !known(id) {
                faults.push(format!("{}: no requirement is called {id}", places[0].path));
            }
        }
        for (id, excuse) in &self.excuses {
            if !known(id) {
                faults.push(format!("{NOT_MET}: no requirement is called {id}"));
            } else if self.tests.contains_key(id) {
                faults.push(format!("{NOT_MET}: {id} is said to be {}, but has a test", excuse.status));
            }
            if !["not met", "superseded", "open"].contains(&excuse.status.as_str())
                || excuse.reason.is_empty()
            {
                faults.push(format!("{NOT_MET}: {id} needs a status that is known, and a reason"));
            }
        }
        let mut seen = Vec::new();
        for requirement in &self.requirements {
            if self.is_met(requirement) || seen.contains(&&requirement.id) {
                continue;
            }
            seen.push(&requirement.id);
            if requirement.rfc == 9293 && requirement.level == Level::Must {
                faults.push(format!("{} has no test: {}", requirement.id, requirement.feature));
            } else if !self.excuses.contains_key(&requirement.id) {
                faults.push(format!("{} has neither a test nor a reason in {NOT_MET}", requirement.id));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(tests: &[&str], excuses: &[(&str, &str)]) -> Ledger {
        let row = |id: &str, level| Requirement {
            rfc: 9293,
            group: "9293".to_owned(),
            id: id.to_owned(),
            section: String::new(),
            feature: "something".to_owned(),
            level,
            negated: false,
        };
        let place = Place { path: "a.rs".to_owned(), item: "f".to_owned(), is_test: true };
        Ledger {
            requirements: vec![row("MUST-1", Level::Must), row("SHLD-1", Level::Should)],
            code: BTreeMap::new(),
            tests: tests.iter().map(|id| ((*id).to_owned(), vec![place.clone()])).collect(),
            excuses: excuses
                .iter()
                .map(|(id, reason)| {
                    let (status, reason) = ("not met".to_owned(), (*reason).to_owned());
                    ((*id).to_owned(), Excuse { status, reason })
                })
                .collect(),
            scripts: None,
        }
    }

    #[test]
    fn every_requirement_needs_a_test_or_a_reason_and_a_must_needs_a_test() {
        assert_eq!(ledger(&["MUST-1", "SHLD-1"], &[]).faults(), [""; 0]);
        assert_eq!(ledger(&["MUST-1"], &[("SHLD-1", "a reason")]).faults(), [""; 0]);
        for (tests, excuses) in [
            (&["MUST-1"][..], &[][..]),
            (&["SHLD-1"], &[("MUST-1", "a reason")]),
            (&["MUST-1", "SHLD-1"], &[("SHLD-1", "a reason")]),
            (&["MUST-1"], &[("SHLD-1", "")]),
            (&["MUST-1", "SHLD-1", "MUST-70"], &[]),
            (&["MUST-1", "SHLD-1"], &[("SHLD-70", "a reason")]),
        ] {
            assert_eq!(ledger(tests, excuses).faults().len(), 1, "{tests:?} {excuses:?}");
        }
    }
}
