//! Python's tokens: lines end statements, except inside brackets and behind a backslash.

use super::CodeError;

/// A token and the line it stands on.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u32,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    Integer(i128),
    Float(f64),
    Text(String),
    Name(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of a statement.
    Break,
}

/// Longer ones first, so that the first that fits is the longest.
const SYMBOLS: [&str; 40] = [
    "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "/=", "%=",
    "&=", "|=", "^=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=", "(", ")", "[", "]", ",",
    ":", ".", ";",
];

pub(super) fn tokens(code: &str) -> Result<Vec<Token>, CodeError> {
    let (mut tokens, mut rest, mut line, mut depth) = (Vec::new(), code, 0, 0_u32);
    while let Some(first) = rest.chars().next() {
        let (kind, len) = match first {
            '\n' => {
                let kind = (depth == 0).then_some(Kind::Break);
                tokens.extend(kind.map(|kind| Token { kind, line }));
                line += 1;
                rest = &rest[1..];
                continue;
            }
            '\\' if rest.starts_with("\\\n") => {
                line += 1;
                rest = &rest[2..];
                continue;
            }
            '#' => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            _ if first.is_whitespace() => {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            '0'..='9' => number(rest, line)?,
            '\'' | '"' => text(rest, first, line)?,
            _ if is_name(first) => {
                let len = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
                (Kind::Name(rest[..len].to_owned()), len)
            }
            _ => symbol(rest, line)?,
        };
        match kind {
            Kind::Symbol("(" | "[") => depth += 1,
            Kind::Symbol(")" | "]") => depth = depth.saturating_sub(1),
            _ => {}
        }
        let kind = if kind == Kind::Symbol(";") { Kind::Break } else { kind };
        tokens.push(Token { kind, line });
        rest = &rest[len..];
    }
    tokens.push(Token { kind: Kind::Break, line });
    Ok(tokens)
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn symbol(rest: &str, line: u32) -> Result<(Kind, usize), CodeError> {
    let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
    let message = || format!("cannot read the code at '{}'", rest.lines().next().unwrap_or_default());
    symbol
        .map(|symbol| (Kind::Symbol(symbol), symbol.len()))
        .ok_or_else(|| CodeError { line, message: message() })
}

fn number(rest: &str, line: u32) -> Result<(Kind, usize), CodeError> {
    let len = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '.' && char != '_');
    let len = len.unwrap_or(rest.len());
    let text = rest[..len].replace('_', "");
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok().map(Kind::Integer),
        None => text.parse().map(Kind::Integer).ok().or_else(|| text.parse().map(Kind::Float).ok()),
    };
    parsed
        .map(|kind| (kind, len))
        .ok_or_else(|| CodeError { line, message: format!("'{text}' is no number") })
}

fn text(rest: &str, quote: char, line: u32) -> Result<(Kind, usize), CodeError> {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            'n' if escaped => text.push('\n'),
            't' if escaped => text.push('\t'),
            _ if escaped => text.push(char),
            '\\' => {}
            _ if char == quote => return Ok((Kind::Text(text), at + 1)),
            _ => text.push(char),
        }
        escaped = char == '\\' && !escaped;
    }
    Err(CodeError { line, message: format!("no closing {quote}") })
}
