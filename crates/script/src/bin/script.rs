//! `portolan-script`: runs packet scripts, one line per script.
//!
//! The exit status is 0 if all scripts passed, 1 if one failed, 2 if one could not be read or the command line is
//! wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portolan_script::language::{self, Definitions};
use portolan_script::runner::{self, Options, Variant};

const USAGE: &str = "\
usage: portolan-script [OPTION]... FILE|FOLDER...
  --personality linux|freebsd   whose habits the host has
  --variant ipv4|ipv6|ipv4-mapped-ipv6
                                over which family; files that end in v4.pkt or v6.pkt choose themselves
  -D NAME=VALUE                 a word that stands for other text
  --check-echo                  compare echoed timestamps, too
  --trace                       print the packets
  --parse                       only read the scripts";

struct Arguments {
    options: Options,
    definitions: Definitions,
    parse_only: bool,
    files: Vec<PathBuf>,
}

/// How a script ended, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    Failed,
    Unreadable,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("portolan-script: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut verdicts = Vec::new();
    for file in &arguments.files {
        let (verdict, text) = script(&arguments, file);
        println!("{text}");
        verdicts.push(verdict);
    }
    if arguments.files.len() > 1 {
        let passed = verdicts.iter().filter(|verdict| **verdict == Verdict::Passed).count();
        println!("{passed} of {} ok", verdicts.len());
    }
    match verdicts.into_iter().max() {
        None | Some(Verdict::Passed) => ExitCode::SUCCESS,
        Some(Verdict::Failed) => ExitCode::from(1),
        Some(Verdict::Unreadable) => ExitCode::from(2),
    }
}

fn script(arguments: &Arguments, file: &Path) -> (Verdict, String) {
    let name = file.display();
    let options = Options { variant: variant_of(file, arguments.options.variant), ..arguments.options };
    let mut definitions = options.variant.definitions();
    definitions.extend(arguments.definitions.clone());
    let source = match std::fs::read_to_string(file) {
        Ok(source) => source,
        Err(error) => return (Verdict::Unreadable, format!("{name}: {error}")),
    };
    let script = match language::parse(&source, &definitions) {
        Ok(script) => script,
        Err(error) => return (Verdict::Unreadable, format!("{name}:{error}")),
    };
    if arguments.parse_only {
        return (Verdict::Passed, format!("{name}: ok"));
    }
    let outcome = runner::run(&script, file.parent().unwrap_or(Path::new(".")), &options);
    let mut text = outcome.trace.iter().map(|line| line.clone() + "\n").collect::<String>();
    match outcome.result {
        Ok(()) => (Verdict::Passed, text + &format!("{name}: ok")),
        Err(failure) => {
            text += &format!("{name}:{failure}");
            (Verdict::Failed, text)
        }
    }
}

/// A file for one family says so at the end of its name.
fn variant_of(file: &Path, variant: Variant) -> Variant {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match variant {
        Variant::Ipv4 | Variant::Mapped if stem.ends_with("v6") => Variant::Ipv6,
        Variant::Ipv6 if stem.ends_with("v4") => Variant::Ipv4,
        _ => variant,
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        options: Options::default(),
        definitions: Definitions::new(),
        parse_only: false,
        files: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = |name: &str| words.next().ok_or_else(|| format!("{name} needs a value"));
        match word.as_str() {
            "--personality" => {
                let name = value("--personality")?;
                arguments.options.personality =
                    name.parse().map_err(|error| format!("--personality {name}: {error}"))?;
            }
            "--variant" => {
                let name = value("--variant")?;
                let variant = Variant::parse(&name);
                arguments.options.variant = variant.ok_or_else(|| format!("--variant cannot be '{name}'"))?;
            }
            "--check-echo" => arguments.options.check_echo = true,
            "--trace" => arguments.options.trace = true,
            "--parse" => arguments.parse_only = true,
            "-D" => define(&mut arguments.definitions, &value("-D")?)?,
            _ if word.starts_with("-D") => define(&mut arguments.definitions, word.trim_start_matches("-D"))?,
            _ if word.starts_with('-') => return Err(format!("there is no option {word}")),
            _ => scripts_under(Path::new(&word), &mut arguments.files)?,
        }
    }
    if arguments.files.is_empty() { Err("no script is named".to_owned()) } else { Ok(arguments) }
}

fn define(definitions: &mut Definitions, text: &str) -> Result<(), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("-D {text} has no value"))?;
    definitions.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// The file, or all scripts in the folder and those below it, in the order of their names.
fn scripts_under(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "pkt") {
            scripts_under(&path, files)?;
        }
    }
    Ok(())
}
