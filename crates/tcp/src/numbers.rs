//! Conversions between the widths of numbers. Counts saturate, because one that does not fit is "very many";
//! clocks and hashes keep their low half.

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

/// The low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(crate) const fn low_u32(value: u64) -> u32 {
    value as u32
}
