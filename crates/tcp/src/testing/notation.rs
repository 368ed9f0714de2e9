//! Segments in packetdrill's notation, as tests write and read them.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use portolan_wire::tcp::{FastOpen, Flags, Options, Timestamps};
use portolan_wire::{Mss, SeqNumber};

use super::{IRS, ISS, stream};
use crate::Segment;

/// Reads a line of the language. Numbers of SACK blocks are ours.
pub(crate) fn parse(line: &str) -> (Segment, Vec<u8>) {
    let (head, options) = match line.split_once(" <") {
        Some((head, options)) => (head, parse_options(options.trim_end_matches('>'))),
        None => (line, Options::default()),
    };
    let (ecn, head) = ["[noecn] ", "[ect1] ", "[ect0] ", "[ce] "]
        .into_iter()
        .zip(0..)
        .find_map(|(name, ecn)| Some((ecn, head.strip_prefix(name)?)))
        .unwrap_or((0, head));
    let mut words = head.split_whitespace();
    let flags = words.next().expect("flags").chars().fold(Flags::NONE, |flags, letter| flags | flag(letter));
    let (start, len) = parse_range(words.next().expect("start:end(len)"));
    let mut segment = Segment {
        seq: SeqNumber(IRS.wrapping_add(start)),
        ack: SeqNumber(0),
        flags,
        window: 60000,
        urgent: 0,
        options,
        text_len: len,
        ecn,
    };
    while let Some(word) = words.next() {
        let value: i64 = words.next().expect("a value").parse().expect("a number");
        match word {
            "ack" => segment.ack = SeqNumber(ISS.wrapping_add(low(value))),
            "urg" => segment.urgent = u16::try_from(value).expect("an urgent pointer"),
            "win" => segment.window = u16::try_from(value).expect("a window"),
            other => panic!("unknown word {other}"),
        }
    }
    let first = u64::from(start) + u64::from(flags.contains(Flags::SYN));
    let text = if len == 0 { Vec::new() } else { stream(first - 1, len as usize) };
    (segment, text)
}

fn low(value: i64) -> u32 {
    (value & 0xffff_ffff) as u32
}

fn flag(letter: char) -> Flags {
    match letter {
        'S' => Flags::SYN,
        'F' => Flags::FIN,
        'R' => Flags::RST,
        'P' => Flags::PSH,
        '.' => Flags::ACK,
        'U' => Flags::URG,
        'E' => Flags::ECE,
        'W' => Flags::CWR,
        'e' => Flags::AE,
        '-' => Flags::NONE,
        other => panic!("unknown flag {other}"),
    }
}

fn parse_range(word: &str) -> (u32, u32) {
    let (start, rest) = word.split_once(':').expect("a colon");
    let (end, len) = rest.trim_end_matches(')').split_once('(').expect("a bracket");
    let number = |text: &str| low(text.parse::<i64>().expect("a number"));
    assert_eq!(number(start).wrapping_add(number(len)), number(end), "the length in {word}");
    (number(start), number(len))
}

fn parse_options(text: &str) -> Options {
    let mut options = Options::default();
    for option in text.split(',') {
        let words: Vec<&str> = option.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u32>().expect("a number");
        match words[0] {
            "mss" => options.mss = Mss::new(number(1) as u16),
            "sackOK" => options.sack_permitted = true,
            "wscale" => options.window_scale = Some(number(1) as u8),
            "FO" => options.fast_open = Some(parse_cookie(words.get(1))),
            "FOEXP" => options.fast_open = Some(parse_cookie(words.get(1)).in_experiment(true)),
            "TS" => options.timestamps = Some(Timestamps { value: number(2), echo: number(4) }),
            "sack" => {
                for block in &words[1..] {
                    let (left, right) = block.split_once(':').expect("a colon");
                    let edge = |text: &str| SeqNumber(ISS.wrapping_add(low(text.parse().expect("a number"))));
                    options.sack.push((edge(left), edge(right)));
                }
            }
            other => panic!("unknown option {other}"),
        }
    }
    options
}

/// The cookie in hexadecimal; none is a request.
fn parse_cookie(word: Option<&&str>) -> FastOpen {
    let digits = word.map_or("", |word| word);
    let octets = digits.as_bytes().chunks(2).map(|pair| {
        let pair = core::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("two digits")
    });
    FastOpen::cookie(&octets.collect::<Vec<u8>>()).unwrap_or(FastOpen::REQUEST)
}

pub(super) fn show_options(options: &Options) -> String {
    let mut parts = Vec::new();
    if let Some(mss) = options.mss {
        parts.push(format!("mss {}", mss.get()));
    }
    if options.sack_permitted {
        parts.push("sackOK".to_string());
    }
    if let Some(ts) = options.timestamps {
        parts.push(format!("TS val {} ecr {}", ts.value, ts.echo));
    }
    if let Some(scale) = options.window_scale {
        parts.push(format!("wscale {scale}"));
    }
    if let Some(fast_open) = options.fast_open {
        let name = if fast_open.is_experimental() { "FOEXP" } else { "FO" };
        let digits: String = fast_open.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
        parts.push(format!("{name} {digits}").trim_end().to_string());
    }
    if !options.sack.is_empty() {
        let edge = |seq: SeqNumber| seq.0.wrapping_sub(IRS);
        let blocks = options.sack.iter().map(|(left, right)| format!(" {}:{}", edge(left), edge(right)));
        parts.push(format!("sack{}", blocks.collect::<String>()));
    }
    parts.join(",")
}
