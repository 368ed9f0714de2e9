//! A script in a folder of its own under `portolan run`, and what it printed.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Folder, Guard, built, noise, root_or_skip, text, wait};

/// What a script may take; a test that hangs fails then.
const LIMIT: Duration = Duration::from_secs(100);

/// Stands before every script. What it started in the background ends with it.
///
/// - `port N [ADDRESS]` waits until a TCP port takes connections;
/// - `await WORDS` waits until a command succeeds;
/// - `certificate` makes `key.pem` and `cert.pem`, for `localhost` and 127.0.0.1.
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
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
}
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
"#;

/// What a script printed, and the folder that it ran in.
pub(crate) struct Ran {
    pub(crate) folder: Folder,
    pub(crate) stdout: String,
    /// The script's own standard error, then the summary of the run.
    pub(crate) stderr: String,
}

/// A run to be: the programs it needs are there, and the files in its folder.
pub(crate) struct Run {
    folder: Folder,
    options: Vec<String>,
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
        Some(Run { folder: Folder::writable(), options: Vec::new() })
    }

    /// As [`Run::of`], for programs that only a full run has.
    pub(crate) fn in_full(programs: &[&str]) -> Option<Run> {
        std::env::var_os("PORTOLAN_FULL").and_then(|_| Run::of(programs))
    }

    /// With a file `noise` of so many octets in the script's folder.
    pub(crate) fn noise(self, len: usize) -> Run {
        self.folder.file("noise", &noise(len));
        self
    }

    /// With these files of `scripts/` in the script's folder.
    pub(crate) fn with(self, names: &[&str]) -> Run {
        for name in names {
            self.folder.file(name, scripts_file(name).as_bytes());
        }
        self
    }

    /// With these options of `portolan run`.
    pub(crate) fn options(mut self, words: &[&str]) -> Run {
        self.options.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Runs this file of `scripts/`, which must succeed.
    pub(crate) fn script(self, name: &str) -> Ran {
        let script = scripts_file(name);
        let (stdout, stderr) = (self.folder.path().join(".stdout"), self.folder.path().join(".stderr"));
        let mut command = Command::new(built());
        command.arg("run").args(self.options).args(["--", "bash", "-c"]).arg(format!("{PRELUDE}{script}"));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env("HOME", self.folder.path());
        // Files and no pipes: a daemon that outlives the script would keep a pipe open.
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let mut run = Guard(command.spawn().unwrap());
        let status = wait(&mut run.0, LIMIT);
        let read = |path| text(&std::fs::read(path).unwrap());
        let ran = Ran { stdout: read(stdout), stderr: read(stderr), folder: self.folder };
        let code = status.and_then(|status| status.code());
        assert_eq!(code, Some(0), "\n--- stdout\n{}\n--- stderr\n{}", tail(&ran.stdout), tail(&ran.stderr));
        ran
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

/// A file of `scripts/`.
fn scripts_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/scripts").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The end of a long text.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
    &text[start..]
}
