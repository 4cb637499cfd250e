//! Those who wait for a commit, told together.
//!
//! To wake a task of another thread's runtime takes a system call each time. So all who wait on one
//! runtime are told by one task there.

use tokio::runtime::Handle;
use tokio::sync::oneshot::{self, Receiver, Sender};

/// Who waits for an entry to be written, and where.
#[derive(Debug)]
pub(super) struct Waiter {
    written: Sender<()>,
    /// `None` for a thread without one.
    runtime: Option<Handle>,
}

/// Those who wait for one commit. Dropped, they learn that it failed.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_runtime: Vec<(Option<Handle>, Vec<Sender<()>>)>,
}

// === impl Waiter ===

impl Waiter {
    /// Somebody on this thread's runtime, and what he waits with.
    pub(super) fn here() -> (Self, Receiver<()>) {
        let (written, receiver) = oneshot::channel();
        (Self { written, runtime: Handle::try_current().ok() }, receiver)
    }
}

// === impl Waiters ===

impl Waiters {
    /// One more.
    pub(super) fn add(&mut self, Waiter { written, runtime }: Waiter) {
        let id = runtime.as_ref().map(Handle::id);
        match self.by_runtime.iter_mut().find(|(it, _)| it.as_ref().map(Handle::id) == id) {
            Some((_, waiting)) => waiting.push(written),
            None => self.by_runtime.push((runtime, vec![written])),
        }
    }

    /// All that they wait for is written.
    pub(super) fn tell(self) {
        for (runtime, waiting) in self.by_runtime {
            let tell = move || waiting.into_iter().for_each(tell_one);
            match runtime {
                Some(runtime) => drop(runtime.spawn(async move { tell() })),
                None => tell(),
            }
        }
    }
}

fn tell_one(written: Sender<()>) {
    // Whoever left does not listen any more.
    let _ = written.send(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_told_wherever_he_waits() {
        let runtimes = [(); 2].map(|()| {
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime is made")
        });
        let mut waiters = Waiters::default();
        let mut wait = || {
            let (waiter, written) = Waiter::here();
            waiters.add(waiter);
            written
        };
        let there = runtimes.each_ref().map(|runtime| runtime.block_on(async { [wait(), wait()] }));
        let mut nowhere = wait();
        assert_eq!(waiters.by_runtime.iter().map(|(_, waiting)| waiting.len()).sum::<usize>(), 5);
        waiters.tell();
        assert_eq!(nowhere.try_recv(), Ok(()));
        for (runtime, written) in runtimes.iter().zip(there) {
            written.into_iter().for_each(|it| assert_eq!(runtime.block_on(it), Ok(())));
        }
    }

    #[test]
    fn of_a_failure_they_learn_too() {
        let (waiter, mut written) = Waiter::here();
        let mut waiters = Waiters::default();
        waiters.add(waiter);
        drop(waiters);
        assert!(written.try_recv().is_err());
    }
}
