//! What sort of data a request carries: one level, strictest first in rank, and every label that
//! applies. Sources may only add to it (DESIGN, "Classification"): the strictest wins.

use std::fmt;

/// A sort of data; each is stricter than the one before it.
///
/// `pii`, `pci` and `phi` are kinds of confidential data with laws of their own. Their rank among
/// each other only decides which one names a request that carries several; all of them stay in
/// its [`Class`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// Anyone may read it.
    Public,
    /// For people of the organisation.
    Internal,
    /// For few of them.
    Confidential,
    /// Of persons.
    Pii,
    /// Of payment cards.
    Pci,
    /// Of patients.
    Phi,
    /// Credentials, keys, and what must not leave the house.
    Secret,
}

/// All data classes that apply to a request; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class(u8);

// === impl DataClass ===

impl DataClass {
    /// Every class with the word for it, the mildest first.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("public", Self::Public),
        ("internal", Self::Internal),
        ("confidential", Self::Confidential),
        ("pii", Self::Pii),
        ("pci", Self::Pci),
        ("phi", Self::Phi),
        ("secret", Self::Secret),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    /// The class of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, class)| *class)
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Class ===

impl Class {
    /// The class of data that is this and nothing else.
    pub const fn only(class: DataClass) -> Self {
        Self(1 << class as u8)
    }

    /// Both: what applies by either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The strictest class in it, which names it.
    pub fn strictest(self) -> DataClass {
        let strictest = self.labels().last();
        strictest.expect("a class is never empty: `only` puts one in and nothing takes one out")
    }

    /// Whether this class applies.
    pub const fn has(self, class: DataClass) -> bool {
        self.0 & 1 << class as u8 != 0
    }

    /// Each class that applies, the mildest first.
    pub fn labels(self) -> impl Iterator<Item = DataClass> {
        DataClass::WORDS.iter().map(|(_, class)| *class).filter(move |class| self.has(*class))
    }

    /// All of it in one byte: a key for caches and logs. [`Class::from_bits`] is the way back.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The class of these bits, if there is one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let known = (1 << DataClass::WORDS.len()) - 1;
        if bits == 0 || bits & !known != 0 { None } else { Some(Self(bits)) }
    }
}

/// The words with commas between, the mildest first.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, class) in self.labels().enumerate() {
            write!(f, "{}{class}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_names_a_class_and_none_is_lost() {
        let both = Class::only(DataClass::Phi).and(Class::only(DataClass::Pci));
        assert_eq!(both.strictest(), DataClass::Phi);
        assert_eq!(both.to_string(), "pci,phi");
        assert_eq!(Class::from_bits(both.bits()), Some(both));
        assert_eq!(Class::from_bits(0), None);
        assert_eq!(Class::from_bits(0x80), None);
    }

    #[test]
    fn words_stand_in_the_order_of_strictness() {
        assert!(DataClass::WORDS.iter().map(|(_, class)| class).is_sorted());
        for (word, class) in DataClass::WORDS {
            assert_eq!((class.as_str(), DataClass::of(word)), (*word, Some(*class)));
        }
        assert_eq!(DataClass::of("Public"), None);
    }
}
