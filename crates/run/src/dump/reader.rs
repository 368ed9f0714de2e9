//! Capture files, pcap and pcapng, read as a stream: memory does not depend on the file's size.
//!
//! Every length in a file may lie. A record has at most 256 KiB and a block 16 MiB; buffers grow with the octets that
//! are there, never with those that are promised. An error says at which octet of the file it is; what came before it
//! has been given out already.

use std::io::{self, Read};

use portolan_filter::LinkType;

/// The longest packet.
const PACKET_MAX: u32 = 256 * 1024;
/// The longest block of a pcapng file.
const BLOCK_MAX: u32 = 16 * 1024 * 1024;
/// Octets of TLS keys in front of one packet.
const SECRETS_MAX: usize = 16 << 20;
/// Interfaces of one section.
const INTERFACES_MAX: usize = 65_536;

const PCAP_MICROSECONDS: u32 = 0xa1b2_c3d4;
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;
const PCAP_MODIFIED: u32 = 0xa1b2_cd34;
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
/// The kind of secrets that an SSLKEYLOGFILE has.
const TLS_KEY_LOG: u32 = 0x544c_534b;

const OPTION_COMMENT: u16 = 1;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;
const OPTION_DROPPED: u16 = 5;

/// One packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Nanoseconds of Unix time.
    pub nanos: u64,
    /// What it begins with.
    pub link: LinkType,
    /// The octets that were captured.
    pub octets: Vec<u8>,
    /// How many it had.
    pub len: u32,
    /// The comment of a pcapng file.
    pub comment: Option<String>,
}

/// What is wrong with a file: one line.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No capture file.
    #[error("{0}")]
    NoCapture(String),
    /// A file that does not keep to its format.
    #[error("{what} at offset {at:#x}: {why}")]
    Broken {
        /// A block, a record or the header.
        what: &'static str,
        /// Octets from the file's start.
        at: u64,
        /// What is wrong.
        why: String,
    },
}

/// A capture file that is being read.
pub struct Reader<R> {
    source: Counted<R>,
    format: Format,
    order: Order,
    dropped: u64,
    /// TLS keys that stood in front of the packet read last.
    secrets: Vec<u8>,
}

enum Format {
    Pcap { link: LinkType, nanoseconds: bool },
    Pcapng { interfaces: Vec<Interface> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Little,
    Big,
}

struct Interface {
    link_number: u32,
    /// Units of a second, or an exponent that is of no use.
    resolution: Result<u64, u8>,
    offset_s: i64,
    snap_len: u32,
}

/// The source and how much of it was read.
struct Counted<R> {
    source: R,
    at: u64,
}

impl<R: Read> Counted<R> {
    /// As much as there is, at most `len`.
    fn up_to(&mut self, len: u32) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        (&mut self.source).take(len.into()).read_to_end(&mut octets)?;
        self.at += octets.len() as u64;
        Ok(octets)
    }

    /// All of `len`; `None` at the end of the file.
    fn all(&mut self, len: u32, what: &'static str) -> Result<Option<Vec<u8>>, ReadError> {
        let at = self.at;
        let octets = self.up_to(len)?;
        match octets.len() {
            0 if len > 0 => Ok(None),
            there if there == len as usize => Ok(Some(octets)),
            there => Err(broken(what, at, format!("the file ends after {there} of {len} octets"))),
        }
    }
}

fn broken(what: &'static str, at: u64, why: impl Into<String>) -> ReadError {
    ReadError::Broken { what, at, why: why.into() }
}

impl Order {
    fn u16(self, octets: &[u8], at: usize) -> Option<u16> {
        let two = *octets.get(at..)?.first_chunk()?;
        Some(if self == Order::Little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    fn u32(self, octets: &[u8], at: usize) -> Option<u32> {
        let four = *octets.get(at..)?.first_chunk()?;
        Some(if self == Order::Little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn u64(self, octets: &[u8], at: usize) -> Option<u64> {
        let eight = *octets.get(at..)?.first_chunk()?;
        Some(if self == Order::Little { u64::from_le_bytes(eight) } else { u64::from_be_bytes(eight) })
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(source: R) -> Result<Reader<R>, ReadError> {
        let mut source = Counted { source, at: 0 };
        let start = source.up_to(4)?;
        let no_capture = |why: &str| Err(ReadError::NoCapture(why.to_owned()));
        if start.is_empty() {
            return no_capture("is empty, so it is no capture file");
        }
        let orders = [Order::Little, Order::Big];
        let magic = orders.into_iter().find_map(|order| match order.u32(&start, 0)? {
            magic @ (PCAP_MICROSECONDS | PCAP_NANOSECONDS | PCAP_MODIFIED | SECTION_HEADER) => {
                Some((magic, order))
            }
            _ => None,
        });
        match magic {
            None => no_capture("is no capture file: it begins neither as pcap nor as pcapng does"),
            Some((PCAP_MODIFIED, _)) => no_capture(
                "is a pcap file of Kuznetzov's modified kind, which is not read; convert it with editcap",
            ),
            Some((SECTION_HEADER, order)) => {
                let format = Format::Pcapng { interfaces: Vec::new() };
                let mut reader = Reader { source, format, order, dropped: 0, secrets: Vec::new() };
                reader.section(0)?;
                Ok(reader)
            }
            Some((magic, order)) => {
                let rest = source.all(20, "header")?;
                let rest = rest.ok_or_else(|| broken("header", 4, "the file ends after 4 of 24 octets"))?;
                let number = order.u32(&rest, 16).unwrap_or_default() & 0x0fff_ffff;
                let link = link_type(number)?;
                let format = Format::Pcap { link, nanoseconds: magic == PCAP_NANOSECONDS };
                Ok(Reader { source, format, order, dropped: 0, secrets: Vec::new() })
            }
        }
    }

    /// The link type of the first packets, as far as it is known before one has been read.
    pub fn link(&self) -> Option<LinkType> {
        match &self.format {
            Format::Pcap { link, .. } => Some(*link),
            Format::Pcapng { interfaces } => LinkType::from_number(interfaces.first()?.link_number),
        }
    }

    /// The TLS keys, as lines of an SSLKEYLOGFILE, that have been read since they were last taken.
    pub fn take_secrets(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.secrets)
    }

    /// Packets that the file says are missing.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Where it was read from.
    pub fn source_mut(&mut self) -> &mut R {
        &mut self.source.source
    }

    /// The next packet; `None` at the end.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        match self.format {
            Format::Pcap { link, nanoseconds } => self.record(link, nanoseconds),
            Format::Pcapng { .. } => loop {
                match self.block()? {
                    Block::End => return Ok(None),
                    Block::Packet(packet) => return Ok(Some(packet)),
                    Block::Other => {}
                }
            },
        }
    }

    fn record(&mut self, link: LinkType, nanoseconds: bool) -> Result<Option<Packet>, ReadError> {
        let at = self.source.at;
        let Some(head) = self.source.all(16, "record")? else { return Ok(None) };
        let field = |at| self.order.u32(&head, at).unwrap_or_default();
        let (seconds, fraction, captured, len) = (field(0), field(4), field(8), field(12));
        if captured > PACKET_MAX {
            return Err(broken("record", at, format!("length {captured} > 256 KiB")));
        }
        let octets = match captured {
            0 => Vec::new(),
            _ => self
                .source
                .all(captured, "record")?
                .ok_or_else(|| broken("record", at, format!("the file ends before its {captured} octets")))?,
        };
        let unit = if nanoseconds { 1 } else { 1000 };
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        Ok(Some(Packet { nanos, link, octets, len: len.max(captured), comment: None }))
    }

    /// The body of a section's header, whose first four octets have been read.
    fn section(&mut self, at: u64) -> Result<(), ReadError> {
        let head = self.source.all(8, "block")?;
        let head =
            head.ok_or_else(|| broken("block", at, "the file ends after 4 octets of a section's header"))?;
        let orders = [Order::Little, Order::Big];
        let order = orders.into_iter().find(|order| order.u32(&head, 4) == Some(BYTE_ORDER_MAGIC));
        self.order =
            order.ok_or_else(|| broken("block", at, "a section without the octets that tell its order"))?;
        let total = self.order.u32(&head, 0).unwrap_or_default();
        let body = self.rest_of_block(at, total, 12)?;
        match self.order.u16(&body, 0) {
            Some(1) => {
                self.format = Format::Pcapng { interfaces: Vec::new() };
                Ok(())
            }
            version => Err(broken(
                "block",
                at,
                format!("pcapng's version {} is not read", version.unwrap_or_default()),
            )),
        }
    }

    /// What a block holds behind the `read` octets that have been read, without the length at its end.
    fn rest_of_block(&mut self, at: u64, total: u32, read: u32) -> Result<Vec<u8>, ReadError> {
        if total > BLOCK_MAX {
            return Err(broken("block", at, format!("length {total} > 16 MiB")));
        }
        if total < read + 4 || !total.is_multiple_of(4) {
            return Err(broken("block", at, format!("length {total} cannot be")));
        }
        let body = self.source.all(total - read, "block")?;
        let mut body = body.ok_or_else(|| broken("block", at, "the file ends in the middle of it"))?;
        let end = body.len() - 4;
        let again = self.order.u32(&body, end).unwrap_or_default();
        if again != total {
            return Err(broken("block", at, format!("length {total} in front and {again} at its end")));
        }
        body.truncate(end);
        Ok(body)
    }

    fn block(&mut self) -> Result<Block, ReadError> {
        let at = self.source.at;
        let Some(kind) = self.source.all(4, "block")? else { return Ok(Block::End) };
        let kind = self.order.u32(&kind, 0).unwrap_or_default();
        if kind == SECTION_HEADER {
            self.section(at)?;
            return Ok(Block::Other);
        }
        let total = self.source.all(4, "block")?;
        let total = total.and_then(|total| self.order.u32(&total, 0));
        let total = total.ok_or_else(|| broken("block", at, "the file ends before its length"))?;
        let body = self.rest_of_block(at, total, 8)?;
        match kind {
            INTERFACE_DESCRIPTION => self.interface(at, &body),
            ENHANCED_PACKET => self.enhanced_packet(at, body),
            SIMPLE_PACKET => self.simple_packet(at, body),
            INTERFACE_STATISTICS => {
                let dropped = options(self.order, &body, 12).find(|(code, _)| *code == OPTION_DROPPED);
                self.dropped += dropped.and_then(|(_, value)| self.order.u64(value, 0)).unwrap_or(0);
                Ok(Block::Other)
            }
            DECRYPTION_SECRETS => {
                let kind = self.order.u32(&body, 0);
                let len = self.order.u32(&body, 4).and_then(|len| usize::try_from(len).ok());
                let lines = body.get(8..).and_then(|rest| rest.get(..len?));
                let has_room = self.secrets.len() + body.len() <= SECRETS_MAX;
                if let Some(lines) = lines.filter(|_| kind == Some(TLS_KEY_LOG) && has_room) {
                    self.secrets.extend_from_slice(lines);
                }
                Ok(Block::Other)
            }
            _ => Ok(Block::Other),
        }
    }

    fn interface(&mut self, at: u64, body: &[u8]) -> Result<Block, ReadError> {
        let order = self.order;
        let (Some(link), Some(snap_len)) = (order.u16(body, 0), order.u32(body, 4)) else {
            return Err(broken("block", at, "an interface's description is too short"));
        };
        let mut interface =
            Interface { link_number: link.into(), resolution: Ok(1_000_000), offset_s: 0, snap_len };
        for (code, value) in options(order, body, 8) {
            match (code, value) {
                (OPTION_RESOLUTION, [exponent, ..]) => {
                    let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
                    let units = base.checked_pow(u32::from(exponent & 0x7f));
                    interface.resolution = units.ok_or(*exponent);
                }
                (OPTION_OFFSET, value) => {
                    interface.offset_s = order.u64(value, 0).map_or(0, u64::cast_signed);
                }
                _ => {}
            }
        }
        let Format::Pcapng { interfaces } = &mut self.format else { return Ok(Block::Other) };
        if interfaces.len() >= INTERFACES_MAX {
            return Err(broken("block", at, format!("more than {INTERFACES_MAX} interfaces")));
        }
        interfaces.push(interface);
        Ok(Block::Other)
    }

    fn interface_of(&self, at: u64, number: u32) -> Result<(&Interface, LinkType), ReadError> {
        let Format::Pcapng { interfaces } = &self.format else { return Err(broken("block", at, "none")) };
        let interface = interfaces.get(number as usize).ok_or_else(|| {
            broken("block", at, format!("interface {number} of {} is not described", interfaces.len()))
        })?;
        Ok((interface, link_type(interface.link_number)?))
    }

    fn enhanced_packet(&self, at: u64, mut body: Vec<u8>) -> Result<Block, ReadError> {
        let short = || broken("block", at, "a packet's block is too short");
        let field = |at| self.order.u32(&body, at).ok_or_else(short);
        let (number, high, low, captured, len) = (field(0)?, field(4)?, field(8)?, field(12)?, field(16)?);
        let (interface, link) = self.interface_of(at, number)?;
        let nanos = interface.nanos(at, u64::from(high) << 32 | u64::from(low))?;
        if captured > PACKET_MAX {
            return Err(broken("block", at, format!("packet's length {captured} > 256 KiB")));
        }
        let end = 20 + captured as usize;
        if end > body.len() {
            let room = body.len().saturating_sub(20);
            return Err(broken(
                "block",
                at,
                format!("packet's length {captured} in a block with room for {room}"),
            ));
        }
        let comment = options(self.order, &body, end.next_multiple_of(4))
            .find(|(code, _)| *code == OPTION_COMMENT)
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned());
        body.truncate(end);
        body.drain(..20);
        Ok(Block::Packet(Packet { nanos, link, octets: body, len: len.max(captured), comment }))
    }

    /// A packet without a time, of the first interface.
    fn simple_packet(&self, at: u64, mut body: Vec<u8>) -> Result<Block, ReadError> {
        let (interface, link) = self.interface_of(at, 0)?;
        let len =
            self.order.u32(&body, 0).ok_or_else(|| broken("block", at, "a packet's block is too short"))?;
        let limit = if interface.snap_len == 0 { PACKET_MAX } else { interface.snap_len.min(PACKET_MAX) };
        body.drain(..4);
        body.truncate(len.min(limit) as usize);
        Ok(Block::Packet(Packet { nanos: 0, link, octets: body, len, comment: None }))
    }
}

impl Interface {
    fn nanos(&self, at: u64, units: u64) -> Result<u64, ReadError> {
        let per_second = self.resolution.map_err(|exponent| {
            let base = if exponent & 0x80 == 0 { 10 } else { 2 };
            broken("block", at, format!("times in units of {base}^-{} s are not read", exponent & 0x7f))
        })?;
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(per_second.max(1));
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX) + i128::from(self.offset_s) * 1_000_000_000;
        Ok(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

enum Block {
    End,
    Packet(Packet),
    Other,
}

/// The options from an octet of a block on, until their end or the first that cannot be.
fn options(order: Order, body: &[u8], start: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = start;
    std::iter::from_fn(move || {
        let (code, len) = (order.u16(body, at)?, usize::from(order.u16(body, at + 2)?));
        let value = body.get(at + 4..at + 4 + len)?;
        at += 4 + len.next_multiple_of(4);
        (code != 0).then_some((code, value))
    })
}

fn link_type(number: u32) -> Result<LinkType, ReadError> {
    LinkType::from_number(number).ok_or_else(|| {
        let name = match number {
            9 => "PPP",
            105 => "IEEE802_11",
            108 => "LOOP",
            127 => "IEEE802_11_RADIO",
            189 | 220 => "USB_LINUX",
            228 => "IPV4",
            229 => "IPV6",
            _ => "no name known here",
        };
        ReadError::NoCapture(format!(
            "has packets of link type {number} ({name}), which is not read; there are EN10MB, RAW, NULL, LINUX_SLL and \
             LINUX_SLL2"
        ))
    })
}

#[cfg(test)]
mod tests;
