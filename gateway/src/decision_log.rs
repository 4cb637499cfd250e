//! Writes the log of decisions, behind the backs of the calls: a call hands over what it knows and
//! goes on; one task writes it down, batch by batch.
//!
//! The queue is bounded. When the disk is slower than the calls, decisions are lost and counted;
//! calls are not held up, since no money rests on this log.

use std::fmt;
use std::sync::Arc;

use isthmus_ledger::decision::{Decided, DecisionLog};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::telemetry::events::DecisionsNotWritten;
use crate::telemetry::metrics::Metrics;

/// Where calls hand over their decisions.
#[derive(Clone)]
pub struct DecisionSink {
    /// `None` where nothing is logged.
    queue: Option<mpsc::Sender<Note>>,
    metrics: Arc<Metrics>,
}

/// Writes what was handed over.
pub struct DecisionWriter {
    queue: mpsc::Receiver<Note>,
    metrics: Arc<Metrics>,
}

/// A row that is still to be made: making it costs more than a call should pay.
type Note = Box<dyn FnOnce() -> Decided + Send>;

/// Rows that may wait to be written.
const LONGEST_QUEUE: usize = 16 * 1024;
/// Rows in one transaction.
const LARGEST_BATCH: usize = 512;

impl fmt::Debug for DecisionSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "DecisionSink(open)" } else { "DecisionSink(closed)" })
    }
}

// === impl DecisionSink ===

impl DecisionSink {
    /// A sink, and the writer behind it.
    pub fn new(metrics: &Arc<Metrics>) -> (Self, DecisionWriter) {
        let (sender, queue) = mpsc::channel(LONGEST_QUEUE);
        let writer = DecisionWriter { queue, metrics: Arc::clone(metrics) };
        (Self { queue: Some(sender), metrics: Arc::clone(metrics) }, writer)
    }

    /// A sink that keeps nothing.
    pub fn nowhere(metrics: &Arc<Metrics>) -> Self {
        Self { queue: None, metrics: Arc::clone(metrics) }
    }

    /// Whether anything is kept, so that a call need not gather what nobody reads.
    pub fn is_open(&self) -> bool {
        self.queue.is_some()
    }

    /// Hands a decision over. The row is made by the writer.
    pub fn note(&self, row: impl FnOnce() -> Decided + Send + 'static) {
        if let Some(queue) = &self.queue
            && queue.try_send(Box::new(row)).is_err()
        {
            self.metrics.decisions_lost.inc();
        }
    }
}

// === impl DecisionWriter ===

impl DecisionWriter {
    /// Writes until the order to finish, and then what is left.
    pub async fn run(mut self, log: &impl DecisionLog, finish: CancellationToken) {
        let mut notes = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut notes, LARGEST_BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.write(log, &mut notes).await;
                }
                () = finish.cancelled() => break,
            }
        }
        self.queue.close();
        while self.queue.recv_many(&mut notes, LARGEST_BATCH).await > 0 {
            self.write(log, &mut notes).await;
        }
    }

    async fn write(&self, log: &impl DecisionLog, notes: &mut Vec<Note>) {
        let rows: Vec<_> = notes.drain(..).map(|row| row()).collect();
        if let Err(error) = log.append(&rows).await {
            self.metrics.decisions_lost.inc_by(rows.len() as u64);
            DecisionsNotWritten { count: rows.len(), error: &error }.emit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use isthmus_ledger::decision::{Numbered, Period};
    use isthmus_ledger::store::StoreError;

    use super::*;

    /// Keeps the sizes of batches, or refuses all.
    #[derive(Default)]
    struct Scripted {
        batches: Mutex<Vec<usize>>,
        refuses: bool,
    }

    impl DecisionLog for Scripted {
        async fn append(&self, rows: &[Decided]) -> Result<(), StoreError> {
            if self.refuses {
                let (place, reason) = ("here".to_owned(), "full".to_owned());
                return Err(StoreError::Unavailable { place, reason });
            }
            self.batches.lock().unwrap().push(rows.len());
            Ok(())
        }

        async fn decision(&self, _: &str) -> Result<Option<Decided>, StoreError> {
            Ok(None)
        }

        async fn decisions(&self, _: Period, _: i64, _: u32) -> Result<Vec<Numbered>, StoreError> {
            Ok(vec![])
        }

        async fn count(&self, _: Period) -> Result<u64, StoreError> {
            Ok(0)
        }

        async fn forget_before(&self, _: i64) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    fn row() -> Decided {
        Decided {
            at: 0,
            request_id: "r".into(),
            organisation: String::new(),
            team: String::new(),
            app: String::new(),
            model: "chat".into(),
            policy: String::new(),
            endpoint: None,
            outcome: "answered".into(),
            usage: None,
            cost: None,
            features: "{}".into(),
        }
    }

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new().unwrap())
    }

    #[tokio::test]
    async fn what_was_handed_over_before_the_end_is_written() {
        let (sink, writer) = DecisionSink::new(&metrics());
        (0..LARGEST_BATCH + 3).for_each(|_| sink.note(row));
        let (log, finish) = (Scripted::default(), CancellationToken::new());
        finish.cancel();
        writer.run(&log, finish).await;
        let written: usize = log.batches.lock().unwrap().iter().sum();
        assert_eq!(written, LARGEST_BATCH + 3);
    }

    #[tokio::test]
    async fn what_finds_no_room_or_no_disk_is_counted() {
        let (sink, writer) = DecisionSink::new(&metrics());
        (0..LONGEST_QUEUE + 2).for_each(|_| sink.note(row));
        assert_eq!(sink.metrics.decisions_lost.get(), 2);
        let metrics = Arc::clone(&sink.metrics);
        drop(sink);
        let log = Scripted { refuses: true, ..Scripted::default() };
        writer.run(&log, CancellationToken::new()).await;
        assert_eq!(metrics.decisions_lost.get(), LONGEST_QUEUE as u64 + 2);
    }

    #[test]
    fn a_closed_sink_takes_nothing() {
        let sink = DecisionSink::nowhere(&metrics());
        sink.note(row);
        assert!(!sink.is_open());
        assert_eq!(sink.metrics.decisions_lost.get(), 0);
    }
}
