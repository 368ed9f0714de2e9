//! The shell commands that scripts contain, as calls on a machine: `sysctl`, `set_sysctls.py`, `ip`, `tc`, `ethtool`,
//! `nstat`, `ss`, `sockstat`.
//!
//! Each is a small program of ours with the name of the real one, put first in PATH. [`run`] is what it does to the
//! machine; the program itself only carries the words there and the answer back.

use portolan_stack::RouteLimits;
use portolan_wire::{Address, Cidr, Family};

use crate::knobs::KnobError;
use crate::machine::Machine;

/// What a command prints, and its exit status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// The exit status; 0 is success.
    pub status: u8,
    /// What it prints.
    pub text: String,
}

impl Output {
    fn failure(text: impl Into<String>) -> Output {
        Output { status: 1, text: text.into() }
    }
}

/// Carries out one command, given as its words, the program's name first.
pub fn run(machine: &mut Machine, words: &[&str]) -> Output {
    let Some((program, arguments)) = words.split_first() else { return Output::failure("no command") };
    match program.rsplit('/').next().unwrap_or(program) {
        "sysctl" => sysctl(machine, arguments),
        "set_sysctls.py" => assign(machine, arguments),
        "ethtool" => ethtool(machine, arguments),
        "tc" => tc(machine, arguments),
        "grep" => grep(machine, arguments),
        "nstat" => nstat(machine),
        "ip" => ip(machine, arguments),
        "ss" | "sockstat" => Output::default(),
        other => Output::failure(format!("{other}: no such command")),
    }
}

/// `sysctl [-q] [-e] [-w] NAME[=VALUE]...`
fn sysctl(machine: &mut Machine, arguments: &[&str]) -> Output {
    let mut output = Output::default();
    let lenient = arguments.contains(&"-e");
    for argument in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        let result = match argument.split_once('=') {
            Some((name, value)) => machine.set_sysctl(name, value),
            None => machine.sysctl(argument).ok_or_else(|| KnobError::Unknown(String::from(*argument))).map(
                |value| {
                    output.text += &format!("{argument} = {value}\n");
                },
            ),
        };
        if let Err(error) = result
            && !(lenient && matches!(error, KnobError::Unknown(_)))
        {
            output.status = 1;
            output.text += &format!("sysctl: {error}\n");
        }
    }
    output
}

/// `set_sysctls.py PATH=VALUE...`; prints the commands that undo it.
fn assign(machine: &mut Machine, arguments: &[&str]) -> Output {
    let mut output = Output::default();
    for argument in arguments {
        let Some((path, value)) = argument.split_once('=') else {
            return Output::failure(format!("set_sysctls.py: '{argument}' has no value"));
        };
        let before = machine.sysctl(path).unwrap_or_default();
        if let Err(error) = machine.set_sysctl(path, value) {
            return Output::failure(format!("set_sysctls.py: {error}\n"));
        }
        output.text += &format!("sysctl -q '{path}={before}'\n");
    }
    output
}

/// `ethtool -K DEVICE {gso|tso|gro} {on|off}...`: as on Linux, TCP makes super-segments in any case, and the host cuts
/// them if the device does not.
fn ethtool(machine: &mut Machine, arguments: &[&str]) -> Output {
    for pair in arguments.windows(2) {
        if let ["gso" | "tso", value @ ("on" | "off")] = pair {
            machine.cuts = *value == "off";
        }
    }
    Output::default()
}

/// `grep TEXT /proc/net/tcp [/proc/net/tcp6]`: the lines of the machine's own tables that contain the text.
fn grep(machine: &mut Machine, arguments: &[&str]) -> Output {
    let Some((pattern, files)) = arguments.split_first() else { return Output::failure("grep: no pattern") };
    let mut text = String::new();
    for file in files {
        let family = if file.ends_with("tcp6") { Family::V6 } else { Family::V4 };
        let lines = machine.socket_table(family);
        for line in lines.iter().filter(|line| line.contains(pattern)) {
            text += &format!("{file}:{line}\n");
        }
    }
    Output { status: u8::from(text.is_empty()), text }
}

/// `nstat`: the counters of the host that scripts look at, with Linux's names.
fn nstat(machine: &Machine) -> Output {
    let icmp = &machine.stack().stats().icmpv4;
    let rows = [("IcmpInMsgs", icmp.in_msgs), ("TcpExtOutOfWindowIcmps", 0)];
    Output {
        status: 0,
        text: rows.iter().map(|(name, value)| format!("{name:<32}{value:<18}0.0\n")).collect(),
    }
}

/// `ip tcp_metrics flush all`: what was learned of peers is forgotten. `ip [-4|-6] route {add|change|replace} ADDRESS[/BITS]
/// [advmss N] [mtu [lock] N]`: routers and the rest do not matter to a machine with one link.
fn ip(machine: &mut Machine, arguments: &[&str]) -> Output {
    let arguments = arguments.strip_prefix(&["-6"]).or(arguments.strip_prefix(&["-4"])).unwrap_or(arguments);
    match arguments {
        ["tcp_metrics", ..] => machine.stack.forget_fast_open_servers(),
        ["route", "add" | "change" | "replace", destination, rest @ ..] => {
            let address = |text: &str| {
                let address = text.parse::<Address>().ok()?;
                Cidr::new(address, if address.is_v4() { 32 } else { 128 })
            };
            let number = |name| {
                let mut words = rest.iter().skip_while(|word| **word != name).skip(1);
                words.find(|word| **word != "lock")?.parse().ok()
            };
            let Some(destination) = destination.parse().ok().or_else(|| address(destination)) else {
                return Output::failure(format!("ip: '{destination}' is no destination"));
            };
            let limits = RouteLimits { mtu: number("mtu"), advertised_mss: number("advmss") };
            machine.limit_route(destination, limits);
        }
        _ => {}
    }
    Output::default()
}

/// `tc qdisc {add|replace|delete} ... {fq|pfifo} [limit N]`: `fq` paces, and a queue with no room takes nothing.
fn tc(machine: &mut Machine, arguments: &[&str]) -> Output {
    machine.stack.tcp_config_mut().pacing = arguments.contains(&"fq");
    let limit = arguments.iter().skip_while(|word| **word != "limit").nth(1);
    machine.is_full = limit == Some(&"0");
    Output::default()
}
