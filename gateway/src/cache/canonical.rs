//! A JSON text written so that the order of members and the space between tokens do not matter, and
//! everything else does: strings and numbers stay as they are spelt.

use std::ops::Range;

use memchr::memchr2;

/// Deeper texts have no canonical form here.
const DEEPEST: u32 = 128;

/// Writes the value at the beginning of `text`, which is one JSON value with space around it, to `out`.
/// `None` if it is none, or too deep.
pub fn write(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut writer = Writer { text, at: 0, out, deep: 0 };
    writer.skip_space();
    writer.value()?;
    writer.skip_space();
    (writer.at == text.len()).then_some(())
}

struct Writer<'t, 'o> {
    text: &'t [u8],
    at: usize,
    out: &'o mut Vec<u8>,
    deep: u32,
}

/// Where a member was written: its key, and all of it.
struct Member {
    key: Range<usize>,
    all: Range<usize>,
}

impl Writer<'_, '_> {
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<()>) -> Option<()> {
        self.deep += 1;
        let read = (self.deep <= DEEPEST).then(|| read(self))?;
        self.deep -= 1;
        read
    }

    fn object(&mut self) -> Option<()> {
        self.token(b'{')?;
        let begin = self.out.len();
        let mut members = vec![];
        self.skip_space();
        while self.peek()? != b'}' {
            if !members.is_empty() {
                self.token(b',')?;
                self.skip_space();
            }
            members.push(self.member()?);
            self.skip_space();
        }
        self.sort(begin, members);
        self.token(b'}')
    }

    fn member(&mut self) -> Option<Member> {
        let begin = self.out.len();
        self.string()?;
        let key = begin..self.out.len();
        self.skip_space();
        self.token(b':')?;
        self.skip_space();
        self.value()?;
        Some(Member { key, all: begin..self.out.len() })
    }

    /// Puts members into the order of their keys; those with the same key stay in their order. The
    /// commas keep their places, one behind each member but the last.
    fn sort(&mut self, begin: usize, mut members: Vec<Member>) {
        let key = |member: &Member| &self.out[member.key.clone()];
        if members.is_sorted_by(|one, other| key(one) <= key(other)) {
            return;
        }
        members.sort_by(|one, other| key(one).cmp(key(other)));
        let mut sorted = Vec::with_capacity(self.out.len() - begin);
        for member in &members {
            if !sorted.is_empty() {
                sorted.push(b',');
            }
            sorted.extend_from_slice(&self.out[member.all.clone()]);
        }
        self.out.truncate(begin);
        self.out.append(&mut sorted);
    }

    fn array(&mut self) -> Option<()> {
        self.token(b'[')?;
        self.skip_space();
        let mut first = true;
        while self.peek()? != b']' {
            if !std::mem::take(&mut first) {
                self.token(b',')?;
                self.skip_space();
            }
            self.value()?;
            self.skip_space();
        }
        self.token(b']')
    }

    fn string(&mut self) -> Option<()> {
        let begin = self.at;
        (self.peek()? == b'"').then_some(())?;
        self.at += 1;
        loop {
            self.at += memchr2(b'"', b'\\', &self.text[self.at..])?;
            if self.text[self.at] == b'"' {
                break;
            }
            // What stands behind a backslash ends nothing.
            self.at += 2;
            (self.at <= self.text.len()).then_some(())?;
        }
        self.at += 1;
        self.out.extend_from_slice(&self.text[begin..self.at]);
        Some(())
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| b",:]}{[\" \t\r\n".contains(byte);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        (length > 0).then_some(())?;
        self.out.extend_from_slice(&rest[..length]);
        self.at += length;
        Some(())
    }

    fn token(&mut self, token: u8) -> Option<()> {
        (self.peek()? == token).then_some(())?;
        self.out.push(token);
        self.at += 1;
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        let mut out = vec![];
        write(text.as_bytes(), &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn order_and_space_do_not_matter() {
        for (text, written) in [
            (
                r#" { "b" : 1 , "a" : [ 1, { "d":2,"c" : null } ] } "#,
                r#"{"a":[1,{"c":null,"d":2}],"b":1}"#,
            ),
            ("{}", "{}"),
            (" [ ] ", "[]"),
            (r#"{"b":"x y , } \" \\","a":1e3}"#, r#"{"a":1e3,"b":"x y , } \" \\"}"#),
            (r#"{"b":1,"a":2,"a":1}"#, r#"{"a":2,"a":1,"b":1}"#),
            ("-0.5", "-0.5"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(written));
        }
    }

    #[test]
    fn spelling_matters() {
        for (one, other) in [("1", "1.0"), ("\"a\"", "\"a \""), ("[1,2]", "[2,1]"), ("null", "{}")]
        {
            assert_ne!(canonical(one), canonical(other));
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_has_no_form() {
        for text in ["", "{", "[1", "{\"a\"}", "{\"a\":}", "\"a", "\"\\", "[] []", "[1 2]", "{1:2}"]
        {
            assert_eq!(canonical(text), None, "{text:?}");
        }
        let nested = |deep: usize| "[".repeat(deep) + &"]".repeat(deep);
        assert!(canonical(&nested(128)).is_some() && canonical(&nested(129)).is_none());
        assert!(canonical(&"[".repeat(1 << 20)).is_none());
    }
}
