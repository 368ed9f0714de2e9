//! TCP options: as a script writes them, and as octets (RFC 9293 §3.1).
//!
//! Order, padding and nonsense are kept, because scripts compare options one by one and send wrong ones on
//! purpose; that is why these are not the typed options of `portolan-wire`.

use std::fmt;

/// The most octets that options may take.
pub const OPTIONS_MAX: usize = 40;

/// RFC 6994 §2.2: what marks the experimental form of Fast Open.
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];

/// One option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TcpOption {
    /// End of the list, one octet.
    End,
    /// One octet of padding.
    Nop,
    /// Maximum segment size.
    Mss(u16),
    /// Window scale (RFC 7323 §2).
    WindowScale(u8),
    /// SACK permitted (RFC 2018 §2).
    SackPermitted,
    /// Blocks of left and right edges (RFC 2018 §3).
    Sack(Vec<(u32, u32)>),
    /// Timestamps (RFC 7323 §3).
    Timestamps {
        /// The sender's clock.
        val: u32,
        /// What it echoes.
        ecr: u32,
    },
    /// MD5 signature (RFC 2385 §3), of any length.
    Md5(Vec<u8>),
    /// Fast Open cookie, or the request for one (RFC 7413 §4.1).
    FastOpen(Vec<u8>),
    /// The same behind the experimental kind 254.
    FastOpenExperimental(Vec<u8>),
    /// Accurate ECN counters of 24 bits (RFC 9768 §3.2.3).
    AccEcn {
        /// Whether the list begins with ECT(1) (kind 174) or with ECT(0) (kind 172).
        ect1_first: bool,
        /// One to three counters: the first ECT, CE, the other ECT.
        counters: Vec<u32>,
    },
    /// User timeout (RFC 5482 §3.3) as a number of 16 bits, the highest of which says minutes.
    UserTimeout(u16),
    /// Any other kind with its octets.
    Other(u8, Vec<u8>),
}

impl TcpOption {
    /// The octet that names it.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::End => 0,
            Self::Nop => 1,
            Self::Mss(_) => 2,
            Self::WindowScale(_) => 3,
            Self::SackPermitted => 4,
            Self::Sack(_) => 5,
            Self::Timestamps { .. } => 8,
            Self::Md5(_) => 19,
            Self::UserTimeout(_) => 28,
            Self::FastOpen(_) => 34,
            Self::FastOpenExperimental(_) => 254,
            Self::AccEcn { ect1_first: false, .. } => 172,
            Self::AccEcn { ect1_first: true, .. } => 174,
            Self::Other(kind, _) => *kind,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::End | Self::Nop | Self::SackPermitted => Vec::new(),
            Self::Mss(number) | Self::UserTimeout(number) => number.to_be_bytes().to_vec(),
            Self::WindowScale(shift) => vec![*shift],
            Self::Sack(blocks) => blocks
                .iter()
                .flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()])
                .flatten()
                .collect(),
            Self::Timestamps { val, ecr } => [val.to_be_bytes(), ecr.to_be_bytes()].concat(),
            Self::Md5(octets) | Self::FastOpen(octets) | Self::Other(_, octets) => octets.clone(),
            Self::FastOpenExperimental(cookie) => [&FAST_OPEN_MAGIC[..], cookie].concat(),
            Self::AccEcn { counters, .. } => {
                counters.iter().flat_map(|count| count.to_be_bytes().into_iter().skip(1)).collect()
            }
        }
    }

    /// Its octets, with kind and length.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::End | Self::Nop => vec![self.kind()],
            _ => {
                let data = self.data();
                let len = u8::try_from(data.len() + 2).unwrap_or(u8::MAX);
                [&[self.kind(), len], &data[..]].concat()
            }
        }
    }

    /// The options in the octets of a header. What is cut off or has an impossible length ends the list as
    /// `Other`, so that it shows in a comparison.
    #[must_use]
    pub fn list(mut octets: &[u8]) -> Vec<Self> {
        let mut list = Vec::new();
        while let [kind, rest @ ..] = octets {
            let (option, rest) = match (kind, rest) {
                (0, _) => (Self::End, rest),
                (1, _) => (Self::Nop, rest),
                (kind, [len, after @ ..]) => {
                    match usize::from(*len).checked_sub(2).and_then(|len| after.split_at_checked(len)) {
                        Some((data, after)) => (Self::decode(*kind, data), after),
                        None => (Self::Other(*kind, rest.to_vec()), &[][..]),
                    }
                }
                (kind, []) => (Self::Other(*kind, Vec::new()), &[][..]),
            };
            list.push(option);
            octets = rest;
        }
        list
    }

    fn decode(kind: u8, data: &[u8]) -> Self {
        match (kind, data) {
            (2, [high, low]) => Self::Mss(u16::from_be_bytes([*high, *low])),
            (3, [shift]) => Self::WindowScale(*shift),
            (4, []) => Self::SackPermitted,
            (5, _) if !data.is_empty() && data.len().is_multiple_of(8) => {
                let numbers = numbers(data);
                let (pairs, _) = numbers.as_chunks();
                Self::Sack(pairs.iter().map(|[left, right]| (*left, *right)).collect())
            }
            (8, _) if data.len() == 8 => match numbers(data).as_slice() {
                [val, ecr] => Self::Timestamps { val: *val, ecr: *ecr },
                _ => Self::Other(kind, data.to_vec()),
            },
            (19, _) => Self::Md5(data.to_vec()),
            (28, [high, low]) => Self::UserTimeout(u16::from_be_bytes([*high, *low])),
            (34, _) => Self::FastOpen(data.to_vec()),
            (254, [first, second, cookie @ ..]) if [*first, *second] == FAST_OPEN_MAGIC => {
                Self::FastOpenExperimental(cookie.to_vec())
            }
            (172 | 174, _) if !data.is_empty() && data.len().is_multiple_of(3) && data.len() <= 9 => {
                let (counters, _) = data.as_chunks();
                let counters = counters.iter().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c])).collect();
                Self::AccEcn { ect1_first: kind == 174, counters }
            }
            _ => Self::Other(kind, data.to_vec()),
        }
    }
}

/// Octets as numbers of 32 bits in network order.
fn numbers(data: &[u8]) -> Vec<u32> {
    let (chunks, _) = data.as_chunks();
    chunks.iter().map(|octets| u32::from_be_bytes(*octets)).collect()
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("eol"),
            Self::Nop => f.write_str("nop"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            Self::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            Self::Md5(digest) => write_hex(f, "md5", digest),
            Self::UserTimeout(value) => write!(f, "uto {value}"),
            Self::FastOpen(cookie) => write_hex(f, "FO", cookie),
            Self::FastOpenExperimental(cookie) => write_hex(f, "FOEXP", cookie),
            Self::AccEcn { ect1_first, counters } => {
                let names = if *ect1_first { ["e1b", "ceb", "e0b"] } else { ["e0b", "ceb", "e1b"] };
                f.write_str("ECN")?;
                names.iter().zip(counters).try_for_each(|(name, count)| write!(f, " {name} {count}"))
            }
            Self::Other(kind, data) => write_hex(f, &format!("kind {kind}"), data),
        }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, name: &str, octets: &[u8]) -> fmt::Result {
    f.write_str(name)?;
    if !octets.is_empty() {
        f.write_str(" ")?;
    }
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
