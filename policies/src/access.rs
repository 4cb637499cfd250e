//! Who gains and who loses between two sets of policies, over one catalogue.

use std::collections::BTreeSet;

use crate::class::{Class, DataClass};
use crate::classify::UNCLASSIFIED;
use crate::permit::{Decision, Permit};
use crate::question::{Action, Context, Principal};

/// What a question is asked with, in the word for it: a data class, or that nobody declared one.
pub const COLUMNS: &[&str] =
    &["undeclared", "public", "internal", "confidential", "pii", "pci", "phi", "secret"];

/// The answers of two sets of policies to one question, for each endpoint of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// By the old ones.
    pub old: Decision,
    /// By the new ones.
    pub new: Decision,
}

/// What became of an endpoint's access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Denied before and now.
    Denied,
    /// Allowed before and now.
    Allowed,
    /// Allowed now only.
    Gained,
    /// Allowed before only.
    Lost,
}

/// The answers for one action: a row for each endpoint of the catalogue, in it a place for each of
/// [`COLUMNS`]. Regions are not restricted, and nobody in particular asks.
pub fn table(old: &Permit, new: &Permit, endpoints: usize, action: Action) -> Vec<Vec<Access>> {
    let answers: Vec<_> = contexts()
        .iter()
        .map(|context| Answers::of(old, new, &Principal::anybody(), action, context))
        .collect();
    let row = |endpoint| answers.iter().map(|answers| answers.of_endpoint(endpoint)).collect();
    (0..endpoints).map(row).collect()
}

/// A question for each of [`COLUMNS`].
fn contexts() -> Vec<Context> {
    let context = |class, declared| Context {
        class: Class::only(class),
        declared,
        subject_regions: BTreeSet::new(),
        allowed_regions: None,
        purpose: String::new(),
    };
    let declared = DataClass::WORDS.iter().map(|(_, class)| context(*class, true));
    [context(UNCLASSIFIED, false)].into_iter().chain(declared).collect()
}

// === impl Answers ===

impl Answers {
    /// Asks both.
    pub fn of(
        old: &Permit,
        new: &Permit,
        principal: &Principal,
        action: Action,
        context: &Context,
    ) -> Self {
        let ask = |permit: &Permit| permit.decide(principal, action, context);
        Self { old: ask(old), new: ask(new) }
    }

    /// What becomes of the endpoint with this number.
    pub fn of_endpoint(&self, number: usize) -> Access {
        match (self.old.allowed.has(number), self.new.allowed.has(number)) {
            (false, false) => Access::Denied,
            (true, true) => Access::Allowed,
            (false, true) => Access::Gained,
            (true, false) => Access::Lost,
        }
    }
}

// === impl Access ===

impl Access {
    /// Whether the old and the new policies differ.
    pub const fn differs(self) -> bool {
        matches!(self, Self::Gained | Self::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_column() {
        let words: Vec<_> = DataClass::WORDS.iter().map(|(word, _)| *word).collect();
        assert_eq!(COLUMNS[1..], words);
        assert_eq!(contexts().len(), COLUMNS.len());
    }
}
