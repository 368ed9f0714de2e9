//! Marks: comments that name requirements.
//!
//! `// RFC 9293 §3.8.1, MUST-12:` names one; lists (`MUST-1, REC-1`) and ranges (`MUST-24..29`, `MUST-30 to MUST-32`)
//! name many. A row of RFC 1122 is named by its number: `RFC 1122 §3.2.1.3, INET-28`.

use crate::sources::{Place, Source};

/// What the names of requirements begin with.
const PREFIXES: [&str; 7] = ["MUST-", "SHLD-", "MAY-", "REC-", "LINK-", "INET-", "UDP-"];

/// One requirement named at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) id: String,
    pub(super) place: Place,
}

/// All marks. One in a file of tests that is on no test says nothing.
pub(super) fn all(sources: &[Source]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for source in sources {
        for line in 0..source.lines.len() {
            let ids = ids(source.comment(line));
            if ids.is_empty() {
                continue;
            }
            let place = source.place(line);
            if place.is_test || !source.is_for_tests() {
                marks.extend(ids.into_iter().map(|id| Mark { id, place: place.clone() }));
            }
        }
    }
    marks
}

/// The requirements that a comment names.
fn ids(comment: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = comment;
    while let Some((prefix, number, after)) = next(rest) {
        let (last, after) = end_of_range(prefix, after).unwrap_or((number, after));
        ids.extend((number..=last.max(number)).map(|number| format!("{prefix}{number}")));
        rest = after;
    }
    ids
}

/// The first name in a text: its prefix, its number, and what follows.
fn next(text: &str) -> Option<(&'static str, u16, &str)> {
    let mut candidates: Vec<(usize, &'static str)> = PREFIXES
        .iter()
        .flat_map(|prefix| text.match_indices(prefix).map(move |(at, _)| (at, *prefix)))
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
        .collect();
    candidates.sort_unstable();
    candidates.into_iter().find_map(|(at, prefix)| {
        let (number, rest) = number(&text[at + prefix.len()..])?;
        Some((prefix, number, rest))
    })
}

/// The end of a range, `..32` or ` to MUST-32`, and what follows.
fn end_of_range<'a>(prefix: &str, text: &'a str) -> Option<(u16, &'a str)> {
    let rest = [".. ", "..", " to "].iter().find_map(|word| text.strip_prefix(word))?;
    number(rest.strip_prefix(prefix).unwrap_or(rest))
}

fn number(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lists_and_ranges_are_found() {
        for (comment, wanted) in [
            ("RFC 9293 MUST-12", &["MUST-12"][..]),
            ("RFC 9293 §3.8.1, MUST-12: a word", &["MUST-12"]),
            ("MUST-1, REC-1: unsigned", &["MUST-1", "REC-1"]),
            ("RFC 9293 MUST-24..26, SHLD-12", &["MUST-24", "MUST-25", "MUST-26", "SHLD-12"]),
            ("MUST-30 to MUST-32.", &["MUST-30", "MUST-31", "MUST-32"]),
            ("RFC 1122 §3.2.1.3, INET-28; UDP-4", &["INET-28", "UDP-4"]),
            ("a MUST of an RFC, a MUST-have, no SHLD-", &[]),
            ("RFC-1122", &[]),
        ] {
            assert_eq!(ids(comment), wanted, "{comment}");
        }
    }

    #[test]
    fn a_mark_in_a_file_of_tests_counts_on_a_test_only() {
        let text = "// MUST-1\n#[test]\nfn a_test() {}\n\n// MUST-2\nfn helper() {}\n";
        let ids = |path| -> Vec<String> {
            all(&[Source::new(path, text)]).into_iter().map(|mark| mark.id).collect()
        };
        assert_eq!(ids("crates/a/src/b/tests.rs"), ["MUST-1"]);
        assert_eq!(ids("crates/a/src/b.rs"), ["MUST-1", "MUST-2"]);
    }
}
