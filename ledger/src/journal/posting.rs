//! From the journal to the books, again and again; and what a process left behind that crashed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::books::Books;
use crate::entry::{Chain, Entry, Head, Settled};
use crate::store::StoreError;
use crate::stores::sqlite::journal::JournalFile;

/// Posts what is written.
#[derive(Debug)]
pub struct Posting {
    file: Arc<JournalFile>,
    /// Where the journal ends.
    written: watch::Receiver<Head>,
    /// What the books have.
    posted: watch::Sender<Head>,
}

/// Links in one transaction of the books.
const MOST_AT_ONCE: u32 = 1000;
/// How long entries may gather before they are posted. Sums are made of more at once, and reports see
/// them soon enough.
const GATHERED: Duration = Duration::from_millis(500);
/// How long is waited after the books refused.
const PAUSE: Duration = Duration::from_secs(1);

impl Posting {
    pub(super) fn new(
        file: Arc<JournalFile>,
        written: watch::Receiver<Head>,
        posted: watch::Sender<Head>,
    ) -> Self {
        Self { file, written, posted }
    }

    /// How many entries the books do not have yet, at each moment.
    pub fn behind(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let (written, posted) = (self.written.clone(), self.posted.subscribe());
        move || written.borrow().sequence.saturating_sub(posted.borrow().sequence)
    }

    /// Posts until the order to finish, and then what is left, if the books take it. `failed` is told
    /// whenever they do not; nothing is lost by that.
    pub async fn run(
        mut self,
        books: &impl Books,
        finish: CancellationToken,
        failed: impl Fn(&StoreError),
    ) {
        loop {
            let pause = match self.catch_up(books).await {
                Ok(()) => GATHERED,
                Err(error) => {
                    failed(&error);
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = finish.cancelled() => break,
            }
        }
        if let Err(error) = self.catch_up(books).await {
            failed(&error);
        }
    }

    async fn catch_up(&mut self, books: &impl Books) -> Result<(), StoreError> {
        let head = *self.written.borrow_and_update();
        if self.posted.borrow().sequence == head.sequence {
            return Ok(());
        }
        post_all(&self.file, books, |posted| {
            self.posted.send_replace(posted);
        })
        .await
    }
}

/// Posts all of a journal that the books do not have.
async fn post_all(
    file: &JournalFile,
    books: &impl Books,
    mut progress: impl FnMut(Head),
) -> Result<(), StoreError> {
    let mut head = books.head(file.node()).await?;
    loop {
        let links = file.links(head.sequence, MOST_AT_ONCE).await?;
        if links.is_empty() {
            progress(head);
            return Ok(());
        }
        head = books.post(&links).await?;
        progress(head);
    }
}

/// Puts a journal in order before it is used again: what the books do not have is posted, and every
/// hold that nobody settled is settled as interrupted. How many there were.
pub async fn recover(file: &JournalFile, books: &impl Books, now: i64) -> Result<u64, StoreError> {
    let posted = books.head(file.node()).await?;
    if posted.sequence > file.head().await?.sequence {
        // The file is an older copy of itself: it has nothing that the books have not.
        file.append(&[], posted).await?;
    }
    post_all(file, books, |_| {}).await?;
    let mut chain = Chain::behind(file.node().clone(), file.head().await?);
    let open = books.open_holds(Some(file.node())).await?;
    let links: Vec<_> = open
        .into_iter()
        .map(|(_, hold)| chain.link(&Entry::Settled(Box::new(Settled::interrupted(hold, now)))))
        .collect();
    file.append(&links, books.head(file.node()).await?).await?;
    post_all(file, books, |_| {}).await?;
    Ok(links.len() as u64)
}

/// Does the same for journals whose processes ended and whose places nobody took.
pub async fn post_left_behind(
    ledger: &Path,
    books: &impl Books,
    now: i64,
) -> Result<u64, StoreError> {
    let mut settled = 0;
    for file in JournalFile::left_behind(ledger).await? {
        settled += recover(&file, books, now).await?;
    }
    Ok(settled)
}
