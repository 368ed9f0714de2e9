//! Conversions between the widths of counts. They saturate, because a count that does not fit is "very many".

/// A length in 32 bits.
pub(crate) fn to_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A count in 16 bits.
pub(crate) fn to_u16(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Microseconds in 32 bits: 71 minutes at most.
pub(crate) fn micros_u32(micros: u64) -> u32 {
    u32::try_from(micros).unwrap_or(u32::MAX)
}
