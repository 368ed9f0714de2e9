//! Shell commands of scripts: as much of a shell as they need, over the machine's own commands.
//!
//! Words, quotes, `;`, `&&`, `||`, pipes, redirections, comments, `$((..))`, and other script files, which are read
//! from where the packet script lies. What a program does is in [`crate::shell`]; here are only those that are about
//! files: `echo`, `dd`, `rm`, `grep`, `cat` and `true`. Files are kept in memory and nothing outside is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::code::{Interpreter, Value};
use crate::machine::Machine;
use crate::shell;

/// How deep script files may call each other.
const DEPTH_MAX: u8 = 8;
/// The largest file that `dd` may make, in octets.
const FILE_MAX: usize = 16 << 20;

/// The files of a script's shell, and where it looks for others.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    directory: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

/// A part of a command line.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Word(String),
    /// `>`, with the file that follows as a word.
    Into,
    Pipe,
    And,
    Or,
    End,
}

impl Commands {
    /// `directory` is that of the packet script.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), files: BTreeMap::new() }
    }

    /// The contents of a file that a command has made.
    pub(super) fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Runs a command as `sh -c` would.
    ///
    /// # Errors
    /// What it has printed, if it failed.
    pub(super) fn run(&mut self, machine: &mut Machine, text: &str) -> Result<(), String> {
        let output = self.lines(machine, text, 0)?;
        let message = || format!("the command failed with status {}: {}", output.status, output.text.trim());
        if output.status == 0 { Ok(()) } else { Err(message()) }
    }

    fn lines(&mut self, machine: &mut Machine, text: &str, depth: u8) -> Result<shell::Output, String> {
        let mut output = shell::Output::default();
        // The words of one program, and the file that its output goes to.
        let (mut words, mut into, mut into_follows) = (Vec::new(), None, false);
        let (mut skip, mut piped) = (false, false);
        for part in parts(text)? {
            match part {
                Part::Word(word) if into_follows => {
                    into = Some(word);
                    into_follows = false;
                    continue;
                }
                Part::Word(word) => {
                    words.push(word);
                    continue;
                }
                Part::Into => {
                    into_follows = true;
                    continue;
                }
                _ => {}
            }
            if !skip && !words.is_empty() {
                let input = if piped { std::mem::take(&mut output.text) } else { String::new() };
                output = self.program(machine, &words, &input, depth)?;
                if let Some(path) = into.take() {
                    self.write(machine, &path, std::mem::take(&mut output.text))?;
                }
            }
            words.clear();
            into = None;
            piped = part == Part::Pipe;
            skip = match part {
                Part::And => output.status != 0,
                Part::Or => output.status == 0,
                _ => false,
            };
        }
        Ok(output)
    }

    fn program(
        &mut self,
        machine: &mut Machine,
        words: &[String],
        input: &str,
        depth: u8,
    ) -> Result<shell::Output, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((program, arguments)) = words.split_first() else { return Ok(shell::Output::default()) };
        let success = |text: String| Ok(shell::Output { status: 0, text });
        match *program {
            "true" | ":" => success(String::new()),
            "echo" => success(arguments.join(" ") + "\n"),
            "rm" | "/bin/rm" => {
                self.files.retain(|path, _| !arguments.contains(&path.as_str()));
                success(String::new())
            }
            "dd" | "/bin/dd" => self.dd(arguments).map(|()| shell::Output::default()),
            "grep" if arguments.len() == 1 => Ok(grep(arguments, input)),
            "cat" => success(
                arguments.iter().filter_map(|path| machine.sysctl(path)).map(|text| text + "\n").collect(),
            ),
            // The machine and its knobs end with the script.
            _ if program.starts_with("/tmp/sysctl_restore_") => success(String::new()),
            _ if program.ends_with(".sh") => self.script_file(machine, program, depth),
            _ => Ok(shell::run(machine, &words)),
        }
    }

    fn script_file(&mut self, machine: &mut Machine, path: &str, depth: u8) -> Result<shell::Output, String> {
        if depth >= DEPTH_MAX {
            return Err(format!("{path}: script files call each other too deeply"));
        }
        let text =
            std::fs::read_to_string(self.directory.join(path)).map_err(|error| format!("{path}: {error}"))?;
        self.lines(machine, &text, depth + 1)
    }

    fn write(&mut self, machine: &mut Machine, path: &str, text: String) -> Result<(), String> {
        if path.starts_with("/proc/sys/") {
            return machine.set_sysctl(path, text.trim()).map_err(|error| format!("{path}: {error}"));
        }
        if path != "/dev/null" {
            self.files.insert(path.to_owned(), text.into_bytes());
        }
        Ok(())
    }

    /// `dd if=/dev/zero of=FILE bs=N count=N`
    fn dd(&mut self, arguments: &[&str]) -> Result<(), String> {
        let value =
            |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='));
        let size = |name| value(name).map_or(Some(1), |text: &str| text.parse::<usize>().ok());
        let len = size("bs").zip(size("count")).and_then(|(block, count)| block.checked_mul(count));
        match (value("if"), value("of"), len.filter(|len| *len <= FILE_MAX)) {
            (Some("/dev/zero"), Some(path), Some(len)) => {
                self.files.insert(path.to_owned(), vec![0; len]);
                Ok(())
            }
            _ => Err("dd is known here only as dd if=/dev/zero of=FILE bs=N count=N".to_owned()),
        }
    }
}

/// `grep WORD` at the end of a pipe: the lines of the input with it.
fn grep(arguments: &[&str], input: &str) -> shell::Output {
    let pattern = arguments.first().copied().unwrap_or_default();
    let text: String =
        input.lines().filter(|line| line.contains(pattern)).map(|line| line.to_owned() + "\n").collect();
    shell::Output { status: u8::from(text.is_empty()), text }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let operators = [("\\\n", None), ("&&", Some(Part::And)), ("||", Some(Part::Or)), ("2>&1", None)];
        let more = [("&>", Some(Part::Into)), ("2>", Some(Part::Into)), (">>", Some(Part::Into))];
        let single = [(">", Part::Into), ("|", Part::Pipe), (";", Part::End), ("\n", Part::End)];
        let single = single.map(|(text, part)| (text, Some(part)));
        let found =
            operators.into_iter().chain(more).chain(single).find(|(operator, _)| rest.starts_with(operator));
        if let Some((operator, part)) = found {
            parts.extend(part);
            rest = rest.strip_prefix(operator).unwrap_or_default();
        } else if first.is_whitespace() {
            rest = rest.trim_start_matches([' ', '\t', '\r']);
        } else if first == '#' {
            rest = rest.find('\n').and_then(|at| rest.get(at..)).unwrap_or_default();
        } else {
            let (word, after) = word(rest)?;
            parts.push(Part::Word(word));
            rest = after;
        }
    }
    parts.push(Part::End);
    Ok(parts)
}

/// The word at the front, without its quotes, and what follows it.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(expression) = rest.strip_prefix("$((") {
            let (expression, after) = expression.split_once("))").ok_or("no )) behind $((")?;
            word += &arithmetic(expression)?;
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            let (quoted, after) = quoted.split_once('\'').ok_or("no closing '")?;
            word += quoted;
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (quoted, after) = quoted.split_once('"').ok_or("no closing \"")?;
            word += &expand(quoted)?;
            rest = after;
        } else if first.is_whitespace() || matches!(first, ';' | '|' | '&' | '>') || rest.starts_with("\\\n")
        {
            break;
        } else {
            word.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    Ok((word, rest))
}

/// Text between double quotes, with `$((..))` computed.
fn expand(text: &str) -> Result<String, String> {
    match text.split_once("$((") {
        None => Ok(text.to_owned()),
        Some((before, rest)) => {
            let (expression, after) = rest.split_once("))").ok_or("no )) behind $((")?;
            Ok(before.to_owned() + &arithmetic(expression)? + &expand(after)?)
        }
    }
}

fn arithmetic(expression: &str) -> Result<String, String> {
    let mut interpreter = Interpreter::default();
    interpreter.run(&format!("value = {expression}")).map_err(|error| error.message)?;
    match interpreter.get("value") {
        Some(Value::Integer(value)) => Ok(value.to_string()),
        _ => Err(format!("$(({expression})) has no value")),
    }
}
