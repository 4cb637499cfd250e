//! Keys that callers present: `isk-` and 256 bits of chance.
//!
//! A key is shown once, when it is made; afterwards only its hash exists. SHA-256 without salt or
//! stretching is enough here, because 256 bits of chance cannot be guessed, unlike a password.

mod terms;

use std::fmt;
use std::str::FromStr;

use isthmus_inference::secret::Secret;
use sha2::{Digest, Sha256};

use crate::store::StoreError;
pub use terms::{Holder, KeyLimits, Terms};

/// Every key begins with this.
pub const PREFIX: &str = "isk-";

/// Characters after [`PREFIX`] that stay visible as the key's id.
const ID_CHARACTERS: usize = 8;

/// Letters and digits: a key survives shells, URLs and double clicks.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 43 characters of 62 are a little over 256 bits.
const RANDOM_CHARACTERS: usize = 43;

/// How the text of a [`KeyHash`] begins.
const HASH_PREFIX: &str = "sha256:";

/// What is known of a key: all but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its visible head, such as `isk-3fA9b2Qx`.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds at which it was withdrawn.
    pub revoked_at: Option<i64>,
    /// On which terms it is given.
    pub terms: Terms,
}

/// What an operator says of a key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewKey {
    /// A name, not yet in use.
    pub name: String,
    /// On which terms it is given.
    pub terms: Terms,
}

/// What is kept of the key's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// A text that is not the hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's hash is `sha256:` and 64 hexadecimal digits, as `isthmus keys hash` prints it")]
pub struct NoHash;

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
    /// Whether this is its name or its id.
    pub fn is(&self, name_or_id: &str) -> bool {
        self.name == name_or_id || self.id == name_or_id
    }

    /// Whether it opens anything at this time (Unix seconds).
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.terms.expires_at.is_none_or(|end| now < end)
    }

    /// The key to be made in its place, if it opens anything at this time (Unix seconds).
    pub fn successor(&self, now: i64) -> Result<NewKey, StoreError> {
        // One that was rotated already goes by its former name, and has a successor.
        if !self.is_live(now) || self.name.ends_with(&self.former_mark()) {
            return Err(StoreError::NotLive(self.name.clone()));
        }
        Ok(NewKey { name: self.name.clone(), terms: self.terms.clone() })
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

    /// As it is written in a configuration: `sha256:` and 64 hexadecimal digits.
    pub fn to_text(&self) -> String {
        self.0.iter().fold(HASH_PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl FromStr for KeyHash {
    type Err = NoHash;
    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(NoHash)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoHash);
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            let digits = &digits[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NoHash)?;
        }
        Ok(Self(hash))
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
        self.terms.check()?;
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

    /// One that was made elsewhere, if it is as good as ours.
    pub fn elsewhere(text: &str) -> Option<Self> {
        let chance = text.strip_prefix(PREFIX)?;
        let plain = chance.len() == RANDOM_CHARACTERS
            && chance.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let id = text.get(..PREFIX.len() + ID_CHARACTERS).filter(|_| plain)?.to_owned();
        Some(Self { hash: KeyHash::of(text), secret: text.into(), id })
    }
}

/// Whether this can be the visible head of a key.
pub fn is_id(text: &str) -> bool {
    let rest = text.strip_prefix(PREFIX);
    rest.is_some_and(|rest| {
        rest.len() == ID_CHARACTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
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
            created_at: 0,
            revoked_at: None,
            terms: Terms::default(),
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
        let terms = Terms { expires_at: Some(100), ..Terms::default() };
        let expiring = Key { terms, ..key() };
        assert!(expiring.is_live(99) && !expiring.is_live(100));
        assert!(!Key { revoked_at: Some(1), ..key() }.is_live(0));
    }

    #[test]
    fn a_hash_can_be_written_and_read_again() {
        let minted = Minted::new().unwrap();
        assert_eq!(minted.hash.to_text().parse::<KeyHash>(), Ok(minted.hash));
        for wrong in ["", "sha256:", "sha256:00", &minted.hash.to_text().replace("sha256", "md5")] {
            assert_eq!(wrong.parse::<KeyHash>(), Err(NoHash), "{wrong}");
        }
    }

    #[test]
    fn a_key_from_elsewhere_is_as_good_as_ours_or_none() {
        let minted = Minted::new().unwrap();
        let same = Minted::elsewhere(minted.secret.expose()).unwrap();
        assert!(same.hash == minted.hash && same.id == minted.id && is_id(&same.id));
        for weak in ["isk-", "isk-password", "sk-live", &minted.secret.expose()[1..]] {
            assert!(Minted::elsewhere(weak).is_none(), "{weak}");
        }
    }
}
