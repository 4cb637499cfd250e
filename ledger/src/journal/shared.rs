//! What those who hand entries over, the writer, and whoever posts know of each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::entry::{Chained, Head};

/// What all of them know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The last commit failed, and is tried again.
    pub(super) failing: AtomicBool,
    /// Entries that were handed over and that the writer has not taken.
    pub(super) waiting: AtomicU64,
    /// The number of the last entry on the disk,
    pub(super) written: AtomicU64,
    /// and of the last that the books have.
    pub(super) posted: AtomicU64,
    /// What was written last, so that whoever posts it need not read it again.
    recent: Mutex<Vec<Chained>>,
    /// Rings when that is much.
    pub(super) much: Notify,
    /// Where the writer sleeps.
    writer: OnceLock<Thread>,
}

/// When so many are waiting, the next commit is made without waiting for more: what it costs is shared
/// by enough of them.
const ENOUGH: u64 = 32;
/// Entries kept in memory for the books. Those beyond are read from the disk.
const MOST_RECENT: usize = 16_384;
/// So many are posted without waiting for more.
const MUCH: usize = 4096;

impl Shared {
    /// Counts an entry and hands it over; whoever makes it enough wakes the writer.
    pub(super) fn hand_over(&self, send: impl FnOnce() -> bool) {
        // Counted first: the writer may have it before this goes on.
        let waiting = self.waiting.fetch_add(1, Relaxed) + 1;
        if !send() {
            self.waiting.fetch_sub(1, Relaxed);
        } else if waiting == ENOUGH
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// This thread is the writer.
    pub(super) fn writes_here(&self) {
        // There is only one; a second would be another journal's.
        let _ = self.writer.set(std::thread::current());
    }

    /// Lets entries gather, until time is up or there are enough. Whoever was woken for an earlier
    /// commit finds too few, and waits on.
    pub(super) fn gather(&self, time: Duration) {
        let until = Instant::now() + time;
        while self.waiting.load(Relaxed) < ENOUGH {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
    }

    /// Keeps links for whoever posts them, if there is room; they are on the disk in any case.
    pub(super) fn remember(&self, links: &mut Vec<Chained>) {
        let mut recent = self.recent();
        if recent.len() + links.len() > MOST_RECENT {
            recent.clear();
            links.clear();
        }
        recent.append(links);
        if recent.len() >= MUCH {
            self.much.notify_one();
        }
    }

    /// The links right behind this one, as far as they are in memory.
    pub(super) fn behind(&self, head: Head) -> Option<Vec<Chained>> {
        let mut recent = self.recent();
        let first = recent.first()?.sequence;
        if first > head.sequence + 1 {
            return None;
        }
        let mut links = std::mem::take(&mut *recent);
        links.retain(|link| link.sequence > head.sequence);
        Some(links)
    }

    fn recent(&self) -> MutexGuard<'_, Vec<Chained>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn enough_entries_end_the_wait_for_more() {
        let shared = Arc::new(Shared::default());
        let (sender, ready) = std::sync::mpsc::channel();
        let writer = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.writes_here();
                sender.send(()).unwrap();
                shared.gather(Duration::from_secs(3600));
            }
        });
        ready.recv().unwrap();
        (1..ENOUGH).for_each(|_| shared.hand_over(|| true));
        shared.hand_over(|| false);
        assert!(!writer.is_finished(), "one was not handed over");
        shared.hand_over(|| true);
        writer.join().unwrap();
    }

    #[test]
    fn time_ends_it_too() {
        Shared::default().gather(Duration::from_millis(1));
    }
}
