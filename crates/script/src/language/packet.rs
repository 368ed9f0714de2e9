//! Packets: `< S 0:0(0) win 32792 <mss 1000,nop>` and its like.

use super::SyntaxError;
use super::ast::{Body, Direction, Icmp, IpNotes, Packet, Quoted, Segment, SegmentFlags, Tos};
use super::cursor::Cursor;
use super::lexer::{Kind, Token};
use super::option::{OPTIONS_MAX, TcpOption};

/// From the direction to the last option.
pub(super) fn packet(cursor: &mut Cursor) -> Result<Packet, SyntaxError> {
    let direction = if cursor.next().text == "<" { Direction::In } else { Direction::Out };
    for outer in ["ipv4", "ipv6", "gre", "GREv0", "mpls", "encap"] {
        if cursor.is_word(outer) {
            return Err(cursor.unexpected("a packet that is not encapsulated"));
        }
    }
    let ip = ip_notes(cursor, direction)?;
    let body = if cursor.skip_word("udp") {
        udp(cursor)?
    } else if cursor.skip_word("icmp") {
        Body::Icmp(icmp(cursor)?)
    } else {
        Body::Tcp(segment(cursor, direction)?)
    };
    Ok(Packet { direction, ip, body })
}

fn ip_notes(cursor: &mut Cursor, direction: Direction) -> Result<IpNotes, SyntaxError> {
    let close = match cursor.peek() {
        Token { kind: Kind::Symbol, text, .. } if text == "(" => ")",
        Token { kind: Kind::Symbol, text, .. } if text == "[" => "]",
        _ => return Ok(IpNotes::default()),
    };
    cursor.next();
    let mut notes = IpNotes::default();
    loop {
        ip_note(cursor, direction, &mut notes)?;
        if !cursor.skip_symbol(",") {
            cursor.expect_all(&[close])?;
            return Ok(notes);
        }
    }
}

fn ip_note(cursor: &mut Cursor, direction: Direction, notes: &mut IpNotes) -> Result<(), SyntaxError> {
    let expected = "noecn, ect0, ect1, ce, ect01, tos, ttl or flowlabel";
    let error = cursor.unexpected(expected);
    let word = cursor.expect(Kind::Word, expected)?.text;
    match word.as_str() {
        "noecn" => notes.tos = Tos::Ecn(0),
        "ect1" => notes.tos = Tos::Ecn(1),
        "ect0" => notes.tos = Tos::Ecn(2),
        "ce" => notes.tos = Tos::Ecn(3),
        "ect01" if direction == Direction::Out => notes.tos = Tos::EitherEct,
        "tos" => {
            let tos = cursor.hex(u8::MAX.into(), "a hexadecimal TOS")?;
            notes.tos = Tos::Octet(u8::try_from(tos).unwrap_or(u8::MAX));
        }
        "ttl" => notes.ttl = Some(cursor.u8("a time to live")?),
        "flowlabel" => {
            let label = cursor.hex(0xf_ffff, "a hexadecimal flow label")?;
            notes.flow_label = u32::try_from(label).ok();
        }
        _ => return Err(error),
    }
    Ok(())
}

fn ports(cursor: &mut Cursor) -> Result<Option<(u16, u16)>, SyntaxError> {
    if !(cursor.is(Kind::Integer) && cursor.is_symbol_at(1, ">")) {
        return Ok(None);
    }
    let from = cursor.u16("a port")?;
    cursor.next();
    Ok(Some((from, cursor.u16("a port")?)))
}

fn udp(cursor: &mut Cursor) -> Result<Body, SyntaxError> {
    let ports = ports(cursor)?;
    Ok(Body::Udp { ports, len: len_in_parentheses(cursor)? })
}

fn len_in_parentheses(cursor: &mut Cursor) -> Result<u16, SyntaxError> {
    cursor.expect_all(&["("])?;
    let len = cursor.u16("a length")?;
    cursor.expect_all(&[")"])?;
    Ok(len)
}

fn segment(cursor: &mut Cursor, direction: Direction) -> Result<Segment, SyntaxError> {
    let ports = ports(cursor)?;
    let flags = flags(cursor)?;
    let (seq, len) = seq(cursor)?;
    let ack = if cursor.skip_word("ack") { cursor.u32("an acknowledgement number")? } else { 0 };
    let window = if cursor.skip_word("win") { Some(cursor.u16("a window")?) } else { None };
    if window.is_none() && direction == Direction::In {
        return Err(cursor.unexpected("win and a window, which a segment that is injected must have"));
    }
    let urgent = if cursor.skip_word("urg") { cursor.u16("an urgent pointer")? } else { 0 };
    let options = options(cursor, direction)?;
    Ok(Segment { ports, flags, seq, len, ack, window, urgent, options })
}

/// `S`, `P.`, `.`, `-`, or with the count of RFC 9768 as a digit: `S.5`, `.2`, `P3`.
fn flags(cursor: &mut Cursor) -> Result<SegmentFlags, SyntaxError> {
    const EXPECTED: &str = "flags: - or some of F S R P . U, with E W A or a count from 0 to 7";
    if cursor.skip_symbol("-") {
        return Ok(SegmentFlags::default());
    }
    let error = cursor.unexpected(EXPECTED);
    let mut text = if cursor.is(Kind::Word) { cursor.next().text } else { String::new() };
    if cursor.is_symbol(".") || cursor.is(Kind::Decimal) {
        text += &cursor.next().text;
    }
    if text.is_empty() { Err(error) } else { flag_bits(&text).ok_or(error) }
}

fn flag_bits(text: &str) -> Option<SegmentFlags> {
    let (mut bits, mut ace) = (0, None);
    for flag in text.chars() {
        bits |= match flag {
            'F' => 0x001,
            'S' => 0x002,
            'R' => 0x004,
            'P' => 0x008,
            '.' => 0x010,
            'U' => 0x020,
            'E' => 0x040,
            'W' => 0x080,
            'A' => 0x100,
            '0'..='7' if ace.is_none() => {
                ace = flag.to_digit(8);
                0
            }
            _ => return None,
        };
    }
    // AE, CWR and ECE stand next to each other, so that the count is one number (RFC 9768 §3.1.1).
    let ecn_flags = bits & 0x1c0 != 0;
    match ace {
        Some(_) if ecn_flags => None,
        Some(count) => Some(SegmentFlags { bits: bits | u16::try_from(count << 6).ok()?, ace: count != 0 }),
        None => Some(SegmentFlags { bits, ace: false }),
    }
}

/// `first:end(len)`
fn seq(cursor: &mut Cursor) -> Result<(u32, u16), SyntaxError> {
    let error = cursor.unexpected("sequence numbers that differ by the length: first:end(length)");
    let first = cursor.u32("a sequence number")?;
    cursor.expect_all(&[":"])?;
    let end = cursor.u32("a sequence number")?;
    let len = len_in_parentheses(cursor)?;
    if first.checked_add(len.into()) == Some(end) { Ok((first, len)) } else { Err(error) }
}

fn options(cursor: &mut Cursor, direction: Direction) -> Result<Option<Vec<TcpOption>>, SyntaxError> {
    // A `<` that begins the next event comes after a time, so that this one opens a list.
    if !cursor.skip_symbol("<") {
        return Ok(Some(Vec::new()));
    }
    if direction == Direction::Out && cursor.is(Kind::Ellipsis) {
        cursor.next();
        cursor.expect_all(&[">"])?;
        return Ok(None);
    }
    let error = cursor.unexpected("options that fill whole words of 4 octets, at most 10 of them");
    let mut options = vec![option(cursor)?];
    while cursor.skip_symbol(",") {
        options.push(option(cursor)?);
    }
    cursor.expect_all(&[">"])?;
    let len: usize = options.iter().map(|option| option.octets().len()).sum();
    if len.is_multiple_of(4) && len <= OPTIONS_MAX { Ok(Some(options)) } else { Err(error) }
}

fn option(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    let expected = "an option: nop, eol, mss, wscale, sackOK, sack, TS, FO, FOEXP, md5, uto or ECN";
    let error = cursor.unexpected(expected);
    let word = cursor.expect(Kind::Word, expected)?.text;
    Ok(match word.as_str() {
        "nop" => TcpOption::Nop,
        "eol" => TcpOption::End,
        "mss" => TcpOption::Mss(cursor.u16("a segment size")?),
        "wscale" => TcpOption::WindowScale(cursor.u8("a shift count")?),
        "sackOK" => TcpOption::SackPermitted,
        "sack" => sack(cursor)?,
        "TS" => {
            cursor.expect_all(&["val"])?;
            let val = cursor.u32("a timestamp")?;
            cursor.expect_all(&["ecr"])?;
            TcpOption::Timestamps { val, ecr: cursor.u32("a timestamp")? }
        }
        "FO" => TcpOption::FastOpen(hex_octets(cursor)?),
        "FOEXP" => TcpOption::FastOpenExperimental(hex_octets(cursor)?),
        "md5" => TcpOption::Md5(hex_octets(cursor)?),
        // Ours alone.
        "uto" => TcpOption::UserTimeout(cursor.u16("a user timeout")?),
        "ECN" => acc_ecn(cursor)?,
        _ => return Err(error),
    })
}

fn sack(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    let mut blocks = Vec::new();
    while blocks.is_empty() || cursor.is(Kind::Integer) {
        let left = cursor.u32("the left edge of a block")?;
        cursor.expect_all(&[":"])?;
        blocks.push((left, cursor.u32("the right edge of a block")?));
    }
    Ok(TcpOption::Sack(blocks))
}

/// `e0b N ceb N e1b N`, or from `e1b` to `e0b`; the later ones may be left out.
fn acc_ecn(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    let ect1_first = cursor.is_word("e1b");
    let names = if ect1_first { ["e1b", "ceb", "e0b"] } else { ["e0b", "ceb", "e1b"] };
    let mut counters = Vec::new();
    for name in names {
        if !counters.is_empty() && !cursor.is_word(name) {
            break;
        }
        cursor.expect_all(&[name])?;
        let count = cursor.integer(0, 0xff_ffff, "a counter of 24 bits")?;
        counters.push(u32::try_from(count).unwrap_or(u32::MAX));
    }
    Ok(TcpOption::AccEcn { ect1_first, counters })
}

/// Hexadecimal digits in pairs, which the lexer may take for a number or a word; none if none follow.
fn hex_octets(cursor: &mut Cursor) -> Result<Vec<u8>, SyntaxError> {
    if !cursor.is(Kind::Word) && !cursor.is(Kind::Integer) {
        return Ok(Vec::new());
    }
    let error = cursor.unexpected("pairs of hexadecimal digits");
    let text = cursor.next().text;
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(pair).collect::<Option<_>>().ok_or(error)
}

fn icmp(cursor: &mut Cursor) -> Result<Icmp, SyntaxError> {
    let kind = cursor.expect(Kind::Word, "the type of an ICMP message")?.text;
    let no_code = ["mtu", "id"].iter().any(|word| cursor.is_word(word));
    let code = (cursor.is(Kind::Word) && !no_code).then(|| cursor.next().text);
    let mtu = if cursor.skip_word("mtu") { Some(cursor.u32("an MTU")?) } else { None };
    let echo_id = if cursor.skip_word("id") { cursor.u16("an identifier")? } else { 0 };
    let mut quoted = Quoted::Tcp { seq: 0, len: 0 };
    if cursor.skip_symbol("[") {
        quoted = if cursor.skip_word("udp") {
            Quoted::Udp(len_in_parentheses(cursor)?)
        } else if cursor.skip_word("raw") {
            Quoted::Raw(len_in_parentheses(cursor)?)
        } else {
            let (seq, len) = seq(cursor)?;
            Quoted::Tcp { seq, len }
        };
        cursor.expect_all(&["]"])?;
    }
    Ok(Icmp { kind, code, mtu, echo_id, quoted })
}
