//! Telephone numbers: international ones, and national ones whose form leaves little doubt.

use super::context::is_before;
use super::number::Number;
use super::{Find, Kind};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "phone",
    class: DataClass::Pii,
    about: "`+` and 8 to 15 digits; North American, British, French and Brazilian forms; others with a word such as *phone* just before",
    find: Find::Number(7, find),
};

const WORDS: &[&str] = &[
    "phone",
    "ph:",
    "ph.",
    "tel",
    "mobile",
    "mobil",
    "cell",
    "call",
    "whatsapp",
    "handy",
    "rufnummer",
    "fax",
    "móvil",
    "movil",
    "celular",
    "teléf",
    "téléphone",
    "portable",
    "numer tel",
    "komórk",
    "sms",
    "电话",
    "手机",
    "電話",
    "携帯",
    "тел",
    "фон",
];

/// How far before a number a word makes it a telephone's: near, because numbers follow in lists.
const NEAR: usize = 28;

fn find(number: &Number<'_>) -> Option<usize> {
    international(number).or_else(|| national(number)).or_else(|| named(number))
}

/// `+` and a country's code (E.164), with gaps at will, `(0)` included.
fn international(number: &Number<'_>) -> Option<usize> {
    let (text, start) = (number.text, number.start());
    let plus = start.checked_sub(1).filter(|at| text[*at] == b'+')?;
    let before = plus.checked_sub(1).map(|at| text[at]);
    let sum = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b')');
    if sum || text[start] == b'0' {
        return None;
    }
    let mut digits = 0;
    let mut best = None;
    for count in 1..=number.count().min(8) {
        if count > 1 && !is_spoken_gap(number.gap(count - 2)) {
            break;
        }
        digits += number.len(count - 1);
        if digits > 15 {
            break;
        }
        // A decimal number has one dot, a telephone none or several.
        let decimal = count == 2 && number.gap(0) == b".";
        if digits >= 8 && !decimal && super::context::ends(text, number.end(count)) {
            best = Some(number.end(count));
        }
    }
    best
}

fn is_spoken_gap(gap: &[u8]) -> bool {
    matches!(gap, b" " | b"-" | b"." | b"/" | b" (" | b"(" | b")" | b") " | b")-" | b" - " | b" / ")
}

/// Forms that are hardly anything else.
fn national(number: &Number<'_>) -> Option<usize> {
    let first = number.text[number.start()];
    let opened = number.start() > 0 && number.text[number.start() - 1] == b'(';
    let zero = first == b'0';
    let bracket = number.gap(0).ends_with(b"(");
    let count = match () {
        () if is_american(number, opened) => 3,
        // The same after the code of its country, without the plus.
        () if first == b'1' && number.len(0) == 1 && is_american(&number.rest()?, bracket) => 4,
        // A British mobile, and British and other landlines.
        () if zero && number.is_shaped(&[5, 6]) && number.gap(0) == b" " => 2,
        () if zero && number.is_shaped(&[3, 4, 4]) && number.is_even(3) => 3,
        () if zero && number.is_shaped(&[4, 3, 4]) && number.is_even(3) => 3,
        // A French number in pairs.
        () if zero && number.is_shaped(&[2, 2, 2, 2, 2]) && number.is_even(5) => 5,
        // A Brazilian mobile.
        () if opened && number.is_shaped(&[2, 5, 4]) => 3,
        () => return None,
    };
    number.is_whole(count).then(|| number.end(count))
}

/// `(415) 555-2671`, `415-555-2671`, `415.555.2671`: neither area nor exchange begins with 0 or 1.
fn is_american(number: &Number<'_>, opened: bool) -> bool {
    let places = || [0, 1].map(|index| number.digits(index + 1).values()[index * 3]);
    let gaps = number.gap(0) == number.gap(1) && matches!(number.gap(0), b"-" | b".");
    let bracketed = opened && matches!(number.gap(0), b") " | b")" | b")-");
    number.is_shaped(&[3, 3, 4]) && (gaps || bracketed) && places().iter().all(|digit| *digit >= 2)
}

/// `2026-11-28`, `28.11.2026`, `1/2/2026`.
fn is_date(number: &Number<'_>) -> bool {
    let [first, second, third] = [0, 1, 2].map(|index| number.len(index));
    let marked = number.gap(0) == number.gap(1) && matches!(number.gap(0), b"-" | b"." | b"/");
    marked && second <= 2 && matches!((first, third), (4, 1..=2) | (1..=2, 4))
}

/// Seven to fifteen digits right after a word for telephone.
fn named(number: &Number<'_>) -> Option<usize> {
    let (text, start) = (number.text, number.start());
    let near = &text[start.saturating_sub(NEAR)..start];
    // Nothing else may stand between the word and the number.
    let between = near.iter().rev().take_while(|byte| !byte.is_ascii_digit()).count();
    if between < near.len() && between == 0 {
        return None;
    }
    let mut digits = 0;
    let mut best = None;
    for count in 1..=number.count().min(6) {
        if count > 1 && !is_spoken_gap(number.gap(count - 2)) {
            break;
        }
        digits += number.len(count - 1);
        if (7..=15).contains(&digits) && number.stands_alone(count) {
            best = Some((count, number.end(count)));
        }
    }
    let (count, end) = best?;
    if is_date(number) {
        return None;
    }
    let sensible = count > 1 || number.len(0) <= 13;
    let nearby = &text[start - between.min(near.len())..start];
    (sensible && is_before(nearby, nearby.len(), WORDS)).then_some(end)
}
