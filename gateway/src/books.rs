//! Who keeps the books behind the calls: the journal's writer, and whoever posts from it.

use std::io;
use std::sync::Arc;

use isthmus_config::settings::Settings;
use isthmus_ledger::books::Books;
use isthmus_ledger::journal::{
    Journal, JournalWriter, Posting, Segments, post_left_behind, recover,
};
use isthmus_ledger::store::StoreError;
use isthmus_ledger::stores::sqlite::Sqlite;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::calendar::unix_milliseconds;
use crate::telemetry::events::ledger::{EntriesNotPosted, EntriesNotWritten, HoldsSettled};
use crate::telemetry::metrics::Metrics;

/// Works behind the journal.
#[derive(Debug)]
pub struct Bookkeeping {
    journal: Journal,
    writer: JournalWriter,
    posting: Posting,
}

/// At work.
#[derive(Debug)]
pub struct Keeping {
    journal: Journal,
    /// Closed when the writer has ended.
    written: oneshot::Receiver<()>,
    posting: JoinHandle<()>,
    posted: CancellationToken,
}

/// Opens a journal beside the ledger, after everything that crashed processes left is in the books.
pub async fn open(
    settings: &Settings,
    books: &Sqlite,
) -> Result<(Journal, Bookkeeping), StoreError> {
    let (path, now) = (&settings.ledger.path, unix_milliseconds());
    let mut segments = Segments::open_beside(path)?;
    let count =
        recover(&mut segments, books, now).await? + post_left_behind(path, books, now).await?;
    if count > 0 {
        HoldsSettled { count }.emit();
    }
    let (journal, writer, posting) = Journal::over(segments, settings.ledger.promises);
    Ok((journal.clone(), Bookkeeping { journal, writer, posting }))
}

/// Keeps the versions of all prices, so that any cost can be computed again.
pub async fn keep_prices(settings: &Settings, books: &impl Books) -> Result<(), StoreError> {
    for endpoint in settings.endpoints.values() {
        for priced in endpoint.charging.tariff().iter().flat_map(|tariff| tariff.prices()) {
            books.keep_price(priced.id.as_str(), &priced.written.text()).await?;
        }
    }
    Ok(())
}

impl Bookkeeping {
    /// By which name others know this process, the same after a restart.
    pub fn node(&self) -> &str {
        self.writer.node().as_str()
    }

    /// Begins to work.
    pub fn keep(self, books: Sqlite, metrics: &Arc<Metrics>) -> io::Result<Keeping> {
        let Self { journal, writer, posting } = self;
        let (ended, written) = oneshot::channel();
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            writer.run(|error| EntriesNotWritten { error }.emit());
            // Whoever waits for the end is told by this, and by a panic.
            drop(ended);
        })?;
        let unposted = journal.clone();
        metrics.follow_unposted(move || unposted.unposted());
        let posted = CancellationToken::new();
        let finish = posted.clone();
        let posting = tokio::spawn(async move {
            posting.run(&books, finish, |error| EntriesNotPosted { error }.emit()).await;
        });
        Ok(Keeping { journal, written, posting, posted })
    }
}

impl Keeping {
    /// Writes and posts what is left. No call may have anything to write any more.
    pub async fn finish(self) -> Result<(), JoinError> {
        self.journal.finish();
        let _closed = self.written.await;
        self.posted.cancel();
        self.posting.await
    }
}
