//! A network namespace with a TAP, which the calling thread moves into.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace of this test. It is deleted with the value; the thread ends with the test.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace whose `tap0` has 10.9.0.1/24 and fd09::1/64, and moves this thread into it; threads that
    /// it starts are there too. `None` if that is impossible and allowed to be.
    pub(crate) fn enter(test: &str, vnet_hdr: bool) -> Option<Namespace> {
        if !rustix::process::geteuid().is_root() {
            assert!(
                std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some(),
                "this test needs root, for a TAP in a network namespace; PORTOLAN_ALLOW_MISSING=1 leaves it out"
            );
            eprintln!("left out: it needs root");
            return None;
        }
        let namespace = Namespace { name: format!("portolan-{test}-{}", std::process::id()) };
        run(&format!("ip netns add {}", namespace.name));
        let kind = if vnet_hdr { "vnet_hdr" } else { "" };
        namespace.run("ip link set lo up");
        namespace.run(&format!("ip tuntap add dev tap0 mode tap {kind}"));
        namespace.run("ip link set tap0 up");
        namespace.run("ip addr add 10.9.0.1/24 dev tap0");
        namespace.run("ip addr add fd09::1/64 dev tap0 nodad");
        let file = File::open(format!("/run/netns/{}", namespace.name)).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Some(namespace)
    }

    /// Runs a command in the namespace.
    pub(crate) fn run(&self, command: &str) {
        run(&format!("ip netns exec {} {command}", self.name));
    }
}

impl Namespace {
    /// What a command in the namespace says, whether it succeeds or not.
    pub(crate) fn output(&self, command: &str) -> String {
        let words = format!("netns exec {} {command}", self.name);
        let output = Command::new("ip").args(words.split_whitespace()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
