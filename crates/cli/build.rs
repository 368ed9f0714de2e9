//! Builds the preload library and hands its octets to the program: see `portolan_run::library` for where they go.
//!
//! Cargo cannot depend on a cdylib of another package, so this script runs Cargo once more, on `crates/preload`, always
//! optimised, into a target folder inside `OUT_DIR`: no lock of the outer build is waited for, and nothing of the outer
//! build (wrappers, flags, profiles) is inherited. It works the same for `cargo run`, `cargo install --path crates/cli`
//! and a cross build.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let preload = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../preload");
    let out = PathBuf::from(variable("OUT_DIR"));
    for input in [
        "src",
        "Cargo.toml",
        "../protocol/src",
        "../protocol/Cargo.toml",
        "../native/src",
        "../native/Cargo.toml",
        "../../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", preload.join(input).display());
    }
    match build(&preload, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("cargo::error=the preload library could not be built: {why}");
            ExitCode::FAILURE
        }
    }
}

fn build(preload: &Path, out: &Path) -> Result<(), String> {
    let target = variable("TARGET");
    let folder = out.join("preload");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args(["build", "--quiet", "--release", "--lib", "--target", &target, "--manifest-path"])
        .arg(preload.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder);
    // What the outer build was told is not meant for this one: clippy's driver, coverage, sanitizers, features.
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let about_outer = name.starts_with("CARGO_FEATURE_")
            || name.starts_with("CARGO_CFG_")
            || name.starts_with("CARGO_PROFILE_")
            || name.starts_with("CARGO_PKG_");
        let flags = [
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "CLIPPY_ARGS",
        ];
        if about_outer || flags.contains(&name) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().map_err(|error| format!("{cargo:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{cargo:?} ended with {status}"));
    }
    let built = folder.join(&target).join("release/libportolan_preload.so");
    let placed = out.join("libportolan_preload.so");
    std::fs::copy(&built, &placed).map_err(|error| format!("{}: {error}", built.display()))?;
    Ok(())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("Cargo sets {name} for build scripts"))
}
