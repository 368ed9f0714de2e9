//! tcpdump's filter language (pcap-filter(7)): text to an expression, and whether a frame matches it.
//!
//! [`Filter::parse`] reads the text: [`token`] cuts it into words, [`parse`] builds the tree of [`expression`], and
//! [`names`] asks the system for hosts, services and protocols, so that a parsed filter holds numbers only and can be
//! sent to another process. [`Filter::matches`] walks the tree over a frame ([`evaluate`]). There is no byte code,
//! because nothing here is handed to a kernel; but the meaning is that of libpcap's programs, to the letter: a load
//! behind the end of a frame refuses the frame, whatever stands in front of it, `not` included; `and` and `or` bind
//! equally and to the left; `tcp[...]` and its kind look at IPv4 only.
//!
//! No text and no frame makes it panic, recurse without bound or allocate more than the text is long.

mod evaluate;
mod expression;
mod names;
mod parse;
mod token;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use expression::Comparison;
use expression::Expression;

/// What a frame begins with (the numbers are those of capture files).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkType {
    /// An Ethernet header (1).
    Ethernet,
    /// An IPv4 or IPv6 header (101, and 12 and 14 of older files).
    Raw,
    /// Four octets with the family in the byte order of the machine that captured (0).
    Null,
    /// Linux's "any" device (113).
    LinuxCooked,
    /// The same, version 2 (276).
    LinuxCooked2,
}

impl LinkType {
    /// By its number in a capture file.
    pub fn from_number(number: u32) -> Option<LinkType> {
        Some(match number {
            0 => LinkType::Null,
            1 => LinkType::Ethernet,
            12 | 14 | 101 => LinkType::Raw,
            113 => LinkType::LinuxCooked,
            276 => LinkType::LinuxCooked2,
            _ => return None,
        })
    }

    /// Its number in a capture file.
    pub fn number(self) -> u32 {
        match self {
            LinkType::Null => 0,
            LinkType::Ethernet => 1,
            LinkType::Raw => 101,
            LinkType::LinuxCooked => 113,
            LinkType::LinuxCooked2 => 276,
        }
    }
}

/// A frame, or as much of it as was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it begins with.
    pub link: LinkType,
    /// The octets that are there.
    pub octets: &'a [u8],
    /// How many it had.
    pub len: usize,
}

/// A filter that has been found good. The default one lets everything pass.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Filter(Option<Expression>);

/// What is wrong with a filter's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterError {
    /// Where, in octets from the start.
    pub at: usize,
    /// One line.
    pub why: String,
}

impl Filter {
    /// Reads a filter. Names are looked up now, which may take as long as the system's resolver does. An empty text
    /// lets everything pass.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::parse_for(text, 0)
    }

    /// As [`Filter::parse`], for a network with this IPv4 mask: `ip broadcast` needs one, and means 255.255.255.255 and
    /// 0.0.0.0 where it is 0.
    pub fn parse_for(text: &str, netmask: u32) -> Result<Filter, FilterError> {
        parse::parse(text, netmask).map(Filter)
    }

    /// Whether a frame is wanted.
    pub fn matches(&self, frame: Frame<'_>) -> bool {
        self.0.as_ref().is_none_or(|expression| evaluate::holds(expression, frame))
    }

    /// Whether everything is.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at octet {} of the filter", self.why, self.at)
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
