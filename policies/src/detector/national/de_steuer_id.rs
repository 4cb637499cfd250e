//! Germany: the *steuerliche Identifikationsnummer*, eleven digits with a check digit after
//! ISO/IEC 7064 (11,10) and a rule on how often a digit may repeat.

use crate::class::DataClass;
use crate::detector::number::{Digits, Number};
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "de_steuer_id",
    class: DataClass::Pii,
    about: "eleven digits, of which just one repeats, with the right check digit",
    find: Find::Number(11, find),
};

fn find(number: &Number<'_>) -> Option<usize> {
    let count = match () {
        () if number.is_shaped(&[11]) => 1,
        () if number.is_shaped(&[2, 3, 3, 3]) && number.is_even(4) && number.gap(0) == b" " => 4,
        () => return None,
    };
    let digits = number.digits(count);
    let right = number.is_whole(count) && repeats_one(&digits) && is_checked(&digits);
    right.then(|| number.end(count))
}

/// Of the first ten digits one stands there twice or three times, and no other does.
fn repeats_one(digits: &Digits) -> bool {
    let mut counts = [0; 10];
    for digit in &digits.values()[..10] {
        counts[usize::from(*digit)] += 1;
    }
    let repeated = counts.iter().filter(|count| **count > 1);
    digits.values()[0] != 0
        && repeated.clone().count() == 1
        && repeated.clone().all(|count| *count <= 3)
}

fn is_checked(digits: &Digits) -> bool {
    let product = digits.values()[..10].iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(digits.values()[10])
}
