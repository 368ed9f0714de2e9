//! CPython's `test_socket`, from Debian's libpython3.11-testsuite.
//!
//! `cpython.py` loads it, runs the tests that it is given and prints a line as each begins and ends: tabs between
//! `begin` or the verdict, the name, and the last line of the exception or the reason for the skip.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::suite::{Line, Suite, Verdict};

const DRIVER: &str = include_str!("cpython.py");

/// Debian's, for which the suite is; another may come first in PATH.
const PYTHON: &str = "/usr/bin/python3";

/// Under one engine.
pub(super) struct CPython {
    name: &'static str,
    about: &'static str,
    run_options: &'static [&'static str],
}

/// Under the engine that `run` chooses.
pub(super) const DEFAULT: CPython = CPython {
    name: "cpython",
    about: "CPython 3.11's `test_socket`, from Debian's libpython3.11-testsuite, as root. The tests of VSOCK are left out: \
            they are of another family, and hang on a kernel without a hypervisor's transport. Tests of families and \
            protocols that the machine's kernel lacks (CAN, Bluetooth, QIPCRTR, RDS, SCTP, TIPC, AF_ALG) skip themselves \
            on both sides.",
    run_options: &[],
};

/// Under the engine for programs that no library can be loaded into.
pub(super) const SECCOMP: CPython = CPython {
    name: "cpython-seccomp",
    about: "The same, with `--engine seccomp`.",
    run_options: &["--engine", "seccomp"],
};

impl Suite for CPython {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn run_options(&self) -> &'static [&'static str] {
        self.run_options
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        let driver = folder.join("cpython.py");
        fs::write(&driver, DRIVER).map_err(|error| format!("{}: {error}", driver.display()))
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let output = Command::new(PYTHON)
            .arg(folder.join("cpython.py"))
            .arg("--list")
            .output()
            .map_err(|error| format!("{PYTHON}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{PYTHON}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    fn command(&self, folder: &Path, names: &[String]) -> Result<Vec<String>, String> {
        let chosen = folder.join("chosen.txt");
        fs::write(&chosen, names.join("\n")).map_err(|error| format!("{}: {error}", chosen.display()))?;
        let driver = folder.join("cpython.py");
        let words = [Path::new(PYTHON), &driver, &chosen];
        Ok(words.iter().map(|word| word.display().to_string()).collect())
    }

    fn read(&self, line: &str) -> Option<Line> {
        let mut fields = line.splitn(3, '\t');
        let (word, name) = (fields.next()?, fields.next()?.to_owned());
        if word == "begin" {
            return Some(Line::Begins(name));
        }
        let verdict = Verdict::from_word(word)?;
        Some(Line::Ended(name, verdict, fields.next().unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_that_a_test_begins_or_how_it_ended() {
        assert_eq!(DEFAULT.read("begin\tA.testB"), Some(Line::Begins("A.testB".into())));
        let failed = Line::Ended("A.testB".into(), Verdict::Fails, "OSError: no\tway".into());
        assert_eq!(DEFAULT.read("fail\tA.testB\tOSError: no\tway"), Some(failed));
        assert_eq!(
            DEFAULT.read("pass\tA.testB"),
            Some(Line::Ended("A.testB".into(), Verdict::Passes, String::new()))
        );
        assert_eq!(DEFAULT.read("a warning"), None);
    }
}
