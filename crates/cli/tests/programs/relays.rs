//! Programs that carry octets between two descriptors: socat, nc, telnet.

use crate::harness::Run;
use crate::support::noise;

/// TCP4 to TCP6 to a file through two relays that fork, and datagrams to an echo.
const SOCAT: &str = r#"
socat -u TCP6-LISTEN:7002,bind=[::1],ipv6only=1,reuseaddr CREATE:arrived &
target=$!
socat TCP4-LISTEN:7001,bind=127.0.0.1,reuseaddr,fork TCP6:[::1]:7002 &
sleep 0.3
socat -u OPEN:noise TCP4:127.0.0.1:7001
wait $target
cmp noise arrived && echo same
socat UDP4-RECVFROM:7003,fork EXEC:'tr a-z A-Z' &
sleep 0.3
printf hello | socat -t 2 - UDP4:127.0.0.1:7003
echo
socat TCP4-LISTEN:7004,bind=127.0.0.1,reuseaddr,fork EXEC:'wc -c' &
port 7004
socat -t 5 OPEN:noise,rdonly!!STDOUT TCP4:127.0.0.1:7004
socat -u TCP4:127.0.0.1:7999 - 2>refused || grep -o 'Connection refused' refused
"#;

#[test]
fn socat_relays_streams_and_datagrams() {
    let Some(run) = Run::of(&["/usr/bin/socat"]) else { return };
    let ran = run.file("noise", noise(5_000_000)).script(SOCAT);
    ran.prints(&["same", "HELLO", "5000000", "Connection refused"]);
}
