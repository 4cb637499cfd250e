//! Of requests that are the same at the same time, one asks and the others wait for it.
//!
//! A **flight** is one key that is being asked for. Whoever has its turn asks; the others wait. If the
//! turn ends with an answer, all of them have it. If it ends without (a failure, a caller who left), one
//! of those who wait takes the next turn, so that neither a herd goes out nor one caller's failure
//! becomes another's. If it turns out that the answer will not be kept, nobody gains by waiting, and
//! all go on by themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::key::Key;
use super::remembered::Remembered;

/// All keys that are being asked for.
#[derive(Default)]
pub struct Flights {
    open: Mutex<HashMap<Key, Arc<Flight>>>,
}

struct Flight {
    /// One permit: the turn. Closed when nobody needs to wait any more.
    turn: Arc<Semaphore>,
    answer: OnceLock<Arc<Remembered>>,
}

/// What came of waiting.
pub enum Came {
    /// Nobody asks, so whoever has this does.
    Turn(Turn),
    /// Somebody was answered.
    Answer(Arc<Remembered>),
    /// There is nothing to wait for, or it takes too long.
    Alone,
}

/// The turn to ask. Dropped without an answer, it is the next one's.
pub struct Turn {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: Key,
    _permit: OwnedSemaphorePermit,
}

// === impl Flights ===

impl Flights {
    /// Waits for one's turn, or for somebody's answer, until `patience` is over.
    pub async fn board(self: &Arc<Self>, key: Key, patience: Instant) -> Came {
        let waiting = Waiting { flights: self, flight: Some(self.flight(key)), key };
        let Some(flight) = waiting.flight.clone() else { return Came::Alone };
        let turn = Arc::clone(&flight.turn).acquire_owned();
        match tokio::time::timeout_at(patience, turn).await {
            Ok(Ok(permit)) => {
                Came::Turn(Turn { flights: Arc::clone(self), flight, key, _permit: permit })
            }
            Ok(Err(AcquireError { .. })) => match flight.answer.get() {
                Some(answer) => Came::Answer(Arc::clone(answer)),
                None => Came::Alone,
            },
            Err(_) => Came::Alone,
        }
    }

    fn flight(&self, key: Key) -> Arc<Flight> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let new =
            || Arc::new(Flight { turn: Arc::new(Semaphore::new(1)), answer: OnceLock::new() });
        Arc::clone(open.entry(key).or_insert_with(new))
    }

    /// How many keys are being asked for.
    pub fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is being asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets a flight: at once, or where nobody else is on it. `held` is how often whoever asks holds it.
    fn forget(&self, key: &Key, flight: &Arc<Flight>, held: usize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = open.get(key).is_some_and(|it| Arc::ptr_eq(it, flight));
        // One more is in the map. Nobody can get hold of it meanwhile: the map is locked.
        if is_it && Arc::strong_count(flight) <= held + 1 {
            open.remove(key);
        }
    }
}

// === impl Turn ===

impl Turn {
    /// All who wait have this answer.
    pub fn answered(self, answer: Arc<Remembered>) {
        let _first = self.flight.answer.set(answer);
        self.end();
    }

    /// The answer will not be kept: all who wait go on by themselves.
    pub fn in_vain(self) {
        self.end();
    }

    fn end(&self) {
        // Whoever comes from now on finds the answer in memory, or a flight of its own.
        self.flights.forget(&self.key, &self.flight, usize::MAX - 1);
        self.flight.turn.close();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.flights.forget(&self.key, &self.flight, 1);
    }
}

/// Somebody who waits, and may leave.
struct Waiting<'f> {
    flights: &'f Flights,
    flight: Option<Arc<Flight>>,
    key: Key,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.flights.forget(&self.key, &flight, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEY: Key = Key([7; 32]);

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    async fn turn(flights: &Arc<Flights>) -> Turn {
        match flights.board(KEY, soon()).await {
            Came::Turn(turn) => turn,
            Came::Answer(_) | Came::Alone => panic!("it was nobody's turn"),
        }
    }

    fn waiting(flights: &Arc<Flights>) -> tokio::task::JoinHandle<Came> {
        let flights = Arc::clone(flights);
        tokio::spawn(async move { flights.board(KEY, soon()).await })
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_have_the_answer() {
        let flights = Arc::default();
        let first = turn(&flights).await;
        let others: Vec<_> = (0..50).map(|_| waiting(&flights)).collect();
        tokio::task::yield_now().await;
        first.answered(Arc::new(Remembered::sample(b"{}")));
        for other in others {
            assert!(matches!(other.await.unwrap(), Came::Answer(_)));
        }
        assert!(flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_ends_without_an_answer_is_one_others() {
        let flights = Arc::default();
        let first = turn(&flights).await;
        let (one, other) = (waiting(&flights), waiting(&flights));
        tokio::task::yield_now().await;
        drop(first);
        let Came::Turn(second) = one.await.unwrap() else { panic!("the next has its turn") };
        tokio::task::yield_now().await;
        assert!(!other.is_finished(), "and nobody else");
        second.answered(Arc::new(Remembered::sample(b"{}")));
        assert!(matches!(other.await.unwrap(), Came::Answer(_)));
        assert!(flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_in_vain_or_for_ever() {
        let flights = Arc::default();
        let first = turn(&flights).await;
        let others = [waiting(&flights), waiting(&flights)];
        tokio::task::yield_now().await;
        first.in_vain();
        for other in others {
            assert!(matches!(other.await.unwrap(), Came::Alone));
        }
        let slow = turn(&flights).await;
        let began = Instant::now();
        assert!(matches!(waiting(&flights).await.unwrap(), Came::Alone));
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        drop(slow);
        assert!(flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_leaves_nothing_behind() {
        let flights = Arc::default();
        let first = turn(&flights).await;
        let other = waiting(&flights);
        tokio::task::yield_now().await;
        other.abort();
        assert!(other.await.is_err());
        assert_eq!(flights.len(), 1);
        drop(first);
        assert!(flights.is_empty());
    }
}
