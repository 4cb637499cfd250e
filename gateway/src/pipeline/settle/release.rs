//! What a whole answer waits for before any of it is sent.

use isthmus_inference::failure::Failure;
use isthmus_ledger::journal::Written;

use crate::pipeline::reserve::unwritable;

/// A settlement on its way to the disk, and the hold that was written ahead of it.
#[must_use = "an answer may be sent when this says so"]
pub struct Release {
    settled: Written,
    hold: Written,
}

impl Release {
    /// When both are on the disk.
    pub fn when(settled: Written, hold: Written) -> Self {
        Self { settled, hold }
    }

    /// Of what waits for nothing.
    pub fn at_once() -> Self {
        Self::when(Written::at_once(), Written::at_once())
    }

    /// Waits for the settlement: the hold is in the chain before it. Where the settlement cannot be
    /// written the hold is enough, since an answer that is paid for is not withheld.
    pub async fn granted(self) -> Result<(), Failure> {
        match self.settled.await {
            Ok(()) => Ok(()),
            Err(_) => self.hold.await.map_err(unwritable),
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_ledger::entry::Entry;
    use isthmus_ledger::journal::{Journal, Promises, Segments};

    use super::*;

    #[tokio::test]
    async fn only_an_answer_whose_hold_is_lost_is_withheld() {
        let folder = tempfile::tempdir().unwrap();
        let segments = Segments::open_beside(&folder.path().join("isthmus.db")).unwrap();
        let (journal, writer, _) = Journal::over(segments, Promises::default());
        drop(writer);
        let lost = || journal.write(Entry::Hold(Box::default()));
        assert!(Release::when(lost(), Written::at_once()).granted().await.is_ok());
        assert!(Release::at_once().granted().await.is_ok());
        let withheld = Release::when(lost(), lost()).granted().await.unwrap_err();
        assert_eq!(withheld.status(), 503);
    }
}
