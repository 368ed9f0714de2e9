//! A network namespace with a TAP in it.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use portolan_drivers::{Tap, TapOptions};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace, deleted with the value.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace. It needs root.
    pub(crate) fn new(name: &str) -> Result<Namespace, String> {
        let namespace = Namespace { name: format!("portolan-bench-{name}-{}", std::process::id()) };
        run(&format!("ip netns add {}", namespace.name))?;
        namespace.run("ip link set lo up")?;
        // What one transfer has learned of the path must not help the next.
        namespace.run("sysctl -qw net.ipv4.tcp_no_metrics_save=1")?;
        Ok(namespace)
    }

    /// Makes `tap0`, whose kernel end has `address` of a /24.
    pub(crate) fn tap(&self, address: &str) -> Result<Tap, String> {
        self.run("ip tuntap add dev tap0 mode tap")?;
        self.run("ip link set tap0 up")?;
        self.run(&format!("ip addr add {address}/24 dev tap0"))?;
        let options = TapOptions { vnet_hdr: false, ..TapOptions::default() };
        self.within(move || Tap::open("tap0", options).map_err(|error| error.to_string()))
    }

    /// Runs `call` on a thread that is in the namespace; the sockets it makes stay there.
    pub(crate) fn within<R: Send>(
        &self,
        call: impl FnOnce() -> Result<R, String> + Send,
    ) -> Result<R, String> {
        let path = format!("/run/netns/{}", self.name);
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let file = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(|error| format!("entering {path}: {error}"))?;
                call()
            });
            thread.join().map_err(|_| "a thread in a namespace panicked".to_owned())?
        })
    }

    /// A command in the namespace; its own words are to follow.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }

    /// Runs a command in the namespace.
    pub(crate) fn run(&self, command: &str) -> Result<(), String> {
        run(&format!("ip netns exec {} {command}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(command: &str) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
