//! What a process writes down before anything else may happen. Many calls hand their entries over; one
//! thread writes them, as many in one commit as have come while the commit before was under way.
//!
//! From here entries are posted to the [`crate::books`], and then taken out. Books that are away for a
//! while delay nobody.

mod pace;
mod posting;
mod segments;
mod shared;
mod waiters;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::entry::{Chain, Chained, Entry, NodeId};
use crate::store::StoreError;

use pace::Pace;
pub use posting::{Posting, post_left_behind, recover, write_and_post};
pub use segments::Segments;
use shared::Shared;
use waiters::{Waiter, Waiters};

/// When entries must be on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A hold before the first byte of the answer is released, so that writing it overlaps the
    /// endpoint's own time; the settlement before the last one.
    #[default]
    BeforeAnswer,
    /// A hold before anybody is asked, and otherwise the same.
    BeforeDispatch,
    /// Nobody waits: a crash of the machine may lose the last seconds, one of the process
    /// milliseconds.
    Relaxed,
}

/// What is promised of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// When they must be on the disk.
    pub durability: Durability,
    /// Nothing new is begun while more than so many wait to be posted, since the books have been away
    /// for long; `None` to go on for as long as the disk has room.
    pub most_unposted: Option<u64>,
}

/// Where calls hand over what is to be written.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::UnboundedSender<Handed>,
    shared: Arc<Shared>,
    promises: Promises,
}

/// Writes what was handed over, on a thread of its own: it waits for the disk.
#[derive(Debug)]
pub struct JournalWriter {
    queue: mpsc::UnboundedReceiver<Handed>,
    segments: Segments,
    chain: Chain,
    shared: Arc<Shared>,
    durability: Durability,
}

/// An entry on its way to the disk.
#[must_use = "an entry is on the disk when this says so"]
#[derive(Debug)]
pub struct Written(Option<oneshot::Receiver<()>>);

/// The journal could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's journal cannot be written")]
pub struct NotWritten;

#[derive(Debug)]
enum Handed {
    Entry(Entry, Option<Waiter>),
    /// Nothing comes behind it.
    Finish,
}

/// Entries in one commit.
const LARGEST_BATCH: usize = 1024;
/// More than this waiting to be written is a disk that does not keep up: nothing new is begun.
const MOST_WAITING: u64 = 65_536;
/// So many entries are half a gigabyte.
const MOST_UNPOSTED: u64 = 1_000_000;
/// How long the writer waits after a commit that failed.
const PAUSE: Duration = Duration::from_millis(500);

// === impl Promises ===

impl Default for Promises {
    fn default() -> Self {
        Self { durability: Durability::default(), most_unposted: Some(MOST_UNPOSTED) }
    }
}

// === impl Journal ===

impl Journal {
    /// A journal that keeps nothing, for trying out what is otherwise written down.
    pub fn nowhere() -> Self {
        let (queue, _) = mpsc::unbounded_channel();
        let promises = Promises { durability: Durability::Relaxed, most_unposted: None };
        Self { queue, shared: Arc::default(), promises }
    }

    /// A journal in these files, its writer, and whoever posts what is written to the books.
    pub fn over(segments: Segments, promises: Promises) -> (Self, JournalWriter, Posting) {
        let (sender, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        shared.written.store(segments.head().sequence, Relaxed);
        let posting = Posting::new(segments.reader(), Arc::clone(&shared));
        let chain = Chain::behind(segments.node().clone(), segments.head());
        let writer = JournalWriter {
            queue,
            segments,
            chain,
            shared: Arc::clone(&shared),
            durability: promises.durability,
        };
        (Self { queue: sender, shared, promises }, writer, posting)
    }

    /// When entries must be on the disk.
    pub fn durability(&self) -> Durability {
        self.promises.durability
    }

    /// Whether another exchange may begin: what is held for it will be written.
    pub fn is_open(&self) -> bool {
        let keeps_up = self.shared.waiting.load(Relaxed) < MOST_WAITING;
        let posted = self.promises.most_unposted.is_none_or(|most| self.unposted() <= most);
        keeps_up && posted && !self.shared.failing.load(Relaxed)
    }

    /// How many entries the books do not have yet.
    pub fn unposted(&self) -> u64 {
        let Shared { written, posted, .. } = &*self.shared;
        written.load(Relaxed).saturating_sub(posted.load(Relaxed))
    }

    /// Hands an entry over. Its place in the chain is that of the order in which entries come.
    pub fn write(&self, entry: Entry) -> Written {
        let (waiter, receiver) = match self.promises.durability {
            Durability::Relaxed => (None, None),
            Durability::BeforeAnswer | Durability::BeforeDispatch => {
                let (waiter, receiver) = Waiter::here();
                (Some(waiter), Some(receiver))
            }
        };
        // The writer outlives every call; if it is gone, whoever waits is told by the closed channel.
        let send = || self.queue.send(Handed::Entry(entry, waiter)).is_ok();
        self.shared.hand_over(send);
        Written(receiver)
    }

    /// Ends the writer behind what was handed over until now.
    pub fn finish(&self) {
        // A writer that is gone has ended.
        let _ = self.queue.send(Handed::Finish);
    }
}

// === impl JournalWriter ===

impl JournalWriter {
    /// By which the books know this journal.
    pub fn node(&self) -> &NodeId {
        self.segments.node()
    }

    /// Writes until it is to finish; blocks. `failed` is told of each commit that fails; its entries are
    /// kept and tried again, and whoever waits for them is told at once.
    pub fn run(mut self, failed: impl Fn(&StoreError)) {
        let (mut handed, mut links) = (Vec::new(), Vec::new());
        let mut pace = Pace::default();
        self.shared.writes_here();
        loop {
            // Where many come, the first of them is not waited for by itself.
            if let Some(pause) = pace.pause(Instant::now()) {
                self.shared.gather(pause);
            }
            self.take(&mut handed);
            if handed.is_empty()
                && links.is_empty()
                && self.queue.blocking_recv_many(&mut handed, LARGEST_BATCH) == 0
            {
                return;
            }
            pace.commit(Instant::now(), handed.len());
            let (mut waiting, mut count, mut finish) = (Waiters::default(), 0, false);
            for handed in handed.drain(..) {
                match handed {
                    Handed::Entry(entry, waiter) => {
                        links.push(self.chain.link(entry));
                        if let Some(waiter) = waiter {
                            waiting.add(waiter);
                        }
                        count += 1;
                    }
                    Handed::Finish => finish = true,
                }
            }
            self.shared.waiting.fetch_sub(count, Relaxed);
            self.commit(&mut links, waiting, &failed);
            if finish && links.is_empty() {
                return;
            }
        }
    }

    /// Takes what is there, without waiting for more.
    fn take(&mut self, handed: &mut Vec<Handed>) {
        while handed.len() < LARGEST_BATCH
            && let Ok(more) = self.queue.try_recv()
        {
            handed.push(more);
        }
    }

    /// Writes links; those that could not be written stay.
    fn commit(
        &mut self,
        links: &mut Vec<Chained>,
        waiting: Waiters,
        failed: &impl Fn(&StoreError),
    ) {
        match self.segments.append(links, self.durability != Durability::Relaxed) {
            Ok(()) => {
                self.shared.failing.store(false, Relaxed);
                waiting.tell();
                self.shared.written.store(self.chain.head().sequence, Relaxed);
                self.shared.remember(links);
            }
            Err(error) => {
                self.shared.failing.store(true, Relaxed);
                drop(waiting);
                failed(&error);
                rest(PAUSE);
            }
        }
    }
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "time is what is waited for, by a thread that has no other work"
)]
fn rest(time: Duration) {
    std::thread::sleep(time);
}

// === impl Written ===

impl Written {
    /// Of what nobody has to wait for.
    pub const fn at_once() -> Self {
        Self(None)
    }
}

impl Future for Written {
    type Output = Result<(), NotWritten>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Ready(Ok(())),
            Some(written) => Pin::new(written).poll(context).map_err(|_| NotWritten),
        }
    }
}
