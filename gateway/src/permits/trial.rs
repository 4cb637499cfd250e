//! Editions that are compared with the one in force: on trial, or in the shadow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use isthmus_policies::rollout::{Comparison, RolloutRules, Step, Tally};
use tokio::time::Instant;

use super::edition::Edition;

/// An edition that decides for some keys.
pub struct Trial {
    /// The edition.
    pub edition: Arc<Edition>,
    /// How it comes into force.
    pub rules: RolloutRules,
    since: Instant,
    counts: Counts,
}

/// An edition that decides for nobody.
pub struct Shadow {
    /// The edition.
    pub edition: Arc<Edition>,
    counts: Counts,
}

/// A [`Tally`] that many threads add to.
#[derive(Default)]
struct Counts {
    judged: AtomicU64,
    newly_denied: AtomicU64,
    newly_allowed: AtomicU64,
    changed: AtomicU64,
}

// === impl Trial ===

impl Trial {
    /// Begins now.
    pub fn new(edition: Arc<Edition>, rules: RolloutRules) -> Self {
        Self { edition, rules, since: Instant::now(), counts: Counts::default() }
    }

    /// The same trial over the facts of another day; what it has seen stays.
    #[must_use]
    pub fn over(&self, edition: Arc<Edition>) -> Self {
        let counts = Counts::of(&self.tally());
        Self { edition, rules: self.rules, since: self.since, counts }
    }

    /// Counts one request.
    pub fn count(&self, comparison: Comparison) {
        self.counts.count(comparison);
    }

    /// What it has seen.
    pub fn tally(&self) -> Tally {
        self.counts.tally()
    }

    /// What becomes of it now.
    pub fn step(&self) -> Step {
        self.rules.step(&self.tally(), self.since.elapsed())
    }
}

// === impl Shadow ===

impl Shadow {
    /// Begins now.
    pub fn new(edition: Arc<Edition>) -> Self {
        Self { edition, counts: Counts::default() }
    }

    /// The same comparison over the facts of another day; what it has seen stays.
    #[must_use]
    pub fn over(&self, edition: Arc<Edition>) -> Self {
        Self { edition, counts: Counts::of(&self.tally()) }
    }

    /// Counts one request.
    pub fn count(&self, comparison: Comparison) {
        self.counts.count(comparison);
    }

    /// What it has seen.
    pub fn tally(&self) -> Tally {
        self.counts.tally()
    }
}

// === impl Counts ===

impl Counts {
    fn of(tally: &Tally) -> Self {
        Self {
            judged: tally.judged.into(),
            newly_denied: tally.newly_denied.into(),
            newly_allowed: tally.newly_allowed.into(),
            changed: tally.changed.into(),
        }
    }

    fn count(&self, comparison: Comparison) {
        let mut one = Tally::default();
        one.count(comparison);
        self.judged.fetch_add(one.judged, Relaxed);
        self.newly_denied.fetch_add(one.newly_denied, Relaxed);
        self.newly_allowed.fetch_add(one.newly_allowed, Relaxed);
        self.changed.fetch_add(one.changed, Relaxed);
    }

    fn tally(&self) -> Tally {
        Tally {
            judged: self.judged.load(Relaxed),
            newly_denied: self.newly_denied.load(Relaxed),
            newly_allowed: self.newly_allowed.load(Relaxed),
            changed: self.changed.load(Relaxed),
        }
    }
}
