//! What a process writes down before anything else may happen. Many calls hand their entries over; one
//! task writes them, as many in one commit as have come while the commit before was under way.
//!
//! From here entries are posted to the [`crate::books`], and then taken out. Books that are away for a
//! while delay nobody.

mod posting;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::entry::{Chain, Chained, Entry, Head, NodeId};
use crate::store::StoreError;
use crate::stores::sqlite::journal::JournalFile;

pub use posting::{Posting, post_left_behind, recover};

/// When entries must be on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A hold before the first byte of the answer is released, so that writing it overlaps the
    /// endpoint's own time; the settlement before the last one.
    #[default]
    BeforeAnswer,
    /// A hold before anybody is asked, and otherwise the same.
    BeforeDispatch,
    /// Nobody waits: a crash may lose the last milliseconds.
    Relaxed,
}

/// Where calls hand over what is to be written.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::UnboundedSender<Handed>,
    shared: Arc<Shared>,
    durability: Durability,
}

/// Writes what was handed over.
#[derive(Debug)]
pub struct JournalWriter {
    queue: mpsc::UnboundedReceiver<Handed>,
    file: Arc<JournalFile>,
    chain: Chain,
    shared: Arc<Shared>,
    head: watch::Sender<Head>,
    posted: watch::Receiver<Head>,
}

/// An entry on its way to the disk.
#[must_use = "an entry is on the disk when this says so"]
#[derive(Debug)]
pub struct Written(Option<oneshot::Receiver<()>>);

/// The journal could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's journal cannot be written")]
pub struct NotWritten;

/// What all of them know.
#[derive(Debug, Default)]
struct Shared {
    /// The last commit failed, and is tried again.
    failing: AtomicBool,
    /// Entries that were handed over and are not on the disk yet.
    waiting: AtomicU64,
}

#[derive(Debug)]
struct Handed {
    entry: Entry,
    written: Option<oneshot::Sender<()>>,
}

/// Entries in one commit.
const LARGEST_BATCH: usize = 1024;
/// More than this waiting to be written is a disk that does not keep up: nothing new is begun.
const MOST_WAITING: u64 = 65_536;
/// How long the writer waits after a commit that failed.
const PAUSE: Duration = Duration::from_millis(500);

impl Journal {
    /// A journal that keeps nothing, for trying out what is otherwise written down.
    pub fn nowhere() -> Self {
        let (queue, _) = mpsc::unbounded_channel();
        Self { queue, shared: Arc::default(), durability: Durability::Relaxed }
    }

    /// A journal over this file, its writer, and whoever posts what is written to the books.
    pub async fn over(
        file: JournalFile,
        durability: Durability,
    ) -> Result<(Self, JournalWriter, Posting), StoreError> {
        let head = file.head().await?;
        let file = Arc::new(file);
        let (sender, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let (head_sender, head_seen) = watch::channel(head);
        let (posted_sender, posted) = watch::channel(Head::START);
        let chain = Chain::behind(file.node().clone(), head);
        let posting = Posting::new(Arc::clone(&file), head_seen, posted_sender);
        let writer = JournalWriter {
            queue,
            file,
            chain,
            shared: Arc::clone(&shared),
            head: head_sender,
            posted,
        };
        Ok((Self { queue: sender, shared, durability }, writer, posting))
    }

    /// When entries must be on the disk.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Whether another exchange may begin: what is held for it will be written.
    pub fn is_open(&self) -> bool {
        !self.shared.failing.load(Relaxed) && self.shared.waiting.load(Relaxed) < MOST_WAITING
    }

    /// Hands an entry over. Its place in the chain is that of the order in which entries come.
    pub fn write(&self, entry: Entry) -> Written {
        let (sender, receiver) = match self.durability {
            Durability::Relaxed => (None, None),
            Durability::BeforeAnswer | Durability::BeforeDispatch => {
                let (sender, receiver) = oneshot::channel();
                (Some(sender), Some(receiver))
            }
        };
        // The writer outlives every call; if it is gone, whoever waits is told by the closed channel.
        if self.queue.send(Handed { entry, written: sender }).is_ok() {
            self.shared.waiting.fetch_add(1, Relaxed);
        }
        Written(receiver)
    }
}

impl JournalWriter {
    /// By which the books know this journal.
    pub fn node(&self) -> &NodeId {
        self.file.node()
    }

    /// Writes until the order to finish, and then what is left. `failed` is told of each commit that
    /// fails; its entries are kept and tried again, and whoever waits for them is told at once.
    pub async fn run(mut self, finish: CancellationToken, failed: impl Fn(&StoreError)) {
        let mut handed = Vec::new();
        let mut links = Vec::new();
        let mut finishing = false;
        loop {
            if !finishing {
                tokio::select! {
                    biased;
                    _ = self.queue.recv_many(&mut handed, LARGEST_BATCH) => {}
                    () = finish.cancelled() => {
                        finishing = true;
                        self.queue.close();
                    }
                }
            }
            if finishing {
                self.queue.recv_many(&mut handed, LARGEST_BATCH).await;
            }
            if handed.is_empty() && links.is_empty() {
                return;
            }
            let count = handed.len() as u64;
            let waiting: Vec<_> = handed
                .drain(..)
                .filter_map(|Handed { entry, written }| {
                    links.push(self.chain.link(&entry));
                    written
                })
                .collect();
            self.shared.waiting.fetch_sub(count, Relaxed);
            self.commit(&mut links, waiting, &failed).await;
        }
    }

    /// Writes links; those that could not be written stay.
    async fn commit(
        &mut self,
        links: &mut Vec<Chained>,
        waiting: Vec<oneshot::Sender<()>>,
        failed: &impl Fn(&StoreError),
    ) {
        let posted = *self.posted.borrow_and_update();
        match self.file.append(links, posted).await {
            Ok(()) => {
                links.clear();
                self.shared.failing.store(false, Relaxed);
                self.head.send_replace(self.chain.head());
                // Whoever left does not listen any more.
                for written in waiting {
                    let _ = written.send(());
                }
            }
            Err(error) => {
                self.shared.failing.store(true, Relaxed);
                failed(&error);
                drop(waiting);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

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
