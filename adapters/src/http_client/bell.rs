//! Who is woken when a connection can go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// A bell at a connection. The connection knows no waker but this bell, whoever uses it, and the
/// bell wakes whoever listens. Nobody does while the connection is being worked on: what it then
/// rings for has happened under the worker's eyes, and would only wake him once more in vain.
#[derive(Default)]
pub(super) struct Bell(Mutex<State>);

#[derive(Default)]
struct State {
    listener: Option<Waker>,
    has_rung: bool,
}

impl Bell {
    /// Nobody listens from here on; what rang until now is forgotten.
    pub(super) fn mute(&self) {
        *self.state() = State::default();
    }

    /// Wakes `listener` at the next ring. False if it has rung since the bell was muted.
    pub(super) fn listen(&self, listener: &Waker) -> bool {
        let mut state = self.state();
        if !state.has_rung {
            state.listener = Some(listener.clone());
        }
        !state.has_rung
    }

    /// Whether it has rung since it was muted.
    pub(super) fn has_rung(&self) -> bool {
        self.state().has_rung
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let listener = {
            let mut state = self.state();
            state.has_rung = true;
            state.listener.take()
        };
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_wakes_who_listens_once_and_tells_who_comes_too_late() {
        let (bell, count) = (Arc::new(Bell::default()), Arc::new(Count::default()));
        let (rope, listener) = (Waker::from(Arc::clone(&bell)), Waker::from(Arc::clone(&count)));
        assert!(bell.listen(&listener));
        rope.wake_by_ref();
        rope.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(bell.has_rung() && !bell.listen(&listener));
        bell.mute();
        assert!(!bell.has_rung() && bell.listen(&listener));
        bell.mute();
        rope.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "nobody listened");
    }
}
