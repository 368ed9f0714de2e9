//! Names and time, by UDP: dig with dnsmasq, ntpdig with chronyd.

use crate::harness::Run;

/// The first answers are those of the run's own name server, at the address that the machine's resolv.conf names.
#[test]
fn dig_asks_the_built_in_names_and_a_server_of_the_run() {
    let Some(run) = Run::of(&["/usr/bin/dig", "/usr/sbin/dnsmasq"]) else { return };
    run.script("dig.sh").prints(&[
        "10.0.2.4",
        "fd00::4",
        "10.0.2.2",
        "status: NXDOMAIN",
        "localhost.",
        "10.0.2.5",
        "192.0.2.7",
        "2001:db8::7",
        "\"some text\"",
        "5 mail.test.",
        "connection refused",
    ]);
}

#[test]
fn chronyd_serves_time_to_ntpdig_and_to_itself() {
    let Some(run) = Run::of(&["/usr/sbin/chronyd", "/usr/bin/ntpdig"]) else { return };
    run.script("ntp.sh").prints(&["True 8 127.0.0.1", "wrong by"]);
}
