//! The words and signs of a filter's text.

use crate::FilterError;

/// The longest text, in octets.
const TEXT_MAX: usize = 16 * 1024;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A keyword, name, number or address.
    Word(String),
    /// `\word`: never a keyword.
    Escaped(String),
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Placed {
    pub(crate) at: usize,
    pub(crate) token: Token,
}

/// Longer signs first.
const SIGNS: [&str; 25] = [
    "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "(", ")", "[", "]", "<", ">", "=", "!", "+", "-", "*",
    "/", "%", "&", "|", "^", ":",
];

/// Cuts the text up. Within brackets a colon is a sign, elsewhere a part of an address.
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    if text.len() > TEXT_MAX {
        return Err(FilterError { at: TEXT_MAX, why: format!("it is longer than {TEXT_MAX} octets") });
    }
    let (mut tokens, mut brackets, mut at) = (Vec::new(), 0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            at += 1;
            continue;
        }
        let (token, len) = if let Some(word) = rest.strip_prefix('\\') {
            let len = word_len(word, false);
            (Token::Escaped(word[..len].into()), len + 1)
        } else if let len @ 1.. = word_len(rest, brackets > 0) {
            (Token::Word(rest[..len].into()), len)
        } else {
            let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) else {
                let c = rest.chars().next().unwrap_or_default().escape_default();
                return Err(FilterError { at, why: format!("'{c}' has no meaning") });
            };
            (Token::Sign(sign), sign.len())
        };
        match token {
            Token::Sign("[") => brackets += 1,
            Token::Sign("]") => brackets = brackets.saturating_sub(1),
            Token::Escaped(ref word) if word.is_empty() => {
                return Err(FilterError { at, why: "a name must follow '\\'".into() });
            }
            _ => {}
        }
        tokens.push(Placed { at, token });
        at += len;
    }
    Ok(tokens)
}

/// How many octets of a word the text begins with. A word neither begins nor ends with '-' or '_'.
fn word_len(text: &str, in_brackets: bool) -> usize {
    let is_address = |c: char| c == ':' && !in_brackets;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || is_address(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric() || is_address(c)) {
        return 0;
    }
    let len = text.find(|c| !inner(c)).unwrap_or(text.len());
    text[..len].trim_end_matches(['-', '_']).len()
}
