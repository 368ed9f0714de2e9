//! A place in the tokens of a script, and the small steps over them.

use super::SyntaxError;
use super::lexer::{Kind, Token};

/// Reads tokens one by one; never goes past the end.
pub(super) struct Cursor {
    tokens: Vec<Token>,
    at: usize,
    end: Token,
}

impl Cursor {
    /// `tokens` end with [`Kind::End`].
    pub(super) fn new(mut tokens: Vec<Token>) -> Self {
        let nothing = Token { kind: Kind::End, text: "end of file".to_owned(), line: 1, column: 1 };
        let end = tokens.pop().unwrap_or(nothing);
        Self { tokens, at: 0, end }
    }

    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&self.end)
    }

    pub(super) fn line(&self) -> u32 {
        self.peek().line
    }

    pub(super) fn column(&self) -> u32 {
        self.peek().column
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len());
        token
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.peek().kind == kind
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub(super) fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == Kind::Symbol && token.text == symbol
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == Kind::Word && token.text == word
    }

    /// Steps over `symbol` if it is next.
    pub(super) fn skip_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    /// Steps over `word` if it is next.
    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next();
        }
        found
    }

    /// Steps over symbols and words, which must stand there as they are.
    pub(super) fn expect_all(&mut self, parts: &[&str]) -> Result<(), SyntaxError> {
        parts.iter().try_for_each(|part| {
            if self.is_symbol(part) || self.is_word(part) || (*part == "..." && self.is(Kind::Ellipsis)) {
                self.next();
                Ok(())
            } else {
                Err(self.unexpected(&format!("'{part}'")))
            }
        })
    }

    pub(super) fn expect(&mut self, kind: Kind, expected: &str) -> Result<Token, SyntaxError> {
        if self.is(kind) { Ok(self.next()) } else { Err(self.unexpected(expected)) }
    }

    /// A whole number between `low` and `high`, in decimal.
    pub(super) fn integer(&mut self, low: i64, high: i64, expected: &str) -> Result<i64, SyntaxError> {
        self.number(Kind::Integer, low, high, expected)
    }

    /// A number of 16 bits.
    pub(super) fn u16(&mut self, expected: &str) -> Result<u16, SyntaxError> {
        let value = self.integer(0, u16::MAX.into(), expected)?;
        Ok(u16::try_from(value).unwrap_or(u16::MAX))
    }

    /// A number of 32 bits.
    pub(super) fn u32(&mut self, expected: &str) -> Result<u32, SyntaxError> {
        let value = self.integer(0, u32::MAX.into(), expected)?;
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// A number of 8 bits.
    pub(super) fn u8(&mut self, expected: &str) -> Result<u8, SyntaxError> {
        let value = self.integer(0, u8::MAX.into(), expected)?;
        Ok(u8::try_from(value).unwrap_or(u8::MAX))
    }

    /// A number written in hexadecimal, between 0 and `high`.
    pub(super) fn hex(&mut self, high: i64, expected: &str) -> Result<i64, SyntaxError> {
        self.number(Kind::Hex, 0, high, expected)
    }

    fn number(&mut self, kind: Kind, low: i64, high: i64, expected: &str) -> Result<i64, SyntaxError> {
        let error = self.unexpected(expected);
        match value(&self.expect(kind, expected)?) {
            Some(value) if (low..=high).contains(&value) => Ok(value),
            _ => Err(SyntaxError { expected: format!("{expected} from {low} to {high}"), ..error }),
        }
    }

    /// The error that the next token is not what is `expected`.
    pub(super) fn unexpected(&self, expected: &str) -> SyntaxError {
        let token = self.peek();
        let found = match token.kind {
            Kind::End => token.text.clone(),
            _ => format!("'{}'", token.text.lines().next().unwrap_or_default()),
        };
        SyntaxError { line: token.line, column: token.column, found, expected: expected.to_owned() }
    }
}

/// The value of a token that is a whole number.
pub(super) fn value(token: &Token) -> Option<i64> {
    match token.kind {
        Kind::Integer => token.text.parse().ok(),
        Kind::Hex => i64::from_str_radix(token.text.trim_start_matches("0x"), 16).ok(),
        _ => None,
    }
}
