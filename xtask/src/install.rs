//! Whether `cargo install` gives a program that works alone: copied to a folder that everybody may read, and run by a user
//! without a home.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::step::{Outcome, cargo};

/// The first octets of what `/bytes/SIZE` serves: octet i is (i * 167 + (i >> 8)) mod 256.
const FIRST_OCTETS: [u8; 3] = [0, 167, 78];

/// Installs the program, copies it, runs it as `nobody`.
pub(crate) fn check() -> Outcome {
    let root = Path::new("target/installed");
    let words =
        ["install", "--path", "crates/cli", "--locked", "--force", "--quiet", "--root", "target/installed"];
    let mut outcome = cargo(&words, &[]);
    if outcome.failed == 0 {
        outcome.add(match run_as_nobody(&root.join("bin/portolan")) {
            Ok(octets) if octets == FIRST_OCTETS => Outcome::pass(),
            Ok(octets) => Outcome::fail(format!("the installed program fetched {octets:?}")),
            Err(why) => Outcome::fail(format!("the installed program: {why}")),
        });
    }
    outcome
}

fn run_as_nobody(program: &Path) -> Result<Vec<u8>, String> {
    let folder = std::env::temp_dir().join(format!("portolan-installed-{}", std::process::id()));
    let copy = folder.join("portolan");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::copy(program, &copy))
        .map_err(|error| format!("{}: {error}", copy.display()))?;
    let output = Command::new("setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"])
        .arg(&copy)
        .args(["run", "--quiet", "--", "curl", "-s", "http://portolan.internal/bytes/3"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .output();
    let _ = fs::remove_dir_all(&folder);
    let output = output.map_err(|error| format!("setpriv: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}
