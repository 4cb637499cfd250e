//! Netherlands: the *burgerservicenummer*, which passes the eleven test.

use crate::class::DataClass;
use crate::detector::context::is_near;
use crate::detector::number::Number;
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "nl_bsn",
    class: DataClass::Pii,
    about: "nine digits that pass the eleven test, with a word such as *BSN* nearby",
    find: Find::Number(9, find),
};

const WORDS: &[&str] =
    &["bsn", "burgerservice", "burger service", "sofi", "citizen service number"];

fn find(number: &Number<'_>) -> Option<usize> {
    let count = match () {
        () if number.is_shaped(&[9]) => 1,
        () if number.is_shaped(&[4, 2, 3]) || number.is_shaped(&[3, 3, 3]) => 3,
        () => return None,
    };
    let digits = number.digits(count);
    let last = u32::from(digits.values()[8]);
    let sum = digits.weighted(&[9, 8, 7, 6, 5, 4, 3, 2]);
    let passes = sum % 11 == last && !digits.are_alike();
    let end = number.end(count);
    let meant = || is_near(number.text, number.start(), end, WORDS);
    (passes && number.is_even(count) && number.is_whole(count) && meant()).then_some(end)
}
