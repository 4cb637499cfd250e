//! What a request gives away by itself: card numbers, accounts, persons, credentials.
//!
//! A detector reads the caller's body as it came and says how many findings of each kind are in
//! it, never which: what was found stays where it is. It only ever makes a request's class
//! stricter. Silence is no proof of absence: a name, an illness or a contract has no pattern.
//!
//! [`Patterns`] is the detector of the house. It walks the text once in windows of a few
//! kilobytes ([`windows`]), as a reader of the JSON would see it ([`plain`]); looks closer only
//! where digits, long words or a few marks stand ([`anchors`]); and asks there the [`KINDS`], each
//! with a check digit, a structure or a word nearby that makes chance hits rare. Base64 is taken
//! apart or reported as unseen ([`blob`]). No step goes back over what it has read, so the time is
//! linear in the body, and nothing is allocated but for a document in base64.

mod anchors;
mod assignment;
mod blob;
mod card;
mod context;
mod credential;
mod email;
mod entropy;
mod iban;
mod national;
mod number;
mod phone;
mod plain;
mod private_key;
mod strides;
mod windows;

use crate::class::{Class, DataClass};
use number::Number;

/// Something that finds sensitive data in the body of a request.
pub trait Detector: Send + Sync {
    /// What is in this body: one JSON object, or any other text.
    fn scan(&self, body: &[u8]) -> Findings;
}

/// The detector of the house: patterns, check digits and entropy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patterns;

/// How often each kind was found. Never what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    counts: [u32; KINDS.len()],
    /// Pieces that cannot be looked into: pictures, sound, PDF, and what is fetched from elsewhere.
    pub unseen: u32,
}

/// One kind of finding.
#[derive(Debug)]
pub struct Kind {
    /// The word for it in logs and metrics.
    pub name: &'static str,
    /// What data it makes of a request.
    pub class: DataClass,
    /// What is looked for, for the page on classification.
    pub about: &'static str,
    find: Find,
}

/// Where a kind is asked, and how.
#[derive(Debug)]
enum Find {
    /// At each group of digits with which at least so many, and six, follow in its run: where the
    /// finding ends.
    Number(usize, fn(&Number<'_>) -> Option<usize>),
    /// At two letters before two digits: where the finding ends.
    Country(fn(Text<'_>, usize) -> Option<usize>),
    /// In each word of at least 16 letters and digits, with what may join them.
    Word(fn(Word<'_>) -> bool),
    /// At each `@`.
    At(fn(Text<'_>, usize) -> bool),
    /// At each `:` and `=`, and after the word `password`.
    Value(fn(Text<'_>, usize) -> bool),
    /// At the words `PRIVATE KEY`.
    Armour(fn(Text<'_>, usize) -> bool),
}

/// A window of the text.
type Text<'t> = &'t [u8];

/// A long word in its window.
#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    text: Text<'t>,
    start: usize,
    end: usize,
}

/// All kinds. Where two could be meant by the same digits, the earlier one has them.
pub const KINDS: &[&Kind] = &[
    &card::KIND,
    &iban::KIND,
    &national::us_ssn::KIND,
    &national::uk_nino::KIND,
    &national::fr_nir::KIND,
    &national::es_dni::KIND,
    &national::it_codice_fiscale::KIND,
    &national::nl_bsn::KIND,
    &national::pl_pesel::KIND,
    &national::br_cpf::KIND,
    &national::in_aadhaar::KIND,
    &national::de_steuer_id::KIND,
    &phone::KIND,
    &email::KIND,
    &private_key::KIND,
    &credential::KIND,
    &assignment::KIND,
    &entropy::KIND,
];

// === impl Patterns ===

impl Detector for Patterns {
    fn scan(&self, body: &[u8]) -> Findings {
        let mut findings = Findings::default();
        blob::scan(body, &mut findings);
        findings
    }
}

// === impl Findings ===

impl Findings {
    /// The classes of all that was found; `None` if that is nothing.
    pub fn class(&self) -> Option<Class> {
        self.found().map(|(kind, _)| Class::only(kind.class)).reduce(Class::and)
    }

    /// Each kind that was found, and how often.
    pub fn found(&self) -> impl Iterator<Item = (&'static Kind, u32)> {
        let counted = KINDS.iter().copied().zip(self.counts);
        counted.filter(|(_, count)| *count > 0)
    }

    /// How often this kind was found.
    pub fn of(&self, name: &str) -> u32 {
        self.found().find(|(kind, _)| kind.name == name).map_or(0, |(_, count)| count)
    }

    fn add(&mut self, kind: usize) {
        self.counts[kind] = self.counts[kind].saturating_add(1);
    }

    fn not_seen(&mut self) {
        self.unseen = self.unseen.saturating_add(1);
    }
}

// === impl Word ===

impl<'t> Word<'t> {
    fn bytes(self) -> &'t [u8] {
        &self.text[self.start..self.end]
    }
}
