//! The tables in `docs/data`: comma-separated values, a field in quotes where it has commas.

use std::fs;

/// The rows of a file below its heading; lines that begin with `#` are left out.
///
/// # Errors
/// The file cannot be read, or a row has another number of fields than `COLUMNS`.
pub(crate) fn read<const COLUMNS: usize>(path: &str) -> Result<Vec<[String; COLUMNS]>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .skip(1)
        .map(|(number, line)| {
            let row = fields(line).try_into();
            row.map_err(|row: Vec<String>| {
                format!("{path}:{}: {} fields, not {COLUMNS}", number + 1, row.len())
            })
        })
        .collect()
}

/// The fields of one line.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// A text as a field: in quotes if it has commas or quotes.
pub(crate) fn quote(text: &str) -> String {
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// A text as a cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_and_quotes() {
        assert_eq!(fields(r#"1122,"a, b",x,,"say ""so""""#), ["1122", "a, b", "x", "", r#"say "so""#]);
        assert_eq!(fields(""), [""]);
        for text in ["plain", "a, b", "say \"so\"", ""] {
            assert_eq!(fields(&quote(text)), [text]);
        }
    }
}
