//! The text as a reader sees it: escapes undone, and the characters of other scripts that look
//! like ours made ours.
//!
//! JSON may write any character as an escape, and documents bring typographic spaces, dashes and
//! digits; neither may hide a number or make one up. Escapes are undone at any depth, because the
//! arguments of tools are JSON in a string of JSON.

use super::strides::{self, STRIDE};

/// The most bytes that one character becomes.
pub(super) const MOST: usize = 4;

/// The first bytes of characters among which some are folded: Latin-1's signs, Arabic's and
/// Devanagari's digits, general punctuation, full-width forms.
const LEADS: [u8; 6] = [0xC2, 0xD9, 0xDB, 0xE0, 0xE2, 0xEF];

/// How many bytes from the beginning stand for themselves.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (eights, _) = bytes.as_chunks::<STRIDE>();
    let skipped = eights.iter().take_while(|eight| is_plain(u64::from_ne_bytes(**eight))).count();
    let rest = &bytes[skipped * STRIDE..];
    let special = rest.iter().position(|byte| *byte == b'\\' || LEADS.contains(byte));
    special.map_or(bytes.len(), |special| skipped * STRIDE + special)
}

fn is_plain(eight: u64) -> bool {
    !strides::holds(eight, b'\\')
        && (strides::is_ascii(eight) || !LEADS.iter().any(|lead| strides::holds(eight, *lead)))
}

/// Undoes the escape, or folds the character, that `bytes` begins with. Calls `put` with what it
/// means, at most [`MOST`] bytes, and says how many bytes it took: at least one.
pub(super) fn special(bytes: &[u8], put: &mut impl FnMut(&[u8])) -> usize {
    if bytes[0] != b'\\' {
        return character(bytes, put);
    }
    let slashes = bytes.iter().take(64).take_while(|byte| **byte == b'\\').count();
    match bytes.get(slashes) {
        Some(b'n' | b'r') => put(b"\n"),
        Some(b't' | b'b' | b'f') => put(b" "),
        Some(quote @ (b'"' | b'/')) => put(&[*quote]),
        Some(b'u') => match unit(&bytes[slashes..]) {
            Some(unit) => {
                let units = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                fold(units, put);
                return slashes + 5;
            }
            None => put(b"\\u"),
        },
        _ => {
            put(b"\\");
            return slashes;
        }
    }
    slashes + 1
}

/// The number of an escape such as `u00e9`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(1..5).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Folds one character of UTF-8; a byte that begins none stays as it is.
fn character(bytes: &[u8], put: &mut impl FnMut(&[u8])) -> usize {
    let tail = |at: usize| bytes.get(at).filter(|byte| **byte & 0xC0 == 0x80).copied();
    let (code, length) = match (bytes[0], tail(1), tail(2)) {
        (lead @ 0xC2..=0xDF, Some(second), _) => {
            (u32::from(lead & 0x1F) << 6 | u32::from(second & 0x3F), 2)
        }
        (lead @ 0xE0..=0xEF, Some(second), Some(third)) => {
            let high = u32::from(lead & 0x0F) << 12 | u32::from(second & 0x3F) << 6;
            (high | u32::from(third & 0x3F), 3)
        }
        (byte, _, _) => {
            put(&[byte]);
            return 1;
        }
    };
    fold(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), put);
    length
}

/// What a character is taken for.
fn fold(character: char, put: &mut impl FnMut(&[u8])) {
    let code = character as u32;
    let digit = |zero: u32| [b'0' + u8::try_from(code - zero).unwrap_or_default()];
    match code {
        // Non-breaking, typographic and ideographic spaces.
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000 => put(b" "),
        // What has no width: soft hyphens, joiners, direction marks.
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0xFEFF => {}
        // Hyphens, dashes, the minus sign.
        0x2010..=0x2015 | 0x2212 => put(b"-"),
        0x0660..=0x0669 => put(&digit(0x0660)),
        0x06F0..=0x06F9 => put(&digit(0x06F0)),
        0x0966..=0x096F => put(&digit(0x0966)),
        // Full-width forms lie where ASCII does, 0xFEE0 further on.
        0xFF01..=0xFF5E => put(&[u8::try_from(code - 0xFEE0).unwrap_or(b' ')]),
        _ => put(character.encode_utf8(&mut [0; MOST]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let (mut bytes, mut read) = (text.as_bytes(), vec![]);
        while !bytes.is_empty() {
            let plain = plain(bytes);
            read.extend_from_slice(&bytes[..plain]);
            bytes = &bytes[plain..];
            if !bytes.is_empty() {
                let taken = special(bytes, &mut |meant| read.extend_from_slice(meant));
                bytes = &bytes[taken..];
            }
        }
        String::from_utf8(read).unwrap()
    }

    #[test]
    fn escapes_are_undone_at_any_depth() {
        assert_eq!(read(r#"a\nb\\nc\\\"d\/e\u0034\\u0035"#), "a\nb\nc\"d/e45");
        assert_eq!(read(r"\u00e9\u4e2d \d \u12"), "é中 \\d \\u12");
        assert_eq!(read(r"\ud83d\ude00!"), "\u{fffd}\u{fffd}!");
        assert_eq!(read("ends with \\"), "ends with \\");
    }

    #[test]
    fn characters_that_look_like_ours_become_ours() {
        let cases = [
            ("4111\u{a0}1111\u{2011}1", "4111 1111-1"),
            ("4\u{200b}1\u{ad}1", "411"),
            ("４１１＠", "411@"),
            ("٤١۴१२", "41412"),
            ("naïve “quote” — 中文，русский", "naïve “quote” - 中文,русский"),
        ];
        for (written, seen) in cases {
            assert_eq!(read(written), seen, "{written}");
        }
    }
}
