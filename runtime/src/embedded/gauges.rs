//! How busy the engine is, written by its thread and read by anyone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::LoadState;

/// Counters and gauges of one engine.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) slots_busy: AtomicU64,
    pub(crate) tokens_generated: AtomicU64,
    pub(crate) prompt_tokens_computed: AtomicU64,
    pub(crate) prompt_tokens_reused: AtomicU64,
    /// Recent time between two requests that end while the engine is busy, in microseconds.
    pace: AtomicU64,
}

/// Measures the pace at which requests end.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last_end: Option<Instant>,
}

// === impl Gauges ===

impl Gauges {
    pub(crate) fn load_state(&self, queued: usize) -> LoadState {
        LoadState {
            slots_busy: self.slots_busy.load(Relaxed),
            queued: queued as u64,
            tokens_generated: self.tokens_generated.load(Relaxed),
            prompt_tokens_computed: self.prompt_tokens_computed.load(Relaxed),
            prompt_tokens_reused: self.prompt_tokens_reused.load(Relaxed),
        }
    }

    /// When a place is likely to be free again for one more than this many, at the recent pace.
    pub(crate) fn wait_behind(&self, queued: usize) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(1);
        const LONGEST: Duration = Duration::from_secs(60);
        let pace = Duration::from_micros(self.pace.load(Relaxed));
        // Half of the queue: those who come back should find room, not an idle engine.
        pace.saturating_mul(queued as u32 / 2 + 1).clamp(SHORTEST, LONGEST)
    }
}

// === impl Pace ===

impl Pace {
    /// A request ended.
    pub(crate) fn ended(&mut self, gauges: &Gauges, now: Instant) {
        if let Some(last) = self.last_end.replace(now) {
            let seen = now.duration_since(last).as_micros() as u64;
            let pace = match gauges.pace.load(Relaxed) {
                0 => seen,
                // Each end counts for an eighth, so that about the last ten matter.
                pace => pace - pace / 8 + seen / 8,
            };
            gauges.pace.store(pace, Relaxed);
        }
    }

    /// Nothing is in the making: the time until the next end says nothing about the pace.
    pub(crate) fn idle(&mut self) {
        self.last_end = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_the_pace_and_the_queue() {
        let (gauges, mut pace) = (Gauges::default(), Pace::default());
        assert_eq!(gauges.wait_behind(100), Duration::from_secs(1));
        let start = Instant::now();
        (0..20).for_each(|end| pace.ended(&gauges, start + Duration::from_millis(500) * end));
        assert_eq!(gauges.wait_behind(20).as_millis(), 5500);
        assert_eq!(gauges.wait_behind(10_000), Duration::from_secs(60));
    }

    #[test]
    fn idle_time_is_no_pace() {
        let (gauges, mut pace) = (Gauges::default(), Pace::default());
        let start = Instant::now();
        pace.ended(&gauges, start);
        pace.idle();
        pace.ended(&gauges, start + Duration::from_secs(3600));
        assert_eq!(gauges.wait_behind(0), Duration::from_secs(1));
    }
}
