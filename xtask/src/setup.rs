//! What the tests need from the system: Debian packages, installed when we are root.

use std::path::Path;
use std::process::Command;

use crate::Options;
use crate::step::Outcome;

/// A program that a test starts or a file that it reads, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/bin/curl", "curl"),
    ("/usr/bin/tshark", "tshark"),
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
    ("/usr/lib/python3.11/test/test_socket.py", "libpython3.11-testsuite"),
];

/// Installs what is missing, or says what cannot run.
pub(crate) fn run(options: &Options) -> Outcome {
    let missing = missing();
    if !missing.is_empty() && is_root() {
        println!("installing {}", missing.join(" "));
        let environment = [("DEBIAN_FRONTEND", "noninteractive")];
        for words in
            [vec!["update", "-qq"], [vec!["install", "-qqy", "--no-install-recommends"], missing].concat()]
        {
            let status = Command::new("apt-get").args(&words).envs(environment).status();
            if !status.is_ok_and(|status| status.success()) {
                return Outcome::fail(format!("apt-get {} failed", words.join(" ")));
            }
        }
    }
    let mut outcome = Outcome::pass();
    let absent = self::missing();
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

fn lacking(options: &Options, what: String) -> Outcome {
    if options.allow_missing {
        println!("left out: {what}");
        return Outcome { skipped: 1, ..Outcome::default() };
    }
    Outcome::fail(format!("{what}, or pass --allow-missing"))
}

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<_> =
        PROGRAMS.iter().filter(|(path, _)| !Path::new(path).exists()).map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
