//! The language of packet scripts: text to a [`Script`], with the line of everything that can fail later.
//!
//! A script is a list of timed events: packets that go in (`<`) or must come out (`>`), system calls with the
//! result they must give, shell commands between back quotes, and assertions between `%{` and `}%`. The
//! notation is packetdrill's, so that its public scripts are read as they are. Reading needs nothing but the
//! text and the definitions of the command line: symbols such as `SOL_TCP` stay words here and get their
//! values where they are used.
//!
//! Start reading at [`ast`], then at [`parse`].

pub mod ast;
mod call;
mod cursor;
mod error;
mod lexer;
pub mod option;
mod packet;
mod script;
#[cfg(test)]
mod tests;

pub use ast::Script;
pub use error::SyntaxError;

/// Words of the command line (`-D NAME=VALUE`) that stand for other text.
pub type Definitions = std::collections::BTreeMap<String, String>;

/// Reads a whole script.
///
/// # Errors
/// The first line that is no sentence of the language: what was found and what was expected.
pub fn parse(source: &str, definitions: &Definitions) -> Result<Script, SyntaxError> {
    script::script(&mut cursor::Cursor::new(lexer::tokens(source, definitions)?))
}
