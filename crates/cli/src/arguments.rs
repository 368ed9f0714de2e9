//! The command line, by clap. An error is one line: what was given, what is wrong with it, what would be right.
//!
//! The verbs are here; what each takes is in [`host`] (those that start and end hosts) and [`look`] (those that look
//! at hosts).

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

mod host;
mod look;

pub(crate) use host::{DownArguments, RunArguments, UpArguments};
pub(crate) use look::{
    DoctorArguments, DumpArguments, LsArguments, PresetsArguments, ShapeArguments, SsArguments,
};

/// Give one command its own network, without root, and see or shape everything that crosses it.
#[derive(Parser, Debug)]
#[command(name = "portolan", version, disable_help_subcommand = true)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

/// What is to be done. The comments are what `--help` prints.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Run a command on a TCP/IP stack of its own
    Run(Box<RunArguments>),
    /// Start a host that outlives one command
    Up(Box<UpArguments>),
    /// End a host that was started by up
    Down(DownArguments),
    /// List the hosts that run
    Ls(LsArguments),
    /// List the sockets of running hosts, as ss does
    Ss(SsArguments),
    /// Show the packets of a running host or of a file, as tcpdump does
    Dump(Box<DumpArguments>),
    /// Show or change what the wire of a running host does
    Shape(ShapeArguments),
    /// List the names that --net and shape know for whole wires
    Presets(PresetsArguments),
    /// Say what works on this machine, and what would make the rest work
    Doctor(DoctorArguments),
    /// Help or version, which is no verb: text for standard output
    #[command(skip)]
    Print(String),
}
/// Reads the command line; an error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, String> {
    match Program::try_parse_from(arguments) {
        Ok(Program { verb }) => Ok(verb),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Verb::Print(error.render().to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                Err("say what to do: portolan run -- COMMAND, or portolan --help".into())
            }
            _ => Err(one_line(&error.render().to_string())),
        },
    }
}

/// Clap's paragraphs as one line: what is wrong, then the tips; usage is a question away.
fn one_line(rendered: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in rendered.split("\n\n") {
        let joined = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if let Some(error) = joined.strip_prefix("error: ") {
            parts.push(error.to_owned());
        } else if joined.starts_with("tip: ") {
            parts.extend(
                joined.split("tip: ").map(str::trim).filter(|tip| !tip.is_empty()).map(str::to_owned),
            );
        }
    }
    parts.push("see --help".into());
    parts.join("; ")
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Program::command().debug_assert();
    }

    #[test]
    fn the_commands_own_options_are_left_alone() {
        for line in
            [&["portolan", "run", "--", "curl", "-s", "--link", "x"][..], &["portolan", "run", "curl", "-s"]]
        {
            let Verb::Run(run) = parse(line.iter().map(OsString::from)).unwrap() else { panic!("{line:?}") };
            assert_eq!(run.command[..2], ["curl", "-s"]);
        }
    }

    #[test]
    fn paragraphs_become_one_line() {
        let rendered = "error: unexpected argument '--lnik' found\n\n  tip: a similar argument exists: '--link'\n\nUsage: x\n";
        let line = one_line(rendered);
        assert_eq!(
            line,
            "unexpected argument '--lnik' found; a similar argument exists: '--link'; see --help"
        );
    }
}
