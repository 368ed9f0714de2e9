//! A script in a folder of its own under `portolan run`, and what it printed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Folder, built, finish, root_or_skip, text};

/// What a script may take; a test that hangs fails then.
const LIMIT: Duration = Duration::from_secs(100);

/// Stands before every script. What it started in the background ends with it.
///
/// - `port N [ADDRESS]` waits until a TCP port takes connections;
/// - `await WORDS` waits until a command succeeds.
const PRELUDE: &str = r#"
set -eu
trap 'for job in $(jobs -p); do kill $job 2>/dev/null || true; done; wait' EXIT
await() {
    local n
    for n in $(seq 400); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
    echo "never came to hold: $*" >&2; exit 99
}
opens() { (exec 3<>"/dev/tcp/$2/$1") 2>/dev/null; }
port() { await opens "$1" "${2-127.0.0.1}"; }
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
"#;

/// What a script printed, and the folder that it ran in.
pub(crate) struct Ran {
    pub(crate) folder: Folder,
    pub(crate) stdout: String,
    /// The script's own standard error, then the summary of the run.
    pub(crate) stderr: String,
    pub(crate) status: Option<i32>,
}

/// A run to be: the programs it needs are there, and the files in its folder.
pub(crate) struct Run {
    folder: Folder,
}

impl Run {
    /// A run whose script needs these programs; `None` if one is missing and it was agreed to leave such tests out.
    pub(crate) fn of(programs: &[&str]) -> Option<Run> {
        if !root_or_skip() {
            return None;
        }
        let missing: Vec<_> = programs.iter().filter(|path| !Path::new(path).exists()).collect();
        if !missing.is_empty() {
            assert!(
                std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some(),
                "{missing:?} missing: `cargo xtask test --only setup` installs them, PORTOLAN_ALLOW_MISSING=1 leaves this out"
            );
            return None;
        }
        Some(Run { folder: Folder::writable() })
    }

    /// With this file in the script's folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Run {
        self.folder.file(name, content.as_ref());
        self
    }

    /// Runs the script, which must succeed.
    pub(crate) fn script(self, script: &str) -> Ran {
        let ran = self.any_end(script);
        assert_eq!(
            ran.status,
            Some(0),
            "\n--- stdout\n{}\n--- stderr\n{}",
            tail(&ran.stdout),
            tail(&ran.stderr)
        );
        ran
    }

    /// Runs the script, however it ends.
    pub(crate) fn any_end(self, script: &str) -> Ran {
        let mut command = Command::new(built());
        command.arg("run").args(["--", "bash", "-c"]).arg(format!("{PRELUDE}{script}"));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env("HOME", self.folder.path());
        let output = finish(&mut command, LIMIT);
        Ran {
            folder: self.folder,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            status: output.status.code(),
        }
    }
}

impl Ran {
    /// The lines that the script printed must be these.
    pub(crate) fn prints(&self, lines: &[&str]) {
        assert_eq!(self.stdout.lines().collect::<Vec<_>>(), lines, "\n--- stderr\n{}", tail(&self.stderr));
    }

    /// A file that the script left in its folder.
    pub(crate) fn left(&self, name: &str) -> Vec<u8> {
        let path = self.folder.path().join(name);
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), tail(&self.stderr)))
    }
}

/// The end of a long text.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
    &text[start..]
}
