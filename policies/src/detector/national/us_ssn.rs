//! United States: social security numbers, and the taxpayer numbers that look like them.

use crate::class::DataClass;
use crate::detector::context::is_near;
use crate::detector::number::Number;
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "us_ssn",
    class: DataClass::Pii,
    about: "`123-45-6789` within the ranges that are issued; otherwise written, with a word such as *SSN* nearby",
    find: Find::Number(9, find),
};

const WORDS: &[&str] =
    &["ssn", "social security", "seguro social", "itin", "taxpayer id", "tax id"];

fn find(number: &Number<'_>) -> Option<usize> {
    let count = if number.is_shaped(&[3, 2, 4]) && number.is_even(3) { 3 } else { 1 };
    let digits = number.digits(count);
    if digits.values().len() != 9 || !number.is_whole(count) || !is_issued(&digits) {
        return None;
    }
    let end = number.end(count);
    let known = count == 3 && number.gap(0) == b"-";
    (known || is_near(number.text, number.start(), end, WORDS)).then_some(end)
}

/// No area 000 or 666, no group 00, no serial 0000, and not the two numbers that advertisements
/// made famous; areas from 900 are taxpayer numbers, whose groups are 50 to 99.
fn is_issued(digits: &crate::detector::number::Digits) -> bool {
    let (area, group, serial) = (digits.number(0..3), digits.number(3..5), digits.number(5..9));
    let advertised = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999));
    let given = area != 0 && area != 666 && group != 0 && serial != 0;
    given && !advertised && (area < 900 || group >= 50)
}
