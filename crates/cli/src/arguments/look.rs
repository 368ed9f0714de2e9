//! The arguments of the verbs that look at hosts, or change the wire of one that runs.

use std::path::PathBuf;

use clap::Args;
use portolan_filter::Filter;
use portolan_run::config::{self, parse_host, parse_shape};
use portolan_run::{dump, ss};

/// `portolan doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `portolan shape`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan shape NAME [SPEC | --up SPEC | --down SPEC | none] [--json]",
    after_help = "SPEC is as for run --net: delay 80ms 10ms loss 2%, a preset, steps as 'at 5s: loss 100%' that count from \
                  now, or none.  It holds from the next packet on. Without SPEC the present one is shown."
)]
pub(crate) struct ShapeArguments {
    /// The host, by its name in `portolan ls`
    #[arg(value_name = "NAME", value_parser = parse_host)]
    pub(crate) host: String,
    /// Only what the host sends
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    up: Option<String>,
    /// Only what the host receives
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    down: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Both directions
    #[arg(value_name = "SPEC", conflicts_with_all = ["up", "down"])]
    both: Vec<String>,
}

impl ShapeArguments {
    /// What is to change: up, down. An error is one line.
    pub(crate) fn change(&self) -> Result<(Option<String>, Option<String>), String> {
        if self.both.is_empty() {
            return Ok((self.up.clone(), self.down.clone()));
        }
        let spec = parse_shape(&self.both.join(" ")).map_err(|config::ConfigError(line)| line)?;
        Ok((Some(spec.clone()), Some(spec)))
    }
}

/// `portolan presets`.
#[derive(Args, Debug)]
pub(crate) struct PresetsArguments {
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
    override_usage = "portolan ss [-tualnpieomO] [--json] [--host NAME] [FILTER]",
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
    /// The timer that runs
    #[arg(short, long)]
    options: bool,
    /// What is queued both ways and may be, in octets
    #[arg(short, long)]
    memory: bool,
    /// Each socket on one line
    #[arg(short = 'O', long = "oneline")]
    one_line: bool,
    /// Only this host's, by its name in `portolan ls`
    #[arg(long, value_name = "NAME", value_parser = parse_host)]
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
            options: self.options,
            memory: self.memory,
            one_line: self.one_line,
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
        let text = self.filter.join(" ");
        // Only `ip broadcast` needs it, and only a running host has one.
        let is_asked = self.file.is_none() && text.contains("broadcast");
        let netmask = if is_asked { dump::netmask(self.host.as_deref()) } else { None }.unwrap_or(0);
        Ok(dump::Query {
            host: self.host.clone(),
            file: self.file.clone(),
            write: self.write.clone(),
            force: self.force,
            count: self.count,
            snap_len: self.snap_len,
            style,
            filter: Filter::parse_for(&text, netmask).map_err(|error| error.to_string())?,
        })
    }
}
