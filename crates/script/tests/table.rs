//! The C table, called by a C program as packetdrill calls it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library beside the programs that cargo has built for this test.
fn library() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_portolan-knob"));
    let places =
        [built.with_file_name("libportolan_script.so"), built.with_file_name("deps/libportolan_script.so")];
    let modified = |path: &PathBuf| path.metadata().and_then(|found| found.modified()).ok();
    places.into_iter().max_by_key(modified).expect("two places")
}

#[test]
fn a_c_program_finds_every_function_as_it_should_be() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/driver.c");
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-O1", "-o"])
        .arg(&program)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("a C compiler");
    assert!(compiled.success());
    let output = Command::new(&program).arg(library()).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
