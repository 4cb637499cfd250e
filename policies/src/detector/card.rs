//! Numbers of payment cards: an issuer's prefix, its lengths, Luhn's check digit.

use super::number::{Digits, Number};
use super::{Find, Kind};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "payment_card",
    class: DataClass::Pci,
    about: "13 to 19 digits with an issuer's prefix and length and Luhn's check digit, in any usual grouping",
    find: Find::Number(13, find),
};

/// The prefixes of an issuer (first and last, of the same length), and the lengths of its numbers.
struct Issuer(u64, u64, std::ops::RangeInclusive<usize>);

/// The prefixes of the networks' public tables (ISO/IEC 7812 issuer identification numbers).
const ISSUERS: &[Issuer] = &[
    // Visa.
    Issuer(4, 4, 13..=13),
    Issuer(4, 4, 16..=16),
    Issuer(4, 4, 19..=19),
    // Mastercard.
    Issuer(51, 55, 16..=16),
    Issuer(2221, 2720, 16..=16),
    // American Express.
    Issuer(34, 34, 15..=15),
    Issuer(37, 37, 15..=15),
    // Discover.
    Issuer(6011, 6011, 16..=19),
    Issuer(644, 659, 16..=19),
    // Diners Club.
    Issuer(300, 305, 14..=14),
    Issuer(3095, 3095, 14..=14),
    Issuer(36, 36, 14..=14),
    Issuer(38, 39, 14..=14),
    // JCB.
    Issuer(3528, 3589, 16..=19),
    // UnionPay.
    Issuer(62, 62, 16..=19),
    Issuer(81, 81, 16..=19),
    // Maestro.
    Issuer(5018, 5018, 13..=19),
    Issuer(5020, 5020, 13..=19),
    Issuer(5038, 5038, 13..=19),
    Issuer(5893, 5893, 13..=19),
    Issuer(6304, 6304, 13..=19),
    Issuer(6759, 6763, 13..=19),
    // Mir.
    Issuer(2200, 2204, 16..=19),
    // RuPay and Hipercard.
    Issuer(508, 508, 16..=16),
    Issuer(60, 60, 16..=16),
    // Verve and Troy.
    Issuer(506_099, 506_198, 16..=19),
    Issuer(9792, 9792, 16..=16),
];

const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// Whichever groups the digits stand in, they are tried as far as they could be a card's.
fn find(number: &Number<'_>) -> Option<usize> {
    if !number.stands_alone(1) && number.len(0) > LONGEST || number.count() == 0 {
        return None;
    }
    let mut length = 0;
    for count in 1..=number.count().min(LONGEST) {
        length += number.len(count - 1);
        if length > LONGEST {
            return None;
        }
        let whole = length >= SHORTEST && number.stands_alone(count) && is_grouped(number, count);
        if whole && is_card(&number.digits(count)) {
            return Some(number.end(count));
        }
    }
    None
}

/// Whether a person would write one number in these groups: as one, in fours and more, or in equal
/// ones with equal gaps. Of a decimal fraction there is no card.
fn is_grouped(number: &Number<'_>, count: usize) -> bool {
    let lengths = || (0..count).map(|index| number.len(index));
    let equal = || (0..count - 1).all(|index| number.len(index) == number.len(0));
    match count {
        1 => !number.is_fraction(),
        _ if lengths().take(count - 1).all(|length| length >= 4) => true,
        _ => number.is_even(count) && equal() && number.len(count - 1) <= number.len(0),
    }
}

fn is_card(digits: &Digits) -> bool {
    let length = digits.values().len();
    let issued = |Issuer(first, last, lengths): &Issuer| {
        let prefix = digits.number(0..first.ilog10() as usize + 1);
        lengths.contains(&length) && (*first..=*last).contains(&prefix)
    };
    ISSUERS.iter().any(issued) && digits.pass_luhn()
}
