//! Italy: the *codice fiscale*, sixteen letters and digits with a control letter.

use crate::class::DataClass;
use crate::detector::{Find, Kind, Word};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "it_codice_fiscale",
    class: DataClass::Pii,
    about: "sixteen letters and digits in their pattern, also with letters for digits, and the right control letter",
    find: Find::Word(find),
};

/// What each letter and digit at an odd place counts (decree of 23 December 1976).
const ODD: [u32; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// Letters that stand for the digits 0 to 9 where two people would have the same code.
const FOR_DIGITS: &[u8; 10] = b"LMNPQRSTUV";

fn find(word: Word<'_>) -> bool {
    // It may stand beside others in one word: `.../RSSMRA85T10A562S`.
    word.bytes().split(|byte| !byte.is_ascii_alphanumeric()).any(is_code)
}

fn is_code(part: &[u8]) -> bool {
    let Ok(mut code) = <[u8; 16]>::try_from(part) else { return false };
    code.make_ascii_uppercase();
    let is_digit = |byte: u8| byte.is_ascii_digit() || FOR_DIGITS.contains(&byte);
    let shaped = code.iter().enumerate().all(|(place, byte)| match place {
        6 | 7 | 9 | 10 | 12..=14 => is_digit(*byte),
        8 => b"ABCDEHLMPRST".contains(byte),
        _ => byte.is_ascii_uppercase(),
    });
    shaped && control_letter(&code) == code[15]
}

fn control_letter(code: &[u8; 16]) -> u8 {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        letter => letter - b'A',
    };
    let counted = code[..15].iter().enumerate().map(|(index, byte)| {
        let value = usize::from(value(*byte));
        if index % 2 == 0 { ODD[value] } else { value as u32 }
    });
    b'A' + (counted.sum::<u32>() % 26) as u8
}
