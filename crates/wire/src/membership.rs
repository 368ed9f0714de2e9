//! What routers and hosts say of groups: IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810), which is the same in
//! ICMPv6. A router asks with a [`Query`]; a host answers with [`Record`]s, or to an old router with one message for each
//! group.

use crate::writer::Writer;
use crate::{Address, Checksum, Family, WireError};

#[cfg(test)]
mod tests;

/// Types of IGMP.
const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_V3: u8 = 0x22;

/// Types of ICMPv6 that are MLD's.
pub mod mld {
    /// A router asks.
    pub const QUERY: u8 = 130;
    /// A member, in version 1.
    pub const REPORT: u8 = 131;
    /// A member no more, in version 1.
    pub const DONE: u8 = 132;
    /// The records of version 2.
    pub const REPORT_V2: u8 = 143;
}

/// How long a host of IGMPv1 takes at most to answer, which its queries do not say (RFC 1112 appendix I).
const V1_RESPONSE_MS: u32 = 10_000;

/// The protocol that a router speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// IGMPv1: a member that leaves says nothing.
    Oldest,
    /// IGMPv2, MLDv1: one message for each group.
    Old,
    /// IGMPv3, MLDv2: records with sources.
    Current,
}

/// A router's question.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Query {
    /// How it wants to be answered.
    pub version: Version,
    /// Within how many milliseconds, at least 1.
    pub response_ms: u32,
    /// Which group it asks about; `None` for all.
    pub group: Option<Address>,
}

/// What a [`Record`] says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// These sources are listened to.
    IsInclude,
    /// All but these are.
    IsExclude,
    /// As `IsInclude`, and it was not so before.
    ToInclude,
    /// As `IsExclude`, and it was not so before.
    ToExclude,
    /// These are listened to from now on, too.
    Allow,
    /// These are not any more.
    Block,
}

impl RecordKind {
    const fn number(self) -> u8 {
        match self {
            Self::IsInclude => 1,
            Self::IsExclude => 2,
            Self::ToInclude => 3,
            Self::ToExclude => 4,
            Self::Allow => 5,
            Self::Block => 6,
        }
    }
}

/// One group's record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record<'a> {
    /// What it says.
    pub kind: RecordKind,
    /// The group.
    pub group: Address,
    /// The sources.
    pub sources: &'a [Address],
}

impl Record<'_> {
    /// Its octets on the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        4 + address_len(self.group.family()) * (1 + self.sources.len())
    }

    /// Never: a record names a group.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

const fn address_len(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

/// Reads an IGMP message; `None` for one that is no query.
///
/// # Errors
/// `Truncated`, `BadChecksum`, `BadLength` for a length that no version has or sources that are not there, `BadHeader` for
/// a group that is none.
pub fn parse_igmp(bytes: &[u8]) -> Result<Option<Query>, WireError> {
    let (&[ty, code, _, _, a, b, c, d], rest) = bytes.split_first_chunk().ok_or(WireError::Truncated)?;
    if Checksum::new().add(bytes).finish() != 0 {
        return Err(WireError::BadChecksum);
    }
    if ty != QUERY {
        return Ok(None);
    }
    let group = asked(Address::v4(a, b, c, d))?;
    let (version, response_ms) = match (rest.is_empty(), code) {
        (true, 0) => (Version::Oldest, V1_RESPONSE_MS),
        (true, tenths) => (Version::Old, u32::from(tenths) * 100),
        (false, code) => {
            check_sources(rest, Family::V4)?;
            (Version::Current, spread(code.into(), 4) * 100)
        }
    };
    Ok(Some(Query { version, response_ms: response_ms.max(1), group }))
}

/// Reads what follows the first four octets of an MLD query.
///
/// # Errors
/// As [`parse_igmp`].
pub fn parse_mld_query(data: &[u8]) -> Result<Query, WireError> {
    let (&[a, b, _, _], rest) = data.split_first_chunk().ok_or(WireError::Truncated)?;
    let code = u16::from_be_bytes([a, b]);
    let (group, rest) = rest.split_first_chunk::<16>().ok_or(WireError::Truncated)?;
    let group = asked(Address::from_octets(*group))?;
    let (version, response_ms) = if rest.is_empty() {
        (Version::Old, code.into())
    } else {
        check_sources(rest, Family::V6)?;
        (Version::Current, spread(code, 12))
    };
    Ok(Query { version, response_ms: response_ms.max(1), group })
}

fn asked(group: Address) -> Result<Option<Address>, WireError> {
    match group {
        group if group.is_unspecified() => Ok(None),
        group if group.is_multicast() => Ok(Some(group)),
        _ => Err(WireError::BadHeader),
    }
}

/// RFC 3376 §4.1.8, RFC 3810 §5.1.10: flags, the router's interval, a number of sources, and they. More octets may follow.
fn check_sources(rest: &[u8], family: Family) -> Result<(), WireError> {
    let (&[_, _, a, b], sources) = rest.split_first_chunk().ok_or(WireError::BadLength)?;
    let octets = usize::from(u16::from_be_bytes([a, b])) * address_len(family);
    if octets <= sources.len() { Ok(()) } else { Err(WireError::BadLength) }
}

/// RFC 3376 §4.1.1, RFC 3810 §5.1.3: a number above `mantissa_bits + 3` bits is an exponent of 3 bits and a mantissa.
fn spread(code: u16, mantissa_bits: u32) -> u32 {
    let code = u32::from(code);
    if code >> (mantissa_bits + 3) == 0 {
        return code;
    }
    let mantissa = code & ((1 << mantissa_bits) - 1) | 1 << mantissa_bits;
    mantissa << ((code >> mantissa_bits & 7) + 3)
}

/// Writes a report: for IPv4 the IGMPv3 message, for IPv6 what follows the first four octets of MLDv2's. Returns its length.
///
/// # Errors
/// `Truncated` if `out` is too short, `BadLength` for too many records or sources, `BadHeader` for addresses of the other
/// family.
pub fn emit_report(family: Family, records: &[Record<'_>], out: &mut [u8]) -> Result<usize, WireError> {
    let mut writer = Writer::new(out);
    if family == Family::V4 {
        writer.put(&[REPORT_V3, 0, 0, 0])?;
    }
    writer.put(&[0, 0])?;
    writer.put(&count(records.len())?)?;
    for record in records {
        writer.put(&[record.kind.number(), 0])?;
        writer.put(&count(record.sources.len())?)?;
        put_address(&mut writer, family, record.group)?;
        for source in record.sources {
            put_address(&mut writer, family, *source)?;
        }
    }
    let len = writer.written();
    if family == Family::V4 { sum_igmp(out, len) } else { Ok(len) }
}

/// Writes what an old router wants to hear of one group: for IPv4 an IGMP message of this version, for IPv6 what follows
/// the first four octets of MLDv1's. Returns its length.
///
/// # Errors
/// As [`emit_report`].
pub fn emit_old(group: Address, version: Version, leaves: bool, out: &mut [u8]) -> Result<usize, WireError> {
    let mut writer = Writer::new(out);
    let family = group.family();
    match family {
        Family::V4 => {
            let report = if version == Version::Oldest { REPORT_V1 } else { REPORT_V2 };
            writer.put(&[if leaves { LEAVE } else { report }, 0, 0, 0])?;
        }
        Family::V6 => writer.put(&[0; 4])?,
    }
    put_address(&mut writer, family, group)?;
    let len = writer.written();
    if family == Family::V4 { sum_igmp(out, len) } else { Ok(len) }
}

fn count(number: usize) -> Result<[u8; 2], WireError> {
    u16::try_from(number).map(u16::to_be_bytes).map_err(|_| WireError::BadLength)
}

fn put_address(writer: &mut Writer<'_>, family: Family, address: Address) -> Result<(), WireError> {
    match (family, address.v4_octets()) {
        (Family::V4, Some(octets)) => writer.put(&octets),
        (Family::V6, None) => writer.put(&address.octets()),
        _ => Err(WireError::BadHeader),
    }
}

fn sum_igmp(out: &mut [u8], len: usize) -> Result<usize, WireError> {
    let message = out.get_mut(..len).ok_or(WireError::Truncated)?;
    let sum = Checksum::new().add(message).finish();
    *message.get_mut(2..).and_then(<[u8]>::first_chunk_mut).ok_or(WireError::Truncated)? = sum.to_be_bytes();
    Ok(len)
}
