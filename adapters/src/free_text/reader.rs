//! The one text argument of a call, read out of the call's JSON while that comes in pieces.

use serde_json::Value;

use super::ARGUMENT;

/// What is read of one call's arguments.
#[derive(Debug, Default)]
pub(super) struct Reader {
    at: Place,
    /// What came and cannot be told yet.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the text begins.
    #[default]
    Before,
    /// In the text.
    Inside,
    /// Behind it, where nothing is told any more.
    Behind,
    /// In JSON that does not begin as it should: it is looked at when it has ended.
    Elsewhere,
    /// In such that is too long to be kept: it is told as it comes.
    TooLong,
}

/// The most that is kept of JSON that does not begin as it should, in bytes.
const MOST_HELD: usize = 8 << 20;
/// The tokens before the text, of which the second is [`ARGUMENT`]; white space may stand between.
const OPENING: [&str; 4] = ["{", "\"input\"", ":", "\""];

// === impl Reader ===

impl Reader {
    /// Takes in a piece of JSON; the answer is the text that it brings.
    pub(super) fn push(&mut self, piece: &str) -> String {
        match self.at {
            Place::Behind => String::new(),
            Place::Inside => self.inside(piece),
            Place::TooLong => piece.to_owned(),
            Place::Before | Place::Elsewhere if self.held.len() + piece.len() > MOST_HELD => {
                self.at = Place::TooLong;
                std::mem::take(&mut self.held) + piece
            }
            Place::Elsewhere => {
                self.held.push_str(piece);
                String::new()
            }
            Place::Before => {
                self.held.push_str(piece);
                self.open()
            }
        }
    }

    /// Nothing more comes; the answer is what could not be told before. JSON that is not what it
    /// should be is told as it came.
    pub(super) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.at, Place::Behind) {
            // An escape that was cut says nothing.
            Place::Inside | Place::Behind | Place::TooLong => String::new(),
            Place::Before | Place::Elsewhere => {
                let read: Value = serde_json::from_str(&held).unwrap_or_default();
                read[ARGUMENT].as_str().map(str::to_owned).unwrap_or(held)
            }
        }
    }

    /// Looks for the text's beginning.
    fn open(&mut self) -> String {
        let mut rest = self.held.as_str();
        for token in OPENING {
            rest = rest.trim_start();
            match rest.strip_prefix(token) {
                Some(behind) => rest = behind,
                None if token.starts_with(rest) => return String::new(),
                None => {
                    self.at = Place::Elsewhere;
                    return String::new();
                }
            }
        }
        let text = rest.to_owned();
        self.held.clear();
        self.at = Place::Inside;
        self.inside(&text)
    }

    fn inside(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let (length, over) = whole(&self.held);
        let text = unescaped(&self.held[..length]);
        self.held.drain(..length);
        if over {
            self.at = Place::Behind;
            self.held.clear();
        }
        text
    }
}

/// How long a JSON string's text is without an escape that is not whole yet, and whether the quote
/// that ends it stands there.
fn whole(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return (at, true),
            b'\\' => match escape(&bytes[at..]) {
                Some(length) => at += length,
                None => return (at, false),
            },
            _ => at += 1,
        }
    }
    (at, false)
}

/// The length of the escape at the start of these bytes, both halves of a pair together; `None` if
/// more must come.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'u' => {}
        // No escape at all: a character of several bytes, of which none is cut off.
        byte if !byte.is_ascii() => return Some(1),
        _ => return Some(2),
    }
    let Some(code) = bytes.get(2..6) else {
        let hex = bytes[2..].iter().all(u8::is_ascii_hexdigit);
        return if hex { None } else { Some(2) };
    };
    if !code.iter().all(u8::is_ascii_hexdigit) {
        return Some(2);
    }
    let leads =
        matches!((code[0], code[1]), (b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B'));
    match (leads, &bytes[6..]) {
        (false, _) => Some(6),
        (true, [] | [b'\\']) => None,
        (true, [b'\\', b'u', ..]) => escape(&bytes[6..]).map(|length| 6 + length),
        (true, _) => Some(6),
    }
}

/// The text that stands so in a JSON string. Models forget to escape line breaks; what is no JSON for
/// all that is text as it came.
fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    serde_json::from_str(&quoted).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(pieces: &[&str]) -> String {
        let mut reader = Reader::default();
        let text: String = pieces.iter().map(|piece| reader.push(piece)).collect();
        text + &reader.finish()
    }

    #[test]
    fn what_is_not_as_it_should_be_loses_nothing() {
        for (json, expected) in [
            // Cut in the text, in an escape, before the text.
            (r#"{"input":"ab"#, "ab"),
            (r#"{"input":"ab\u00"#, "ab"),
            (r#"{"inp"#, r#"{"inp"#),
            // Another member first, another type, no object, nothing.
            (r#"{"a":1,"input":"x\n"}"#, "x\n"),
            (r#"{"input":5}"#, r#"{"input":5}"#),
            ("plain", "plain"),
            ("", ""),
            // What stands behind the text, a line break as it is, escapes that are none.
            (r#"{"input":"x","more":"y"}"#, "x"),
            ("{\"input\":\"a\nb\\t\"}", "a\nb\t"),
            (r#"{"input":"\q\é\ud83d!"}"#, r"\q\é\ud83d!"),
        ] {
            let letters: Vec<String> = json.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(read(&[json]), expected, "{json}");
            if !expected.contains('\\') {
                assert_eq!(read(&letters), expected, "{json}, letter by letter");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_through_in_any_pieces(
            text in any::<String>(), ascii in any::<bool>(), spaced in any::<bool>(),
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let mut json = if spaced {
                format!("{:#}", json!({ "input": text }))
            } else {
                json!({ "input": text }).to_string()
            };
            if ascii {
                let escaped = |letter: char| match letter.is_ascii() {
                    true => letter.to_string(),
                    false => letter
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .map(|unit| format!("\\u{unit:04x}"))
                        .collect(),
                };
                json = json.chars().map(escaped).collect();
            }
            let mut cuts: Vec<usize> =
                cuts.into_iter().filter(|cut| json.is_char_boundary(*cut)).collect();
            cuts.sort_unstable();
            let mut pieces = vec![];
            let mut from = 0;
            for cut in cuts {
                pieces.push(&json[from..cut]);
                from = cut;
            }
            pieces.push(&json[from..]);
            prop_assert_eq!(read(&pieces), text);
        }
    }
}
