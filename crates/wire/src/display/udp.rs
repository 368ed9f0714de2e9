//! The line of a UDP datagram.

use core::fmt;

use super::ip::Upper;
use super::malformed;
use crate::udp;

pub(super) fn line(f: &mut fmt::Formatter<'_>, upper: Upper<'_>) -> fmt::Result {
    let header = match udp::Header::parse(upper.bytes) {
        Ok((header, _)) => header,
        Err(error) => {
            upper.addresses(f)?;
            return malformed(f, "udp", error);
        }
    };
    upper.endpoints(f, header.src_port(), header.dst_port())?;
    let stated = usize::from(header.len());
    if stated > upper.len && !upper.first_fragment {
        write!(f, "UDP, bad length {stated} > {}", upper.len)
    } else {
        write!(f, "UDP, length {}", stated - udp::Header::LEN)
    }
}
