//! Entries of one process, numbered without a gap and chained by hashes: an entry that is changed,
//! taken out or put in breaks the chain behind it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Entry;
use super::body::{Body, Draft};

/// The journal that an entry was written in. A process has one; where several write at the same time,
/// each has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry; 0 where there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// An entry in its place in a chain.
#[derive(Debug, Clone)]
pub struct Chained {
    /// Whose chain.
    pub node: NodeId,
    /// Counts from 1, without a gap.
    pub sequence: u64,
    /// The entry as JSON, exactly as it was hashed.
    pub body: Body,
    /// SHA-256 of the hash before, the number and the body.
    pub hash: Hash,
    /// The entry itself, where it need not be read from the body,
    entry: Option<Arc<Entry>>,
    /// and the hash before, where this process made the link.
    behind: Option<Hash>,
}

/// Makes links.
#[derive(Debug, Clone)]
pub struct Chain {
    node: NodeId,
    head: Head,
    draft: Draft,
}

// === impl NodeId ===

impl NodeId {
    /// The journal of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Hash ===

impl Hash {
    /// A hash of these bytes, computed before.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits.
    pub(crate) fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).expect("two digits for each byte");
        digits
    }

    /// The link behind this one.
    pub(crate) fn link(&self, sequence: u64, body: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(sequence.to_be_bytes());
        hasher.update(body);
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl FromStr for Hash {
    type Err = std::num::ParseIntError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        // Of another length it is no number of two digits at some place.
        let padded = if text.len() == 64 && text.is_ascii() { text } else { "" };
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(padded.get(2 * place..2 * place + 2).unwrap_or(""), 16)?;
        }
        Ok(Self(bytes))
    }
}

// === impl Head ===

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { sequence: 0, hash: Hash([0; 32]) };

    /// Whether `next` is the link behind this one.
    pub fn continues(&self, next: &Chained) -> bool {
        let follows = || next.hash == self.hash.link(next.sequence, next.body.as_bytes());
        // One that this process made itself follows on the one that it says.
        let made = || next.behind == Some(self.hash);
        next.sequence == self.sequence + 1 && (made() || follows())
    }
}

// === impl Chained ===

impl Chained {
    /// A link as it was kept.
    pub fn new(node: NodeId, sequence: u64, body: String, hash: Hash) -> Self {
        Self { node, sequence, body: body.into(), hash, entry: None, behind: None }
    }

    /// The entry.
    pub fn entry(&self) -> Result<Cow<'_, Entry>, serde_json::Error> {
        match &self.entry {
            Some(entry) => Ok(Cow::Borrowed(entry)),
            None => serde_json::from_slice(self.body.as_bytes()).map(Cow::Owned),
        }
    }

    /// Where its chain goes on.
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }
}

impl PartialEq for Chained {
    fn eq(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.sequence, it.hash);
        of(self) == of(other) && self.node == other.node && self.body == other.body
    }
}

impl Eq for Chained {}

// === impl Chain ===

impl Chain {
    /// Goes on behind what was written before.
    pub fn behind(node: NodeId, head: Head) -> Self {
        Self { node, head, draft: Draft::default() }
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next link.
    pub fn link(&mut self, entry: Entry) -> Chained {
        let body = self.draft.write(&entry);
        let (sequence, behind) = (self.head.sequence + 1, Some(self.head.hash));
        let hash = self.head.hash.link(sequence, body.as_bytes());
        self.head = Head { sequence, hash };
        let entry = Some(Arc::new(entry));
        Chained { node: self.node.clone(), sequence, body, hash, entry, behind }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::Money;
    use isthmus_inference::usage::Usage;

    use super::super::{ExchangeId, Hold};
    use super::*;

    fn hold(amount: i128) -> Entry {
        Entry::Hold(Box::new(Hold {
            exchange: ExchangeId::new(1, 2),
            at: 1,
            request_id: "r".into(),
            about: Arc::default(),
            amount: Money::from_pico_dollars(amount),
            expected: Usage::default(),
            endpoint: "e".into(),
            provider: "p".into(),
            upstream_model: "m".into(),
            price: None,
        }))
    }

    #[test]
    fn what_is_changed_left_out_or_moved_breaks_the_chain() {
        let mut chain = Chain::behind(NodeId::new("n"), Head::START);
        let links: Vec<_> = (0..3).map(|amount| chain.link(hold(amount))).collect();
        assert!(Head::START.continues(&links[0]) && links[0].head().continues(&links[1]));
        assert!(!links[0].head().continues(&links[2]), "one is missing");
        let mut changed = links[1].clone();
        changed.body = links[2].body.clone();
        let Chained { node, sequence, body, hash, .. } = changed;
        let changed = Chained::new(node, sequence, body.as_str().to_owned(), hash);
        assert!(!links[0].head().continues(&changed));
        assert_eq!(chain.head(), links[2].head());
        assert_eq!(links[2].entry().unwrap().into_owned(), hold(2));
        let read =
            Chained::new(NodeId::new("n"), 3, links[2].body.as_str().to_owned(), links[2].hash);
        assert_eq!((&read, read.entry().unwrap().into_owned()), (&links[2], hold(2)));
        assert_eq!(format!("{:?}", read.hash).parse(), Ok(read.hash));
    }
}
