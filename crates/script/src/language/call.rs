//! System calls: the name, the arguments, the result that must come back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::SyntaxError;
use super::ast::{Call, Control, Epoll, Expr, ExtendedError, Message, Poll};
use super::cursor::{Cursor, value};
use super::lexer::Kind;
use super::script::time;

/// `[... end] name(arguments) = result [errno] [(note)]`
pub(super) fn call(cursor: &mut Cursor) -> Result<Call, SyntaxError> {
    let mut until = None;
    if cursor.is(Kind::Ellipsis) {
        cursor.next();
        until = Some(time(cursor)?);
    }
    let name = cursor.expect(Kind::Word, "the name of a system call")?.text;
    cursor.expect_all(&["("])?;
    let arguments = if cursor.is_symbol(")") { Vec::new() } else { list(cursor)? };
    cursor.expect_all(&[")", "="])?;
    let result = expr(cursor)?;
    // Another word is the call of an event that lacks its time.
    let names_error = cursor.is(Kind::Word) && cursor.peek().text.starts_with('E');
    let errno = names_error.then(|| cursor.next().text);
    if cursor.skip_symbol("(") {
        note(cursor)?;
    }
    Ok(Call { until, name, arguments, result, errno })
}

/// What a note says is for the reader alone.
fn note(cursor: &mut Cursor) -> Result<(), SyntaxError> {
    while cursor.is(Kind::Word) {
        cursor.next();
    }
    cursor.expect_all(&[")"])
}

fn list(cursor: &mut Cursor) -> Result<Vec<Expr>, SyntaxError> {
    let mut list = vec![expr(cursor)?];
    while cursor.skip_symbol(",") {
        list.push(expr(cursor)?);
    }
    Ok(list)
}

fn expr(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let mut left = term(cursor)?;
    while cursor.skip_symbol("|") {
        left = Expr::Or(Box::new(left), Box::new(term(cursor)?));
    }
    Ok(left)
}

fn term(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let error = cursor.unexpected("a value");
    if cursor.skip_symbol("[") {
        let items = if cursor.is_symbol("]") { Vec::new() } else { list(cursor)? };
        cursor.expect_all(&["]"])?;
        return Ok(Expr::List(items));
    }
    if cursor.skip_symbol("{") {
        let structure = structure(cursor)?;
        cursor.expect_all(&["}"])?;
        return Ok(structure);
    }
    match cursor.peek().kind {
        Kind::Ellipsis => {
            cursor.next();
            Ok(Expr::Ellipsis)
        }
        Kind::Integer | Kind::Hex => value(&cursor.next()).map(Expr::Integer).ok_or(error),
        Kind::Text => text(cursor),
        Kind::Word => word(cursor),
        _ => Err(error),
    }
}

fn word(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let error = cursor.unexpected("an address in quotes");
    let word = cursor.next().text;
    match word.as_str() {
        "inet_addr" => match quoted_address(cursor)? {
            // The value that C has for it: network order, read as a number of this machine.
            Some(IpAddr::V4(address)) => Ok(Expr::Integer(u32::from_ne_bytes(address.octets()).into())),
            _ => Err(error),
        },
        "inet6_addr" => match quoted_address(cursor)? {
            Some(IpAddr::V6(address)) => Ok(Expr::Address6(address)),
            _ => Err(error),
        },
        _ if cursor.skip_symbol("=") => Ok(Expr::Assign(word, Box::new(expr(cursor)?))),
        _ => Ok(Expr::Word(word)),
    }
}

fn quoted_address(cursor: &mut Cursor) -> Result<Option<IpAddr>, SyntaxError> {
    cursor.expect_all(&["("])?;
    let address = cursor.expect(Kind::Text, "an address in quotes")?.text.parse().ok();
    cursor.expect_all(&[")"])?;
    Ok(address)
}

/// Strings that follow each other are one; dots behind it say that the writer cut it short.
fn text(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let mut octets = Vec::new();
    while cursor.is(Kind::Text) {
        let error = cursor.unexpected("an escape of \\n \\r \\t \\f \\v \\\" \\\\ or \\xHH");
        octets.extend(unescape(&cursor.next().text).ok_or(error)?);
    }
    if cursor.is(Kind::Ellipsis) {
        cursor.next();
    }
    Ok(Expr::Text(octets))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'f' => 0x0c,
                b'v' => 0x0b,
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other @ (b'"' | b'\\') => other,
                _ => return None,
            },
            other => other,
        });
    }
    Some(octets)
}

/// What stands between braces: the first word says which structure it is.
fn structure(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let first = cursor.peek().text.clone();
    match (cursor.peek().kind, first.as_str()) {
        (Kind::Ellipsis, _) => {
            cursor.expect_all(&["...", ","])?;
            Ok(Expr::Iovec(cursor.integer(0, u32::MAX.into(), "the length of a buffer")?))
        }
        (Kind::Word, "sa_family") => socket_address(cursor),
        (Kind::Word, "msg_name") => message(cursor),
        (Kind::Word, "cmsg_level") => {
            let level = field(cursor, "cmsg_level")?;
            let kind = next_field(cursor, "cmsg_type")?;
            Ok(Expr::Control(Box::new(Control { level, kind, data: next_field(cursor, "cmsg_data")? })))
        }
        (Kind::Word, "scm_sec") => timestamp(cursor),
        (Kind::Word, "ee_errno") => Ok(Expr::ExtendedError(Box::new(ExtendedError {
            fields: [
                field(cursor, "ee_errno")?,
                next_field(cursor, "ee_origin")?,
                next_field(cursor, "ee_type")?,
                next_field(cursor, "ee_code")?,
                next_field(cursor, "ee_info")?,
                next_field(cursor, "ee_data")?,
            ],
        }))),
        (Kind::Word, "fd") => poll(cursor),
        (Kind::Word, "events") => {
            let events = field(cursor, "events")?;
            cursor.expect_all(&[","])?;
            let member = cursor.peek().text.clone();
            if !["fd", "ptr", "u32", "u64"].contains(&member.as_str()) {
                return Err(cursor.unexpected("fd, ptr, u32 or u64"));
            }
            let data = field(cursor, &member)?;
            Ok(Expr::Epoll(Box::new(Epoll { events, member, data })))
        }
        (Kind::Word, "onoff") => {
            cursor.expect_all(&["onoff", "="])?;
            let on = cursor.integer(i32::MIN.into(), i32::MAX.into(), "a number")?;
            cursor.expect_all(&[",", "linger", "="])?;
            Ok(Expr::Linger(on, cursor.integer(i32::MIN.into(), i32::MAX.into(), "a number")?))
        }
        _ => list(cursor).map(Expr::List),
    }
}

fn field(cursor: &mut Cursor, name: &str) -> Result<Expr, SyntaxError> {
    cursor.expect_all(&[name, "="])?;
    expr(cursor)
}

fn next_field(cursor: &mut Cursor, name: &str) -> Result<Expr, SyntaxError> {
    cursor.expect_all(&[",", name, "="])?;
    expr(cursor)
}

fn socket_address(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let error = cursor.unexpected("AF_INET or AF_INET6 with an address of that family");
    cursor.expect_all(&["sa_family", "="])?;
    let family = cursor.expect(Kind::Word, "AF_INET or AF_INET6")?.text;
    cursor.expect_all(&[",", "sin_port", "=", "htons", "("])?;
    let port = cursor.u16("a port")?;
    cursor.expect_all(&[")", ",", "sin_addr", "=", "inet_addr"])?;
    match (family.as_str(), quoted_address(cursor)?) {
        ("AF_INET", Some(ip @ IpAddr::V4(_))) | ("AF_INET6", Some(ip @ IpAddr::V6(_))) => {
            Ok(Expr::SocketAddress(SocketAddr::new(ip, port)))
        }
        // The family alone is what a disconnection needs.
        ("AF_UNSPEC", Some(_)) => Ok(Expr::SocketAddress(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))),
        _ => Err(error),
    }
}

fn message(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    cursor.expect_all(&["msg_name", "(", "...", ")", "=", "...", ",", "msg_iov", "("])?;
    let iov_len = cursor.integer(0, u16::MAX.into(), "a count of buffers")?;
    cursor.expect_all(&[")", "="])?;
    let iov = term(cursor)?;
    let flags = next_field(cursor, "msg_flags")?;
    let mut control = Vec::new();
    if cursor.is_symbol(",") {
        let error = cursor.unexpected("a list of control messages");
        match next_field(cursor, "msg_control")? {
            Expr::List(list) => control = list,
            _ => return Err(error),
        }
    }
    Ok(Expr::Message(Box::new(Message { iov_len, iov, flags, control })))
}

fn timestamp(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    cursor.expect_all(&["scm_sec", "="])?;
    let seconds = cursor.integer(0, u32::MAX.into(), "seconds")?;
    cursor.expect_all(&[",", "scm_nsec", "="])?;
    let nanoseconds = cursor.integer(0, 999_999_999, "nanoseconds")?;
    Ok(Expr::Timestamp(seconds * 1_000_000 + nanoseconds / 1_000))
}

fn poll(cursor: &mut Cursor) -> Result<Expr, SyntaxError> {
    let fd = field(cursor, "fd")?;
    let events = next_field(cursor, "events")?;
    let revents = if cursor.is_symbol(",") { next_field(cursor, "revents")? } else { Expr::Integer(0) };
    Ok(Expr::Poll(Box::new(Poll { fd, events, revents })))
}
