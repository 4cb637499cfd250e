//! Tickets that were dropped open.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Outcome, Record};
use crate::telemetry::metrics::Metrics;

/// Settles what was dropped open.
pub struct Reaper {
    dropped: mpsc::UnboundedReceiver<Box<Record>>,
}

impl Reaper {
    /// A reaper, and what tickets need to reach it. The queue is bounded by the number of calls
    /// in flight, each of which can be dropped once.
    pub fn new() -> (mpsc::UnboundedSender<Box<Record>>, Self) {
        let (sender, dropped) = mpsc::unbounded_channel();
        (sender, Self { dropped })
    }

    /// Settles until the order to finish, and then what is left: once no connection is open, no
    /// ticket can come any more.
    pub async fn run(mut self, metrics: Arc<Metrics>, finish: CancellationToken) {
        loop {
            tokio::select! {
                Some(record) = self.dropped.recv() => abandon(record, &metrics),
                () = finish.cancelled() => break,
            }
        }
        while let Ok(record) = self.dropped.try_recv() {
            abandon(record, &metrics);
        }
    }
}

/// Nobody is left who waits for it to be written down.
fn abandon(record: Box<Record>, metrics: &Metrics) {
    drop(record.settle(metrics, Outcome::Abandoned));
}
