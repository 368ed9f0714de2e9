//! Programs that measure and probe: iperf3, nmap, ping.

use crate::harness::Run;

#[test]
fn iperf3_measures_tcp_and_udp_in_both_roles() {
    let Some(run) = Run::of(&["/usr/bin/iperf3"]) else { return };
    run.script("iperf3.sh").prints(&[
        "up all arrived",
        "down all arrived",
        "four all arrived",
        "both all arrived",
        "datagrams-up all arrived",
        "datagrams-down all arrived",
    ]);
}

#[test]
fn nmap_finds_what_is_open_by_connecting() {
    let Some(run) = Run::of(&["/usr/bin/nmap"]) else { return };
    run.script("nmap.sh").prints(&[
        "8000/tcp open http-alt",
        "8001/tcp closed vcom-tunnel",
        "8002/tcp closed teradataordbms",
        "8003/tcp closed mcreport",
        "Ports: 8000/open/tcp//http-alt/// Ignored State: closed (2000)",
        "8000/tcp closed http-alt",
        "8001/tcp open vcom-tunnel",
        "SimpleHTTPServer",
    ]);
}

#[test]
fn ping_is_answered_by_loopback_and_the_gateway() {
    let Some(run) = Run::of(&["/usr/bin/ping"]) else { return };
    run.options(&["--link", "none"]).script("ping.sh").prints(&[
        "3 received",
        "3 received",
        "3 received",
        "Network is unreachable",
    ]);
}
