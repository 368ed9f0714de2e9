//! The program behind the names `sysctl`, `ip`, `tc`, `ethtool`, `nstat`, `ss`, `sockstat`, `grep` and `set_sysctls.py`
//! in the PATH of scripts: it carries its words to the machine that the script runs on, and prints the answer.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.first().is_some_and(|program| program.ends_with("grep"))
        && !words.iter().any(|word| word.starts_with("/proc/net/tcp"))
    {
        return real_grep(&words);
    }
    match ask(&words) {
        Ok((status, text)) => {
            if words.first().is_some_and(|program| program.ends_with("set_sysctls.py")) && status == 0 {
                return restore_later(&text);
            }
            print!("{text}");
            ExitCode::from(status)
        }
        Err(error) => {
            eprintln!("{}: no machine to talk to: {error}", words.first().map_or("knob", String::as_str));
            ExitCode::FAILURE
        }
    }
}

/// A search in anything but the machine's own tables is the real program's.
fn real_grep(words: &[String]) -> ExitCode {
    let error = std::process::Command::new("/bin/grep").args(words.get(1..).unwrap_or(&[])).exec();
    eprintln!("grep: {error}");
    ExitCode::from(2)
}

/// Sends the words to the machine of `$PACKETDRILL_PID`; gives its exit status and text.
fn ask(words: &[String]) -> std::io::Result<(u8, String)> {
    let pid = std::env::var("PACKETDRILL_PID").unwrap_or_default();
    let address = SocketAddr::from_abstract_name(portolan_script::so::control_name(&pid))?;
    let mut stream = UnixStream::connect_addr(&address)?;
    stream.write_all(words.join("\0").as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (status, text) = answer.split_first().ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok((*status, String::from_utf8_lossy(text).into_owned()))
}

/// Writes the script that undoes the settings to where scripts look for it.
fn restore_later(commands: &str) -> ExitCode {
    let pid = std::env::var("PACKETDRILL_PID").unwrap_or_default();
    let path = format!("/tmp/sysctl_restore_{pid}.sh");
    let written = std::fs::write(&path, format!("#!/bin/sh\n{commands}")).and_then(|()| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("set_sysctls.py: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}
