//! What the tests need from the system: Debian packages, installed when we are root.

mod programs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::Options;
use crate::step::Outcome;

/// A program that a test starts or a file that it reads, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/tshark", "tshark"),
    ("/usr/bin/tcpdump", "tcpdump"),
    ("/usr/bin/strings", "binutils"),
    ("/usr/bin/nmap", "nmap"),
    ("/usr/bin/ping", "iputils-ping"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/ethtool", "ethtool"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/setpriv", "util-linux"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/sbin/dnsmasq", "dnsmasq-base"),
    ("/usr/bin/gcc", "gcc"),
    ("/usr/bin/ruby", "ruby"),
    ("/usr/share/doc/ruby-webrick/copyright", "ruby-webrick"),
    ("/usr/bin/xz", "xz-utils"),
    ("/usr/bin/go", "golang-go"),
    ("/usr/lib/python3.11/test/test_socket.py", "libpython3.11-testsuite"),
];

/// Installs what is missing, or says what cannot run.
pub(crate) fn run(options: &Options) -> Outcome {
    let missing = missing(options);
    if !missing.is_empty()
        && is_root()
        && let Err(why) = install(&missing)
    {
        return Outcome::fail(why);
    }
    let mut outcome = Outcome::pass();
    let absent = self::missing(options);
    if !absent.is_empty() {
        outcome.add(lacking(
            options,
            format!("packages {} are missing: install them as root", absent.join(" ")),
        ));
    }
    if !is_root() {
        outcome.add(lacking(
            options,
            "not root: tests with a TAP, a namespace or another user cannot run; run as root".to_owned(),
        ));
    }
    outcome
}

/// Installs packages. Daemons among them are neither started nor enabled.
fn install(packages: &[&str]) -> Result<(), String> {
    println!("installing {}", packages.join(" "));
    let _no_daemon = NoDaemon::starts().map_err(|error| format!("{POLICY}: {error}"))?;
    let install = [&["install", "-qqy", "--no-install-recommends"], packages].concat();
    for words in [&["update", "-qq"][..], &install] {
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=120"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(format!("apt-get {} failed", words.join(" ")));
        }
    }
    for unit in units(packages) {
        // A machine without systemd has nothing to disable.
        let _ = Command::new("systemctl").args(["--quiet", "disable", &unit]).output();
    }
    Ok(())
}

/// The systemd services that packages have.
fn units(packages: &[&str]) -> Vec<String> {
    let listing =
        Command::new("dpkg").arg("-L").args(packages).output().map_or_else(|_| Vec::new(), |it| it.stdout);
    let listing = String::from_utf8_lossy(&listing);
    let names = listing.lines().filter_map(|path| path.strip_prefix("/lib/systemd/system/"));
    names.filter(|name| name.ends_with(".service") && !name.contains('@')).map(str::to_owned).collect()
}

/// What Debian's packages ask before they start a daemon.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// As long as it lives, installing a package starts no daemon.
struct NoDaemon {
    is_ours: bool,
}

impl NoDaemon {
    /// Writes the policy, unless the machine has one already.
    fn starts() -> std::io::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { is_ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoDaemon {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

fn lacking(options: &Options, what: String) -> Outcome {
    if options.allow_missing {
        println!("left out: {what}");
        return Outcome { skipped: 1, ..Outcome::default() };
    }
    Outcome::fail(format!("{what}, or pass --allow-missing"))
}

fn missing(options: &Options) -> Vec<&'static str> {
    let large = if options.full { programs::LARGE } else { &[] };
    let wanted = PROGRAMS.iter().chain(programs::SMALL).chain(large);
    let mut packages: Vec<_> =
        wanted.filter(|(path, _)| !Path::new(path).exists()).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
