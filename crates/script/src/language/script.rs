//! Settings, commands and events: the frame of a script.

use super::SyntaxError;
use super::ast::{Action, Command, Direction, Event, Packet, Script, Setting, When};
use super::call::call;
use super::cursor::Cursor;
use super::lexer::Kind;
use super::packet::packet;

/// A whole script, to its end.
pub(super) fn script(cursor: &mut Cursor) -> Result<Script, SyntaxError> {
    let mut script = Script::default();
    while cursor.is(Kind::Setting) {
        script.settings.push(setting(cursor)?);
    }
    script.init = command(cursor);
    while !cursor.is(Kind::End) && !cursor.is(Kind::Command) {
        if cursor.is(Kind::Setting) {
            return Err(cursor.unexpected("an event: settings such as --name=value stand before all else"));
        }
        script.events.push(event(cursor)?);
    }
    script.cleanup = command(cursor);
    if script.events.is_empty() || !cursor.is(Kind::End) {
        return Err(cursor.unexpected("the time of an event"));
    }
    Ok(script)
}

fn command(cursor: &mut Cursor) -> Option<Command> {
    cursor.is(Kind::Command).then(|| {
        let token = cursor.next();
        Command { line: token.line, text: token.text }
    })
}

/// `--name`, `--name=value` or `--name=symbol=value`.
fn setting(cursor: &mut Cursor) -> Result<Setting, SyntaxError> {
    let name = cursor.next();
    let mut value = None;
    if cursor.skip_symbol("=") {
        let mut text = setting_value(cursor)?;
        if cursor.skip_symbol("=") {
            text = format!("{text}={}", setting_value(cursor)?);
        }
        value = Some(text);
    }
    Ok(Setting { line: name.line, name: name.text, value })
}

fn setting_value(cursor: &mut Cursor) -> Result<String, SyntaxError> {
    let token = cursor.next();
    match token.kind {
        Kind::Integer
        | Kind::Decimal
        | Kind::Hex
        | Kind::Word
        | Kind::Text
        | Kind::Address4
        | Kind::Address6 => Ok(token.text),
        _ => Err(cursor.unexpected("the value of a setting")),
    }
}

fn event(cursor: &mut Cursor) -> Result<Event, SyntaxError> {
    let (line, column) = (cursor.line(), cursor.column());
    let when = when(cursor)?;
    let action = match cursor.peek().kind {
        Kind::Command => Action::Command(cursor.next().text),
        Kind::Code => Action::Code(cursor.next().text),
        Kind::Word | Kind::Ellipsis => Action::Call(call(cursor)?),
        Kind::Symbol if cursor.is_symbol("<") || cursor.is_symbol(">") => Action::Packet(packet(cursor)?),
        _ => return Err(cursor.unexpected("a packet (< or >), a system call, a `command` or %{ code }%")),
    };
    let goes_out = matches!(action, Action::Packet(Packet { direction: Direction::Out, .. }));
    if !goes_out && matches!(when, When::Any | When::Between(..) | When::AfterBetween(..)) {
        let found = "a range of times".to_owned();
        return Err(SyntaxError {
            line,
            column,
            found,
            expected: "one time, except for a packet that comes out".into(),
        });
    }
    Ok(Event { line, when, action })
}

fn when(cursor: &mut Cursor) -> Result<When, SyntaxError> {
    if cursor.skip_symbol("*") {
        return Ok(When::Any);
    }
    let relative = cursor.skip_symbol("+");
    let from = time(cursor)?;
    if !cursor.skip_symbol("~") {
        return Ok(if relative { When::After(from) } else { When::At(from) });
    }
    if relative {
        cursor.expect_all(&["+"])?;
    }
    let error = cursor.unexpected("a time that is not before the first");
    let to = time(cursor)?;
    match relative {
        _ if to < from => Err(error),
        true => Ok(When::AfterBetween(from, to)),
        false => Ok(When::Between(from, to)),
    }
}

/// Seconds with a fraction, as microseconds.
pub(super) fn time(cursor: &mut Cursor) -> Result<u64, SyntaxError> {
    let error = cursor.unexpected("a time in seconds");
    let token = cursor.next();
    match token.kind {
        Kind::Integer | Kind::Decimal => microseconds(&token.text).ok_or(error),
        _ => Err(error),
    }
}

/// Digits beyond the sixth after the point are below a microsecond and dropped.
fn microseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}
