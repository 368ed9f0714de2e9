//! `'..' % values`.

use super::value::Value;

/// Fills the conversions of `pattern` from `values`, which is one value or a list with one for each.
pub(super) fn format(pattern: &str, values: &Value) -> Result<String, String> {
    let mut values = match values {
        Value::List(list) => list.iter(),
        single => std::slice::from_ref(single).iter(),
    };
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        let len = rest.find(|char: char| !matches!(char, '0'..='9' | '.' | '-' | '+' | ' ' | '#' | 'l'));
        let conversion = len.and_then(|len| rest[len..].chars().next()).ok_or("incomplete format")?;
        let flags = &rest[..len.unwrap_or(0)];
        rest = &rest[flags.len() + conversion.len_utf8()..];
        if conversion == '%' {
            out.push('%');
        } else {
            let value = values.next().ok_or("not enough values for the format")?;
            out += &convert(conversion, flags, value)?;
        }
    }
    out += rest;
    if values.next().is_some() { Err("not all values are used by the format".to_owned()) } else { Ok(out) }
}

fn convert(conversion: char, flags: &str, value: &Value) -> Result<String, String> {
    let error = || format!("%{conversion} cannot show {value}");
    let (width, precision) = flags.split_once('.').unwrap_or((flags, ""));
    let text = match conversion {
        'd' | 'i' | 'u' => match value {
            #[expect(clippy::cast_possible_truncation, reason = "%d cuts the fraction off")]
            Value::Float(value) => (*value as i128).to_string(),
            _ => value.integer().ok_or_else(error)?.to_string(),
        },
        'x' => format!("{:x}", value.integer().ok_or_else(error)?),
        'f' | 'g' => format!("{:.*}", precision.parse().unwrap_or(6), value.float().ok_or_else(error)?),
        's' | 'r' => value.to_string(),
        _ => return Err(format!("unknown format %{conversion}")),
    };
    let columns = width.trim_start_matches(['-', '+', ' ', '#', '0']).parse().unwrap_or(0);
    Ok(match width.chars().next() {
        Some('-') => format!("{text:<columns$}"),
        Some('0') => format!("{text:0>columns$}"),
        _ => format!("{text:>columns$}"),
    })
}
