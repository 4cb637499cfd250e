//! Where a string in a JSON text ends. Names end soon; a prompt has an escape in every line, and is
//! looked through 64 bytes at a time without a stop at any: which bytes are escaped follows from
//! arithmetic on words with a bit for each byte (Langdale and Lemire, "Parsing Gigabytes of JSON per
//! Second", VLDB Journal 28, 2019, section 3.1.1).

use wide::u8x16;

use super::{NotAnObject, Scan};

/// Where a string ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The place of its closing quote.
    pub(super) at: usize,
    /// Whether it is written with escapes.
    pub(super) is_escaped: bool,
}

/// A string that is looked through block by block.
struct Blocks<'t> {
    text: &'t [u8],
    at: usize,
    /// 1 if the byte here is escaped by a backslash before it.
    carry: u64,
    is_escaped: bool,
}

/// Words of eight bytes in which most names end.
const NEAR: usize = 2;
/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Whether a byte behind a backslash is all of the escape (RFC 8259, section 7).
const SIMPLE: [bool; 256] = {
    const BYTES: &[u8] = br#""\/bfnrt"#;
    let (mut simple, mut next) = ([false; 256], 0);
    while next < BYTES.len() {
        simple[BYTES[next] as usize] = true;
        next += 1;
    }
    simple
};

/// The end of the string whose first byte, behind its quote, is at `start`.
pub(super) fn end(text: &[u8], start: usize) -> Scan<End> {
    let near = skip_plain(text, start, NEAR);
    if text.get(near) == Some(&b'"') {
        return Ok(End { at: near, is_escaped: false });
    }
    let mut blocks = Blocks { text, at: near, carry: 0, is_escaped: false };
    match blocks.end()? {
        Some(at) => Ok(End { at, is_escaped: blocks.is_escaped }),
        None => blocks.end_in_tail(),
    }
}

// === impl Blocks ===

impl Blocks<'_> {
    /// The closing quote, unless fewer bytes are left than a block has.
    fn end(&mut self) -> Scan<Option<usize>> {
        while let Some(block) = self.text[self.at..].first_chunk() {
            let (quotes, backslashes) = (places(block, b'"'), places(block, b'\\'));
            if quotes | backslashes | self.carry != 0 {
                let escaped = self.escaped(backslashes);
                let end = quotes & !escaped;
                let inside = if end == 0 { u64::MAX } else { (1 << end.trailing_zeros()) - 1 };
                self.check(escaped & inside)?;
                if end != 0 {
                    return Ok(Some(self.at + end.trailing_zeros() as usize));
                }
            }
            self.at += BLOCK;
        }
        Ok(None)
    }

    /// Which bytes of a block are escaped. Of a row of backslashes every second one is, and what
    /// follows it where their number is odd. Of a row, the bit behind each less the bit itself is its
    /// end less its beginning; with all odd places filled in before, that leaves those that escape, and
    /// the end if it is escaped.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let may_escape = backslashes & !self.carry;
        let row = ((may_escape << 1) | ODD).wrapping_sub(may_escape) ^ ODD;
        let escaped = row ^ (backslashes | self.carry);
        self.carry = (row & backslashes) >> 63;
        escaped
    }

    /// Sees that what is escaped can be.
    fn check(&mut self, mut escaped: u64) -> Scan<()> {
        self.is_escaped |= escaped != 0;
        while escaped != 0 {
            behind_escape(self.text, self.at + escaped.trailing_zeros() as usize)?;
            escaped &= escaped - 1;
        }
        Ok(())
    }

    /// The same, where fewer bytes are left than a block has.
    fn end_in_tail(mut self) -> Scan<End> {
        if self.carry != 0 {
            self.is_escaped = true;
            self.at = behind_escape(self.text, self.at)?;
        }
        loop {
            self.at = skip_plain(self.text, self.at, BLOCK / 8);
            match self.text.get(self.at) {
                Some(b'"') => return Ok(End { at: self.at, is_escaped: self.is_escaped }),
                Some(b'\\') => {
                    self.is_escaped = true;
                    self.at = behind_escape(self.text, self.at + 1)?;
                }
                Some(_) => self.at += 1,
                None => return Err(NotAnObject(self.at)),
            }
        }
    }
}

/// A bit for each byte of a block that is `wanted`.
fn places(block: &[u8; BLOCK], wanted: u8) -> u64 {
    let (rows, _) = block.as_chunks();
    let bits = |row: &[u8; 16]| u8x16::new(*row).simd_eq(u8x16::splat(wanted)).to_bitmask();
    rows.iter().rev().fold(0, |all, row| all << 16 | u64::from(bits(row)))
}

/// What stands behind the escape whose second byte is at `at`.
#[inline]
fn behind_escape(text: &[u8], at: usize) -> Scan<usize> {
    let hexadecimal = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match text.get(at) {
        Some(byte) if SIMPLE[usize::from(*byte)] => Ok(at + 1),
        Some(b'u') if text.get(at + 1..at + 5).is_some_and(hexadecimal) => Ok(at + 5),
        _ => Err(NotAnObject(at)),
    }
}

/// Goes on to the next quote or backslash, or past so many words.
fn skip_plain(text: &[u8], mut at: usize, words: usize) -> usize {
    for _ in 0..words {
        let Some(word) = text[at..].first_chunk() else { break };
        let found = quotes_and_backslashes(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += word.len();
    }
    at
}

/// Marks, in the highest bit of its byte, the first quote or backslash of eight bytes. Marks above the
/// first one may be false: a borrow runs on from it ("Determine if a word has a zero byte" in Anderson's
/// Bit Twiddling Hacks, <https://graphics.stanford.edu/~seander/bithacks.html>).
fn quotes_and_backslashes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHEST;
    zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, a byte at a time. What is an escape is the outline's tests' to see, against a parser.
    fn end_slowly(text: &[u8]) -> Scan<End> {
        let (mut at, mut is_escaped) = (0, false);
        loop {
            match text.get(at) {
                Some(b'"') => return Ok(End { at, is_escaped }),
                Some(b'\\') => {
                    is_escaped = true;
                    at = behind_escape(text, at + 1)?;
                }
                Some(_) => at += 1,
                None => return Err(NotAnObject(at)),
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_where_a_byte_at_a_time_finds_it(
            // Mostly sound, so that many come to a late end.
            parts in proptest::collection::vec(
                r#"[\[\]#!a-f]{0,40}|(\\[\\"nrtbf/]){1,9}|\\u[0-9a-fA-F]{4}|.{0,3}"#,
                0..30,
            ),
            wrong in proptest::option::weighted(0.2, r#"\\[xu"]|""#),
        ) {
            let text = parts.concat() + wrong.as_deref().unwrap_or_default() + &parts.concat();
            for text in [text.clone() + "\"", text] {
                prop_assert_eq!(end(text.as_bytes(), 0), end_slowly(text.as_bytes()), "{}", text);
            }
        }
    }

    #[test]
    fn rows_of_backslashes_may_cross_blocks() {
        for (before, row) in (50..70).flat_map(|before| (0..140).map(move |row| (before, row))) {
            let text = "a".repeat(before) + &"\\".repeat(row) + "\"b\"" + &"c".repeat(64);
            let quote = before + row + if row % 2 == 0 { 0 } else { 2 };
            let expected = End { at: quote, is_escaped: row > 0 };
            assert_eq!(end(text.as_bytes(), 0), Ok(expected), "{before} {row}");
        }
    }
}
