//! Runs the scripts of `crates/tcp/scripts` over IPv4, IPv6 and IPv6 sockets with mapped addresses.
//!
//! A script whose name ends in `v4` or `v6` is for that family alone. Echoed timestamps are compared.

use std::path::{Path, PathBuf};

use portolan_script::language;
use portolan_script::runner::{Options, Variant, run};

const VARIANTS: [(Variant, &str); 3] =
    [(Variant::Ipv4, "ipv4"), (Variant::Ipv6, "ipv6"), (Variant::Mapped, "ipv4-mapped-ipv6")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcp/scripts")
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Runs every script of a folder and names all that fail.
fn run_folder(folder: &str) {
    let folder = root().join(folder);
    let mut failures = Vec::new();
    let mut runs = 0;
    for path in names_in(&folder) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for (variant, family) in VARIANTS {
            let v6 = variant == Variant::Ipv6;
            if (name.ends_with("v4") && v6) || (name.ends_with("v6") && !v6) {
                continue;
            }
            runs += 1;
            if let Err(failure) = run_script(&path, &folder, variant) {
                failures.push(format!("{}, {family}: {failure}", path.display()));
            }
        }
    }
    assert!(runs > 0, "{} has no scripts", folder.display());
    assert!(failures.is_empty(), "{} of {runs} runs failed:\n{}", failures.len(), failures.join("\n"));
}

fn run_script(path: &Path, folder: &Path, variant: Variant) -> Result<(), String> {
    let source = std::fs::read_to_string(path).unwrap();
    let script = language::parse(&source, &variant.definitions()).map_err(|error| error.to_string())?;
    let options = Options { variant, check_echo: true, trace: true, ..Options::default() };
    let outcome = run(&script, folder, &options);
    outcome.result.map_err(|failure| format!("{failure}\n    {}", outcome.trace.join("\n    ")))
}

macro_rules! folders {
    ($($name:ident)*) => {
        const FOLDERS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run_folder(stringify!($name));
            }
        )*
    };
}

folders! { acknowledgement congestion connection info opening path personality recovery small timestamps urgent window }

#[test]
fn every_folder_is_run_and_every_script_says_what_it_is_for() {
    let folders: Vec<_> = names_in(&root())
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, FOLDERS);
    for path in folders.iter().flat_map(|folder| names_in(&root().join(folder))) {
        let head = std::fs::read_to_string(&path).unwrap();
        let head: String = head.lines().take_while(|line| line.starts_with("//")).collect();
        assert!(
            head.contains("RFC ") && head.contains('§'),
            "{}: the head names no section of an RFC",
            path.display()
        );
    }
}

#[test]
fn the_table_for_newcomers_names_scripts_that_exist() {
    let table = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut names = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        // A name without a folder is in the folder of the name before it.
        let mut folder = "";
        for name in row.split('`').skip(1).step_by(2) {
            let (named, stem) = name.split_once('/').unwrap_or((folder, name));
            folder = named;
            let stem = stem.trim_end_matches('*');
            let scripts = names_in(&root().join(folder));
            let found =
                scripts.iter().any(|path| path.file_name().unwrap().to_string_lossy().starts_with(stem));
            assert!(found, "there is no script {folder}/{stem}, which the table names");
            names += 1;
        }
    }
    assert!(names > 80, "only {names} names");
}
