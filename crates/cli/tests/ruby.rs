//! The scripts in `tests/ruby`, each on the kernel and under `portolan run`: what they print is held against each other.
//!
//! The kernel's run has a network namespace of its own with nothing but the loopback; ours has `--link none`.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use support::*;

/// The scripts end themselves after 50 seconds.
const LIMIT: Duration = Duration::from_secs(80);

/// Port numbers below this are root's, as they are by default in a namespace of the kernel's.
const RESERVED: &str = "net.ipv4.ip_unprivileged_port_start=1024";

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/ruby").join(name).with_extension("rb")
}

fn on_the_kernel(name: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up; exec ruby \"$0\""]).arg(script(name));
    finish(command.stdin(Stdio::null()), LIMIT)
}

fn on_portolan(name: &str) -> Output {
    let mut command = Command::new(built());
    command.args(["run", "--quiet", "--link", "none", "--sysctl", RESERVED, "--", "ruby"]).arg(script(name));
    finish(command.stdin(Stdio::null()), LIMIT)
}

/// Runs a script on both and compares.
fn compare(name: &str) {
    if !root_or_skip() {
        return;
    }
    let (kernel, ours) = thread::scope(|scope| {
        let kernel = scope.spawn(|| on_the_kernel(name));
        let ours = on_portolan(name);
        (kernel.join().unwrap(), ours)
    });
    assert!(kernel.status.success(), "{name} on the kernel: {}", text(&kernel.stderr));
    let (expected, printed) = (text(&kernel.stdout), text(&ours.stdout));
    let mut differences = String::new();
    for (expected, printed) in expected.lines().zip(printed.lines()).filter(|(a, b)| a != b) {
        differences.push_str(&format!("kernel   {expected}\nportolan {printed}\n"));
    }
    assert!(
        ours.status.success() && printed == expected,
        "{name}: {}, {} of {} lines\n{differences}{}",
        ours.status,
        printed.lines().count(),
        expected.lines().count(),
        text(&ours.stderr)
    );
    assert!(!expected.is_empty(), "{name} prints no facts");
}

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                compare(stringify!($name));
            }
        )*

        /// Every script has its test.
        #[test]
        fn no_script_is_forgotten() {
            let tested = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(script("support").parent().unwrap()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                let is_shared = ["support", "certificates"].contains(&name);
                assert!(is_shared || tested.contains(&name), "{} is not run", path.display());
            }
        }
    };
}

scripts! {
    chat
    dual_stack
    echo_threads
    errors
    forwarder
    half_close
    inherited
    interfaces
    linger
    low_level
    messages
    net_http_tls
    nonblocking
    ntp
    options
    pool
    port_scanner
    prefork
    privileges
    resolv
    select_loop
    tls
    udp
    webrick
}
