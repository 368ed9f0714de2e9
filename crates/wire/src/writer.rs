//! Appending to a caller's buffer, for headers whose parts have no fixed place.

use crate::WireError;

/// A buffer and how much of it is written.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { rest: out, written: 0 }
    }

    /// Appends `bytes`, or fails with `Truncated` if they do not fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let (head, tail) =
            core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len()).ok_or(WireError::Truncated)?;
        head.copy_from_slice(bytes);
        self.rest = tail;
        self.written += bytes.len();
        Ok(())
    }

    /// The octets written so far.
    pub(crate) fn written(&self) -> usize {
        self.written
    }
}
