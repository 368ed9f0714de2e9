//! The arguments of the verbs that start and end hosts: run, up and down.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use portolan_run::config::{
    self, Config, LinkChoice, Network, Shape, parse_host, parse_hostname, parse_link, parse_mtu,
    parse_network, parse_publish, parse_rule, parse_seed, parse_shape, parse_unicast,
};
use portolan_run::engine;
use portolan_run::fence;
use portolan_run::fence::rule::Rule;
use portolan_run::netns;
use portolan_run::publish::Publication;
use portolan_run::supervisor::{Run, SummaryTo};
use portolan_run::sysctl::{Sysctl, parse_sysctl};

/// What a host is made of, for `portolan run` and `portolan up`.
#[derive(Args, Debug)]
struct HostArguments {
    /// Where the packets go: egress (ordinary sockets of this machine), tap:NAME, tun:NAME, packet:IFACE (an Ethernet
    /// interface), wire:NAME (other hosts of this user, which are found by their --hostname), or none
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
    /// Offer a port of the command on this machine, on its loopback unless ADDR says otherwise; may be repeated
    #[arg(long, value_name = "[ADDR:]PORT[:PORT][/udp]", value_parser = parse_publish)]
    publish: Vec<Publication>,
    /// The command's host name
    #[arg(long, value_name = "NAME", value_parser = parse_hostname)]
    hostname: Option<String>,
    /// The largest IP packet, in octets [default: 1500, or the device's]
    #[arg(long, value_name = "N", value_parser = parse_mtu)]
    mtu: Option<u16>,
    /// Shape the wire in both directions, in netem's words or by a preset (`portolan presets`), in steps if wanted:
    /// 'delay 80ms 10ms loss 2% rate 10mbit', 'lossy-3g delay 500ms', 'lte; at 5s: loss 100%; at 8s: loss 0'
    #[arg(long, value_name = "SPEC", value_parser = parse_shape, conflicts_with_all = ["up", "down"])]
    net: Option<String>,
    /// Shape what the command sends
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    up: Option<String>,
    /// Shape what the command receives
    #[arg(long, value_name = "SPEC", value_parser = parse_shape)]
    down: Option<String>,
    /// Let the command reach this; all else is refused then. RULE is a name, *.name, address, CIDR or *, then perhaps
    /// :PORT or :PORT-PORT, and before it perhaps tcp:, udp: or icmp: as example.test:443, 10.0.0.0/8, udp:53, icmp
    #[arg(long, value_name = "RULE", value_parser = parse_rule)]
    allow: Vec<Rule>,
    /// Refuse the command this, whatever --allow says
    #[arg(long, value_name = "RULE", value_parser = parse_rule)]
    deny: Vec<Rule>,
    /// Append refusals to a file as lines of JSON, repeated ones of a second as one line with their count
    #[arg(long, value_name = "FILE")]
    deny_log: Option<PathBuf>,
    /// Seed the wire's faults, to have the same ones again
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    seed: Option<u64>,
    /// Set a knob of the command's host by its Linux name, as net.ipv4.ip_local_port_range='40000 40999'; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_sysctl)]
    sysctl: Vec<Sysctl>,
    /// Let 127.0.0.1 and ::1 be this machine's where nobody of the command listens
    #[arg(long)]
    share_loopback: bool,
}

/// What makes no sense for a host that runs already.
const HOST_OPTIONS: [&str; 20] = [
    "link",
    "address",
    "gateway",
    "dns",
    "publish",
    "hostname",
    "mtu",
    "net",
    "up",
    "down",
    "seed",
    "share_loopback",
    "sysctl",
    "allow",
    "deny",
    "deny_log",
    "pcap",
    "force",
    "summary",
    "quiet",
];

/// `portolan up`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan up NAME [OPTIONS]",
    after_help = "What the host has to say later is written to NAME.log in $XDG_RUNTIME_DIR/portolan, or /tmp/portolan-UID. A host \
                  that runs already is left as it is."
)]
pub(crate) struct UpArguments {
    /// The host's name, for `run --in`, `down` and `ls`
    #[arg(value_name = "NAME", value_parser = parse_host)]
    pub(crate) name: String,
    #[command(flatten)]
    host: HostArguments,
}

impl UpArguments {
    /// The host that the arguments ask for; an error is one line.
    pub(crate) fn config(self) -> Result<(String, Config), String> {
        Ok((self.name, self.host.into_config()?))
    }
}

/// `portolan down`.
#[derive(Args, Debug)]
pub(crate) struct DownArguments {
    /// The host's name, as `portolan ls` shows it
    #[arg(value_name = "NAME", value_parser = parse_host)]
    pub(crate) name: String,
}

/// `portolan run`.
#[derive(Args, Debug)]
#[command(
    override_usage = "portolan run [OPTIONS] -- COMMAND [ARG...]",
    after_help = "Exit status: that of COMMAND, 128+N when signal N ended it; 125 when Portolan could not start it, \
                  126 when it cannot be executed, 127 when it is not found, 2 for wrong usage.\n\n\
                  --allow and --deny keep honest programs in. With the engines preload and seccomp they are no boundary \
                  against a hostile one, which can make system calls that bypass Portolan. A rule's name means what \
                  the configured name servers answer for it; a program with a resolver of its own (DNS over HTTPS or \
                  TLS) is judged by addresses, and other names at an allowed name's address are not told apart."
)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    host: HostArguments,
    /// Run in the host that `portolan up NAME` has started, beside whatever else runs there
    #[arg(long = "in", value_name = "NAME", value_parser = parse_host, conflicts_with_all = HOST_OPTIONS)]
    join: Option<String>,
    /// Record every frame at the command's link to a pcapng file; '-' is standard output
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Let --pcap replace a file
    #[arg(long, requires = "pcap")]
    force: bool,
    /// How the command is attached: auto, preload (the dynamic loader), seccomp (also static programs), or netns (a
    /// network namespace: any program, with the kernel's own TCP)
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = engine::parse)]
    engine: engine::Choice,
    /// Write the summary to a file; '-' is standard output
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Print no summary
    #[arg(long)]
    quiet: bool,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, num_args = 1.., trailing_var_arg = true)]
    pub(super) command: Vec<OsString>,
}

impl HostArguments {
    /// The host that the arguments ask for; an error is one line.
    fn into_config(self) -> Result<Config, String> {
        let shape = Shape { up: self.net.clone().or(self.up), down: self.net.or(self.down) };
        let config = Config {
            link: self.link,
            addresses: self.address,
            gateways: self.gateway,
            dns: self.dns,
            mtu: self.mtu,
            shape,
            fence: fence::Settings { allow: self.allow, deny: self.deny, log: deny_log_path(self.deny_log)? },
            seed: self.seed,
            hostname: self.hostname,
            sysctls: self.sysctl,
            publish: self.publish,
            share_loopback: self.share_loopback,
            capture: false,
            keys: None,
        };
        config.check().map_err(|config::ConfigError(line)| line)?;
        Ok(config)
    }
}

impl RunArguments {
    /// The run that the arguments ask for; an error is one line.
    pub(crate) fn into_run(self, library: &'static [u8]) -> Result<Run, String> {
        let config = self.host.into_config()?;
        if self.engine == engine::Choice::Netns {
            netns::check(&config, self.join.is_some()).map_err(|config::ConfigError(line)| line)?;
        }
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
        let summary = if self.join.is_some() { SummaryTo::Nowhere } else { summary };
        Ok(Run {
            config,
            program,
            arguments: command.collect(),
            pcap,
            force,
            summary,
            library,
            host: self.join,
            engine: self.engine,
        })
    }
}

/// Where the stack process finds the log, wherever it runs.
fn deny_log_path(path: Option<PathBuf>) -> Result<Option<PathBuf>, String> {
    let Some(path) = path else { return Ok(None) };
    if path.as_os_str().is_empty() || path.as_os_str() == "-" {
        return Err("--deny-log needs a file's name; each target is told of on standard error anyway".into());
    }
    std::path::absolute(&path).map(Some).map_err(|error| format!("--deny-log {}: {error}", path.display()))
}
