//! The names of ports, from /etc/services.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Names by port and protocol, and ports by name.
#[derive(Default)]
struct Services {
    names: HashMap<(u16, String), String>,
    ports: HashMap<String, u16>,
}

fn services() -> &'static Services {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    SERVICES.get_or_init(|| read(&std::fs::read_to_string("/etc/services").unwrap_or_default()))
}

fn read(text: &str) -> Services {
    let mut services = Services::default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(name), Some((port, protocol))) =
            (words.next(), words.next().and_then(|word| word.split_once('/')))
        else {
            continue;
        };
        let Ok(port) = port.parse::<u16>() else { continue };
        services.names.entry((port, protocol.to_owned())).or_insert_with(|| name.to_owned());
        for name in std::iter::once(name).chain(words) {
            services.ports.entry(name.to_owned()).or_insert(port);
        }
    }
    services
}

/// A service's name.
pub(crate) fn name(port: u16, protocol: &str) -> Option<&'static str> {
    services().names.get(&(port, protocol.to_owned())).map(String::as_str)
}

/// A service's port.
pub(crate) fn port(name: &str) -> Option<u16> {
    services().ports.get(name).copied()
}
