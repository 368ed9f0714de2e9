//! The requirements as they stand in the RFCs' own tables.

use crate::table;

const REQUIREMENTS: &str = "docs/data/requirements.csv";

/// How strong a requirement is (RFC 2119).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Must,
    Should,
    May,
}

/// One row of a table.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    pub(super) rfc: u16,
    /// The table: `9293`, or `1122 2.5 LINK` and its like.
    pub(super) group: String,
    /// RFC 9293's own name, such as MUST-12; for RFC 1122, which has none, the table's name and the row's number
    /// in it, such as INET-28.
    pub(super) id: String,
    /// RFC 1122's section; empty for RFC 9293.
    pub(super) section: String,
    pub(super) feature: String,
    pub(super) level: Level,
    /// MUST NOT, SHOULD NOT.
    pub(super) negated: bool,
}

impl Requirement {
    /// The level in the RFC's words.
    pub(super) fn words(&self) -> &'static str {
        match (self.level, self.negated) {
            (Level::Must, false) => "MUST",
            (Level::Must, true) => "MUST NOT",
            (Level::Should, false) => "SHOULD",
            (Level::Should, true) => "SHOULD NOT",
            (Level::May, _) => "MAY",
        }
    }
}

/// All rows but those of RFC 1122 §4.2.5, which RFC 9293 has replaced.
///
/// # Errors
/// The file cannot be read, or a row has no level.
pub(super) fn read() -> Result<Vec<Requirement>, String> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for [group, feature, name, must, should, may, should_not, must_not] in table::read(REQUIREMENTS)? {
        if group == "1122 4.2.5 TCP" {
            continue;
        }
        let (level, negated) = match [must, should, may, should_not, must_not].map(|mark| !mark.is_empty()) {
            [true, ..] => (Level::Must, false),
            [_, true, ..] => (Level::Should, false),
            [_, _, true, ..] => (Level::May, false),
            [.., true, _] => (Level::Should, true),
            [.., true] => (Level::Must, true),
            _ => return Err(format!("{REQUIREMENTS}: '{feature}' has no level")),
        };
        let (rfc, id, section) = match prefix_of(&group) {
            None => (9293, name, String::new()),
            Some(prefix) => {
                let number = requirements.iter().filter(|earlier| earlier.group == group).count() + 1;
                (1122, format!("{prefix}-{number}"), name)
            }
        };
        let feature = feature.trim_start_matches(['*', '-', ' ']).replace("^1", "");
        // RFC 9293's names say how strong they are, where its table has a row of another strength.
        let level = match id.split_once('-') {
            Some(("MUST", _)) => Level::Must,
            Some(("SHLD" | "REC", _)) => Level::Should,
            Some(("MAY", _)) => Level::May,
            _ => level,
        };
        requirements.push(Requirement { rfc, group, id, section, feature, level, negated });
    }
    Ok(requirements)
}

/// What the rows of a table of RFC 1122 are called here.
fn prefix_of(group: &str) -> Option<&'static str> {
    match group {
        "1122 2.5 LINK" => Some("LINK"),
        "1122 3.5 INTERNET" => Some("INET"),
        "1122 4.1.5 UDP" => Some("UDP"),
        _ => None,
    }
}
