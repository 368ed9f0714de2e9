//! Numbers out of octets that may be anything.

/// Takes numbers in network order, one after the other. Each call gives `None` where too few octets are left.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader at the front of `octets`.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader(octets)
    }

    /// The next `len` octets.
    pub fn octets(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` octets.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next octet.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    /// The next two octets as a number.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four octets as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight octets as a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next `N` numbers of four octets.
    pub fn u32s<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = self.u32()?;
        }
        Some(values)
    }

    /// As many octets as a number of four octets in front of them says.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.octets(len as usize)
    }

    /// All that is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}
