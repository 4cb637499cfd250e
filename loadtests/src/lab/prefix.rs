//! An endpoint's prompt cache: which blocks it has read of late.

use std::collections::HashMap;

use super::trace::{Arrival, BLOCK};

/// The blocks that it has read.
#[derive(Debug)]
pub struct PrefixCache {
    lifetime: u64,
    kept: HashMap<u64, Kept>,
}

/// When a block can be used.
#[derive(Debug, Clone, Copy)]
struct Kept {
    from: u64,
    until: u64,
}

// === impl PrefixCache ===

impl PrefixCache {
    /// Keeps a block so long after its last use, in nanoseconds; 0 is no cache.
    pub fn new(lifetime: u64) -> Self {
        Self { lifetime, kept: HashMap::new() }
    }

    /// How many of the prompt's first tokens are in it.
    pub fn tokens(&self, arrival: &Arrival, now: u64) -> u64 {
        let usable = |kept: &Kept| kept.from <= now && now < kept.until;
        let known =
            arrival.blocks.iter().take_while(|block| self.kept.get(block).is_some_and(usable));
        (known.count() as u64 * BLOCK).min(arrival.input)
    }

    /// Puts the prompt's blocks in, from this time on.
    pub fn keep(&mut self, arrival: &Arrival, now: u64) {
        if self.lifetime == 0 {
            return;
        }
        let until = now + self.lifetime;
        for block in &arrival.blocks {
            let kept = self.kept.entry(*block).or_insert(Kept { from: now, until });
            if kept.until < now {
                *kept = Kept { from: now, until };
            }
            kept.from = kept.from.min(now);
            kept.until = kept.until.max(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(blocks: &[u64]) -> Arrival {
        let input = blocks.len() as u64 * BLOCK - 100;
        Arrival { input, blocks: blocks.to_vec(), ..Arrival::default() }
    }

    #[test]
    fn what_two_prompts_begin_with_is_read_once() {
        let mut cache = PrefixCache::new(100);
        cache.keep(&asking(&[1, 2, 3]), 10);
        assert_eq!(cache.tokens(&asking(&[1, 2, 9]), 20), 2 * BLOCK);
        assert_eq!(cache.tokens(&asking(&[9, 2, 3]), 20), 0, "only a beginning counts");
        assert_eq!(cache.tokens(&asking(&[1, 2, 3]), 20), 3 * BLOCK - 100);
        assert_eq!(cache.tokens(&asking(&[1]), 5), 0, "not before it was read");
    }

    #[test]
    fn a_block_lives_from_its_last_use() {
        let mut cache = PrefixCache::new(100);
        cache.keep(&asking(&[1]), 10);
        cache.keep(&asking(&[1]), 90);
        assert!(cache.tokens(&asking(&[1]), 180) > 0);
        assert_eq!(cache.tokens(&asking(&[1]), 190), 0);
        cache.keep(&asking(&[1]), 500);
        assert_eq!(cache.tokens(&asking(&[1]), 499), 0);
        assert_eq!(PrefixCache::new(0).tokens(&asking(&[1]), 0), 0);
    }
}
