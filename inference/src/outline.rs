//! Where the top-level members of a JSON object lie in its text.
//!
//! A relay needs three or four members of a body that may hold a hundred kilobytes of conversation.
//! This scanner walks the text once, checks its structure, and notes places; it builds nothing and
//! leaps over [`strings`], which makes it several times faster than skipping with a general parser. The
//! one thing that it does not check is raw control characters inside strings: whoever reads a string in
//! full will.

use std::ops::Range;

use crate::usage;
use strings::End;

mod strings;

/// The places of all top-level members, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The members.
    pub members: Vec<Member>,
    /// What of the text is not language.
    pub encoded: Encoded,
}

/// Pictures, sound and files that stand in the text in base64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoded {
    /// How many bytes of the text they take.
    pub bytes: usize,
    /// How many tokens they are, [roughly](usage::file_tokens).
    pub tokens: u64,
}

/// The place of one member, in bytes from the beginning of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key, without its quotes, as it is written.
    pub key: Range<usize>,
    /// The value, without the space around it.
    pub value: Range<usize>,
    /// Whether the key is written with escapes.
    is_escaped: bool,
}

/// The text is not one JSON object; it goes wrong at this byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object from byte {0} on")]
pub struct NotAnObject(pub usize);

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    /// The last key.
    key: Range<usize>,
    /// Whether the last string was written with escapes.
    is_escaped: bool,
    encoded: Encoded,
}

/// Bytes of the shortest string that is taken for a file's.
const SHORTEST_FILE: usize = 2048;
/// Where files stand in the languages of callers, and what providers want to see again. A long word
/// anywhere else is text.
const FILE_KEYS: [&[u8]; 6] =
    [b"url", b"image_url", b"data", b"file_data", b"signature", b"encrypted_content"];

type Scan<T> = Result<T, NotAnObject>;

// === impl Outline ===

impl Outline {
    /// The outline of a text, which must be one JSON object and nothing else.
    pub fn of(text: &str) -> Scan<Self> {
        let mut scanner = Scanner {
            text: text.as_bytes(),
            at: 0,
            key: 0..0,
            is_escaped: false,
            encoded: Encoded::default(),
        };
        scanner.skip_space();
        let members = scanner.object()?;
        scanner.skip_space();
        let encoded = scanner.encoded;
        if scanner.at == text.len() { Ok(Self { members, encoded }) } else { Err(scanner.wrong()) }
    }

    /// The members whose key is `name`; `text` is what the outline was made of.
    #[inline]
    pub fn named<'a>(&'a self, text: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |member| member.is_named(text, name))
    }
}

// === impl Member ===

impl Member {
    /// Whether the key is `name`, however it is written.
    #[inline]
    fn is_named(&self, text: &[u8], name: &str) -> bool {
        match self.is_escaped {
            false => self.key.len() == name.len() && text[self.key.clone()] == *name.as_bytes(),
            true => self.spells(text, name),
        }
    }

    /// Whether a key with escapes stands for `name`.
    #[cold]
    fn spells(&self, text: &[u8], name: &str) -> bool {
        // With its quotes it is a JSON text.
        serde_json::from_slice::<String>(&text[self.key.start - 1..=self.key.end])
            .is_ok_and(|key| key == name)
    }
}

// === impl Scanner ===

impl Scanner<'_> {
    fn object(&mut self) -> Scan<Vec<Member>> {
        self.expect(b'{')?;
        let mut members = Vec::with_capacity(16);
        self.skip_space();
        if self.take_if(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_space();
            self.member_key()?;
            let (key, is_escaped) = (self.key.clone(), self.is_escaped);
            let start = self.at;
            self.value()?;
            members.push(Member { key, value: start..self.at, is_escaped });
            self.skip_space();
            if self.take_if(b'}') {
                return Ok(members);
            }
            self.expect(b',')?;
        }
    }

    /// Skips one value. Nesting is kept on a stack of its own: a hostile body may be a million
    /// brackets deep.
    fn value(&mut self) -> Scan<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            if self.opens(&mut open)? {
                continue;
            }
            if !self.closes(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Skips a scalar, an empty bracket pair, or the beginning of a bracket; in the last case, what
    /// follows is a value again, and the answer is true.
    fn opens(&mut self, open: &mut Vec<u8>) -> Scan<bool> {
        match self.peek() {
            Some(b'"') => {
                let string = self.string()?;
                self.note(string);
            }
            Some(b'{') => {
                self.at += 1;
                self.skip_space();
                if !self.take_if(b'}') {
                    open.push(b'}');
                    self.member_key()?;
                    return Ok(true);
                }
            }
            Some(b'[') => {
                self.at += 1;
                self.skip_space();
                if !self.take_if(b']') {
                    open.push(b']');
                    return Ok(true);
                }
            }
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.wrong()),
        }
        Ok(false)
    }

    /// Skips what may follow a value: closing brackets, then a comma before the next value, in
    /// which case the answer is true. False means that the outermost value is complete.
    fn closes(&mut self, open: &mut Vec<u8>) -> Scan<bool> {
        while let Some(bracket) = open.last().copied() {
            self.skip_space();
            if self.take_if(b',') {
                self.skip_space();
                if bracket == b'}' {
                    self.member_key()?;
                }
                return Ok(true);
            }
            self.expect(bracket)?;
            open.pop();
        }
        Ok(false)
    }

    fn member_key(&mut self) -> Scan<()> {
        self.key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    /// Skips a string; the answer is the place between its quotes.
    fn string(&mut self) -> Scan<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        let End { at: end, is_escaped } = strings::end(self.text, start)?;
        (self.at, self.is_escaped) = (end + 1, is_escaped);
        Ok(start..end)
    }

    /// Notes a string that is a file.
    fn note(&mut self, string: Range<usize>) {
        if string.len() >= SHORTEST_FILE
            && FILE_KEYS.contains(&&self.text[self.key.clone()])
            && is_base64(&self.text[string.clone()])
        {
            self.encoded.bytes += string.len();
            self.encoded.tokens += usage::file_tokens(string.len());
        }
    }

    fn number(&mut self) -> Scan<()> {
        self.take_if(b'-');
        // No number but zero itself begins with a zero.
        if !self.take_if(b'0') {
            self.digits()?;
        }
        if self.take_if(b'.') {
            self.digits()?;
        }
        if self.take_if(b'e') || self.take_if(b'E') {
            let _sign = self.take_if(b'+') || self.take_if(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scan<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.wrong()) }
    }

    fn literal(&mut self, word: &[u8]) -> Scan<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong());
        }
        self.at += word.len();
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.take_if(byte) { Ok(()) } else { Err(self.wrong()) }
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn wrong(&self) -> NotAnObject {
        NotAnObject(self.at)
    }
}

/// Whether a long string is base64 (RFC 4648), by samples of it: before the first one may stand a `data:`
/// URL's head. Line breaks are written `\n` here, and `+` by some `\u002B`; characters outside ASCII,
/// escaped or not, are language, and so is anything with a space.
fn is_base64(string: &[u8]) -> bool {
    const SAMPLES: usize = 16;
    const SAMPLE: usize = 32;
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=\\".contains(byte);
    let is_foreign = |four: &[u8]| four.starts_with(b"\\u") && !four.ends_with(b"00");
    let stride = string.len() / (SAMPLES + 1);
    let mut samples = (1..=SAMPLES).map(|place| &string[place * stride..][..SAMPLE]);
    samples.all(|sample| sample.iter().all(in_alphabet) && !sample.windows(4).any(is_foreign))
        && memchr::memchr(b' ', string).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn outlined(text: &str) -> Vec<(&str, &str)> {
        let outline = Outline::of(text).unwrap();
        let pair = |member: &Member| (&text[member.key.clone()], &text[member.value.clone()]);
        outline.members.iter().map(pair).collect()
    }

    #[test]
    fn members_lie_where_they_are_written() {
        let text =
            r#" { "a" : [1, {"b":"]}"}] ,"c\"":"x\\", "d":-1.5e+3 , "e":null,"f":{}, "g":[ ] } "#;
        let expected = [
            ("a", r#"[1, {"b":"]}"}]"#),
            (r#"c\""#, r#""x\\""#),
            ("d", "-1.5e+3"),
            ("e", "null"),
            ("f", "{}"),
            ("g", "[ ]"),
        ];
        assert_eq!(outlined(text), expected);
        assert_eq!(outlined("{}"), []);
    }

    #[test]
    fn files_in_base64_are_told_from_language() {
        let file = "iVBORw0KGgo+/".repeat(400);
        let language = "a picture of a fox ".repeat(400);
        let lines = file.replace("Ggo", "Ggo\\n");
        let url = format!("data:image/png;base64,{file}");
        let text = format!(r#"{{"a":[{{"url":"{url}"}},"{language}"],"data":"{lines}","c":"iV"}}"#);
        let encoded = Outline::of(&text).unwrap().encoded;
        assert_eq!(encoded.bytes, url.len() + lines.len());
        assert_eq!(encoded.tokens, usage::file_tokens(url.len()) + usage::file_tokens(lines.len()));
    }

    #[test]
    fn language_is_not_taken_for_a_file() {
        let words = "x".repeat(64) + &"a picture of a fox ".repeat(40);
        for (key, value) in [
            ("content", "iVBORw0KGgo+/".repeat(400)),
            ("data", "\\u4eba\\u5de5\\u667a\\u80fd".repeat(200)),
            ("data", "\u{4eba}\u{5de5}".repeat(1000)),
            ("data", words.repeat(20)),
        ] {
            let text = format!(r#"{{"a":{{"{key}":"{value}"}}}}"#);
            assert_eq!(Outline::of(&text).unwrap().encoded, Encoded::default(), "{key}");
        }
    }

    #[test]
    fn a_key_is_found_however_it_is_written_and_as_often() {
        let text = r#"{"m\u006fdel":1,"model":2,"models":3}"#;
        let outline = Outline::of(text).unwrap();
        let found: Vec<_> = outline.named(text.as_bytes(), "model").collect();
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_not_one_object_is_refused_where_it_goes_wrong() {
        let cases = [
            ("", 0),
            ("[1]", 0),
            ("{", 1),
            (r#"{"a"}"#, 4),
            (r#"{"a":1,}"#, 7),
            (r#"{"a":1 "b":2}"#, 7),
            (r#"{"a":[1,]}"#, 8),
            (r#"{"a":[1}"#, 7),
            (r#"{"a":{"b"}}"#, 9),
            (r#"{"a":{"b":1,}}"#, 12),
            (r#"{"a":01}"#, 6),
            (r#"{"a":1.}"#, 7),
            (r#"{"a":+1}"#, 5),
            (r#"{"a":nul}"#, 5),
            (r#"{"a":"\x"}"#, 7),
            (r#"{"a":"\u12g4"}"#, 7),
            (r#"{"a":"open"#, 10),
            ("{} {}", 3),
        ];
        for (text, place) in cases {
            assert_eq!(Outline::of(text), Err(NotAnObject(place)), "{text}");
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        // The fillers lie beside a quote and a backslash, where a word's arithmetic could slip.
        for (length, filler) in (0..150).flat_map(|length| [(length, "#"), (length, "]")]) {
            let filler = filler.repeat(length);
            let text = format!(r#"{{"{filler}":"{filler}\"{filler}\\"}}"#);
            let value = format!(r#""{filler}\"{filler}\\""#);
            assert_eq!(outlined(&text), [(filler.as_str(), value.as_str())]);
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(Outline::of(&deep).unwrap().members.len(), 1);
        assert!(Outline::of(&deep[..1_000_000]).is_err());
    }

    /// Any JSON value, not too large.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[\"\\\\/\n\t\u{1}é]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec(("\\PC{0,4}", inner), 0..6)
                    .prop_map(|members| Value::from(Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_parser_finds(
            members in proptest::collection::vec(("\\PC{0,6}", values()), 0..6),
            pretty in any::<bool>(),
        ) {
            let object = Map::from_iter(members);
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
            let text = text.unwrap();
            let found: Vec<(String, Value)> = outlined(&text)
                .into_iter()
                .map(|(key, value)| (serde_json::from_str(&format!("\"{key}\"")).unwrap(), serde_json::from_str(value).unwrap()))
                .collect();
            let expected: Vec<(String, Value)> = serde_json::from_str::<Map<String, Value>>(&text).unwrap().into_iter().collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn it_accepts_just_what_a_parser_accepts(text in "[\\{\\}\\[\\],:\" \\\\0-9a-fnrstulE.+-]{0,24}") {
            let text = format!("{{\"a\":{text}}}");
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(Outline::of(&text).is_ok(), parsed, "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Outline::of(&text);
        }
    }
}
