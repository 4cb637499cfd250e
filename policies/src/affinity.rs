//! Which endpoints probably hold the beginning of a prompt in their cache.
//!
//! Providers cache prompts by prefix, for about five minutes, for each account and place. Whoever
//! answered the beginning of a conversation can go on more cheaply and sooner. The text is hashed at
//! a few fixed lengths; the longest one that was seen lately says who, and how much of it.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Hashes of the beginnings of one prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefixes {
    hashes: [u64; LENGTHS.len()],
    count: usize,
    bytes: usize,
}

/// Which endpoints saw which prompts lately.
#[derive(Debug)]
pub struct PrefixMap {
    seen: HashMap<u64, [Option<(u32, Moment)>; HOLDERS]>,
    most: usize,
}

/// Endpoints that probably hold a part of a prompt in their cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Warm {
    holders: [Option<(u32, f32)>; HOLDERS],
}

/// A prompt as one endpoint sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prompt {
    /// All of its tokens.
    pub tokens: u64,
    /// The share of it that the endpoint has read lately, `0.0..=1.0`.
    pub read: f32,
}

/// At how many bytes prompts are hashed: providers cache from about 1024 tokens on.
const LENGTHS: [usize; 7] = [4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144];

/// So many endpoints are remembered for each prefix.
const HOLDERS: usize = 4;

/// How long providers keep a prefix that nobody uses.
const KEPT: Duration = Duration::from_mins(5);

// === impl Prefixes ===

impl Prefixes {
    /// Those of this text. `salt` keeps apart what must not meet, such as tenants.
    pub fn of(salt: u64, text: &[u8]) -> Self {
        let mut prefixes = Self { bytes: text.len(), ..Self::default() };
        let mut state = mix(salt ^ SEED);
        let mut from = 0;
        for to in LENGTHS.iter().take_while(|to| **to <= text.len()) {
            state = hash(state, &text[from..*to]);
            prefixes.hashes[prefixes.count] = state;
            prefixes.count += 1;
            from = *to;
        }
        prefixes
    }

    /// The longest first, each with the share of the text that it is.
    fn longest_first(&self) -> impl Iterator<Item = (u64, f32)> {
        (0..self.count).rev().map(|at| (self.hashes[at], LENGTHS[at] as f32 / self.bytes as f32))
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Eight bytes at a time; lengths are whole multiples. Not for secrets: a collision costs a guess.
fn hash(mut state: u64, text: &[u8]) -> u64 {
    for chunk in text.as_chunks::<8>().0 {
        state = (state ^ u64::from_le_bytes(*chunk)).wrapping_mul(SEED).rotate_left(29);
    }
    mix(state)
}

const fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

// === impl PrefixMap ===

impl PrefixMap {
    /// Room for so many prefixes, at least a few.
    pub fn new(most: usize) -> Self {
        Self { seen: HashMap::new(), most: most.max(LENGTHS.len() * 2) }
    }

    /// Who probably holds how much of a prompt.
    pub fn warm(&self, now: Moment, prefixes: &Prefixes) -> Warm {
        let mut warm = Warm::default();
        for (hash, share) in prefixes.longest_first() {
            let Some(holders) = self.seen.get(&hash) else { continue };
            for (number, seen_at) in holders.iter().flatten() {
                if now.since(*seen_at) < KEPT {
                    warm.add(*number, share);
                }
            }
        }
        warm
    }

    /// An endpoint has computed this prompt.
    pub fn saw(&mut self, now: Moment, prefixes: &Prefixes, number: usize) {
        let Ok(number) = u32::try_from(number) else { return };
        if self.seen.len() + prefixes.count > self.most {
            self.forget(now);
        }
        for (hash, _) in prefixes.longest_first() {
            let holders = self.seen.entry(hash).or_default();
            let same = |slot: &&mut Option<(u32, Moment)>| slot.is_some_and(|(it, _)| it == number);
            let oldest = |slot: &&mut Option<(u32, Moment)>| slot.map(|(_, seen_at)| seen_at);
            let place = match holders.iter_mut().find(same) {
                Some(place) => Some(place),
                None => holders.iter_mut().min_by_key(oldest),
            };
            if let Some(place) = place {
                *place = Some((number, now));
            }
        }
    }

    /// Forgets what no provider keeps any more, and if that is not enough, everything: a rare
    /// moment in which prompts are sent to where they are not known.
    fn forget(&mut self, now: Moment) {
        self.seen.retain(|_, holders| {
            holders.iter().flatten().any(|(_, seen_at)| now.since(*seen_at) < KEPT)
        });
        if self.seen.len() > self.most / 2 {
            self.seen.clear();
        }
    }
}

// === impl Warm ===

impl Warm {
    /// The share of the prompt that an endpoint has read lately, `0.0..=1.0`.
    pub fn read(&self, number: usize) -> f32 {
        let share = self.holders.iter().flatten().find(|(it, _)| *it as usize == number);
        share.map_or(0.0, |(_, share)| *share)
    }

    /// An endpoint that holds this share of a prompt. A longer share stays.
    fn add(&mut self, number: u32, share: f32) {
        if self.holders.iter().flatten().all(|(it, _)| *it != number)
            && let Some(place) = self.holders.iter_mut().find(|place| place.is_none())
        {
            *place = Some((number, share));
        }
    }
}

// === impl Prompt ===

impl Prompt {
    /// One that is new to the endpoint.
    pub const fn new(tokens: u64) -> Self {
        Self { tokens, read: 0.0 }
    }

    /// How many of its tokens are in the cache of an endpoint that keeps this share of what it reads.
    pub fn cached(&self, kept: f64) -> u64 {
        if self.read > 0.0 { ((self.known() * kept) as u64).min(self.tokens) } else { 0 }
    }

    /// How many tokens the endpoint has read lately.
    pub(crate) fn known(&self) -> f64 {
        self.tokens as f64 * f64::from(self.read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn text(length: usize, last: u8) -> Vec<u8> {
        let mut text = vec![b'a'; length];
        text[length - 1] = last;
        text
    }

    #[test]
    fn whoever_saw_the_beginning_is_warm_until_providers_forget() {
        let mut map = PrefixMap::new(1000);
        map.saw(at(0), &Prefixes::of(0, &text(20_000, b'x')), 7);
        let longer = Prefixes::of(0, &text(32_768, b'y'));
        let warm = map.warm(at(299), &longer);
        // Both have their first 16384 bytes in common, half of the longer one.
        assert_eq!((warm.read(7), warm.read(8)), (0.5, 0.0));
        assert_eq!(map.warm(at(300), &longer), Warm::default());
    }

    #[test]
    fn salts_keep_texts_apart_and_short_ones_have_no_prefix() {
        let mut map = PrefixMap::new(1000);
        map.saw(at(0), &Prefixes::of(1, &text(8192, b'x')), 7);
        assert_eq!(map.warm(at(1), &Prefixes::of(2, &text(8192, b'x'))), Warm::default());
        assert_eq!(Prefixes::of(0, b"short").count, 0);
        let other_end = map.warm(at(1), &Prefixes::of(1, &text(8192, b'z')));
        assert_eq!(other_end.read(7), 0.5, "half of it is the same");
    }

    #[test]
    fn as_much_is_cached_as_an_endpoint_keeps_of_what_it_read() {
        let prompt = Prompt { tokens: 1000, read: 0.5 };
        assert_eq!([0.0, 0.8, 1.0].map(|kept| prompt.cached(kept)), [0, 400, 500]);
        assert_eq!(Prompt::new(1000).cached(1.0), 0);
    }

    #[test]
    fn the_latest_holders_are_remembered() {
        let mut map = PrefixMap::new(1000);
        let prefixes = Prefixes::of(0, &text(4096, b'x'));
        for number in 0..6 {
            map.saw(at(number), &prefixes, number as usize);
        }
        let warm = map.warm(at(10), &prefixes);
        let known: Vec<bool> = (0..6).map(|number| warm.read(number) > 0.0).collect();
        assert_eq!(known, [false, false, true, true, true, true]);
    }

    proptest! {
        #[test]
        fn memory_is_bounded(texts in proptest::collection::vec((4096usize..40_000, any::<u8>()), 1..100)) {
            let mut map = PrefixMap::new(20);
            for (second, (length, first)) in texts.iter().enumerate() {
                let mut text = vec![*first; *length];
                text[0] = (second % 256) as u8;
                map.saw(at(second as u64), &Prefixes::of(0, &text), 1);
                prop_assert!(map.seen.len() <= 20);
            }
        }
    }
}
