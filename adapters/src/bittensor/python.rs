//! Texts of JSON values as Python's `str()` writes them, because axons hash those.
//!
//! Which characters a `repr` escapes depends on the Unicode tables of the Python that runs it. A
//! character that this program's tables know and an older Python's do not is hashed differently there,
//! and the call refused.

use std::fmt::Write;

use serde_json::{Number, Value};

/// `str(value)`: a text as it stands, anything else as `repr(value)`.
pub fn str_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            repr(other, &mut out);
            out
        }
    }
}

fn repr(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => number_repr(number, out),
        Value::String(text) => text_repr(text, out),
        Value::Array(items) => {
            out.push('[');
            joined(items, out, repr);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            joined(members, out, |(key, value), out| {
                text_repr(key, out);
                out.push_str(": ");
                repr(value, out);
            });
            out.push('}');
        }
    }
}

fn joined<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
}

fn number_repr(number: &Number, out: &mut String) {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => float_repr(float, out),
        None => out.push_str(&number.to_string()),
    }
}

/// The shortest digits that mean this number, as Rust finds them too; with an exponent below 1e-4 and
/// from 1e16 on.
fn float_repr(float: f64, out: &mut String) {
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Writing to a `String` cannot fail.
    let _ = if float != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs())
    } else if float.fract() == 0.0 {
        write!(out, "{float:.1}")
    } else {
        write!(out, "{float}")
    };
}

/// Single quotes, unless only single ones stand in the text.
fn text_repr(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', character]),
            _ if is_printable(character) => out.push(character),
            _ => escape(character, out),
        }
    }
    out.push(quote);
}

fn escape(character: char, out: &mut String) {
    let _ = match u32::from(character) {
        code @ ..0x100 => write!(out, "\\x{code:02x}"),
        code @ ..0x1_0000 => write!(out, "\\u{code:04x}"),
        code => write!(out, "\\U{code:08x}"),
    };
}

/// Python's `str.isprintable`: neither a separator other than the space, nor of the categories
/// "other". The standard library escapes by the same rule, except that it also escapes combining
/// characters where they begin a text; so the character is shown behind another one.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let mut buffer = [b'a'; 5];
    let length = character.encode_utf8(&mut buffer[1..]).len();
    let shown = str::from_utf8(&buffer[..=length]).unwrap_or_default();
    shown.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of JSON and what CPython 3.11 makes of it: `str(json.loads(…))`.
    #[test]
    fn values_read_as_python_writes_them() {
        let vectors: Vec<(String, String)> =
            serde_json::from_str(include_str!("../../tests/axon/python-str.json")).unwrap();
        assert!(vectors.len() > 60);
        for (json, expected) in vectors {
            // serde_json reads some floats one step off; their texts are judged here, not that.
            let float = json.parse().ok().filter(|_| json.contains(['.', 'e'])).map(f64::into);
            let value = float.unwrap_or_else(|| serde_json::from_str(&json).unwrap());
            assert_eq!(str_of(&value), expected, "{json}");
        }
    }
}
