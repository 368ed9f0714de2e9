//! What is wrong with a script's text.

use thiserror::Error;

/// Where reading stopped, what stood there and what should have.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{line}:{column}: found {found}, expected {expected}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
    /// The token, in quotes, or `end of file`.
    pub found: String,
    /// What the language allows there.
    pub expected: String,
}
