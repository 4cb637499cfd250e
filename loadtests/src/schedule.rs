//! When requests are meant to start, and which of them count.
//!
//! A run is a warm-up, then a window. Latency is measured from the *intended* start: an open loop
//! that falls behind shows it, instead of quietly sending less (coordinated omission).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// tokio's timers fire on whole milliseconds; the last stretch before a start is spent polling.
const POLLED_STRETCH: Duration = Duration::from_millis(2);

/// What decides when the next request starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each connection sends as soon as its last answer is complete.
    Closed,
    /// Requests start at a fixed rate, whatever became of the earlier ones.
    Open {
        /// Starts per second.
        per_second: f64,
    },
}

/// The starts of one run, shared by its connections.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    begins: Instant,
    opens: Instant,
    closes: Instant,
    taken: AtomicU64,
}

// === impl Schedule ===

impl Schedule {
    /// A run that begins at `begins`, warms up, and then counts for `measured`.
    pub fn new(pace: Pace, begins: Instant, warm_up: Duration, measured: Duration) -> Self {
        let opens = begins + warm_up;
        Self { pace, begins, opens, closes: opens + measured, taken: AtomicU64::new(0) }
    }

    /// The window's first instant.
    pub fn opens(&self) -> Instant {
        self.opens
    }

    /// The first instant after the window.
    pub fn closes(&self) -> Instant {
        self.closes
    }

    /// Whether what happens at this instant counts.
    pub fn counts(&self, instant: Instant) -> bool {
        self.opens <= instant && instant < self.closes
    }

    /// When the connection of this index joins. A closed loop's connections join one by one over
    /// the first half of the warm-up, so that their streams do not march in step.
    pub fn joins(&self, index: usize, connections: usize) -> Instant {
        match self.pace {
            Pace::Closed => {
                let share = index as f64 / connections.max(1) as f64;
                self.begins + (self.opens - self.begins).mul_f64(share / 2.0)
            }
            Pace::Open { .. } => self.begins,
        }
    }

    /// Takes the next intended start; none once the window has closed.
    pub fn take(&self, now: Instant) -> Option<Instant> {
        let start = match self.pace {
            Pace::Closed => now,
            Pace::Open { per_second } => {
                let index = self.taken.fetch_add(1, Ordering::Relaxed);
                self.begins + Duration::from_secs_f64(index as f64 / per_second)
            }
        };
        (start < self.closes).then_some(start)
    }
}

/// Waits for an instant more exactly than a timer can.
pub async fn wait_until(instant: Instant) {
    if let Some(early) = instant.checked_sub(POLLED_STRETCH) {
        tokio::time::sleep_until(early).await;
    }
    while Instant::now() < instant {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_open_loop_starts_at_its_rate_and_ends_with_the_window() {
        let begins = Instant::now();
        let pace = Pace::Open { per_second: 4.0 };
        let schedule = Schedule::new(pace, begins, SECOND, 2 * SECOND);
        // However late the caller asks, the intended starts stay where they are.
        let late = begins + 10 * SECOND;
        let starts: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(starts.len(), 12);
        for (index, start) in starts.iter().enumerate() {
            assert_eq!(*start - begins, Duration::from_millis(250) * index as u32);
        }
        assert_eq!(starts.iter().filter(|start| schedule.counts(**start)).count(), 8);
    }

    #[test]
    fn a_closed_loop_starts_now_until_the_window_closes() {
        let begins = Instant::now();
        let schedule = Schedule::new(Pace::Closed, begins, SECOND, SECOND);
        assert_eq!(schedule.take(begins + SECOND), Some(begins + SECOND));
        assert_eq!(schedule.take(begins + 2 * SECOND), None);
    }

    #[test]
    fn connections_join_within_the_first_half_of_the_warm_up() {
        let begins = Instant::now();
        let schedule = Schedule::new(Pace::Closed, begins, SECOND, SECOND);
        assert_eq!(schedule.joins(0, 4), begins);
        assert_eq!(schedule.joins(2, 4), begins + SECOND / 4);
        assert!(schedule.joins(3, 4) < begins + SECOND / 2);
    }

    #[tokio::test]
    async fn a_start_is_never_early() {
        let instant = Instant::now() + Duration::from_micros(3500);
        wait_until(instant).await;
        assert!(Instant::now() >= instant);
    }
}
