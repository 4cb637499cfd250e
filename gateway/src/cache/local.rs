//! Answers in this process: bounded by their bytes, each for its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use super::key::Key;
use super::remembered::Remembered;

/// Answers in this process.
pub(super) struct Local {
    answers: Cache<Key, Timed>,
}

/// An answer, and for how long it is kept.
#[derive(Clone)]
struct Timed {
    answer: Arc<Remembered>,
    ttl: Duration,
}

struct ItsOwn;

/// What an entry takes beside its answer's bytes, roughly.
const OVERHEAD: usize = 512;

impl Local {
    /// Room for so many bytes.
    pub(super) fn new(most: u64) -> Self {
        let weigh = |_: &Key, timed: &Timed| {
            u32::try_from(timed.answer.size() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let answers = Cache::builder().max_capacity(most).weigher(weigh).expire_after(ItsOwn);
        Self { answers: answers.build() }
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Remembered>> {
        self.answers.get(key).map(|timed| timed.answer)
    }

    pub(super) fn keep(&self, key: Key, answer: Arc<Remembered>, ttl: Duration) {
        self.answers.insert(key, Timed { answer, ttl });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.weighted_size()
    }
}

impl Expiry<Key, Timed> for ItsOwn {
    fn expire_after_create(&self, _: &Key, timed: &Timed, _: Instant) -> Option<Duration> {
        Some(timed.ttl)
    }

    // An answer that takes another's place lives as long as a new one.
    fn expire_after_update(
        &self,
        _: &Key,
        timed: &Timed,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(timed.ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    #[test]
    fn all_answers_together_are_bounded() {
        let (local, hour) = (Local::new(10 << 10), Duration::from_hours(1));
        let answer = Arc::new(Remembered::sample(&[0; 1 << 10]));
        for number in 0..100 {
            local.keep(key(number), Arc::clone(&answer), hour);
        }
        assert!(local.bytes() <= 10 << 10, "{}", local.bytes());
        assert!((0..100).any(|number| local.find(&key(number)).is_some()));
    }

    #[test]
    fn each_is_kept_for_its_own_time() {
        let local = Local::new(1 << 20);
        let answer = Arc::new(Remembered::sample(b"{}"));
        local.keep(key(1), Arc::clone(&answer), Duration::ZERO);
        local.keep(key(2), Arc::clone(&answer), Duration::from_hours(1));
        assert_eq!([1, 2].map(|number| local.find(&key(number)).is_some()), [false, true]);
        local.keep(key(1), answer, Duration::from_hours(1));
        assert!(local.find(&key(1)).is_some(), "the newer one counts");
    }
}
