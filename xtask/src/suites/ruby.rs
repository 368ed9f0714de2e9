//! Ruby's own `test/socket`, from Debian's source package of the Ruby that is installed.
//!
//! The package is fetched once, by an apt whose state is private to the suite's folder: the machine's own need not know
//! any source package. `ruby.rb` runs the tests one by one and prints a line as each begins and ends, in the form of
//! `cpython.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cpython;
use super::suite::{Line, Suite, output};

const DRIVER: &str = include_str!("ruby.rb");

/// Debian's, for whose version the tests are; another may come first in PATH.
const RUBY: &str = "/usr/bin/ruby";

/// Debian's name of that version's source package.
const PACKAGE: &str = "ruby3.1";

/// Whose signature the list of packages must have.
const KEYRING: &str = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";

pub(super) struct Ruby;

impl Suite for Ruby {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn about(&self) -> &'static str {
        "Ruby 3.1's `test/socket`, from Debian's source package ruby3.1, as root, with the test library that comes with it."
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        let driver = folder.join("ruby.rb");
        fs::write(&driver, DRIVER).map_err(|error| format!("{}: {error}", driver.display()))?;
        let source = source(folder);
        if source.join("test/socket").is_dir() {
            return Ok(());
        }
        fetch(folder)?;
        unpack(folder, &source)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let listed =
            output(Command::new(RUBY).arg(folder.join("ruby.rb")).arg(source(folder)).arg("--list"))?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    fn command(&self, folder: &Path, names: &[String]) -> Result<Vec<String>, String> {
        let chosen = folder.join("chosen.txt");
        fs::write(&chosen, names.join("\n")).map_err(|error| format!("{}: {error}", chosen.display()))?;
        let words = [PathBuf::from(RUBY), folder.join("ruby.rb"), source(folder), chosen];
        Ok(words.iter().map(|word| word.display().to_string()).collect())
    }

    fn read(&self, line: &str) -> Option<Line> {
        cpython::DEFAULT.read(line)
    }
}

/// Where the machine's own packages come from.
fn archive_uri() -> String {
    let own = fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let uri = own.lines().find_map(|line| line.strip_prefix("URIs:"));
    uri.map_or("http://deb.debian.org/debian", str::trim).to_owned()
}

fn source(folder: &Path) -> PathBuf {
    folder.join("source")
}

/// Downloads the source package into the folder, where its state stays too.
fn fetch(folder: &Path) -> Result<(), String> {
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial")).map_err(|error| format!("{}: {error}", lists.display()))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, format!("deb-src {KEYRING} {} bookworm main\n", archive_uri()))
        .map_err(|error| format!("{}: {error}", sources.display()))?;
    let settings = [
        format!("Dir::Etc::sourcelist={}", absolute(&sources)?.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", absolute(&lists)?.display()),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt_get = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        for setting in &settings {
            command.args(["-o", setting]);
        }
        output(command.arg("-qq").args(words).current_dir(folder)).map(drop)
    };
    apt_get(&["update"])?;
    // The archive alone: unpacking it as a package would need Debian's build tools.
    apt_get(&["--download-only", "--only-source", "source", PACKAGE])
}

/// Unpacks the archive of the package's authors.
fn unpack(folder: &Path, source: &Path) -> Result<(), String> {
    let archive = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(".orig.tar.xz"))
        .ok_or_else(|| format!("{}: apt-get has left no archive of {PACKAGE}", folder.display()))?;
    // Into place only when it is whole.
    let half = folder.join("half");
    fs::create_dir_all(&half).map_err(|error| format!("{}: {error}", half.display()))?;
    output(Command::new("tar").arg("-C").arg(&half).args(["--strip-components=1", "-xJf"]).arg(archive))?;
    fs::rename(&half, source).map_err(|error| format!("{}: {error}", source.display()))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}
