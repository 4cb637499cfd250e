//! From the journal to the books, again and again; and what a process left behind that crashed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Shared;
use super::segments::{Reader, Segments};
use crate::books::Books;
use crate::entry::{Chain, Entry, Head, Settled};
use crate::store::StoreError;

/// Posts what is written.
#[derive(Debug)]
pub struct Posting {
    reader: Reader,
    shared: Arc<Shared>,
    /// What the books have; `None` before they were asked.
    head: Option<Head>,
}

/// Links in one transaction of the books.
const MOST_AT_ONCE: usize = 8192;
/// How long entries may gather before they are posted. Sums are made of more at once, and reports see
/// them soon enough.
const GATHERED: Duration = Duration::from_secs(1);
/// How long is waited after the books refused.
const PAUSE: Duration = Duration::from_secs(1);

impl Posting {
    pub(super) fn new(reader: Reader, shared: Arc<Shared>) -> Self {
        Self { reader, shared, head: None }
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
            let caught_up = self.catch_up(books).await;
            let pause = if caught_up.is_ok() { GATHERED } else { PAUSE };
            if let Err(error) = &caught_up {
                failed(error);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.much.notified(), if caught_up.is_ok() => {}
                () = finish.cancelled() => break,
            }
        }
        if let Err(error) = self.catch_up(books).await {
            failed(&error);
        }
    }

    async fn catch_up(&mut self, books: &impl Books) -> Result<(), StoreError> {
        let mut head = match self.head {
            Some(head) => head,
            None => books.head(self.reader.node()).await?,
        };
        // An error leaves the books in an unknown state, so they are asked again.
        self.head = None;
        while head.sequence < self.shared.written.load(Relaxed) {
            let links = match self.shared.behind(head) {
                Some(links) => links,
                None => self.reader.behind(head)?,
            };
            if links.is_empty() {
                break;
            }
            for some in links.chunks(MOST_AT_ONCE) {
                head = books.post(some).await?;
                self.shared.posted.store(head.sequence, Relaxed);
            }
            self.reader.take_out(head)?;
        }
        self.shared.posted.store(head.sequence, Relaxed);
        self.head = Some(head);
        Ok(())
    }
}

/// Posts all of a journal that the books do not have; where they are then.
async fn post_all(reader: &Reader, books: &impl Books) -> Result<Head, StoreError> {
    let mut head = books.head(reader.node()).await?;
    loop {
        let links = reader.behind(head)?;
        if links.is_empty() {
            return Ok(head);
        }
        for some in links.chunks(MOST_AT_ONCE) {
            head = books.post(some).await?;
        }
    }
}

/// Puts a journal in order before it is used again: what the books do not have is posted, and every
/// hold that nobody settled is settled as interrupted. How many there were.
pub async fn recover(
    segments: &mut Segments,
    books: &impl Books,
    now: i64,
) -> Result<u64, StoreError> {
    let reader = segments.reader();
    let posted = books.head(segments.node()).await?;
    if posted.sequence > segments.head().sequence {
        // The files are an older copy of themselves: they have nothing that the books have not.
        segments.go_on_behind(posted);
    }
    post_all(&reader, books).await?;
    let open = books.open_holds(Some(segments.node())).await?;
    let settle = |(_, hold)| Entry::Settled(Box::new(Settled::interrupted(hold, now)));
    write_and_post(segments, books, open.into_iter().map(settle)).await
}

/// Writes entries behind a journal that is in order, and posts them; returns when the books have them.
/// How many there were.
pub async fn write_and_post(
    segments: &mut Segments,
    books: &impl Books,
    entries: impl Iterator<Item = Entry>,
) -> Result<u64, StoreError> {
    let mut chain = Chain::behind(segments.node().clone(), segments.head());
    let links: Vec<_> = entries.map(|entry| chain.link(entry)).collect();
    segments.append(&links, true)?;
    let reader = segments.reader();
    let posted = post_all(&reader, books).await?;
    reader.take_out(posted)?;
    Ok(links.len() as u64)
}

/// Does the same for journals whose processes ended and whose places nobody took.
pub async fn post_left_behind(
    ledger: &Path,
    books: &impl Books,
    now: i64,
) -> Result<u64, StoreError> {
    let mut settled = 0;
    for mut segments in Segments::left_behind(ledger)? {
        settled += recover(&mut segments, books, now).await?;
    }
    Ok(settled)
}
