//! The words near a place, which make of a weak number a likely one.

use super::Text;

/// How far before a place a word counts.
const BEFORE: usize = 64;

/// How far after it.
const AFTER: usize = 24;

/// Whether one of `words` (in small letters) stands near the place from `start` to `end`, at the
/// beginning of a word. Case does not count.
pub(super) fn is_near(text: Text<'_>, start: usize, end: usize, words: &[&str]) -> bool {
    is_before(text, start, words)
        || holds(&text[end.min(text.len())..text.len().min(end + AFTER)], words)
}

/// The same, before the place only.
pub(super) fn is_before(text: Text<'_>, start: usize, words: &[&str]) -> bool {
    holds(&text[start.saturating_sub(BEFORE)..start], words)
}

fn holds(part: &[u8], words: &[&str]) -> bool {
    let mut buffer = [0; BEFORE];
    let small = &mut buffer[..part.len()];
    small.copy_from_slice(part);
    small.make_ascii_lowercase();
    let small: &[u8] = small;
    // A word of another script has no space before it.
    let begins =
        |at: &usize| !small[*at].is_ascii() || *at == 0 || !small[at - 1].is_ascii_alphabetic();
    let mut places = (0..small.len()).filter(begins);
    places.any(|at| words.iter().any(|word| small[at..].starts_with(word.as_bytes())))
}

/// Whether just two letters stand before the place, as in the head of an account number.
pub(super) fn after_two_letters(text: Text<'_>, at: usize) -> bool {
    let is_letter =
        |back: usize| at.checked_sub(back).is_some_and(|place| text[place].is_ascii_alphabetic());
    is_letter(1) && is_letter(2) && !at.checked_sub(3).is_some_and(|place| is_wordy(text[place]))
}

/// Whether the byte belongs to a word.
pub(super) fn is_wordy(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word begins at this place.
pub(super) fn begins(text: Text<'_>, at: usize) -> bool {
    !at.checked_sub(1).is_some_and(|before| is_wordy(text[before]))
}

/// Whether a word ends before this place.
pub(super) fn ends(text: Text<'_>, at: usize) -> bool {
    !text.get(at).is_some_and(|byte| is_wordy(*byte))
}
