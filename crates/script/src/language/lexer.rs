//! Text to tokens. Where two readings fit, the longer wins; between equals, the earlier of [`Kind`]'s order.

use super::{Definitions, SyntaxError};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `--name`; the text is the name.
    Setting,
    /// A number with a point.
    Decimal,
    /// A whole number, perhaps with a minus sign.
    Integer,
    /// `0x..`
    Hex,
    /// Letters, digits, underscores.
    Word,
    /// Between double quotes, escapes as written.
    Text,
    /// Between back quotes.
    Command,
    /// Between `%{` and `}%`.
    Code,
    /// `...`
    Ellipsis,
    /// An address with points.
    Address4,
    /// An address with colons.
    Address6,
    /// Any other character.
    Symbol,
    /// After the last token.
    End,
}

/// A token and where it begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The tokens of `source`, the last of which is `End`.
///
/// # Errors
/// A comment, a quotation or a piece of code that never ends.
pub(super) fn tokens(source: &str, definitions: &Definitions) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { source, rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next(definitions)? {
        tokens.push(token);
    }
    let (line, column) = lexer.place();
    tokens.push(Token { kind: Kind::End, text: "end of file".to_owned(), line, column });
    Ok(tokens)
}

struct Lexer<'a> {
    source: &'a str,
    rest: &'a str,
    line: u32,
}

impl<'a> Lexer<'a> {
    fn next(&mut self, definitions: &Definitions) -> Result<Option<Token>, SyntaxError> {
        self.skip_blanks_and_comments()?;
        let (line, column) = self.place();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let (kind, text) = match first {
            '"' => (Kind::Text, self.quoted('"')?),
            '`' => (Kind::Command, self.quoted('`')?),
            '%' if self.rest.starts_with("%{") => (Kind::Code, self.code()?),
            _ if self.rest.starts_with("...") => (Kind::Ellipsis, self.take(3)),
            _ => self.plain(first),
        };
        let token = Token { kind, text: text.to_owned(), line, column };
        Ok(Some(if kind == Kind::Word { substitute(token, definitions) } else { token }))
    }

    /// The line and the character in it that come next.
    fn place(&self) -> (u32, u32) {
        let read = self.source.get(..self.source.len() - self.rest.len()).unwrap_or_default();
        let begun = read.rfind('\n').map_or(read, |at| read.get(at + 1..).unwrap_or_default());
        (self.line, u32::try_from(begun.chars().count() + 1).unwrap_or(u32::MAX))
    }

    /// The error that the file ends before what was begun here does.
    fn unfinished(&self, expected: String) -> SyntaxError {
        let (line, column) = self.place();
        SyntaxError { line, column, found: "end of file".to_owned(), expected }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.line += u32::try_from(taken.matches('\n').count()).unwrap_or(u32::MAX);
        self.rest = rest;
        taken
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), SyntaxError> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.take(blanks);
            if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.until("*/", 2, "the end of the comment, */")?;
            } else {
                return Ok(());
            }
        }
    }

    /// Everything up to `end`, which is searched from `from`, and including it.
    fn until(&mut self, end: &str, from: usize, expected: &str) -> Result<&'a str, SyntaxError> {
        let at = self.rest.get(from..).and_then(|rest| rest.find(end));
        let at = at.ok_or_else(|| self.unfinished(expected.to_owned()))?;
        Ok(self.take(from + at + end.len()))
    }

    fn code(&mut self) -> Result<&'a str, SyntaxError> {
        let code = self.until("}%", 2, "the end of the code, }%")?;
        Ok(code.get(2..code.len() - 2).unwrap_or_default())
    }

    fn quoted(&mut self, quote: char) -> Result<&'a str, SyntaxError> {
        let mut escaped = false;
        for (at, char) in self.rest.char_indices().skip(1) {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if char == quote => {
                    let text = self.take(at + quote.len_utf8());
                    return Ok(&text[1..at]);
                }
                _ => {}
            }
        }
        Err(self.unfinished(format!("a closing {quote}")))
    }

    fn plain(&mut self, first: char) -> (Kind, &'a str) {
        let readings = [
            (Kind::Setting, setting_len(self.rest)),
            (Kind::Decimal, decimal_len(self.rest)),
            (Kind::Integer, integer_len(self.rest)),
            (Kind::Hex, hex_len(self.rest)),
            (Kind::Word, run(self.rest, is_word)),
            (Kind::Address4, address4_len(self.rest)),
            (Kind::Address6, address6_len(self.rest)),
        ];
        // `max_by_key` would give the last of the equally long.
        let longest = readings.iter().map(|(_, len)| *len).max().unwrap_or(0);
        match readings.into_iter().find(|(_, len)| *len == longest && *len > 0) {
            Some((Kind::Setting, len)) => (Kind::Setting, &self.take(len)[2..]),
            Some((kind, len)) => (kind, self.take(len)),
            None => (Kind::Symbol, self.take(first.len_utf8())),
        }
    }
}

/// A defined word is what its definition says: text in quotes, a number or another word.
fn substitute(token: Token, definitions: &Definitions) -> Token {
    let Some(value) = definitions.get(&token.text) else { return token };
    let inner = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    let (kind, text) = if let Some(text) = inner('"') {
        (Kind::Text, text)
    } else if let Some(text) = inner('`') {
        (Kind::Command, text)
    } else if integer_len(value) == value.len() {
        (Kind::Integer, value.as_str())
    } else if hex_len(value) == value.len() {
        (Kind::Hex, value.as_str())
    } else {
        (Kind::Word, value.as_str())
    };
    Token { kind, text: text.to_owned(), ..token }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn run(text: &str, member: impl Fn(char) -> bool) -> usize {
    text.find(|char| !member(char)).unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    run(text, |char| char.is_ascii_digit())
}

fn setting_len(text: &str) -> usize {
    match text.strip_prefix("--").map(|name| run(name, is_word)) {
        None | Some(0) => 0,
        Some(len) => 2 + len,
    }
}

fn integer_len(text: &str) -> usize {
    let sign = usize::from(text.starts_with('-'));
    match digits(&text[sign..]) {
        0 => 0,
        len => sign + len,
    }
}

fn decimal_len(text: &str) -> usize {
    let sign = usize::from(text.starts_with('-'));
    let whole = sign + digits(&text[sign..]);
    match text[whole..].strip_prefix('.').map(digits) {
        None | Some(0) => 0,
        Some(fraction) => whole + 1 + fraction,
    }
}

fn hex_len(text: &str) -> usize {
    match text.strip_prefix("0x").map(|hex| run(hex, |char| char.is_ascii_hexdigit())) {
        None | Some(0) => 0,
        Some(len) => 2 + len,
    }
}

fn address4_len(text: &str) -> usize {
    let mut len = digits(text);
    for _ in 0..3 {
        match text[len..].strip_prefix('.').map(digits) {
            None | Some(0) => return 0,
            Some(more) => len += 1 + more,
        }
    }
    len
}

/// The longest beginning that is an IPv6 address. Sequence numbers such as `1:1001` look alike, so one needs
/// two colons in a row or all eight groups.
fn address6_len(text: &str) -> usize {
    let len = run(text, |char| char.is_ascii_hexdigit() || matches!(char, ':' | '.'));
    let candidate = &text[..len];
    if !candidate.contains("::") && candidate.matches(':').count() < 7 {
        return 0;
    }
    (2..=len).rev().find(|len| candidate[..*len].parse::<std::net::Ipv6Addr>().is_ok()).unwrap_or(0)
}
