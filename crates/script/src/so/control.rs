//! The socket at which the small programs in a script's PATH knock: one connection is one command.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Weak};
use std::thread;

use crate::shell;
use crate::so::control_name;
use crate::so::world::World;

/// Listens in a thread of its own until the machine is gone. Without the socket, scripts run as long as they contain
/// no shell commands, and those say what is missing.
pub(super) fn serve(world: &Arc<World>) {
    let Some(listener) = name().and_then(|name| UnixListener::bind_addr(&name).ok()) else {
        eprintln!("portolan: no socket for shell commands: another machine of this process has it");
        return;
    };
    let world = Arc::downgrade(world);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if answer(&world, stream).is_none() {
                return;
            }
        }
    });
}

/// Wakes the thread that listens, so that it sees that the machine is gone.
pub(super) fn knock() {
    if let Some(name) = name() {
        drop(UnixStream::connect_addr(&name));
    }
}

fn name() -> Option<SocketAddr> {
    SocketAddr::from_abstract_name(control_name(&std::process::id().to_string())).ok()
}

/// Carries out one command; `None` if there is no machine any more.
fn answer(world: &Weak<World>, mut stream: UnixStream) -> Option<()> {
    let mut words = String::new();
    let read = stream.read_to_string(&mut words);
    let world = world.upgrade()?;
    if world.lock().closed {
        return None;
    }
    if read.is_ok() && !words.is_empty() {
        let words: Vec<&str> = words.split('\0').collect();
        let output = world.now(|machine| shell::run(machine, &words));
        let mut octets = vec![output.status];
        octets.extend(output.text.as_bytes());
        // Who has asked and does not listen has no use for the answer.
        let _ = stream.write_all(&octets);
    }
    Some(())
}
