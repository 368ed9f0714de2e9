//! The blocks of a SACK option (RFC 2018 §3).

use crate::SeqNumber;

/// Up to four blocks, each from its first octet to the one after its last.
///
/// They are as the peer wrote them: an edge may be anywhere on the circle (RFC 2018 §5 leaves the judging to
/// the sender of the text).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SackBlocks {
    /// The first `len` count, the others stay zero.
    blocks: [(SeqNumber, SeqNumber); Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// What 40 octets of options hold.
    pub const MAX: usize = 4;

    /// No block.
    #[must_use]
    pub const fn new() -> Self {
        Self { blocks: [(SeqNumber(0), SeqNumber(0)); Self::MAX], len: 0 }
    }

    /// Appends a block from `left` to before `right`; `false` if there are four already.
    pub fn push(&mut self, (left, right): (SeqNumber, SeqNumber)) -> bool {
        let Some(free) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *free = (left, right);
        self.len += 1;
        true
    }

    /// The number of blocks, at most 4.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Whether there is no block.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The octets that the blocks take in an option, at most 32.
    pub(super) const fn octets(&self) -> u8 {
        self.len * 8
    }

    /// The blocks in the order of the option.
    pub fn iter(&self) -> impl Iterator<Item = (SeqNumber, SeqNumber)> + '_ {
        self.blocks.iter().take(self.len()).copied()
    }
}

impl FromIterator<(SeqNumber, SeqNumber)> for SackBlocks {
    /// The first four blocks.
    fn from_iter<I: IntoIterator<Item = (SeqNumber, SeqNumber)>>(blocks: I) -> Self {
        let mut sack = Self::new();
        for block in blocks.into_iter().take(Self::MAX) {
            sack.push(block);
        }
        sack
    }
}
