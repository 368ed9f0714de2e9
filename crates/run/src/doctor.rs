//! What works on this machine, and what would make the rest work: `portolan doctor`.
//!
//! Every line is the result of trying: a device is opened, a namespace is made by a child, the library is loaded into a
//! program. Nothing is concluded from a version or a file's presence.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use portolan_drivers::{Tap, TapError, TapOptions};
use rustix::fs::Access;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::dns::hosts::Hosts;
use crate::dns::resolv_conf::ResolvConf;
use crate::gateway::icmp;
use crate::library::Library;

/// First arguments of the program's own probes.
pub const PROBE_LIBRARY: &str = "--portolan-probe-library";
/// Makes the namespaces of a command, and ends.
pub const PROBE_NAMESPACE: &str = "--portolan-probe-namespace";

/// Ends at once.
pub const PROBE_NOTHING: &str = "--portolan-probe-nothing";

/// The device that is made for a moment to see whether it can be.
const TAP_NAME: &str = "portolan-try";

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It works.
    Works,
    /// It works with a limit, which is named.
    Limited,
    /// It does not work; what would enable it is named.
    Missing,
}

/// One thing that was tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// What was tried.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Check {
    fn works(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, outcome: Outcome::Works, found: found.into(), hint: None }
    }

    fn not(name: &'static str, outcome: Outcome, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { name, outcome, found: found.into(), hint: Some(hint.into()) }
    }
}

/// Tries everything. `library` is the preload library's octets.
pub fn examine(library: &[u8]) -> Vec<Check> {
    let mut checks = vec![
        engine_preload(library),
        engine_seccomp(),
        engine_netns(),
        Check::works("link egress", "flows go out over ordinary sockets of this user"),
        Check::works("link none", "a private wire, with portolan.internal alone on it"),
        link_tap(),
        link_packet(),
        Check::works("link wire", "hosts of this user on one virtual Ethernet"),
        ping("ping over IPv4", true),
        ping("ping over IPv6", false),
        names(),
        hosts_table(),
        descriptors(),
        waking(),
    ];
    checks.push(Check::not(
        "other local users",
        Outcome::Limited,
        "they can see the sockets' names in /proc/net/unix, and fill a listener's backlog; they cannot pose as a peer",
        "on a machine shared with people you do not trust, run in a container of your own",
    ));
    checks
}

/// Whether `portolan run` with its defaults works, by these checks.
pub fn is_healthy(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.name != "engine preload" || check.outcome == Outcome::Works)
}

/// The checks as a table, and what to do below each that needs something.
pub fn render(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let outcome = match check.outcome {
            Outcome::Works => "works",
            Outcome::Limited => "limited",
            Outcome::Missing => "missing",
        };
        let found = crate::summary::escape(&check.found);
        text.push_str(&format!("{:width$}  {outcome:7}  {found}\n", check.name));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("{:width$}           -> {}\n", "", crate::summary::escape(hint)));
        }
    }
    text
}

/// The program's part in the probes; `None` when `argument` is none of theirs.
pub fn probe(argument: &std::ffi::OsStr) -> Option<ExitCode> {
    let succeeded = if argument == PROBE_LIBRARY {
        std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains(crate::library::FILE_NAME))
    } else if argument == PROBE_NOTHING {
        true
    } else if argument == PROBE_NAMESPACE {
        let made = crate::netns::inside::probe();
        if let Err(why) = &made {
            println!("{why}");
        }
        made.is_ok()
    } else {
        return None;
    };
    Some(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_probe(argument: &str, preload: Option<&Path>) -> io::Result<bool> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match preload {
        Some(path) => command.env("LD_PRELOAD", path),
        None => command.env_remove("LD_PRELOAD"),
    };
    Ok(command.status()?.success())
}

fn engine_preload(library: &[u8]) -> Check {
    let name = "engine preload";
    let placed = match Library::place(library) {
        Ok(placed) => placed,
        Err(error) => {
            return Check::not(
                name,
                Outcome::Missing,
                format!("no place for the library: {error}"),
                "allow programs in /tmp or /var/tmp (no noexec), or put the library beside the program",
            );
        }
    };
    match run_probe(PROBE_LIBRARY, Some(placed.path())) {
        Ok(true) => Check::works(name, format!("the loader takes {}", placed.path().display())),
        Ok(false) => Check::not(
            name,
            Outcome::Missing,
            format!("the loader does not take {}", placed.path().display()),
            "is the machine's C library glibc, and does a security module forbid LD_PRELOAD?",
        ),
        Err(error) => Check::not(name, Outcome::Missing, error.to_string(), "mount /proc"),
    }
}

/// Starts a program under a filter whose calls are answered by nobody: that it is taken over is all that is asked.
fn engine_seccomp() -> Check {
    let name = "engine seccomp";
    match crate::engine::try_filter() {
        Ok(()) => Check::works(
            name,
            "the kernel holds a program's socket calls, and its descriptors can be reached",
        ),
        Err(error) => Check::not(
            name,
            Outcome::Missing,
            crate::engine::why_no_filter(&error),
            "Linux 5.14 or later; in a container, allow seccomp and pidfd_getfd; as root: sysctl -w kernel.yama.ptrace_scope=1",
        ),
    }
}

fn link_tap() -> Check {
    let name = "link tap";
    let user = rustix::process::geteuid().as_raw();
    match Tap::open(TAP_NAME, TapOptions { create: true, ..TapOptions::default() }) {
        Ok(tap) if tap.has_vnet_hdr() => Check::works(name, "a TAP can be made, with super-segments"),
        Ok(_) => Check::works(name, "a TAP can be made, without super-segments"),
        Err(error) => {
            let device = Path::new("/dev/net/tun");
            let may_open = rustix::fs::access(device, Access::READ_OK | Access::WRITE_OK).is_ok();
            let outcome = if may_open { Outcome::Limited } else { Outcome::Missing };
            let make = format!("ip tuntap add NAME mode tap user {user} && ip link set NAME up");
            let hint = if may_open {
                format!("as root, once: {make}")
            } else if device.exists() {
                format!("as root: chmod 666 /dev/net/tun; {make}")
            } else {
                "as root: modprobe tun (in a container: pass /dev/net/tun in)".into()
            };
            Check::not(name, outcome, describe_tap(&error), hint)
        }
    }
}

fn link_packet() -> Check {
    let name = "link packet";
    match rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None) {
        Ok(_) => Check::works(name, "the stack can be one more station on an Ethernet interface"),
        Err(errno) => Check::not(
            name,
            Outcome::Limited,
            format!("no packet socket: {}", std::io::Error::from(errno)),
            "run as root, or on a veth in a user and network namespace of your own: unshare -Urn",
        ),
    }
}

fn describe_tap(error: &TapError) -> String {
    // The hint is ours; the driver's own text ends with one after a semicolon.
    let text = error.to_string().replace(TAP_NAME, "NAME");
    text.split(';').next().unwrap_or_default().to_owned()
}

fn ping(name: &'static str, v4: bool) -> Check {
    match icmp::is_permitted(v4) {
        Ok(()) => Check::works(name, "this user may have ping sockets"),
        Err(error) => Check::not(
            name,
            Outcome::Missing,
            format!("no ping socket: {error}"),
            "as root: sysctl -w net.ipv4.ping_group_range='0 2147483647'",
        ),
    }
}

fn names() -> Check {
    let conf = ResolvConf::read(Path::new("/etc/resolv.conf"));
    let name = "names";
    if conf.servers.is_empty() {
        let hint = "write a line 'nameserver ADDRESS' into it, or give --dns ADDRESS";
        return Check::not(name, Outcome::Limited, "/etc/resolv.conf names no server", hint);
    }
    let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
    let found = format!("/etc/resolv.conf names {}", servers.join(" "));
    if conf.servers.iter().all(std::net::IpAddr::is_loopback) {
        let hint = "with a TAP such a server cannot be reached; give --dns ADDRESS there";
        return Check::not(name, Outcome::Limited, found, hint);
    }
    Check::works(name, found)
}

fn hosts_table() -> Check {
    let hosts = Hosts::read(Path::new("/etc/hosts"));
    match hosts.malformed.as_slice() {
        [] => Check::works("hosts table", "/etc/hosts is read"),
        [first, ..] => Check::not(
            "hosts table",
            Outcome::Limited,
            format!("{} lines of /etc/hosts are ignored, the first is line {first}", hosts.malformed.len()),
            "a line is an address and its names",
        ),
    }
}

fn descriptors() -> Check {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let name = "connections";
    match maximum {
        Some(maximum) if maximum < 4096 => Check::not(
            name,
            Outcome::Limited,
            format!("at most {maximum} descriptors, two for each connection"),
            "raise the hard limit: ulimit -Hn, or LimitNOFILE= of the service",
        ),
        Some(maximum) => Check::works(name, format!("{maximum} descriptors, two for each connection")),
        None => Check::works(name, "no limit of descriptors"),
    }
}

fn waking() -> Check {
    let name = "stack failure";
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if scope.trim().parse::<u8>().unwrap_or(0) >= 2 && !rustix::process::geteuid().is_root() {
        let hint = "as root: sysctl -w kernel.yama.ptrace_scope=1";
        return Check::not(
            name,
            Outcome::Limited,
            "Yama forbids waking a blocked accept if the stack process dies",
            hint,
        );
    }
    Check::works(name, "a blocked accept can be woken if the stack process dies")
}

/// Makes in a child what a command would get.
fn engine_netns() -> Check {
    let name = "engine netns";
    let mut child = Command::new("/proc/self/exe");
    child.arg(PROBE_NAMESPACE).env_remove("LD_PRELOAD").stdin(Stdio::null()).stderr(Stdio::null());
    let output = match child.output() {
        Ok(output) if output.status.success() => {
            return Check::works(
                name,
                "a command can have a network namespace of its own; its TCP is then the kernel's",
            );
        }
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
        Err(error) => error.to_string(),
    };
    let (found, hint) = output.split_once("; ").unwrap_or((&output, "nothing is known that would help"));
    Check::not(name, Outcome::Missing, found, hint)
}
