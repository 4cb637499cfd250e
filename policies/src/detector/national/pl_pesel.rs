//! Poland: PESEL, a date of birth with its century, a serial number and a check digit.

use crate::class::DataClass;
use crate::detector::context::is_near;
use crate::detector::number::{Digits, Number};
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "pl_pesel",
    class: DataClass::Pii,
    about: "eleven digits with a date of birth and the right check digit, with the word *PESEL* nearby",
    find: Find::Number(11, find),
};

const WORDS: &[&str] = &["pesel"];

fn find(number: &Number<'_>) -> Option<usize> {
    if !number.is_shaped(&[11]) || !number.is_whole(1) || !is_checked(&number.digits(1)) {
        return None;
    }
    let end = number.end(1);
    is_near(number.text, number.start(), end, WORDS).then_some(end)
}

/// The month has 20, 40, 60 or 80 added for the centuries other than 1900.
fn is_checked(digits: &Digits) -> bool {
    let (month, day) = (digits.number(2..4) % 20, digits.number(4..6));
    let sum = digits.weighted(&[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    (1..=12).contains(&month) && (1..=31).contains(&day) && sum.is_multiple_of(10)
}
