//! The tests of Go's package `net`, from Debian's golang-1.19-src, as one static program.
//!
//! Go's runtime makes its system calls itself, so no library can be loaded into it: under `portolan run` the tests are
//! the filter's. The program prints `=== RUN`, `=== CONT` and `--- PASS:` lines by itself; what a test complains of
//! comes before the latter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::suite::{Line, Suite, Verdict, output};

/// Debian's; another may come first in PATH.
const GO: &str = "/usr/bin/go";

/// What asks the Internet's name servers for names of the Internet.
const LEFT_OUT: [&str; 17] = [
    "TestConcurrentPreferGoResolversDial",
    "TestDialGoogle",
    "TestLookupCNAME",
    "TestLookupContextCancel",
    "TestLookupDotsWithLocalSource",
    "TestLookupDotsWithRemoteSource",
    "TestLookupGmailMX",
    "TestLookupGmailNS",
    "TestLookupGmailTXT",
    "TestLookupGoogleHost",
    "TestLookupGoogleIP",
    "TestLookupGooglePublicDNSAddr",
    "TestLookupGoogleSRV",
    "TestLookupHostCancel",
    "TestNilResolverLookup",
    "TestResolveGoogle",
    "TestResolverLookupIP",
];

/// What takes five seconds and more: ten thousand connections, deadlines one after the other, a server of names that
/// does not answer.
const SLOW: [&str; 5] = [
    "TestLookupWithIP",
    "TestTCPSpuriousConnSetupCompletion",
    "TestTCPSpuriousConnSetupCompletionWithCancel",
    "TestVariousDeadlines1Proc",
    "TestVariousDeadlines4Proc",
];

pub(super) struct Go;

impl Suite for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn about(&self) -> &'static str {
        "The tests and examples of Go 1.19's package `net`, from Debian's golang-1.19-src, built without cgo into a static \
         program, as root, and not in Go's short form. The 17 that ask the Internet's name servers for names of the Internet \
         are left out. `portolan run` attaches a static program by the filter alone."
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        let program = program(folder);
        if program.exists() {
            return Ok(());
        }
        // Into place only when it is whole.
        let half = folder.join("half");
        output(go(folder).args(["test", "-c", "-o"]).arg(&half).arg("net"))?;
        fs::rename(&half, &program).map_err(|error| format!("{}: {error}", program.display()))
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        // Examples are listed with tests; what else is printed there is not.
        let listed = output(Command::new(program(folder)).arg("-test.list=^(Test|Example)"))?;
        let names = listed.lines().filter(|line| line.starts_with("Test") || line.starts_with("Example"));
        Ok(names.filter(|name| !LEFT_OUT.contains(name)).map(str::to_owned).collect())
    }

    fn is_slow(&self, name: &str) -> bool {
        SLOW.contains(&name)
    }

    /// In the folder of the sources, where the tests look for their data; one after the other, so that the one that is
    /// running is known.
    fn command(&self, folder: &Path, names: &[String]) -> Result<Vec<String>, String> {
        let source = output(go(folder).args(["list", "-f", "{{.Dir}}", "net"]))?;
        Ok(vec![
            "/usr/bin/env".into(),
            format!("--chdir={}", source.trim()),
            program(folder).display().to_string(),
            "-test.v".into(),
            "-test.parallel=1".into(),
            format!("-test.run=^({})$", names.join("|")),
        ])
    }

    fn read(&self, line: &str) -> Option<Line> {
        let mut words = line.split_whitespace();
        match (words.next()?, words.next()?, words.next()) {
            // A part of a test is the test's.
            ("===", "RUN" | "CONT", Some(name)) => (!name.contains('/')).then(|| Line::Begins(name.into())),
            ("---", word, Some(name)) => {
                let verdict = Verdict::from_word(&word.trim_end_matches(':').to_lowercase())?;
                (!line.starts_with(' ')).then(|| Line::Ended(name.into(), verdict, String::new()))
            }
            (place, ..) if line.starts_with(' ') && place.contains("_test.go:") => {
                let said = line.trim_start().split_once(": ")?.1;
                Some(Line::Said(said.into()))
            }
            _ => None,
        }
    }
}

fn program(folder: &Path) -> PathBuf {
    folder.join("net.test")
}

/// The go command with whatever it keeps in the suite's folder, and nothing fetched.
fn go(folder: &Path) -> Command {
    let mut go = Command::new(GO);
    go.env("CGO_ENABLED", "0")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPATH", folder.join("path"));
    go.env("GOCACHE", folder.join("cache"));
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_go_test_program_says_what_began_ended_or_went_wrong() {
        let begins = |name: &str| Some(Line::Begins(name.into()));
        assert_eq!(Go.read("=== RUN   TestDial"), begins("TestDial"));
        assert_eq!(Go.read("=== CONT  TestDial"), begins("TestDial"));
        assert_eq!(Go.read("=== PAUSE TestDial"), None);
        assert_eq!(Go.read("=== RUN   TestDial/tcp4"), None);
        let ended = |verdict| Some(Line::Ended("TestDial".into(), verdict, String::new()));
        assert_eq!(Go.read("--- PASS: TestDial (0.25s)"), ended(Verdict::Passes));
        assert_eq!(Go.read("--- SKIP: TestDial (0.00s)"), ended(Verdict::Skips));
        assert_eq!(Go.read("--- FAIL: TestDial (0.00s)"), ended(Verdict::Fails));
        assert_eq!(Go.read("    --- FAIL: TestDial/tcp4 (0.00s)"), None);
        assert_eq!(Go.read("    dial_test.go:42: no: way"), Some(Line::Said("no: way".into())));
        assert_eq!(Go.read("Socket statistical information:"), None);
    }
}
