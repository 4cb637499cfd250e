//! Brazil: *Cadastro de Pessoas Físicas*, eleven digits of which two check the others.

use crate::class::DataClass;
use crate::detector::context::is_near;
use crate::detector::number::{Digits, Number};
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "br_cpf",
    class: DataClass::Pii,
    about: "`529.982.247-25` with both check digits; without its marks, with the word *CPF* nearby",
    find: Find::Number(11, find),
};

const WORDS: &[&str] = &["cpf", "pessoa f", "contribuinte"];

fn find(number: &Number<'_>) -> Option<usize> {
    let marked = number.is_shaped(&[3, 3, 3, 2]) && number.has_gaps(&[".", ".", "-"]);
    let spaced = number.is_shaped(&[3, 3, 3, 2]);
    let count = if spaced { 4 } else { 1 };
    let digits = number.digits(count);
    if digits.values().len() != 11 || !number.is_whole(count) || !is_checked(&digits) {
        return None;
    }
    let end = number.end(count);
    (marked || is_near(number.text, number.start(), end, WORDS)).then_some(end)
}

fn is_checked(digits: &Digits) -> bool {
    let check = |weights: &[u32]| match digits.weighted(weights) * 10 % 11 {
        10 => 0,
        check => check,
    };
    let [.., ninth, tenth] = *digits.values() else { return false };
    !digits.are_alike()
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == u32::from(ninth)
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == u32::from(tenth)
}
