//! Whose a frame is: the process that holds the port on the command's side.
//!
//! The control server notes who takes a port; the capture asks for each frame. A connection that a program has made is
//! known by both of its ends, everything else by its port here. Notes outlive their sockets, so that the last segments
//! of a connection have an owner too, until the port is taken again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use portolan_drivers::Direction;
use portolan_link::Medium;

use crate::summary::escape;

/// Notes of one kind; beyond that all are forgotten, and those that still count are made again.
const NOTES_MAX: usize = 65_536;

const ETHERNET_HEADER: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The notes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Attribution(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    ports: HashMap<(u8, u16), Arc<str>>,
    connections: HashMap<(u8, u16, SocketAddr), Arc<str>>,
}

impl Attribution {
    /// A process holds this port, and speaks with `remote` alone if that is given. `name` is the process's own.
    pub fn note(&self, protocol: u8, port: u16, remote: Option<SocketAddr>, name: &str, pid: u32) {
        let comment: Arc<str> = format!("{} (pid {pid})", escape(name)).into();
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match remote {
            Some(remote) => {
                let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                forget_if_many(&mut notes.connections);
                notes.connections.insert((protocol, port, remote), comment);
            }
            None => {
                forget_if_many(&mut notes.ports);
                notes.ports.insert((protocol, port), comment);
            }
        }
    }

    /// Whose a frame is, as a comment: `curl (pid 7)`.
    pub fn comment(&self, medium: Medium, direction: Direction, frame: &[u8]) -> Option<String> {
        let packet = match medium {
            Medium::Ethernet => frame.get(ETHERNET_HEADER..)?,
            Medium::Ip => frame,
        };
        let Ends { protocol, source, destination } = ends(packet)?;
        let (local, remote) = match direction {
            Direction::Outbound => (source, destination),
            Direction::Inbound | Direction::Unknown => (destination, source),
        };
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let comment = notes.connections.get(&(protocol, local.port(), remote));
        comment.or_else(|| notes.ports.get(&(protocol, local.port()))).map(|comment| comment.to_string())
    }
}

fn forget_if_many<K, V>(notes: &mut HashMap<K, V>) {
    if notes.len() >= NOTES_MAX {
        notes.clear();
    }
}

/// Who speaks with whom.
struct Ends {
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
}

/// The ends of a TCP segment or UDP datagram; `None` for all else, and for a fragment that is not the first.
fn ends(packet: &[u8]) -> Option<Ends> {
    let (protocol, source, destination, payload): (u8, IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let offset = u16::from_be_bytes(*packet.get(6..)?.first_chunk()?) & 0x1fff;
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<4>()?));
            (*packet.get(9)?, address(12)?, address(16)?, packet.get(header..).filter(|_| offset == 0)?)
        }
        6 => {
            let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<16>()?));
            (*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(*payload.get(at..)?.first_chunk()?));
    let (from, to) = (port(0)?, port(2)?);
    matches!(protocol, TCP | UDP).then(|| Ends {
        protocol,
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

#[cfg(test)]
mod tests;
