//! Words to a tree, by recursive descent.
//!
//! `and` and `or` bind equally and to the left. A primitive is up to three qualifiers (protocol, direction, kind) and a
//! name; a name without qualifiers has those of the one before it: `port 80 or 443`. A comparison of numbers and a
//! primitive can begin alike, so a comparison is tried first where one is possible.

mod primitive;
mod value;

use crate::FilterError;
use crate::expression::{Depth, Expression};
use crate::token::{Placed, Token, tokens};
use primitive::Qualifiers;

/// Parentheses and negations within each other.
const DEPTH_MAX: usize = 48;

type Parsed<T> = Result<T, FilterError>;

/// The tree of a text; `None` for one without words.
pub(crate) fn parse(text: &str, netmask: u32) -> Parsed<Option<Expression>> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser {
        tokens,
        next: 0,
        end: text.len(),
        depth: Depth::default(),
        netmask,
        before: Qualifiers::default(),
    };
    let expression = parser.expression(0)?;
    match parser.peek() {
        Some(_) => Err(parser.wrong("cannot follow there")),
        None => Ok(Some(expression)),
    }
}

/// The state of reading.
struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    /// The text's length.
    end: usize,
    /// What was read before has stepped over so much.
    depth: Depth,
    /// The network's mask.
    netmask: u32,
    /// The qualifiers of the primitive before.
    before: Qualifiers,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|placed| &placed.token)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.peek_at(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Sign(there)) if *there == sign);
        self.next += usize::from(is_there);
        is_there
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_there = self.word(0) == Some(wanted);
        self.next += usize::from(is_there);
        is_there
    }

    fn takes_and(&mut self) -> bool {
        self.takes_sign("&&") || self.takes_word("and")
    }

    fn takes_or(&mut self) -> bool {
        self.takes_sign("||") || self.takes_word("or")
    }

    fn error(&self, why: impl Into<String>) -> FilterError {
        let at = self.tokens.get(self.next).map_or(self.end, |placed| placed.at);
        FilterError { at, why: why.into() }
    }

    /// The next token is not what it should be.
    fn wrong(&self, why: &str) -> FilterError {
        match self.peek() {
            Some(Token::Word(word) | Token::Escaped(word)) => self.error(format!("'{word}' {why}")),
            Some(Token::Sign(sign)) => self.error(format!("'{sign}' {why}")),
            None => self.error("it ends too early"),
        }
    }

    fn expression(&mut self, depth: usize) -> Parsed<Expression> {
        let mut left = self.term(depth)?;
        loop {
            // Only one of them is taken, and the other is not asked for then.
            let is_and = self.takes_and();
            if !is_and && !self.takes_or() {
                return Ok(left);
            }
            let right = Box::new(self.term(depth)?);
            left = match is_and {
                true => Expression::And(Box::new(left), right),
                false => Expression::Or(Box::new(left), right),
            };
        }
    }

    fn term(&mut self, depth: usize) -> Parsed<Expression> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} parentheses stand within each other")));
        }
        if self.takes_sign("!") || self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.may_begin_value() {
            let start = self.next;
            if let Ok(comparison) = self.comparison(depth) {
                return Ok(comparison);
            }
            self.next = start;
        }
        if self.takes_sign("(") {
            let inner = self.expression(depth + 1)?;
            return if self.takes_sign(")") { Ok(inner) } else { Err(self.wrong("stands where ')' should")) };
        }
        self.primitive()
    }
}
