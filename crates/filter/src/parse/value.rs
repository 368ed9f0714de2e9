//! Comparisons of numbers: `tcp[tcpflags] & (tcp-syn|tcp-fin) != 0`, `len > 100`.

use super::{DEPTH_MAX, Parsed, Parser};
use crate::expression::{Comparison, Expression, Header, Operator, Value, ether_type, protocol};
use crate::names;
use crate::token::Token;

/// Operators, those that bind least first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("|", Operator::Or), ("^", Operator::Xor)],
    &[("&", Operator::And)],
    &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser {
    /// Whether the next token can be the first of a number.
    pub(super) fn may_begin_value(&self) -> bool {
        match self.peek() {
            Some(Token::Sign("(" | "-")) => true,
            Some(Token::Word(word)) => {
                let is_load = matches!(self.peek_at(1), Some(Token::Sign("[")));
                is_load || word == "len" || number(word).is_some() || names::constant(word).is_some()
            }
            _ => false,
        }
    }

    pub(super) fn comparison(&mut self, depth: usize) -> Parsed<Expression> {
        let left = self.value(depth)?;
        let comparison = match self.peek() {
            Some(Token::Sign("=" | "==")) => Comparison::Equal,
            Some(Token::Sign("!=")) => Comparison::NotEqual,
            Some(Token::Sign("<")) => Comparison::Less,
            Some(Token::Sign("<=")) => Comparison::LessOrEqual,
            Some(Token::Sign(">")) => Comparison::Greater,
            Some(Token::Sign(">=")) => Comparison::GreaterOrEqual,
            _ => return Err(self.wrong("stands where a comparison should")),
        };
        self.next += 1;
        let right = self.value(depth)?;
        Ok(Expression::Compare(comparison, left, right))
    }

    fn value(&mut self, depth: usize) -> Parsed<Value> {
        self.level(0, depth)
    }

    fn level(&mut self, level: usize, depth: usize) -> Parsed<Value> {
        let Some(operators) = LEVELS.get(level) else { return self.single(depth) };
        let mut left = self.level(level + 1, depth)?;
        while let Some(Token::Sign(sign)) = self.peek()
            && let Some((_, operator)) = operators.iter().find(|(known, _)| known == sign)
        {
            self.next += 1;
            let right = self.level(level + 1, depth)?;
            let by_zero = matches!(right, Value::Number(0));
            if by_zero && matches!(operator, Operator::Divide | Operator::Remainder) {
                return Err(self.error("a division by zero"));
            }
            left = Value::Operation(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn single(&mut self, depth: usize) -> Parsed<Value> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} parentheses stand within each other")));
        }
        if self.takes_sign("-") {
            return Ok(Value::Negative(Box::new(self.single(depth + 1)?)));
        }
        if self.takes_sign("(") {
            let inner = self.value(depth + 1)?;
            return if self.takes_sign(")") { Ok(inner) } else { Err(self.wrong("stands where ')' should")) };
        }
        let Some(word) = self.word(0).map(str::to_owned) else { return Err(self.wrong("is no number")) };
        if matches!(self.peek_at(1), Some(Token::Sign("["))) {
            return self.load(&word, depth);
        }
        let value = match word.as_str() {
            "len" => Value::Length,
            word => match number(word).or_else(|| names::constant(word)) {
                Some(number) => Value::Number(number),
                None => return Err(self.wrong("is no number")),
            },
        };
        self.next += 1;
        Ok(value)
    }

    /// `PROTOCOL[AT]` or `PROTOCOL[AT:SIZE]`.
    fn load(&mut self, name: &str, depth: usize) -> Parsed<Value> {
        let Some(header) = header(name) else { return Err(self.wrong("has no octets to be looked at")) };
        self.next += 2;
        let at = Box::new(self.value(depth + 1)?);
        let size = if self.takes_sign(":") {
            let size = self.word(0).and_then(number).filter(|size| matches!(size, 1 | 2 | 4));
            let Some(size) = size else { return Err(self.wrong("is no size; there are 1, 2 and 4")) };
            self.next += 1;
            size
        } else {
            1
        };
        if !self.takes_sign("]") {
            return Err(self.wrong("stands where ']' should"));
        }
        Ok(Value::Load { header, depth: self.depth, at, size: u8::try_from(size).unwrap_or(1) })
    }
}

fn header(name: &str) -> Option<Header> {
    Some(match name {
        "ether" | "link" => Header::Link,
        "ip" => Header::Network(ether_type::IP4),
        "ip6" => Header::Network(ether_type::IP6),
        "arp" => Header::Network(ether_type::ARP),
        "rarp" => Header::Network(ether_type::RARP),
        "icmp6" => Header::OverIp6(protocol::ICMP6),
        _ => Header::OverIp4(names::ip_protocol(name)?),
    })
}

/// A number in C's notation: decimal, `0x`, or octal behind a zero.
pub(super) fn number(word: &str) -> Option<u32> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    }
    if !word.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match word.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
    }
}
