//! Where to look closer: digits, long words, and a few marks. Everything else is passed over at a
//! fraction of a nanosecond a byte.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::number::{Number, Run, separates};
use super::{Find, Findings, KINDS, Kind, Text, Word, assignment, context, strides};

/// The part of a window to look at. What stands before and after it is there for judging only.
#[derive(Clone, Copy)]
pub(super) struct Ground<'t> {
    pub(super) text: Text<'t>,
    pub(super) from: usize,
    pub(super) until: usize,
}

/// The shortest word that is looked at: an Italian tax code.
const LONG_WORD: usize = 16;

/// The fewest digits of a run that can be something.
const FEW_DIGITS: usize = 6;

/// Begin `password`, `Passwort` and their like, whichever way their first letter is written.
static PASSWORDS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| ["asswor", "assphrase", "ot de passe", "ontrase"].map(Finder::new));

/// Stands in the first line of an armoured private key.
static ARMOUR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("PRIVATE KEY"));

/// Looks through the ground. `taken` is where the last number ended that is something; so is the
/// answer.
pub(super) fn look(ground: Ground<'_>, taken: usize, findings: &mut Findings) -> usize {
    words(ground, findings);
    marks(ground, findings);
    numbers(ground, taken, findings)
}

/// Each group of digits in a run of several.
fn numbers(ground: Ground<'_>, mut taken: usize, findings: &mut Findings) -> usize {
    let Ground { text, from, until } = ground;
    let mut at = from;
    // A group that began before the ground was looked at there.
    if at > 0 && text[at - 1].is_ascii_digit() {
        at += text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    while let Some(start) = next_digit(text, at, until) {
        if let Some(next) = passed_over(text, start) {
            at = next;
            continue;
        }
        let run = Run::at(text, start);
        let mut digits = run.digits();
        for index in 0..run.settled() {
            let number = run.number(text, index);
            if number.start() >= until {
                return taken;
            }
            if number.start() >= taken
                && let Some(end) = number_kinds(&number, digits, findings)
            {
                taken = end;
            }
            digits -= number.len(0);
        }
        at = run.next();
    }
    taken
}

/// What begins with this number, if anything.
fn number_kinds(number: &Number<'_>, digits: usize, findings: &mut Findings) -> Option<usize> {
    let after_letters = context::after_two_letters(number.text, number.start());
    if digits < FEW_DIGITS && !after_letters {
        return None;
    }
    let found = |kind: &Kind| match kind.find {
        Find::Number(least, find) if digits >= least => find(number),
        Find::Country(find) if after_letters => find(number.text, number.start() - 2),
        _ => None,
    };
    let ends = KINDS.iter().enumerate().find_map(|(index, kind)| Some((index, found(kind)?)));
    let (index, end) = ends?;
    findings.add(index);
    Some(end)
}

/// Where to go on behind a lone group of few digits, which is most of them. No letters stand before
/// it, as in the head of an account number.
fn passed_over(text: Text<'_>, start: usize) -> Option<usize> {
    let rest = &text[start..];
    let few = rest.iter().take(FEW_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
    let ends = few < FEW_DIGITS && rest.get(few).is_some_and(|byte| !separates(*byte));
    (ends && !context::after_two_letters(text, start)).then_some(start + few)
}

fn next_digit(text: Text<'_>, mut at: usize, until: usize) -> Option<usize> {
    const BLOCK: usize = 32;
    while at < until {
        let end = (at + BLOCK).min(until);
        let block = &text[at..end];
        if let Ok(whole) = <&[u8; BLOCK]>::try_from(block)
            && !whole.iter().fold(false, |any, byte| any | byte.is_ascii_digit())
        {
            at = end;
            continue;
        }
        if let Some(offset) = block.iter().position(u8::is_ascii_digit) {
            return Some(at + offset);
        }
        at = end;
    }
    None
}

/// Each long word that begins on the ground. It covers an eight of the text, wherever it begins.
fn words(ground: Ground<'_>, findings: &mut Findings) {
    let Ground { text, from, until } = ground;
    // One that began before the ground was looked at there.
    let mut at = match from {
        0 => 0,
        _ if joins_words(text[from - 1]) => from + joined(&text[from..]),
        _ => from,
    };
    while let Some(inside) = strides::covered::<1>(text, at) {
        let before = text[at..inside].iter().rev().take_while(|byte| joins_words(**byte)).count();
        let word = Word { text, start: inside - before, end: inside + joined(&text[inside..]) };
        if word.start >= until {
            return;
        }
        if word.end - word.start >= LONG_WORD {
            word_kinds(word, findings);
        }
        at = word.end.max(inside + 1);
    }
}

/// How many bytes from the beginning are a word's.
fn joined(text: &[u8]) -> usize {
    text.iter().take_while(|byte| joins_words(**byte)).count()
}

fn word_kinds(word: Word<'_>, findings: &mut Findings) {
    for (index, kind) in KINDS.iter().enumerate() {
        if let Find::Word(find) = kind.find
            && find(word)
        {
            findings.add(index);
            return;
        }
    }
}

/// What long words are made of.
pub(super) fn joins_words(byte: u8) -> bool {
    const JOINS: [bool; 256] = {
        let mut joins = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let is = byte as u8;
            joins[byte] = is.is_ascii_alphanumeric() || matches!(is, b'_' | b'-' | b'+' | b'/');
            byte += 1;
        }
        joins
    };
    JOINS[usize::from(byte)]
}

/// Marks between a name and a value, in addresses, and in front of keys.
fn marks(ground: Ground<'_>, findings: &mut Findings) {
    let Ground { text, from, until } = ground;
    for at in memchr::memchr3_iter(b'@', b':', b'=', &text[from..until]).map(|at| from + at) {
        if text[at] == b'@' {
            kinds(|find| matches!(find, Find::At(find) if find(text, at)), findings);
        } else {
            if text[at] == b':' && assignment::fetches(text, at) {
                findings.not_seen();
            }
            kinds(|find| matches!(find, Find::Value(find) if find(text, at)), findings);
        }
    }
    let reach = text.len().min(until + 16);
    for name in PASSWORDS.iter() {
        let found = name.find_iter(&text[from..reach]).map(|at| from + at);
        for at in found.filter(|at| *at < until) {
            let known = at + name.needle().len();
            let letter = |byte: &&u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
            let end = known + text[known..].iter().take_while(letter).count();
            kinds(|find| matches!(find, Find::Value(find) if find(text, end)), findings);
        }
    }
    for at in ARMOUR.find_iter(&text[from..reach]).map(|at| from + at).filter(|at| *at < until) {
        kinds(|find| matches!(find, Find::Armour(find) if find(text, at)), findings);
    }
}

fn kinds(finds: impl Fn(&Find) -> bool, findings: &mut Findings) {
    if let Some(index) = KINDS.iter().position(|kind| finds(&kind.find)) {
        findings.add(index);
    }
}
