//! Requests that wait for the engine's thread: bounded, first come first served.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Something whose requester may leave before its turn comes.
pub(crate) trait Waits {
    /// Nobody wants the result any more.
    fn is_abandoned(&self) -> bool;

    /// How many places it takes.
    fn places(&self) -> usize {
        1
    }
}

/// A bounded queue between many askers and one thread.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

/// Room in a queue for something that is still being prepared, so that nothing is prepared in vain.
pub(crate) struct Room<'a, T: Waits> {
    queue: &'a Queue<T>,
    places: usize,
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
    /// Places of those who are still being prepared.
    reserved: usize,
    closed: bool,
    stopped: bool,
}

// === impl Queue ===

impl<T: Waits> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), reserved: 0, closed: false, stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity }
    }

    /// Keeps this many places at the queue's end. Something that takes more than there are may come
    /// when nothing else is there, for it would never be served otherwise.
    pub(crate) fn reserve(&self, places: usize) -> Result<Room<'_, T>, Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        let fits = |taken: usize| taken == 0 || taken + places <= self.capacity;
        if !fits(state.taken()) {
            // Those who left hold no place.
            state.waiting.retain(|item| !item.is_abandoned());
        }
        if !fits(state.taken()) {
            return Err(Refusal::Full(state.taken()));
        }
        state.reserved += places;
        Ok(Room { queue: self, places })
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

    /// Lets nobody in any more, drops those who wait, and tells the thread to drop what it does.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.abandon();
        self.changed.notify_all();
    }

    /// Whether the thread is to drop what it does.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
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

// === impl State ===

impl<T: Waits> State<T> {
    fn taken(&self) -> usize {
        self.reserved + self.waiting.iter().map(Waits::places).sum::<usize>()
    }
}

// === impl Room ===

impl<T: Waits> Room<'_, T> {
    /// Joins the queue's end.
    pub(crate) fn fill(mut self, item: T) -> Result<(), Refusal> {
        let mut state = self.queue.lock();
        state.reserved -= std::mem::take(&mut self.places);
        if state.closed {
            return Err(Refusal::Closed);
        }
        state.waiting.push_back(item);
        self.queue.changed.notify_one();
        Ok(())
    }
}

impl<T: Waits> Drop for Room<'_, T> {
    fn drop(&mut self) {
        self.queue.lock().reserved -= self.places;
    }
}

#[cfg(test)]
impl<T: Waits> Queue<T> {
    /// Joins the queue's end with something that needs no preparation.
    pub(crate) fn push(&self, item: T) -> Result<(), Refusal> {
        self.reserve(item.places())?.fill(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Item(u32, bool);

    struct Wide(usize);

    impl Waits for Wide {
        fn is_abandoned(&self) -> bool {
            false
        }

        fn places(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn a_place_is_kept_while_something_is_prepared() {
        let queue = Queue::new(2);
        let room = queue.reserve(1).unwrap();
        let other = queue.reserve(1).unwrap();
        assert_eq!(queue.push(Item(1, false)), Err(Refusal::Full(2)));
        drop(other);
        assert_eq!(queue.push(Item(2, false)), Ok(()));
        assert_eq!(room.fill(Item(3, false)), Ok(()));
        assert_eq!(queue.push(Item(4, false)), Err(Refusal::Full(2)));
    }

    #[test]
    fn what_is_wide_takes_more_places() {
        let queue = Queue::new(4);
        assert_eq!(queue.push(Wide(9)), Ok(()), "an empty queue takes anything");
        assert_eq!(queue.push(Wide(1)), Err(Refusal::Full(9)));
        assert!(queue.pop().is_some());
        assert_eq!(queue.push(Wide(3)), Ok(()));
        assert_eq!(queue.push(Wide(2)), Err(Refusal::Full(3)));
        assert_eq!(queue.push(Wide(1)), Ok(()));
    }

    #[test]
    fn a_stopped_queue_is_empty_and_wakes_its_thread() {
        let queue = Queue::new(2);
        queue.push(Item(1, false)).unwrap();
        let room = queue.reserve(1).unwrap();
        queue.stop();
        assert!(queue.is_stopped() && queue.pop().is_none());
        assert_eq!(room.fill(Item(2, false)), Err(Refusal::Closed));
    }

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
