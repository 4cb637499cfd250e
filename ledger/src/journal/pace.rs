//! How often the journal is committed. A commit costs the same for one entry as for many, so where many
//! come, each waits a little for the others; where few come, nobody waits.

use std::time::{Duration, Instant};

/// Watches how many entries come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    committed: Option<Instant>,
    /// Since when is counted,
    since: Option<Instant>,
    /// what has come since,
    entries: u32,
    /// and whether it was many last time.
    is_busy: bool,
}

/// From one commit to the next, where many entries come.
const APART: Duration = Duration::from_millis(8);
/// Over which time is counted.
const SPAN: Duration = Duration::from_millis(100);
/// So many entries in that time are many: at two for an exchange, 500 exchanges a second.
const MANY: u32 = 100;

impl Pace {
    /// How long to wait for more before the next commit.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let next = self.committed.filter(|_| self.is_busy)? + APART;
        Some(next.saturating_duration_since(now)).filter(|pause| !pause.is_zero())
    }

    /// So many entries are committed now.
    pub(super) fn commit(&mut self, now: Instant, entries: usize) {
        self.committed = Some(now);
        let since = *self.since.get_or_insert(now);
        self.entries = self.entries.saturating_add(u32::try_from(entries).unwrap_or(u32::MAX));
        let counted = now.saturating_duration_since(since);
        if counted >= SPAN {
            // By the rate, since it may have been quiet for long.
            self.is_busy = f64::from(self.entries) * SPAN.as_secs_f64()
                >= f64::from(MANY) * counted.as_secs_f64();
            (self.since, self.entries) = (Some(now), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits so many entries every so many milliseconds for a second; the last pause.
    fn paused(pace: &mut Pace, start: Instant, every: u64, entries: usize) -> Option<Duration> {
        let mut pause = None;
        for at in (0..1000).step_by(usize::try_from(every).unwrap()) {
            let now = start + Duration::from_millis(at);
            pause = pace.pause(now);
            pace.commit(now, entries);
        }
        pause
    }

    #[test]
    fn who_is_alone_does_not_wait_and_many_wait_for_each_other() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(paused(&mut pace, start, 10, 2), None, "100 exchanges a second");
        let later = start + Duration::from_secs(1);
        assert_eq!(paused(&mut pace, later, 1, 4), Some(Duration::from_millis(7)));
        let quiet = start + Duration::from_secs(60);
        pace.commit(quiet, 1);
        assert_eq!(pace.pause(quiet), None, "a minute has passed");
    }
}
