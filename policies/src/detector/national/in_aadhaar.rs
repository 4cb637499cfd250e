//! India: Aadhaar, twelve digits with Verhoeff's check digit.

use crate::class::DataClass;
use crate::detector::context::is_near;
use crate::detector::number::{Digits, Number};
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "in_aadhaar",
    class: DataClass::Pii,
    about: "twelve digits with Verhoeff's check digit, with a word such as *Aadhaar* nearby",
    find: Find::Number(12, find),
};

const WORDS: &[&str] = &["aadhaar", "aadhar", "adhaar", "adhar", "uidai", "uid", "आधार"];

fn find(number: &Number<'_>) -> Option<usize> {
    let count = match () {
        () if number.is_shaped(&[12]) => 1,
        () if number.is_shaped(&[4, 4, 4]) && number.is_even(3) => 3,
        () => return None,
    };
    let digits = number.digits(count);
    let end = number.end(count);
    let checked = digits.values()[0] >= 2 && passes_verhoeff(&digits) && number.is_whole(count);
    (checked && is_near(number.text, number.start(), end, WORDS)).then_some(end)
}

/// Verhoeff's scheme: the digits are joined in the group of the pentagon's symmetries, each
/// permuted by its place; all of them together must give the neutral element.
fn passes_verhoeff(digits: &Digits) -> bool {
    let places = digits.values().iter().rev().enumerate();
    places.fold(0, |sum, (place, digit)| joined(sum, permuted(*digit, place))) == 0
}

/// The product in the dihedral group of order ten: 0 to 4 turn, 5 to 9 turn and flip.
fn joined(left: u8, right: u8) -> u8 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right - 5) % 5 + 5,
        (false, true) => (left + 5 - right) % 5 + 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

fn permuted(digit: u8, place: usize) -> u8 {
    const ONCE: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    (0..place % 8).fold(digit, |digit, _| ONCE[usize::from(digit)])
}
