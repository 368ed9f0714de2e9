//! The texts that applications send: each octet follows from the text's number and its place, and texts differ in every
//! place where they could be confused.

/// Writes the octets of text `number` from place `at` on into `out`.
pub(crate) fn fill(number: u64, at: u64, out: &mut [u8]) {
    let mut at = at;
    let mut rest = out;
    while !rest.is_empty() {
        let skip = usize::try_from(at % 8).unwrap_or(0);
        let word = word(number, at / 8);
        let fresh = word.get(skip..).unwrap_or_default();
        let len = fresh.len().min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        now.copy_from_slice(fresh.get(..len).unwrap_or_default());
        rest = later;
        at += len as u64;
    }
}

/// Eight octets of a text, equal for no other place below 2^32 words.
fn word(number: u64, index: u64) -> [u8; 8] {
    let mixed = (index + (number << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_in_pieces_and_differs_from_the_next() {
        let (mut whole, mut other) = ([0; 100], [0; 100]);
        fill(3, 5, &mut whole);
        fill(4, 5, &mut other);
        assert_ne!(whole, other);
        let mut pieces = [0; 100];
        for (at, octet) in (5..).zip(&mut pieces) {
            fill(3, at, std::slice::from_mut(octet));
        }
        assert_eq!(whole, pieces);
    }
}
