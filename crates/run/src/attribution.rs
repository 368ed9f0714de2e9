//! Whose a frame is, as the comment that a recording has for it.
//!
//! [`Owners`] knows who holds a port of the command's side; here is what finds the port in a frame.

use portolan_drivers::Direction;
use portolan_link::Medium;

use crate::owners::Owners;
use crate::summary::escape;

const ETHERNET_HEADER: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The process behind a frame: `curl (pid 7)`. `None` for what has no ports, or nobody's.
pub fn comment(owners: &Owners, medium: Medium, direction: Direction, frame: &[u8]) -> Option<String> {
    let packet = match medium {
        Medium::Ethernet => frame.get(ETHERNET_HEADER..)?,
        Medium::Ip => frame,
    };
    let Ports { protocol, source, destination } = ports(packet)?;
    let local = if direction == Direction::Outbound { source } else { destination };
    let owner = owners.of(protocol, local)?;
    Some(format!("{} (pid {})", escape(&owner.name), owner.pid))
}

/// Who speaks with whom.
struct Ports {
    protocol: u8,
    source: u16,
    destination: u16,
}

/// The ports of a TCP segment or UDP datagram; `None` for all else, and for a fragment that is not the first.
fn ports(packet: &[u8]) -> Option<Ports> {
    let (protocol, payload) = match packet.first()? >> 4 {
        4 => {
            let offset = u16::from_be_bytes(*packet.get(6..)?.first_chunk()?) & 0x1fff;
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (*packet.get(9)?, packet.get(header..).filter(|_| offset == 0)?)
        }
        6 => (*packet.get(6)?, packet.get(40..)?),
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(*payload.get(at..)?.first_chunk()?));
    let (source, destination) = (port(0)?, port(2)?);
    matches!(protocol, TCP | UDP).then_some(Ports { protocol, source, destination })
}

#[cfg(test)]
mod tests;
