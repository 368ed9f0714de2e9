//! The command line, by clap. An error is one line: what was given, what is wrong with it, what would be right.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use portolan_filter::Filter;
use portolan_run::config::{
    self, Config, LinkChoice, Network, Shape, parse_hostname, parse_link, parse_mtu, parse_network,
    parse_seed, parse_shape, parse_unicast,
};
use portolan_run::dump;
use portolan_run::ss;
use portolan_run::supervisor::{Run, SummaryTo};

/// Give one command its own network, without root, and see or shape everything that crosses it.
#[derive(Parser, Debug)]
#[command(name = "portolan", version, disable_help_subcommand = true)]
struct Program {
    #[command(subcommand)]
    verb: ProgramVerb,
}

#[derive(Subcommand, Debug)]
enum ProgramVerb {
    /// Run a command on a TCP/IP stack of its own
    Run(Box<RunArguments>),
    /// List the hosts that run
    Ls(LsArguments),
    /// List the sockets of running hosts, as ss does
    Ss(SsArguments),
    /// Show the packets of a running host or of a file, as tcpdump does
    Dump(Box<DumpArguments>),
    /// Say what works on this machine, and what would make the rest work
    Doctor(DoctorArguments),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Verb {
    /// `portolan run`.
    Run(Box<RunArguments>),
    /// `portolan ls`.
    Ls(LsArguments),
    /// `portolan ss`.
    Ss(SsArguments),
    /// `portolan dump`.
    Dump(Box<DumpArguments>),
    /// `portolan doctor`.
    Doctor(DoctorArguments),
    /// Help or version: text for standard output.
    Print(String),
}

/// `portolan doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `portolan ls`.
#[derive(Args, Debug)]
pub(crate) struct LsArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `portolan ss`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan ss [-tualnpie] [--json] [--host NAME] [FILTER]",
    after_help = "FILTER, in ss's words: [state NAME | exclude NAME]... [EXPRESSION], with\n  \
                  src|dst ADDRESS[/BITS][:PORT], sport|dport = :PORT (also != < <= > >=),\n  \
                  not, and, or, ( ).  For instance: state established '( dport = :443 or dst 10.0.2.0/24 )'"
)]
pub(crate) struct SsArguments {
    /// TCP
    #[arg(short, long)]
    tcp: bool,
    /// UDP
    #[arg(short, long)]
    udp: bool,
    /// Only sockets that wait for somebody
    #[arg(short, long)]
    listening: bool,
    /// All sockets, in every state
    #[arg(short, long)]
    all: bool,
    /// Ports and rates as plain numbers
    #[arg(short, long)]
    numeric: bool,
    /// The processes that hold a socket
    #[arg(short, long)]
    processes: bool,
    /// The figures of each connection
    #[arg(short, long)]
    info: bool,
    /// User, inode and number
    #[arg(short, long)]
    extended: bool,
    /// Only this host's, by its name in `portolan ls`
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Print JSON, with all that is known
    #[arg(long)]
    pub(crate) json: bool,
    /// Which sockets
    #[arg(value_name = "FILTER", trailing_var_arg = true, allow_hyphen_values = false)]
    filter: Vec<String>,
}

impl SsArguments {
    /// What the arguments ask for; an error is one line.
    pub(crate) fn query(&self) -> Result<ss::Query, String> {
        Ok(ss::Query {
            tcp: self.tcp,
            udp: self.udp,
            listening: self.listening,
            all: self.all,
            numeric: self.numeric,
            processes: self.processes || self.json,
            info: self.info,
            extended: self.extended,
            host: self.host.clone(),
            filter: ss::filter::Filter::parse(&self.filter)?,
        })
    }
}

/// `portolan dump`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan dump [-i HOST | -r FILE] [-w FILE] [-c N] [-s N] [-nvx] [-t...] [FILTER]",
    after_help = "FILTER is tcpdump's (pcap-filter(7)), for instance: tcp port 443 and host 10.0.2.4, \
                  'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'.  Control-C ends it with the counts."
)]
pub(crate) struct DumpArguments {
    /// The running host, by its name in `portolan ls`; needed when several run
    #[arg(short = 'i', long = "interface", value_name = "HOST", conflicts_with = "file")]
    host: Option<String>,
    /// List the hosts that can be watched
    #[arg(short = 'D', long = "list-interfaces")]
    pub(crate) list: bool,
    /// Read a pcap or pcapng file instead; '-' is standard input
    #[arg(short = 'r', value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write a pcapng file instead of lines; '-' is standard output
    #[arg(short = 'w', value_name = "FILE")]
    write: Option<PathBuf>,
    /// Let -w replace a file
    #[arg(long, requires = "write")]
    force: bool,
    /// End after N packets
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Keep N octets of each packet; 0 for all
    #[arg(short = 's', value_name = "N", default_value_t = 0)]
    snap_len: u32,
    /// Ports as numbers (addresses always are)
    #[arg(short = 'n', action = clap::ArgAction::Count)]
    numeric: u8,
    /// IP's own fields, and checksums
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    /// The octets of each packet
    #[arg(short = 'x')]
    octets: bool,
    /// -t: no time; -tt: seconds of Unix time
    #[arg(short = 't', action = clap::ArgAction::Count)]
    time: u8,
    /// Which packets
    #[arg(value_name = "FILTER", trailing_var_arg = true)]
    filter: Vec<String>,
}

impl DumpArguments {
    /// What the arguments ask for; an error is one line.
    pub(crate) fn query(&self) -> Result<dump::Query, String> {
        let empty = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        if empty(&self.file) || empty(&self.write) {
            return Err("the file's name is empty; give -r and -w a name, or '-'".into());
        }
        let style = dump::print::Style {
            numeric: self.numeric > 0,
            verbose: self.verbose > 0,
            octets: self.octets,
            time: self.time,
        };
        Ok(dump::Query {
            host: self.host.clone(),
            file: self.file.clone(),
            write: self.write.clone(),
            force: self.force,
            count: self.count,
            snap_len: self.snap_len,
            style,
            filter: Filter::parse(&self.filter.join(" ")).map_err(|error| error.to_string())?,
        })
    }
}

/// `portolan run`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan run [OPTIONS] -- COMMAND [ARG...]",
    after_help = "Exit status: that of COMMAND, 128+N when signal N ended it; 125 when Portolan could not start it, \
                  126 when it cannot be executed, 127 when it is not found, 2 for wrong usage."
)]
pub(crate) struct RunArguments {
    /// Where the packets go: egress (ordinary sockets of this machine), tap:NAME, or none
    #[arg(long, value_name = "LINK", default_value = "egress", value_parser = parse_link)]
    link: LinkChoice,
    /// The command's address with its prefix length, as 10.0.2.15/24 or fd00::15/64; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    address: Vec<Network>,
    /// The router; once for each of IPv4 and IPv6
    #[arg(long, value_name = "ADDR", value_parser = parse_unicast)]
    gateway: Vec<IpAddr>,
    /// A DNS server to ask instead of those of /etc/resolv.conf; may be repeated
    #[arg(long, value_name = "ADDR", value_parser = parse_unicast)]
    dns: Vec<IpAddr>,
    /// The command's host name
    #[arg(long, value_name = "NAME", value_parser = parse_hostname)]
    hostname: Option<String>,
    /// The largest IP packet, in octets [default: 1500, or the device's]
    #[arg(long, value_name = "N", value_parser = parse_mtu)]
    mtu: Option<u16>,
    /// Shape the wire in both directions, in netem's words: 'delay 80ms 10ms loss 2% rate 10mbit'
    #[arg(long, value_name = "SPEC", value_parser = parse_shape, conflicts_with_all = ["up", "down"])]
    net: Option<String>,
    /// Shape what the command sends
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    up: Option<String>,
    /// Shape what the command receives
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    down: Option<String>,
    /// Seed the wire's faults, to have the same ones again
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    seed: Option<u64>,
    /// Record every frame at the command's link to a pcapng file; '-' is standard output
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Let --pcap replace a file
    #[arg(long, requires = "pcap")]
    force: bool,
    /// Write the summary to a file; '-' is standard output
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Print no summary
    #[arg(long)]
    quiet: bool,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, num_args = 1.., trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Reads the command line; an error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, String> {
    match Program::try_parse_from(arguments) {
        Ok(Program { verb: ProgramVerb::Run(run) }) => Ok(Verb::Run(run)),
        Ok(Program { verb: ProgramVerb::Ls(ls) }) => Ok(Verb::Ls(ls)),
        Ok(Program { verb: ProgramVerb::Ss(ss) }) => Ok(Verb::Ss(ss)),
        Ok(Program { verb: ProgramVerb::Dump(dump) }) => Ok(Verb::Dump(dump)),
        Ok(Program { verb: ProgramVerb::Doctor(doctor) }) => Ok(Verb::Doctor(doctor)),
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

impl RunArguments {
    /// The run that the arguments ask for; an error is one line.
    pub(crate) fn into_run(self, library: &'static [u8]) -> Result<Run, String> {
        let shape = Shape { up: self.net.clone().or(self.up), down: self.net.or(self.down) };
        let config = Config {
            link: self.link,
            addresses: self.address,
            gateways: self.gateway,
            dns: self.dns,
            mtu: self.mtu,
            shape,
            seed: self.seed,
            hostname: self.hostname,
            capture: false,
            keys: None,
        };
        config.check().map_err(|config::ConfigError(line)| line)?;
        let empty = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        if empty(&self.pcap) || empty(&self.summary) {
            return Err("the file's name is empty; give --pcap and --summary a name, or '-'".into());
        }
        let is_stdout = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if is_stdout(&self.pcap) && is_stdout(&self.summary) {
            return Err("--pcap - and --summary - both want standard output; give one of them a file".into());
        }
        let summary = match self.summary {
            Some(path) if path.as_os_str() == "-" => SummaryTo::Stdout,
            Some(path) => SummaryTo::File(path),
            None if self.quiet => SummaryTo::Nowhere,
            None => SummaryTo::Stderr,
        };
        let mut command = self.command.into_iter();
        let program = command.next().ok_or("no command is given")?;
        let (pcap, force) = (self.pcap, self.force);
        Ok(Run { config, program, arguments: command.collect(), pcap, force, summary, library })
    }
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
