//! Finding the command, and what can be known of it before it runs.
//!
//! The engine `preload` works by the dynamic loader. A program without it, or one whose privileges make the loader
//! ignore LD_PRELOAD, would silently use the machine's own network if there were no other engine. That is seen here for
//! the command itself and the interpreter of a script; what the command starts later is the filter's.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use super::Refusal;

/// As a shell: found, but cannot be executed; not found.
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Interpreters of interpreters that are followed (the kernel follows five).
const SCRIPTS_MAX: usize = 5;

/// Program headers that are looked at.
const HEADERS_MAX: u16 = 128;

/// What decides which engine can reach a command.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Why the loader cannot be made to load our library: what and its peculiarity.
    pub(super) beyond_loader: Option<String>,
    /// It would run with privileges of its own.
    pub(super) is_privileged: bool,
    /// The filter cannot reach it either: it makes the calls of another processor, which this one can execute.
    pub(super) is_beyond_filter: bool,
}

/// The file of a command: as it stands when it has a slash, else from PATH.
pub(super) fn find(program: &OsStr) -> Result<PathBuf, Refusal> {
    search(program)
}

/// Looks into the command's file, and its interpreter's if it is a script. Refuses what the processor cannot execute.
pub(super) fn examine(path: &Path) -> Result<About, Refusal> {
    let mut file = path.to_owned();
    for _ in 0..SCRIPTS_MAX {
        let kind = inspect(&file);
        let why = match kind {
            Kind::Script(interpreter) => {
                file = interpreter;
                continue;
            }
            Kind::Dynamic | Kind::Unknown => break,
            Kind::Static => "is statically linked",
            Kind::Narrow => "is a 32-bit program",
            Kind::Foreign => "is a program for another processor",
            Kind::Privileged => "has privileges of its own (setuid, setgid or capabilities)",
        };
        let shown = if file == path {
            format!("{} {why}", path.display())
        } else {
            format!("{}: its interpreter {} {why}", path.display(), file.display())
        };
        if kind == Kind::Foreign {
            let line = format!("{shown}, which this machine cannot execute; run one for 64-bit x86");
            return Err(Refusal { code: CANNOT_EXECUTE, line });
        }
        return Ok(About {
            beyond_loader: Some(shown),
            is_privileged: kind == Kind::Privileged,
            is_beyond_filter: kind == Kind::Narrow,
        });
    }
    Ok(About::default())
}

/// The name that the command sees as its own is the one that was typed.
pub(super) fn keep_name(command: &mut std::process::Command, program: &OsStr) {
    command.arg0(program);
}

/// What to say when exec failed.
pub(super) fn refused(program: &OsStr, error: &io::Error) -> Refusal {
    let shown = program.display();
    match error.raw_os_error() {
        Some(libc::ENOENT) => {
            Refusal { code: NOT_FOUND, line: format!("{shown}: its interpreter is not there") }
        }
        _ => Refusal { code: CANNOT_EXECUTE, line: format!("{shown} cannot be executed: {error}") },
    }
}

fn search(program: &OsStr) -> Result<PathBuf, Refusal> {
    let shown = program.display();
    if program.is_empty() {
        return Err(Refusal { code: NOT_FOUND, line: "the command is empty".into() });
    }
    if program.as_bytes().contains(&b'/') {
        return match check(Path::new(program)) {
            Ok(()) => Ok(program.into()),
            Err(why) => Err(Refusal { code: why.code(), line: format!("{shown}: {why}") }),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
    let mut found = None;
    for directory in std::env::split_paths(&path) {
        let candidate = directory.join(program);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            // What lies in a folder that this user may not look into is as good as missing: it need not be there.
            Err(Unusable::Missing | Unusable::Hidden) => {}
            Err(why) => found = found.or(Some((candidate, why))),
        }
    }
    Err(match found {
        Some((candidate, why)) => {
            Refusal { code: why.code(), line: format!("{}: {why}", candidate.display()) }
        }
        None => Refusal { code: NOT_FOUND, line: format!("{shown}: command not found in PATH") },
    })
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("no such file")]
    Missing,
    #[error("is a directory, not a program")]
    Directory,
    #[error("permission denied; it is not executable for this user")]
    Denied,
    #[error("permission denied; this user may not look into its folder")]
    Hidden,
}

impl Unusable {
    fn code(&self) -> u8 {
        if matches!(self, Unusable::Missing) { NOT_FOUND } else { CANNOT_EXECUTE }
    }
}

fn check(path: &Path) -> Result<(), Unusable> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Unusable::Hidden),
        Err(_) => return Err(Unusable::Missing),
        Ok(about) if about.is_dir() => return Err(Unusable::Directory),
        Ok(_) => {}
    }
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).map_err(|_| Unusable::Denied)
}

#[derive(PartialEq, Eq, Debug)]
enum Kind {
    /// A program for the dynamic loader.
    Dynamic,
    /// A program without an interpreter.
    Static,
    /// A program of this processor's 32-bit class, or one that mixes the classes.
    Narrow,
    /// A program for another processor.
    Foreign,
    /// A program for which the loader runs in secure mode.
    Privileged,
    /// A script and its interpreter.
    Script(PathBuf),
    /// Not readable, or something else: exec will say.
    Unknown,
}

fn inspect(path: &Path) -> Kind {
    if is_privileged(path) {
        return Kind::Privileged;
    }
    look(path).unwrap_or(Kind::Unknown)
}

fn look(path: &Path) -> io::Result<Kind> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(256).read_to_end(&mut head)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|octet| *octet == b'\n').next().unwrap_or_default();
        let word = line.split(|octet| matches!(octet, b' ' | b'\t')).find(|word| !word.is_empty());
        return Ok(word.map_or(Kind::Unknown, |word| Kind::Script(OsStr::from_bytes(word).into())));
    }
    if !head.starts_with(b"\x7fELF") {
        return Ok(Kind::Unknown);
    }
    // EI_CLASS, EI_DATA (1: little-endian) and e_machine (3: EM_386, 62: EM_X86_64).
    match (head.get(4..6), head.get(18..20)) {
        (Some([2, 1]), Some([62, 0])) => {}
        (Some([1, 1]), Some([3 | 62, 0])) => return Ok(Kind::Narrow),
        _ => return Ok(Kind::Foreign),
    }
    // Elf64_Ehdr: e_phoff at 32, e_phentsize at 54, e_phnum at 56. Elf64_Phdr: p_type at 0; PT_INTERP is 3.
    let u16_at =
        |at: usize| head.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes);
    let start = head.get(32..40).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (size, count) = (u64::from(u16_at(54)), u16_at(56).min(HEADERS_MAX));
    for index in 0..u64::from(count) {
        let Some(at) = index.checked_mul(size).and_then(|offset| offset.checked_add(start)) else { break };
        file.seek(SeekFrom::Start(at))?;
        let mut kind = [0; 4];
        file.read_exact(&mut kind)?;
        if u32::from_le_bytes(kind) == 3 {
            return Ok(Kind::Dynamic);
        }
    }
    Ok(Kind::Static)
}

/// Whether exec of this file would give other privileges (AT_SECURE).
fn is_privileged(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    let set_uid = about.mode() & libc::S_ISUID != 0 && about.uid() != rustix::process::geteuid().as_raw();
    let set_gid = about.mode() & libc::S_ISGID != 0 && about.gid() != rustix::process::getegid().as_raw();
    let mut value = [0u8; 64];
    let capable = !rustix::process::geteuid().is_root()
        && rustix::fs::getxattr(path, "security.capability", &mut value).is_ok_and(|len| len > 0);
    set_uid || set_gid || capable
}

#[cfg(test)]
mod tests;
