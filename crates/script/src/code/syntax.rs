//! Tokens to statements and expressions, by precedence.

use super::CodeError;
use super::token::{Kind, Token};
use super::value::Value;

/// A statement and the line on which it begins.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) action: Action,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Action {
    Assert(Expr, Option<Expr>),
    /// The name, the operator in front of the equals sign or nothing, the value.
    Assign(String, &'static str, Expr),
    Evaluate(Expr),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expr {
    Constant(Value),
    Name(String),
    Call(String, Vec<Expr>),
    List(Vec<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a < b <= c`: the first operand, then operators with theirs.
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    /// Condition, value if true, value if false.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Binary operators from the loosest to the tightest level.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
const ASSIGNMENTS: [(&str, &str); 13] = [
    ("=", ""),
    ("+=", "+"),
    ("-=", "-"),
    ("*=", "*"),
    ("/=", "/"),
    ("//=", "//"),
    ("%=", "%"),
    ("**=", "**"),
    ("<<=", "<<"),
    (">>=", ">>"),
    ("&=", "&"),
    ("|=", "|"),
    ("^=", "^"),
];
const REFUSED: [&str; 14] = [
    "if", "for", "while", "def", "class", "import", "from", "return", "lambda", "try", "with", "raise",
    "del", "global",
];

pub(super) fn statements(tokens: Vec<Token>) -> Result<Vec<Statement>, CodeError> {
    let mut parser = Parser { tokens, at: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.skip(&Kind::Break) {}
        if parser.peek().is_none() {
            return Ok(statements);
        }
        let line = parser.line();
        if !parser.skip_name("pass") {
            let action = parser.statement()?;
            statements.push(Statement { line, action });
        }
        if !parser.skip(&Kind::Break) {
            return Err(parser.unexpected("the end of the statement"));
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    fn skip(&mut self, kind: &Kind) -> bool {
        let found = self.peek() == Some(kind);
        self.at += usize::from(found);
        found
    }

    fn skip_symbol(&mut self, symbol: &'static str) -> bool {
        self.skip(&Kind::Symbol(symbol))
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Name(found)) if found == name);
        self.at += usize::from(found);
        found
    }

    fn one_of(&mut self, symbols: &[&'static str]) -> Option<&'static str> {
        symbols.iter().copied().find(|symbol| self.skip_symbol(symbol))
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), CodeError> {
        if self.skip_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn unexpected(&self, expected: &str) -> CodeError {
        let found = match self.peek() {
            None | Some(Kind::Break) => "the end of the line".to_owned(),
            Some(Kind::Integer(value)) => format!("'{value}'"),
            Some(Kind::Float(value)) => format!("'{value}'"),
            Some(Kind::Text(text) | Kind::Name(text)) => format!("'{text}'"),
            Some(Kind::Symbol(symbol)) => format!("'{symbol}'"),
        };
        CodeError { line: self.line(), message: format!("found {found} in the code, expected {expected}") }
    }

    fn statement(&mut self) -> Result<Action, CodeError> {
        if let Some(Kind::Name(name)) = self.peek() {
            if REFUSED.contains(&name.as_str()) {
                return Err(self.unexpected("assert, an assignment or an expression"));
            }
            if let Some((operator, name)) = self.assignment(name.clone()) {
                return Ok(Action::Assign(name, operator, self.expressions()?));
            }
        }
        if self.skip_name("assert") {
            let condition = self.expression()?;
            let message = if self.skip_symbol(",") { Some(self.expression()?) } else { None };
            return Ok(Action::Assert(condition, message));
        }
        Ok(Action::Evaluate(self.expressions()?))
    }

    fn assignment(&mut self, name: String) -> Option<(&'static str, String)> {
        let Some(Kind::Symbol(symbol)) = self.tokens.get(self.at + 1).map(|token| &token.kind) else {
            return None;
        };
        let (_, operator) = ASSIGNMENTS.into_iter().find(|(assignment, _)| assignment == symbol)?;
        self.at += 2;
        Some((operator, name))
    }

    /// One expression, or several with commas between them, which are a tuple.
    fn expressions(&mut self) -> Result<Expr, CodeError> {
        let first = self.expression()?;
        if !self.skip_symbol(",") {
            return Ok(first);
        }
        let mut list = vec![first];
        while !matches!(self.peek(), None | Some(Kind::Break | Kind::Symbol(")"))) {
            list.push(self.expression()?);
            if !self.skip_symbol(",") {
                break;
            }
        }
        Ok(Expr::List(list))
    }

    fn expression(&mut self) -> Result<Expr, CodeError> {
        let value = self.disjunction()?;
        if !self.skip_name("if") {
            return Ok(value);
        }
        let condition = self.disjunction()?;
        if !self.skip_name("else") {
            return Err(self.unexpected("'else'"));
        }
        Ok(Expr::If(Box::new(condition), Box::new(value), Box::new(self.expression()?)))
    }

    fn disjunction(&mut self) -> Result<Expr, CodeError> {
        let mut left = self.conjunction()?;
        while self.skip_name("or") {
            left = Expr::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr, CodeError> {
        let mut left = self.negation()?;
        while self.skip_name("and") {
            left = Expr::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr, CodeError> {
        if self.skip_name("not") {
            return Ok(Expr::Unary("not", Box::new(self.negation()?)));
        }
        let first = self.binary(&LEVELS)?;
        let mut others = Vec::new();
        while let Some(operator) = self.comparison() {
            others.push((operator, self.binary(&LEVELS)?));
        }
        Ok(if others.is_empty() { first } else { Expr::Compare(Box::new(first), others) })
    }

    fn comparison(&mut self) -> Option<&'static str> {
        if self.skip_name("in") {
            return Some("in");
        }
        if matches!(self.tokens.get(self.at + 1).map(|token| &token.kind), Some(Kind::Name(name)) if name == "in")
            && self.skip_name("not")
        {
            self.at += 1;
            return Some("not in");
        }
        if self.skip_name("is") {
            return Some(if self.skip_name("not") { "!=" } else { "==" });
        }
        self.one_of(&COMPARISONS)
    }

    fn binary(&mut self, levels: &[&[&'static str]]) -> Result<Expr, CodeError> {
        let Some((operators, tighter)) = levels.split_first() else { return self.unary() };
        let mut left = self.binary(tighter)?;
        while let Some(operator) = self.one_of(operators) {
            left = Expr::Binary(operator, Box::new(left), Box::new(self.binary(tighter)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, CodeError> {
        match self.one_of(&["-", "+", "~"]) {
            Some(operator) => Ok(Expr::Unary(operator, Box::new(self.unary()?))),
            None => {
                let base = self.indexed()?;
                if !self.skip_symbol("**") {
                    return Ok(base);
                }
                Ok(Expr::Binary("**", Box::new(base), Box::new(self.unary()?)))
            }
        }
    }

    fn indexed(&mut self) -> Result<Expr, CodeError> {
        let mut value = self.primary()?;
        while self.skip_symbol("[") {
            value = Expr::Index(Box::new(value), Box::new(self.expression()?));
            self.expect("]")?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr, CodeError> {
        let error = self.unexpected("a value");
        let kind = self.peek().cloned();
        self.at += 1;
        match kind {
            Some(Kind::Integer(value)) => Ok(Expr::Constant(Value::Integer(value))),
            Some(Kind::Float(value)) => Ok(Expr::Constant(Value::Float(value))),
            Some(Kind::Text(mut text)) => {
                while let Some(Kind::Text(more)) = self.peek() {
                    text += more;
                    self.at += 1;
                }
                Ok(Expr::Constant(Value::Text(text)))
            }
            Some(Kind::Name(name)) => self.name(name),
            Some(Kind::Symbol("(")) => {
                let inner = if self.skip_symbol(")") {
                    return Ok(Expr::List(Vec::new()));
                } else {
                    self.expressions()?
                };
                self.expect(")")?;
                Ok(inner)
            }
            Some(Kind::Symbol("[")) => Ok(Expr::List(self.list("]")?)),
            _ => {
                self.at -= 1;
                Err(error)
            }
        }
    }

    fn name(&mut self, name: String) -> Result<Expr, CodeError> {
        Ok(match name.as_str() {
            "True" => Expr::Constant(Value::Bool(true)),
            "False" => Expr::Constant(Value::Bool(false)),
            "None" => Expr::Constant(Value::Nothing),
            _ if self.skip_symbol("(") => Expr::Call(name, self.list(")")?),
            _ => Expr::Name(name),
        })
    }

    /// Expressions with commas between them, and the bracket that closes them.
    fn list(&mut self, close: &'static str) -> Result<Vec<Expr>, CodeError> {
        let mut list = Vec::new();
        while !self.skip_symbol(close) {
            list.push(self.expression()?);
            if !self.skip_symbol(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(list)
    }
}
