//! The C table of the shared library, from C: `interface.c` loads the library as packetdrill does and calls all of it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that cargo has built for this test: beside it, or one folder up.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.parent().unwrap();
    let built = [deps, deps.parent().unwrap()].map(|folder| folder.join("libportolan_script.so"));
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    built.into_iter().max_by_key(modified).unwrap()
}

#[test]
fn every_function_of_the_table_works_from_c() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interface.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interface");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
        .args([&program, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("a C compiler, which `cargo xtask setup` installs");
    assert!(compiled.success());
    let output = Command::new(&program).arg(library()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    assert_eq!(text, "32 of 32 functions\n");
}
