//! The repository's sources as text, and which function or item a line belongs to.
//!
//! The sources are formatted by rustfmt, so that indentation says what encloses what, and no parser is needed.

use std::fs;
use std::process::Command;

/// One file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its path from the root of the repository.
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
}

/// What a line belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// The function, or another item where there is none; empty for a file as a whole.
    pub(crate) item: String,
    /// Whether it is a test, which `cargo test` runs, or a packet script.
    pub(crate) is_test: bool,
}

/// All Rust files and packet scripts below `crates`, those included that git does not know yet.
///
/// # Errors
/// What git says, or that a file cannot be read.
pub(crate) fn all() -> Result<Vec<Source>, String> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "crates"];
    let output = Command::new("git").args(words).output().map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err("git ls-files failed: run inside a checkout".to_owned());
    }
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<&str> = listing.split('\0').filter(|path| is_source(path)).collect();
    paths.sort_unstable();
    paths.dedup();
    // A file that git knows and that is gone was deleted and not yet committed.
    let sources =
        paths.into_iter().filter_map(|path| Some(Source::new(path, &fs::read_to_string(path).ok()?)));
    Ok(sources.collect())
}

fn is_source(path: &str) -> bool {
    path.ends_with(".rs") || path.ends_with(".pkt")
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    fn is_script(&self) -> bool {
        self.path.ends_with(".pkt")
    }

    /// Whether the file holds nothing but tests and what they need.
    pub(crate) fn is_for_tests(&self) -> bool {
        ["/tests/", "/tests.rs", "/testing/", "/testing.rs", "/benches/"]
            .iter()
            .any(|part| self.path.contains(part))
    }

    /// The comment of a line, without its slashes; empty if it has none.
    pub(crate) fn comment(&self, line: usize) -> &str {
        let text = &self.lines[line];
        // In a packet script, a comment may also begin with a hash sign.
        let marks: &[&str] = if self.is_script() { &["//", "#", "/*"] } else { &["//"] };
        marks.iter().find_map(|mark| text.split_once(mark)).map_or("", |(_, comment)| comment)
    }

    /// What the comment of a line speaks of: the item that follows it, or else the one around it.
    pub(crate) fn place(&self, line: usize) -> Place {
        if self.is_script() {
            return Place { path: self.path.clone(), item: String::new(), is_test: true };
        }
        let at = self.item_at(line);
        let item = at.and_then(|at| item_of(&self.lines[at])).unwrap_or_default().to_owned();
        Place { path: self.path.clone(), item, is_test: at.is_some_and(|at| self.is_test_at(at)) }
    }

    /// Every test of the file, by name.
    pub(crate) fn tests(&self) -> Vec<&str> {
        (0..self.lines.len())
            .filter(|&line| self.is_test_at(line))
            .filter_map(|line| item_of(&self.lines[line]))
            .collect()
    }

    /// The line of the item that a comment belongs to.
    fn item_at(&self, line: usize) -> Option<usize> {
        let first = &self.lines[line];
        if first.trim_start().starts_with("//!") {
            return None;
        }
        if !first.trim_start().starts_with("//") && item_of(first).is_some() {
            return Some(line);
        }
        if first.trim_start().starts_with("//") {
            let next = (line + 1..self.lines.len()).find(|&at| !is_around(&self.lines[at]))?;
            if item_of(&self.lines[next]).is_some() {
                return Some(next);
            }
        }
        let mut depth = indentation(first);
        for at in (0..line).rev() {
            let text = &self.lines[at];
            if is_around(text) || indentation(text) >= depth {
                continue;
            }
            depth = indentation(text);
            if item_of(text).is_some_and(|item| item != "tests") {
                return Some(at);
            }
        }
        None
    }

    /// Whether the line begins a function that has a test attribute.
    fn is_test_at(&self, line: usize) -> bool {
        if !declaration(&self.lines[line]).starts_with("fn ") {
            return false;
        }
        (0..line)
            .rev()
            .map(|at| self.lines[at].trim())
            .take_while(|text| is_around(text) && !text.is_empty())
            .any(|text| text.starts_with("#[") && (text.contains("test]") || text.contains("test(")))
    }
}

/// Whether a line stands between a comment and its item: a comment, an attribute, nothing.
fn is_around(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with("//") || text.starts_with("#[") || text.starts_with("#![")
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A line without visibility and qualifiers.
fn declaration(line: &str) -> &str {
    let mut text = line.trim_start();
    if let Some(rest) = text.strip_prefix("pub") {
        text = rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(rest, |(_, rest)| rest);
        text = text.trim_start();
    }
    loop {
        let word = ["unsafe ", "async ", "extern \"C\" "].iter().find_map(|word| text.strip_prefix(word));
        match word.or_else(|| text.strip_prefix("const ").filter(|rest| rest.starts_with("fn "))) {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// The name of the item that a line declares.
fn item_of(line: &str) -> Option<&str> {
    let text = declaration(line);
    let words = ["fn ", "struct ", "enum ", "trait ", "const ", "static ", "mod ", "type ", "macro_rules! "];
    if let Some(rest) = words.iter().find_map(|word| text.strip_prefix(word)) {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        return rest.get(..end).filter(|name| !name.is_empty());
    }
    // Of `impl Trait for Type {` the type.
    let rest = text.strip_prefix("impl")?.strip_suffix(" {")?;
    rest.rsplit(' ').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
