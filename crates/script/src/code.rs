//! What stands between `%{` and `}%`: assertions about a connection, in the small part of Python that packet
//! scripts are written in.
//!
//! Statements are `assert`, assignments, `print(..)` and `pass`; expressions have Python's operators and their
//! precedence, chained comparisons, `in`, conditional expressions, tuples, lists, `'..' % values` and a few
//! functions. Loops, definitions and imports are refused by name. Names live as long as the [`Interpreter`],
//! as they do in one Python process, and the fields of `TCP_INFO` are set before each run.
//!
//! Start reading at [`Interpreter::run`].

use std::collections::BTreeMap;

use thiserror::Error;

mod eval;
mod format;
mod syntax;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use value::Value;

/// Why code failed, with the line inside the code, from 0.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{message}")]
pub struct CodeError {
    /// The line, counted from the one on which the code begins.
    pub line: u32,
    /// What was asserted and what is, or what could not be understood.
    pub message: String,
}

/// Runs code and keeps its names.
#[derive(Clone, Debug, Default)]
pub struct Interpreter {
    names: BTreeMap<String, Value>,
    printed: Vec<String>,
}

impl Interpreter {
    /// Gives `name` a value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.names.insert(name.to_owned(), value.into());
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name)
    }

    /// Runs all statements of `code`.
    ///
    /// # Errors
    /// The first assertion that does not hold, with the values of the names in it; or the first statement that
    /// cannot be read or computed.
    pub fn run(&mut self, code: &str) -> Result<(), CodeError> {
        for statement in syntax::statements(token::tokens(code)?)? {
            let line = statement.line;
            eval::execute(self, &statement).map_err(|message| CodeError { line, message })?;
        }
        Ok(())
    }

    /// What `print` has said since the last call.
    pub fn take_printed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.printed)
    }
}
