//! United Kingdom: national insurance numbers. They have no check digit, but rules for letters.

use crate::class::DataClass;
use crate::detector::context::{begins, ends, is_near};
use crate::detector::number::Number;
use crate::detector::{Find, Kind, Text};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "uk_nino",
    class: DataClass::Pii,
    about: "`AB 12 34 56 C` with letters that are issued; in small letters, with a word such as *national insurance* nearby",
    find: Find::Number(6, find),
};

const WORDS: &[&str] = &["national insurance", "nino", "ni number", "ni no", "insurance number"];

fn find(number: &Number<'_>) -> Option<usize> {
    let count = if number.is_shaped(&[2, 2, 2]) { 3 } else { 1 };
    if number.digits(count).values().len() != 6 || !number.is_even(count) {
        return None;
    }
    let text = number.text;
    let start = before_gap(text, number.start()).checked_sub(2)?;
    let last = number.end(count) + gap(text, number.end(count));
    let letters = [text[start], text[start + 1], *text.get(last)?];
    let end = last + 1;
    if !begins(text, start) || !ends(text, end) || !are_issued(letters) {
        return None;
    }
    let upper = letters.iter().all(u8::is_ascii_uppercase);
    (upper || is_near(text, start, end, WORDS)).then_some(end)
}

fn before_gap(text: Text<'_>, at: usize) -> usize {
    at - usize::from(at > 0 && matches!(text[at - 1], b' ' | b'-'))
}

fn gap(text: Text<'_>, at: usize) -> usize {
    usize::from(matches!(text.get(at), Some(b' ' | b'-')))
}

/// The prefixes and suffixes that HM Revenue gives out (its manual NIM39110).
fn are_issued(letters: [u8; 3]) -> bool {
    let [first, second, suffix] = letters.map(|letter| letter.to_ascii_uppercase());
    let pair = [first, second];
    pair.iter().all(u8::is_ascii_uppercase)
        && !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&pair)
        && (b'A'..=b'D').contains(&suffix)
}
