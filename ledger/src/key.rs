//! Keys that callers present: `isk-` and 256 bits of chance.
//!
//! A key is shown once, when it is made; afterwards only its hash exists. SHA-256 without salt or
//! stretching is enough here, because 256 bits of chance cannot be guessed, unlike a password.

use std::collections::BTreeMap;
use std::fmt;

use isthmus_inference::secret::Secret;
use sha2::{Digest, Sha256};

use crate::store::StoreError;

/// Every key begins with this.
pub const PREFIX: &str = "isk-";

/// Characters after [`PREFIX`] that stay visible as the key's id.
const ID_CHARACTERS: usize = 8;

/// Letters and digits: a key survives shells, URLs and double clicks.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 43 characters of 62 are a little over 256 bits.
const RANDOM_CHARACTERS: usize = 43;

/// What is known of a key: all but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its visible head, such as `isk-3fA9b2Qx`.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// The models that it may ask for; empty means all.
    pub models: Vec<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds from which it no longer opens anything.
    pub expires_at: Option<i64>,
    /// Unix seconds at which it was withdrawn.
    pub revoked_at: Option<i64>,
    /// Whose it is, and what its data is.
    pub holder: Holder,
}

/// Whose a key is, and what its data is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// The organisation; `None` is the house's own.
    pub organisation: Option<String>,
    /// The team; `None` is the default one.
    pub team: Option<String>,
    /// The app; `None` is named like the key.
    pub app: Option<String>,
    /// The word for the class that its requests have at least. What the words are is not for the
    /// ledger to say.
    pub data_class: Option<String>,
    /// Whether its holder may say of a request that it is of a milder class.
    pub may_declassify: bool,
    /// What its requests are marked with, whatever its holder says.
    pub tags: BTreeMap<String, String>,
}

/// What an operator says of a key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewKey {
    /// A name, not yet in use.
    pub name: String,
    /// The models that it may ask for; empty means all.
    pub models: Vec<String>,
    /// Unix seconds from which it no longer opens anything.
    pub expires_at: Option<i64>,
    /// Whose it is, and what its data is.
    pub holder: Holder,
}

/// What is kept of the key's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// A key just made, to be shown this once.
#[derive(Debug)]
pub struct Minted {
    /// The text to hand out.
    pub secret: Secret,
    /// What is kept of it.
    pub hash: KeyHash,
    /// Its visible head.
    pub id: String,
}

// === impl Key ===

impl Key {
    /// Whether it opens anything at this time (Unix seconds).
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether it may ask for this model.
    pub fn allows(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|allowed| allowed == model)
    }

    /// The key to be made in its place, if it opens anything at this time (Unix seconds).
    pub fn successor(&self, now: i64) -> Result<NewKey, StoreError> {
        // One that was rotated already goes by its former name, and has a successor.
        if !self.is_live(now) || self.name.ends_with(&self.former_mark()) {
            return Err(StoreError::NotLive(self.name.clone()));
        }
        let Self { name, models, expires_at, holder, .. } = self.clone();
        Ok(NewKey { name, models, expires_at, holder })
    }

    /// What it is called once another has its name.
    pub fn former_name(&self) -> String {
        format!("{}{}", self.name, self.former_mark())
    }

    fn former_mark(&self) -> String {
        format!("~{}", self.id)
    }
}

// === impl KeyHash ===

impl KeyHash {
    /// The hash of a key as presented.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    /// From what a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(•••)")
    }
}

// === impl NewKey ===

impl NewKey {
    /// Makes it, if all of it can be kept.
    pub(crate) fn mint(&self) -> Result<Minted, StoreError> {
        if self.models.iter().any(|model| model.trim().is_empty()) {
            return Err(StoreError::EmptyModel);
        }
        Ok(Minted::new()?)
    }
}

// === impl Minted ===

impl Minted {
    /// Makes a key from the operating system's random source.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut text = String::from(PREFIX);
        while text.len() < PREFIX.len() + RANDOM_CHARACTERS {
            let mut bytes = [0; 64];
            getrandom::fill(&mut bytes)?;
            text.extend(bytes.iter().copied().filter_map(letter));
        }
        text.truncate(PREFIX.len() + RANDOM_CHARACTERS);
        let id = text[..PREFIX.len() + ID_CHARACTERS].to_owned();
        Ok(Self { hash: KeyHash::of(&text), secret: text.into(), id })
    }
}

/// A letter of the alphabet, every one equally likely: bytes beyond the last whole round of the
/// alphabet are thrown away.
fn letter(byte: u8) -> Option<char> {
    let rounds = 256 / ALPHABET.len();
    let index = usize::from(byte);
    (index < rounds * ALPHABET.len()).then(|| char::from(ALPHABET[index % ALPHABET.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            id: "isk-a".into(),
            name: "a".into(),
            models: vec![],
            created_at: 0,
            expires_at: None,
            revoked_at: None,
            holder: Holder::default(),
        }
    }

    #[test]
    fn a_minted_key_is_recognised_and_does_not_print() {
        let minted = Minted::new().unwrap();
        let text = minted.secret.expose();
        assert_eq!(text.len(), PREFIX.len() + RANDOM_CHARACTERS);
        assert!(text.starts_with(&minted.id) && text.len() > minted.id.len() + 30);
        assert!(KeyHash::of(text) == minted.hash);
        assert!(!format!("{minted:?}").contains(&text[minted.id.len()..]));
        assert_ne!(Minted::new().unwrap().secret, minted.secret);
    }

    #[test]
    fn a_key_ends_by_expiry_and_by_revocation() {
        let expiring = Key { expires_at: Some(100), ..key() };
        assert!(expiring.is_live(99) && !expiring.is_live(100));
        assert!(!Key { revoked_at: Some(1), ..key() }.is_live(0));
    }

    #[test]
    fn an_empty_list_allows_every_model() {
        assert!(key().allows("anything"));
        let narrow = Key { models: vec!["chat".into()], ..key() };
        assert!(narrow.allows("chat") && !narrow.allows("chat2"));
    }
}
