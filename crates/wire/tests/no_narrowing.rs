//! Attack row O4: no integer is cut by a cast in this crate, and no lint that says so is switched off.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn o4_no_source_file_casts_integers() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20);
    for file in files {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for integer in ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize", "_"] {
                let cast = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ' ').any(|part| {
                    part.contains(&format!(" as {integer} ")) || part.ends_with(&format!(" as {integer}"))
                });
                let alias = code.trim_start().starts_with("use ");
                assert!(!cast || alias, "{}:{}: {line}", file.display(), number + 1);
            }
            assert!(
                !code.contains("cast_possible_truncation") || file.ends_with("lib.rs"),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn o4_the_lint_is_denied_for_the_whole_crate() {
    let head = include_str!("../src/lib.rs");
    let denied = head.lines().find(|line| line.starts_with("#![deny(")).unwrap();
    for lint in ["clippy::cast_possible_truncation", "clippy::indexing_slicing", "clippy::unwrap_used"] {
        assert!(denied.contains(lint), "{lint}");
    }
}
