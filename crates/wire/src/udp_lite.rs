//! UDP-Lite headers (RFC 3828): UDP's, but where UDP states the length stands how much of the datagram the checksum covers.

use crate::{Address, Checksum, WireError, protocol, udp};

#[cfg(test)]
mod tests;

/// Where the coverage stands in the header.
const COVERAGE_OFFSET: usize = 4;

/// The octets of a datagram, header included, that its checksum covers.
///
/// # Errors
/// `Truncated` below 8 octets; `BadLength` for a coverage that ends within the header or behind the datagram (RFC 3828
/// §3.1).
pub fn coverage(datagram: &[u8]) -> Result<usize, WireError> {
    if datagram.len() < udp::Header::LEN {
        return Err(WireError::Truncated);
    }
    let stated = datagram.get(COVERAGE_OFFSET..).and_then(<[u8]>::first_chunk).ok_or(WireError::Truncated)?;
    match usize::from(u16::from_be_bytes(*stated)) {
        0 => Ok(datagram.len()),
        covered if (udp::Header::LEN..=datagram.len()).contains(&covered) => Ok(covered),
        _ => Err(WireError::BadLength),
    }
}

/// Checks a whole datagram and returns how many of its octets the checksum covers.
///
/// # Errors
/// Those of [`coverage`]; `BadChecksum`, also for a datagram without one (RFC 3828 §3.1).
pub fn check(src: Address, dst: Address, datagram: &[u8]) -> Result<usize, WireError> {
    let covered = coverage(datagram)?;
    let has_checksum = datagram.get(udp::CHECKSUM_OFFSET..).and_then(<[u8]>::first_chunk) != Some(&[0; 2]);
    let sum = sum(src, dst, datagram, covered)?.finish();
    if has_checksum && sum == 0 { Ok(covered) } else { Err(WireError::BadChecksum) }
}

/// Writes the coverage and the checksum into a whole datagram. `covered` counts the header; 0, or more than there is,
/// covers all of it, and what is less than the header covers the header.
///
/// # Errors
/// `Truncated` below 8 octets.
pub fn fill(src: Address, dst: Address, datagram: &mut [u8], covered: u16) -> Result<(), WireError> {
    let len = datagram.len();
    let covered = match usize::from(covered) {
        0 => len,
        covered => covered.clamp(udp::Header::LEN, len.max(udp::Header::LEN)),
    };
    let stated = u16::try_from(covered).unwrap_or(0).to_be_bytes();
    let field = datagram.get_mut(COVERAGE_OFFSET..).and_then(<[u8]>::first_chunk_mut);
    *field.ok_or(WireError::Truncated)? = [stated[0], stated[1], 0, 0];
    let checksum = match sum(src, dst, datagram, covered)?.finish() {
        0 => 0xffff,
        checksum => checksum,
    };
    let field = datagram.get_mut(udp::CHECKSUM_OFFSET..).and_then(<[u8]>::first_chunk_mut);
    *field.ok_or(WireError::Truncated)? = u16::to_be_bytes(checksum);
    Ok(())
}

/// RFC 3828 §3.2: the pseudo header has the datagram's length, not the coverage.
fn sum(src: Address, dst: Address, datagram: &[u8], covered: usize) -> Result<Checksum, WireError> {
    let len = u32::try_from(datagram.len()).map_err(|_| WireError::BadLength)?;
    let mut sum = Checksum::pseudo(src, dst, protocol::UDPLITE, len);
    sum.add(datagram.get(..covered).ok_or(WireError::Truncated)?);
    Ok(sum)
}
