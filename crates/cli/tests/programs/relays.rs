//! Programs that carry octets between two descriptors: socat, nc, telnet.

use crate::harness::Run;

#[test]
fn socat_relays_streams_and_datagrams() {
    let Some(run) = Run::of(&["/usr/bin/socat"]) else { return };
    let ran = run.noise(5_000_000).script("socat.sh");
    ran.prints(&["same", "HELLO", "5000000", "Connection refused"]);
}

#[test]
fn nc_listens_connects_and_scans() {
    let Some(run) = Run::of(&["/usr/bin/nc"]) else { return };
    run.noise(5_000_000).script("nc.sh").prints(&["same", "refused", "datagram", "1", "2", "3"]);
}

#[test]
fn telnet_talks_and_is_refused() {
    let Some(run) = Run::of(&["/usr/bin/inetutils-telnet", "/usr/bin/socat"]) else { return };
    run.script("telnet.sh").prints(&[
        "Trying 127.0.0.1...",
        "Connected to 127.0.0.1.",
        "Escape character is '^]'.",
        "you said hello",
        "Connection closed by foreign host.",
        "Connection refused",
    ]);
}
