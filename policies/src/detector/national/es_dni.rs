//! Spain: *documento nacional de identidad* and the foreigners' NIE, with their control letter.

use crate::class::DataClass;
use crate::detector::context::{begins, ends, is_near};
use crate::detector::number::Number;
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "es_dni",
    class: DataClass::Pii,
    about: "`12345678Z` and `X1234567L` with the right control letter; in small letters or after a space, with a word such as *DNI* nearby",
    find: Find::Number(7, find),
};

const WORDS: &[&str] = &["dni", "nie", "nif", "documento nacional", "identidad", "extranjer"];

/// The control letter by the number's remainder of 23.
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn find(number: &Number<'_>) -> Option<usize> {
    let text = number.text;
    let count = match () {
        () if number.is_shaped(&[2, 3, 3]) && number.has_gaps(&[".", "."]) => 3,
        () if number.is_shaped(&[1, 3, 3]) && number.has_gaps(&[".", "."]) => 3,
        () => 1,
    };
    let digits = number.digits(count);
    let (start, foreign) = match digits.values().len() {
        8 => (number.start(), 0),
        7 => foreigner(text, number.start())?,
        _ => return None,
    };
    let gap = usize::from(matches!(text.get(number.end(count)), Some(b'-' | b' ')));
    let letter_at = number.end(count) + gap;
    let letter = *text.get(letter_at)?;
    let sum = foreign * 10_000_000 + digits.number(0..digits.values().len());
    let right = letter.to_ascii_uppercase() == LETTERS[(sum % 23) as usize];
    if !right || !begins(text, start) || !ends(text, letter_at + 1) {
        return None;
    }
    let strong = letter.is_ascii_uppercase() && text[letter_at - 1] != b' ';
    (strong || is_near(text, start, letter_at + 1, WORDS)).then_some(letter_at + 1)
}

/// Where a NIE begins, and the digit that its first letter stands for.
fn foreigner(text: &[u8], digits: usize) -> Option<(usize, u64)> {
    let gap = usize::from(digits > 0 && matches!(text[digits - 1], b'-'));
    let at = digits.checked_sub(gap + 1)?;
    let letter = b"XYZ".iter().position(|known| *known == text[at].to_ascii_uppercase())?;
    Some((at, letter as u64))
}
