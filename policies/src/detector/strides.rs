//! Words by eights: a long word covers whole eights of bytes, which most text has none of, so that
//! most bytes are never looked at one by one.

const STRIDE: usize = 8;

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
    const ONES: u64 = u64::from_ne_bytes([1; STRIDE]);
    const HIGH: u64 = ONES << 7;
    const LEAST: u64 = ONES * b'+' as u64;
    (eight.wrapping_sub(LEAST) & !eight | eight) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;

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
