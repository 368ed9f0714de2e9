//! `docs/data/compatibility/programs.csv` lists the tests of this binary, all of them and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEAD: &str = "program,version,exercised,engine,test";

/// The tests of one source file, as the test runner names them.
fn tests_of(module: &str, source: &str) -> Vec<String> {
    let names = source.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
    names.map(|(name, _)| format!("{module}::{name}")).collect()
}

#[test]
fn every_program_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("../../docs/data/compatibility/programs.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some(HEAD));
    let mut listed = BTreeSet::new();
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.len(), HEAD.split(',').count(), "{line}");
        assert!(fields.iter().all(|field| !field.trim().is_empty()), "{line}");
        listed.insert(fields[4].to_owned());
    }
    let mut here = BTreeSet::new();
    for entry in fs::read_dir(root.join("tests/programs")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "rs") && module != "table" {
            here.extend(tests_of(module, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!here.is_empty());
    assert_eq!(listed, here, "docs/data/compatibility/programs.csv and the tests of programs differ");
}
