//! France: the *numéro de sécurité sociale* (NIR), with its key modulo 97.

use crate::class::DataClass;
use crate::detector::context::{begins, ends};
use crate::detector::number::Number;
use crate::detector::{Find, Kind};

pub(in crate::detector) const KIND: Kind = Kind {
    name: "fr_nir",
    class: DataClass::Pii,
    about: "13 digits (Corsica's departments with their letter) and the key modulo 97, with a month that can be",
    find: Find::Number(6, find),
};

const LENGTH: usize = 15;

fn find(number: &Number<'_>) -> Option<usize> {
    let text = number.text;
    if !begins(text, number.start()) || !matches!(text[number.start()], b'1' | b'2' | b'7' | b'8') {
        return None;
    }
    let mut symbols = [0; LENGTH];
    let (mut count, mut at) = (0, number.start());
    while count < LENGTH {
        match *text.get(at)? {
            // The letter of a Corsican department stands for a zero in the sum.
            byte if byte.is_ascii_digit() || count == 6 && matches!(byte, b'A' | b'B') => {
                symbols[count] = byte;
                count += 1;
            }
            b' ' | b'-' | b'.' if text[at - 1].is_ascii_alphanumeric() => {}
            _ => return None,
        }
        at += 1;
    }
    (ends(text, at) && is_keyed(&symbols)).then_some(at)
}

/// Month 1 to 12, or one of the codes where it is not known; the key makes the whole divisible.
fn is_keyed(symbols: &[u8; LENGTH]) -> bool {
    let number = |part: &[u8]| {
        part.iter().fold(0, |sum: u64, symbol| {
            sum * 10 + u64::from(if symbol.is_ascii_digit() { symbol - b'0' } else { 0 })
        })
    };
    let month = number(&symbols[3..5]);
    // INSEE: 2A counts as 19 and 2B as 18, that is 20 less one or two.
    let corsica = match symbols[6] {
        b'A' => 1_000_000,
        b'B' => 2_000_000,
        _ => 0,
    };
    let key = number(&symbols[13..]);
    let known_month = matches!(month, 1..=12 | 20 | 30..=42 | 50..=99);
    known_month && symbols[5..7] != *b"00" && 97 - (number(&symbols[..13]) - corsica) % 97 == key
}
