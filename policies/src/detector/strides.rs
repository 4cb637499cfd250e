//! Bytes by eights, held in one integer: most of a text has nothing to look at, and an eight says so
//! in a few instructions, on any processor.

/// How many bytes are looked at at once.
pub(super) const STRIDE: usize = 8;

const ONES: u64 = u64::from_ne_bytes([1; STRIDE]);
const HIGH: u64 = ONES << 7;

/// Where the next `COUNT` eights in a row begin, from `from` on, that can be part of a long word:
/// no spaces, quotes or other signs below `+`, and ASCII alone.
pub(super) fn covered<const COUNT: usize>(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let (eights, _) = rest.as_chunks::<STRIDE>();
    let mut row = 0;
    for (index, eight) in eights.iter().enumerate() {
        row = if is_dense(u64::from_ne_bytes(*eight)) { row + 1 } else { 0 };
        if row == COUNT {
            return Some(from + (index + 1 - COUNT) * STRIDE);
        }
    }
    None
}

/// Whether each of the eight bytes is at least `+` and below 0x80: the subtraction borrows into the
/// highest bit of each byte that is less.
const fn is_dense(eight: u64) -> bool {
    const LEAST: u64 = ONES * b'+' as u64;
    (eight.wrapping_sub(LEAST) & !eight | eight) & HIGH == 0
}

/// Whether one of the eight bytes is this one: it leaves a zero, from which the subtraction borrows.
pub(super) const fn holds(eight: u64, byte: u8) -> bool {
    let differences = eight ^ (ONES * byte as u64);
    differences.wrapping_sub(ONES) & !differences & HIGH != 0
}

/// Whether all eight bytes are ASCII.
pub(super) const fn is_ascii(eight: u64) -> bool {
    eight & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eight_tells_what_it_holds() {
        let eight = u64::from_ne_bytes(*b"abc\\\xe2\x80\x99d");
        assert!(holds(eight, b'\\') && holds(eight, 0xE2) && holds(eight, b'd'));
        assert!(!holds(eight, b'e') && !is_ascii(eight) && is_ascii(ONES * 0x7F));
    }

    #[test]
    fn long_words_are_never_passed_over() {
        for before in 0..20 {
            let text = format!("{}{} tail of the text", " ".repeat(before), "w".repeat(23));
            let at = covered::<2>(text.as_bytes(), 0).unwrap();
            assert!((before..before + 8).contains(&at), "{before}: {at}");
        }
        assert_eq!(covered::<1>(b"so many of them, all short words", 0), None);
        assert_eq!(covered::<1>("каждое слово".as_bytes(), 0), None);
        assert_eq!(covered::<1>(b"short", 9), None);
    }
}
