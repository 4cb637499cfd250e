//! Who keeps the books behind the calls: the journal's writer, and whoever posts from it.

use std::sync::Arc;

use isthmus_config::settings::Settings;
use isthmus_ledger::journal::{Journal, JournalWriter, Posting, post_left_behind, recover};
use isthmus_ledger::store::StoreError;
use isthmus_ledger::stores::sqlite::Sqlite;
use isthmus_ledger::stores::sqlite::journal::JournalFile;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::calendar::unix_milliseconds;
use crate::telemetry::events::ledger::{EntriesNotPosted, EntriesNotWritten, HoldsSettled};
use crate::telemetry::metrics::Metrics;

/// Works behind the journal.
#[derive(Debug)]
pub struct Bookkeeping {
    writer: JournalWriter,
    posting: Posting,
}

/// At work.
#[derive(Debug)]
pub struct Keeping {
    writing: JoinHandle<()>,
    posting: JoinHandle<()>,
    /// Ends the writer,
    written: CancellationToken,
    /// and then the posting.
    posted: CancellationToken,
}

/// Opens a journal beside the ledger, after everything that crashed processes left is in the books.
pub async fn open(
    settings: &Settings,
    books: &Sqlite,
) -> Result<(Journal, Bookkeeping), StoreError> {
    let (path, durability) = (&settings.ledger.path, settings.ledger.durability);
    let now = unix_milliseconds();
    let file = JournalFile::open_beside(path, durability).await?;
    let count = recover(&file, books, now).await? + post_left_behind(path, books, now).await?;
    if count > 0 {
        HoldsSettled { count }.emit();
    }
    let (journal, writer, posting) = Journal::over(file, durability).await?;
    Ok((journal, Bookkeeping { writer, posting }))
}

impl Bookkeeping {
    /// By which name others know this process, the same after a restart.
    pub fn node(&self) -> &str {
        self.writer.node().as_str()
    }

    /// Begins to work.
    pub fn keep(self, books: Sqlite, metrics: &Arc<Metrics>) -> Keeping {
        let Self { writer, posting } = self;
        let (written, posted) = (CancellationToken::new(), CancellationToken::new());
        let lost = |error: &StoreError| EntriesNotWritten { error }.emit();
        let writing = tokio::spawn(writer.run(written.clone(), lost));
        metrics.follow_unposted(posting.behind());
        let finish = posted.clone();
        let posting = tokio::spawn(async move {
            posting.run(&books, finish, |error| EntriesNotPosted { error }.emit()).await;
        });
        Keeping { writing, posting, written, posted }
    }
}

impl Keeping {
    /// Writes and posts what is left. No call may have anything to write any more.
    pub async fn finish(self) -> Result<(), JoinError> {
        self.written.cancel();
        self.writing.await?;
        self.posted.cancel();
        self.posting.await
    }
}
