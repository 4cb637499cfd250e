//! Entries of one process, numbered without a gap and chained by hashes: an entry that is changed,
//! taken out or put in breaks the chain behind it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Entry;

/// The journal that an entry was written in. A process has one; where several write at the same time,
/// each has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chained {
    /// Whose chain.
    pub node: NodeId,
    /// Counts from 1, without a gap.
    pub sequence: u64,
    /// The entry as JSON, exactly as it was hashed.
    pub body: String,
    /// SHA-256 of the hash before, the number and the body.
    pub hash: Hash,
}

/// Makes links.
#[derive(Debug, Clone)]
pub struct Chain {
    node: NodeId,
    head: Head,
}

// === impl NodeId ===

impl NodeId {
    /// The journal of this name.
    pub fn new(name: impl Into<String>) -> Self {
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

    /// The link behind this one.
    fn link(&self, sequence: u64, body: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(sequence.to_be_bytes());
        hasher.update(body.as_bytes());
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl Head ===

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { sequence: 0, hash: Hash([0; 32]) };

    /// Whether `next` is the link behind this one.
    pub fn continues(&self, next: &Chained) -> bool {
        next.sequence == self.sequence + 1 && next.hash == self.hash.link(next.sequence, &next.body)
    }
}

// === impl Chained ===

impl Chained {
    /// The entry.
    pub fn entry(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_str(&self.body)
    }

    /// Where its chain goes on.
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }
}

// === impl Chain ===

impl Chain {
    /// Goes on behind what was written before.
    pub fn behind(node: NodeId, head: Head) -> Self {
        Self { node, head }
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next link.
    pub fn link(&mut self, entry: &Entry) -> Chained {
        // Numbers, words and texts: it can always be written.
        let body = serde_json::to_string(entry).unwrap_or_default();
        let sequence = self.head.sequence + 1;
        let hash = self.head.hash.link(sequence, &body);
        self.head = Head { sequence, hash };
        Chained { node: self.node.clone(), sequence, body, hash }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::Money;
    use isthmus_inference::usage::Usage;

    use super::super::{About, ExchangeId, Hold};
    use super::*;

    fn hold(amount: i128) -> Entry {
        Entry::Hold(Box::new(Hold {
            exchange: ExchangeId::new(1, 2),
            at: 1,
            request_id: "r".into(),
            about: About::default(),
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
        let links: Vec<_> = (0..3).map(|amount| chain.link(&hold(amount))).collect();
        assert!(Head::START.continues(&links[0]) && links[0].head().continues(&links[1]));
        assert!(!links[0].head().continues(&links[2]), "one is missing");
        let mut changed = links[1].clone();
        changed.body = links[2].body.clone();
        assert!(!links[0].head().continues(&changed));
        assert_eq!(chain.head(), links[2].head());
        assert_eq!(links[2].entry().unwrap(), hold(2));
    }
}
