//! The threads that serve: one for each core, each with a reactor of its own. A connection stays
//! where it was put, and the calls that it makes upstream go out from the same thread, so that
//! nothing waits for another thread to wake up, and what is ready together is written together.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The threads of one door. They end when this is dropped, and with them what still runs there.
pub struct Workers {
    each: Vec<Worker>,
    stop: CancellationToken,
}

struct Worker {
    runtime: Handle,
    taken: Arc<AtomicUsize>,
    /// `None` for one that runs elsewhere.
    thread: Option<JoinHandle<()>>,
}

/// A connection's place on one of the threads; given back when this is dropped.
pub struct Seat(Arc<AtomicUsize>);

impl Workers {
    /// One thread for each core that this process may use.
    pub fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let stop = CancellationToken::new();
        let each = (0..count).map(|index| Worker::start(index, stop.clone()));
        Ok(Self { each: each.collect::<io::Result<_>>()?, stop })
    }

    /// No threads but the runtime that this is called in.
    pub fn here() -> Self {
        let worker = Worker { runtime: Handle::current(), taken: Arc::default(), thread: None };
        Self { each: vec![worker], stop: CancellationToken::new() }
    }

    /// A seat where the fewest are taken, and the runtime that it is in.
    pub fn seat(&self) -> (Seat, &Handle) {
        let taken = |worker: &&Worker| worker.taken.load(Ordering::Relaxed);
        let worker = self.each.iter().min_by_key(taken).expect("there is at least one worker");
        worker.taken.fetch_add(1, Ordering::Relaxed);
        (Seat(Arc::clone(&worker.taken)), &worker.runtime)
    }
}

impl Worker {
    fn start(index: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread =
            std::thread::Builder::new().name(format!("door-{index}")).spawn(move || {
                runtime.block_on(stop.cancelled());
                // A name that is still being looked up must not hold up the end.
                runtime.shutdown_background();
            })?;
        Ok(Self { runtime: handle, taken: Arc::default(), thread: Some(thread) })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.each.iter_mut().filter_map(|worker| worker.thread.take()) {
            // One that panicked has ended too.
            let _ = thread.join();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_evenly_and_stay_where_they_are() {
        let workers = Workers::start().unwrap();
        let count = workers.each.len();
        let seats: Vec<_> = (0..2 * count).map(|_| workers.seat()).collect();
        let mut names: Vec<_> = seats
            .iter()
            .map(|(_, runtime)| runtime.spawn(async { std::thread::current().id() }))
            .map(|task| workers.each[0].runtime.block_on(task).unwrap())
            .collect();
        names.dedup();
        assert_eq!(names.len(), if count == 1 { 1 } else { 2 * count });
        drop(seats);
        let taken = |worker: &Worker| worker.taken.load(Ordering::Relaxed);
        assert_eq!(workers.each.iter().map(taken).sum::<usize>(), 0);
    }
}
