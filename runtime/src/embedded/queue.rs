//! Requests that wait for the engine's thread: bounded, first come first served.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Something whose requester may leave before its turn comes.
pub(crate) trait Waits {
    /// Nobody wants the result any more.
    fn is_abandoned(&self) -> bool;
}

/// A bounded queue between many askers and one thread.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

/// Why something cannot wait here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This many wait already.
    Full(usize),
    /// The thread is gone.
    Closed,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

// === impl Queue ===

impl<T: Waits> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), closed: false });
        Self { state, changed: Condvar::new(), capacity }
    }

    /// Joins the queue's end.
    pub(crate) fn push(&self, item: T) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        if state.waiting.len() >= self.capacity {
            // Those who left hold no place.
            state.waiting.retain(|item| !item.is_abandoned());
        }
        if state.waiting.len() >= self.capacity {
            return Err(Refusal::Full(state.waiting.len()));
        }
        state.waiting.push_back(item);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the first one, waiting for it; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.waiting.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the first one if there is one.
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.lock().waiting.pop_front()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lets nobody in any more; those who wait are still served.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Lets nobody in any more and drops those who wait.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The state is whole between any two statements that hold the lock, panics or not.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Item(u32, bool);

    impl Waits for Item {
        fn is_abandoned(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn the_queue_is_bounded_and_in_order() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(Item(1, false)), Ok(()));
        assert_eq!(queue.push(Item(2, false)), Ok(()));
        assert_eq!(queue.push(Item(3, false)), Err(Refusal::Full(2)));
        assert_eq!(queue.pop().map(|item| item.0), Some(1));
        assert_eq!(queue.try_pop().map(|item| item.0), Some(2));
        assert!(queue.try_pop().is_none());
    }

    #[test]
    fn those_who_left_hold_no_place() {
        let queue = Queue::new(1);
        queue.push(Item(1, true)).unwrap();
        queue.push(Item(2, false)).unwrap();
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_closed_queue_serves_those_inside() {
        let queue = Queue::new(2);
        queue.push(Item(1, false)).unwrap();
        queue.close();
        assert_eq!(queue.push(Item(2, false)), Err(Refusal::Closed));
        assert_eq!(queue.pop().map(|item| item.0), Some(1));
        assert!(queue.pop().is_none());
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let queue = Queue::<Item>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop().map(|item| item.0));
            queue.push(Item(7, false)).unwrap();
            assert_eq!(waiting.join().unwrap(), Some(7));
        });
    }
}
