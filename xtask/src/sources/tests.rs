use super::*;

const FILE: &str = "\
//! A module, RFC 9293 MUST-1.

/// A record. MUST-2
pub(crate) struct Record {
    /// A field. MUST-3
    pub(crate) field: u32, // MUST-4
}

impl Record {
    /// A method. MUST-5
    #[must_use]
    pub(crate) const fn method(&self) -> u32 {
        match self.field {
            // MUST-6
            0 => 1,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    // MUST-7
    #[test]
    fn a_test() {
        // MUST-8
        helper();
    }

    // MUST-9
    fn helper() {}

    #[tokio::test(start_paused = true)]
    async fn a_slow_test() {} // MUST-10
}
";

fn place_of(mark: &str) -> (String, bool) {
    let source = Source::new("crates/a/src/b.rs", FILE);
    let line = source.lines.iter().position(|line| line.ends_with(mark)).unwrap();
    let place = source.place(line);
    (place.item, place.is_test)
}

#[test]
fn a_comment_belongs_to_the_item_behind_or_around_it() {
    for (mark, item, is_test) in [
        ("MUST-1.", "", false),
        ("MUST-2", "Record", false),
        ("MUST-3", "Record", false),
        ("MUST-4", "Record", false),
        ("MUST-5", "method", false),
        ("MUST-6", "method", false),
        ("MUST-7", "a_test", true),
        ("MUST-8", "a_test", true),
        ("MUST-9", "helper", false),
        ("MUST-10", "a_slow_test", true),
    ] {
        assert_eq!(place_of(mark), (item.to_owned(), is_test), "{mark}");
    }
}

#[test]
fn a_packet_script_is_a_test_as_a_whole() {
    let source = Source::new("crates/tcp/scripts/close.pkt", "// RFC 9293 MUST-13\n+0 close(3) = 0\n");
    assert_eq!(source.comment(0).trim(), "RFC 9293 MUST-13");
    assert!(source.place(0).is_test);
}

#[test]
fn tests_are_listed_by_name() {
    assert_eq!(Source::new("crates/a/src/b.rs", FILE).tests(), ["a_test", "a_slow_test"]);
}

#[test]
fn files_of_tests_are_known_by_their_place() {
    assert!(!Source::new("crates/a/src/b.rs", "").is_for_tests());
    assert!(Source::new("crates/a/src/b/tests.rs", "").is_for_tests());
}
