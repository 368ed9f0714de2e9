//! TCP options (RFC 9293 §3.2): walking the octets, what they say, and writing them in Linux's order or in FreeBSD's.
//!
//! Start at [`Options::parse`]; [`RawOptions`] is the walk below it.

use super::SackBlocks;
use crate::writer::Writer;
use crate::{Mss, SeqNumber, WireError};

#[cfg(test)]
mod tests;

/// Option kinds (IANA).
pub mod kind {
    /// RFC 9293 §3.1: the rest is padding.
    pub const END_OF_LIST: u8 = 0;
    /// RFC 9293 §3.1: padding before an option.
    pub const NO_OPERATION: u8 = 1;
    /// RFC 9293 §3.7.1.
    pub const MSS: u8 = 2;
    /// RFC 7323 §2.2.
    pub const WINDOW_SCALE: u8 = 3;
    /// RFC 2018 §2.
    pub const SACK_PERMITTED: u8 = 4;
    /// RFC 2018 §3.
    pub const SACK: u8 = 5;
    /// RFC 7323 §3.2.
    pub const TIMESTAMPS: u8 = 8;
    /// RFC 2385.
    pub const MD5: u8 = 19;
    /// RFC 5482.
    pub const USER_TIMEOUT: u8 = 28;
    /// RFC 5925.
    pub const AO: u8 = 29;
    /// RFC 7413.
    pub const FAST_OPEN: u8 = 34;
    /// RFC 9768 §3.2.3, order 0.
    pub const ACCURATE_ECN_0: u8 = 172;
    /// RFC 9768 §3.2.3, order 1.
    pub const ACCURATE_ECN_1: u8 = 174;
    /// RFC 4727, RFC 6994: an experiment, which the next two octets name.
    pub const EXPERIMENT: u8 = 254;
}

/// RFC 6994 §4: the experiment that became RFC 7413, as servers from before it still speak it.
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

/// The longest options area in octets.
const MAX_LEN: usize = super::Header::MAX_LEN - super::Header::LEN;

/// What RFC 7323 appendix A recommends, and what nearly every segment carries.
const TIMESTAMPS_ALIGNED: [u8; 4] = [kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10];

/// The timestamps of a segment (RFC 7323 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the receiver's clock as the sender last saw it, if ACK is set.
    pub echo: u32,
}

/// A Fast Open option (RFC 7413 §4.1.1): a cookie, or the wish for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FastOpen {
    /// The first `len` octets count, the others stay zero.
    cookie: [u8; 16],
    len: u8,
    experimental: bool,
}

impl FastOpen {
    /// A client asks for a cookie.
    pub const REQUEST: Self = Self { cookie: [0; 16], len: 0, experimental: false };

    /// The cookie `octets`: 4 to 16, an even number; or `None`.
    #[must_use]
    pub fn cookie(octets: &[u8]) -> Option<Self> {
        let len = u8::try_from(octets.len()).ok().filter(|len| matches!(len, 4..=16) && len % 2 == 0)?;
        let mut cookie = [0; 16];
        cookie.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { cookie, len, experimental: false })
    }

    /// The same in the experimental option (kind 254), if `experimental`, or in the one of RFC 7413.
    #[must_use]
    pub const fn in_experiment(self, experimental: bool) -> Self {
        Self { experimental, ..self }
    }

    /// Whether it stands in the experimental option.
    #[must_use]
    pub const fn is_experimental(&self) -> bool {
        self.experimental
    }

    /// A request or a cookie, as the octets of an option say; `None` for what is neither.
    fn read(octets: &[u8]) -> Option<Self> {
        if octets.is_empty() { Some(Self::REQUEST) } else { Self::cookie(octets) }
    }

    /// Octets of the option, without padding.
    const fn option_len(&self) -> u8 {
        self.len + if self.experimental { 4 } else { 2 }
    }

    /// The cookie; empty in a request.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.cookie.get(..self.len.into()).unwrap_or_default()
    }

    /// Whether this asks for a cookie.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }
}

/// Room for the signature of a segment, of zeros until [`Signature::put`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signature {
    /// RFC 2385.
    Md5,
    /// RFC 5925 §2.2, with a MAC of [`Signature::AO_MAC_LEN`] octets.
    Ao {
        /// The sender's name of the key that signs.
        key_id: u8,
        /// The receiver's name of the key that it is to sign with.
        next_key_id: u8,
    },
}

impl Signature {
    /// Octets of an Authentication Option's MAC by the algorithms of RFC 5926.
    pub const AO_MAC_LEN: usize = 12;

    /// Where the MAC stands in the segment: it is the first option.
    const MAC_AT: usize = super::Header::LEN + 4;

    /// Octets of the option, with padding.
    #[must_use]
    pub const fn option_len(self) -> usize {
        match self {
            Self::Md5 => 20,
            Self::Ao { .. } => 16,
        }
    }

    /// Writes the MAC into a segment whose options were written with this signature.
    ///
    /// # Errors
    /// `Truncated` if the segment has no room for it, `BadLength` for a MAC of another length.
    pub fn put(self, segment: &mut [u8], mac: &[u8]) -> Result<(), WireError> {
        let end = super::Header::LEN + self.option_len();
        let room = segment.get_mut(Self::MAC_AT..end).ok_or(WireError::Truncated)?;
        if room.len() != mac.len() {
            return Err(WireError::BadLength);
        }
        room.copy_from_slice(mac);
        Ok(())
    }
}

/// The counters of an AccECN option (RFC 9768 §3.2.3): octets of text that came with each codepoint, modulo 2^24.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AccEcnOption {
    /// With ECT(0).
    pub e0b: u32,
    /// With CE.
    pub ceb: u32,
    /// With ECT(1).
    pub e1b: u32,
}

impl AccEcnOption {
    /// The most octets of options beside which it has room, itself included.
    pub const OPTIONS_MAX: usize = MAX_LEN;

    fn read(e0b: [u8; 3], ceb: [u8; 3], e1b: [u8; 3]) -> Self {
        let counter = |[a, b, c]: [u8; 3]| u32::from_be_bytes([0, a, b, c]);
        Self { e0b: counter(e0b), ceb: counter(ceb), e1b: counter(e1b) }
    }
}

/// What the options of a segment say; of an option that stands twice, the last counts, as on Linux.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Options {
    /// The longest segment that the sender takes; never 0, an option that says so is ignored.
    pub mss: Option<Mss>,
    /// The shift of the sender's window field, as it stands: 0 to 255, see
    /// [`WindowScale::new`](crate::WindowScale::new).
    pub window_scale: Option<u8>,
    /// The sender understands SACK.
    pub sack_permitted: bool,
    /// The timestamps.
    pub timestamps: Option<Timestamps>,
    /// What the sender has received beyond its acknowledgment.
    pub sack: SackBlocks,
    /// Fast Open.
    pub fast_open: Option<FastOpen>,
    /// How long the sender keeps text that is not acknowledged (RFC 5482): the highest bit says minutes, else
    /// seconds.
    pub user_timeout: Option<u16>,
    /// Octets by codepoint (RFC 9768 §3.2.3). Fewer than three counters are not read, because no TCP needs to send
    /// fewer; all three are written.
    pub accurate_ecn: Option<AccEcnOption>,
    /// An MD5 signature was seen; never written.
    pub md5: bool,
    /// An Authentication Option was seen; never written.
    pub ao: bool,
    /// Room for a signature, which is put in when the segment is complete; never read.
    pub signature: Option<Signature>,
    /// The order in which they are written; never read.
    pub order: OptionOrder,
}

/// The order of a SYN's options, by which hosts are told apart. The octets are as many in either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptionOrder {
    /// MSS, SACK permitted, timestamps, window scale.
    #[default]
    Linux,
    /// MSS, window scale, SACK permitted, timestamps.
    Freebsd,
}

impl Options {
    /// No option.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: SackBlocks::new(),
        fast_open: None,
        user_timeout: None,
        accurate_ecn: None,
        md5: false,
        ao: false,
        signature: None,
        order: OptionOrder::Linux,
    };

    /// These options with room for a signature. Where there is too little room for all, the counters of accurate ECN
    /// are left out, which later segments tell again.
    #[must_use]
    pub fn signed(self, signature: Option<Signature>) -> Self {
        let signed = Self { signature, ..self };
        if signed.len() > MAX_LEN { Self { accurate_ecn: None, ..signed } } else { signed }
    }

    /// Reads the octets between fixed header and text.
    ///
    /// RFC 9293 §3.1 (MUST-4, MUST-6): unknown options are skipped, by the length that each has (MUST-68), wherever they
    /// begin (MUST-64). So are known ones of a length or content that their RFC does not allow, because one bad option
    /// must not cost a connection.
    ///
    /// # Errors
    /// `BadOption` for a length of 0 or 1 or past the end (MUST-7): what follows cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut options = Self::NONE;
        if let Some((&TIMESTAMPS_ALIGNED, timestamps)) = bytes.split_first_chunk()
            && timestamps.len() == 8
        {
            options.timestamps = Timestamps::parse(timestamps);
            return Ok(options);
        }
        for option in RawOptions::new(bytes) {
            options.note(option?);
        }
        Ok(options)
    }

    /// What one option says; nothing if it is unknown or not allowed.
    pub(crate) fn read_one(option: RawOption<'_>) -> Self {
        let mut options = Self::NONE;
        options.note(option);
        options
    }

    fn note(&mut self, RawOption { kind, data }: RawOption<'_>) {
        match (kind, data) {
            (kind::MSS, &[high, low]) => {
                if let Some(mss) = Mss::new(u16::from_be_bytes([high, low])) {
                    self.mss = Some(mss);
                }
            }
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::SACK, data) => {
                if let (blocks, []) = data.as_chunks() {
                    self.sack = blocks.iter().map(block).collect();
                }
            }
            (kind::TIMESTAMPS, data) => {
                if let Some(timestamps) = Timestamps::parse(data) {
                    self.timestamps = Some(timestamps);
                }
            }
            (kind::USER_TIMEOUT, &[high, low]) => self.user_timeout = Some(u16::from_be_bytes([high, low])),
            (kind::FAST_OPEN, cookie) => self.note_fast_open(FastOpen::read(cookie)),
            (kind::EXPERIMENT, data) => {
                if let Some((&FAST_OPEN_EXPERIMENT, cookie)) = data.split_first_chunk() {
                    self.note_fast_open(FastOpen::read(cookie).map(|read| read.in_experiment(true)));
                }
            }
            (kind::ACCURATE_ECN_0, &[a, b, c, d, e, f, g, h, i]) => {
                self.accurate_ecn = Some(AccEcnOption::read([a, b, c], [d, e, f], [g, h, i]));
            }
            (kind::ACCURATE_ECN_1, &[a, b, c, d, e, f, g, h, i]) => {
                self.accurate_ecn = Some(AccEcnOption::read([g, h, i], [d, e, f], [a, b, c]));
            }
            (kind::MD5, data) if data.len() == 16 => self.md5 = true,
            (kind::AO, [_, _, ..]) => self.ao = true,
            _ => {}
        }
    }

    fn note_fast_open(&mut self, read: Option<FastOpen>) {
        if read.is_some() {
            self.fast_open = read;
        }
    }

    /// What [`emit`](Self::emit) writes in octets, a multiple of 4; above 40 it fails.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut len = self.signature.map_or(0, Signature::option_len);
        if self.mss.is_some() {
            len += 4;
        }
        len += match (self.sack_permitted, self.timestamps) {
            (_, Some(_)) => 12,
            (true, None) => 4,
            (false, None) => 0,
        };
        if self.window_scale.is_some() {
            len += 4;
        }
        if let Some(fast_open) = &self.fast_open {
            len += usize::from(fast_open.option_len()).next_multiple_of(4);
        }
        if self.user_timeout.is_some() {
            len += 4;
        }
        if !self.sack.is_empty() {
            len += 4 + self.sack.len() * 8;
        }
        if self.accurate_ecn.is_some() {
            len += 12;
        }
        len
    }

    /// Whether [`emit`](Self::emit) writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the options to the front of `out`, padded to a multiple of 4, and returns their length.
    ///
    /// The order is Linux's, so that nothing on the way meets a layout that it has not seen: signature, MSS,
    /// SACK-permitted, timestamps, NOP, window scale, then the others, each aligned by NOPs: Fast Open by NOPs
    /// after it. So nothing is left to pad (RFC 9293 MUST-69).
    ///
    /// # Errors
    /// `BadLength` above 40 octets, `Truncated` if `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        const NOP: u8 = kind::NO_OPERATION;
        if self.len() > MAX_LEN {
            return Err(WireError::BadLength);
        }
        let mut writer = Writer::new(out);
        match self.signature {
            Some(Signature::Md5) => {
                writer.put(&[NOP, NOP, kind::MD5, 18])?;
                writer.put(&[0; 16])?;
            }
            Some(Signature::Ao { key_id, next_key_id }) => {
                writer.put(&[kind::AO, 16, key_id, next_key_id])?;
                writer.put(&[0; Signature::AO_MAC_LEN])?;
            }
            None => {}
        }
        if let Some(mss) = self.mss {
            let [high, low] = mss.get().to_be_bytes();
            writer.put(&[kind::MSS, 4, high, low])?;
        }
        let scale = self.window_scale.map(|shift| [NOP, kind::WINDOW_SCALE, 3, shift]);
        if let Some(scale) = scale.filter(|_| self.order == OptionOrder::Freebsd) {
            writer.put(&scale)?;
        }
        match (self.sack_permitted, self.timestamps, self.order) {
            (true, Some(_), _) => writer.put(&[kind::SACK_PERMITTED, 2, kind::TIMESTAMPS, 10])?,
            (true, None, OptionOrder::Linux) => writer.put(&[NOP, NOP, kind::SACK_PERMITTED, 2])?,
            // FreeBSD ends the list there and pads it; more may follow here, so that the padding is NOPs.
            (true, None, OptionOrder::Freebsd) => writer.put(&[kind::SACK_PERMITTED, 2, NOP, NOP])?,
            (false, Some(_), _) => writer.put(&TIMESTAMPS_ALIGNED)?,
            (false, None, _) => {}
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            writer.put(&value.to_be_bytes())?;
            writer.put(&echo.to_be_bytes())?;
        }
        if let Some(scale) = scale.filter(|_| self.order == OptionOrder::Linux) {
            writer.put(&scale)?;
        }
        if let Some(fast_open) = &self.fast_open {
            let len = fast_open.option_len();
            if fast_open.experimental {
                writer.put(&[kind::EXPERIMENT, len])?;
                writer.put(&FAST_OPEN_EXPERIMENT)?;
            } else {
                writer.put(&[kind::FAST_OPEN, len])?;
            }
            writer.put(fast_open.as_bytes())?;
            if !len.is_multiple_of(4) {
                writer.put(&[NOP, NOP])?;
            }
        }
        if let Some(timeout) = self.user_timeout {
            let [high, low] = timeout.to_be_bytes();
            writer.put(&[kind::USER_TIMEOUT, 4, high, low])?;
        }
        if !self.sack.is_empty() {
            writer.put(&[NOP, NOP, kind::SACK, 2 + self.sack.octets()])?;
            for (left, right) in self.sack.iter() {
                writer.put(&left.0.to_be_bytes())?;
                writer.put(&right.0.to_be_bytes())?;
            }
        }
        if let Some(AccEcnOption { e0b, ceb, e1b }) = self.accurate_ecn {
            writer.put(&[kind::ACCURATE_ECN_0, 11])?;
            for counter in [e0b, ceb, e1b] {
                let [_, a, b, c] = counter.to_be_bytes();
                writer.put(&[a, b, c])?;
            }
            writer.put(&[NOP])?;
        }
        Ok(writer.written())
    }
}

impl Timestamps {
    fn parse(data: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h] = data.as_array()?;
        Some(Self { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
    }
}

fn block(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> (SeqNumber, SeqNumber) {
    (SeqNumber(u32::from_be_bytes([a, b, c, d])), SeqNumber(u32::from_be_bytes([e, f, g, h])))
}

/// An option as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawOption<'a> {
    /// Its kind, see [`kind`].
    pub kind: u8,
    /// What follows kind and length.
    pub data: &'a [u8],
}

/// The options of a segment in order, NOPs among them, up to the end of the list or the first that cannot be
/// read.
#[derive(Clone, Debug)]
pub struct RawOptions<'a> {
    rest: &'a [u8],
}

impl<'a> RawOptions<'a> {
    /// The options in `bytes`, which follow the fixed header; octets beyond the 40 possible ones are not
    /// looked at.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(..MAX_LEN).unwrap_or(bytes) }
    }

    fn take(&mut self) -> Option<RawOption<'a>> {
        let &[kind, len] = self.rest.first_chunk()?;
        let (option, rest) = self.rest.split_at_checked(len.into())?;
        let data = option.get(2..)?;
        self.rest = rest;
        Some(RawOption { kind, data })
    }
}

impl<'a> Iterator for RawOptions<'a> {
    type Item = Result<RawOption<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rest.split_first()? {
            (&kind::END_OF_LIST, _) => {
                self.rest = &[];
                None
            }
            (&kind::NO_OPERATION, rest) => {
                self.rest = rest;
                Some(Ok(RawOption { kind: kind::NO_OPERATION, data: &[] }))
            }
            _ => {
                let option = self.take();
                if option.is_none() {
                    self.rest = &[];
                }
                Some(option.ok_or(WireError::BadOption))
            }
        }
    }
}
