//! Stage 6: account for the call, exactly once, however it ended.
//!
//! A [`Ticket`] is opened when a call arrives and closed by [`Ticket::settle`]. One that is dropped
//! open (the caller left, a task panicked) does no work in `drop`: it goes to the [`Reaper`], which
//! settles it as abandoned.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::failure::Failure;
use isthmus_inference::ident::{ModelName, RequestId};
use isthmus_inference::money::Money;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_inference::usage::{Source, Usage};
use isthmus_policies::classify::Classified;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Call;
use crate::directory::{Endpoint, Pool};
use crate::keyring::Tenant;
use crate::telemetry::events::CallFinished;
use crate::telemetry::metrics::Metrics;

/// What is known of a call so far; owed a settlement.
pub struct Ticket {
    /// `None` once settled.
    open: Option<Box<Record>>,
    reaper: mpsc::UnboundedSender<Box<Record>>,
}

/// What is known of a call.
#[derive(Debug)]
pub struct Record {
    /// The call.
    pub id: RequestId,
    /// What the URL asked for.
    pub operation: Operation,
    /// In which language.
    pub dialect: Dialect,
    /// When its head was complete.
    pub arrived: Instant,
    /// Who is calling.
    pub tenant: Option<Tenant>,
    /// The model that was asked for.
    pub model: Option<ModelName>,
    /// What metrics call the model: the pool's name, or `provider/*`.
    pub label: Option<Arc<str>>,
    /// By when the caller must have all of the answer.
    pub deadline: Instant,
    /// What sort of data it carries, and who says so.
    pub classified: Option<Classified>,
    /// Bytes of the request's body.
    pub request_bytes: usize,
    /// The endpoint that was tried last.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Tries in all.
    pub attempts: u32,
    /// Since when the call waits for somebody else, if it does.
    waiting_since: Option<Instant>,
    /// Time spent waiting: for the body, for endpoints, and between tries.
    pub waited: Duration,
    /// From arrival to the first piece of the answer.
    pub first_output: Option<Duration>,
    /// Server-sent events relayed; about one token each.
    pub relayed_events: u64,
    /// What the endpoint reported.
    pub usage: Option<Usage>,
    /// What it reported before it was done.
    pub usage_so_far: Option<Usage>,
    /// The fields of the request that the endpoint has no word for and that were left out.
    pub dropped: Vec<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The answer is complete.
    Answered,
    /// It failed, before the answer or in its middle.
    Failed(&'a Failure),
    /// The caller left.
    Abandoned,
}

// === impl Ticket ===

impl Ticket {
    /// Opens a ticket for a call that just arrived.
    pub fn open(
        metrics: &Metrics,
        reaper: &mpsc::UnboundedSender<Box<Record>>,
        call: &Call,
    ) -> Self {
        metrics.in_flight.inc();
        let record = Record {
            id: call.id.clone(),
            operation: call.operation,
            dialect: call.dialect,
            arrived: call.arrived,
            tenant: None,
            model: None,
            label: None,
            deadline: call.deadline,
            classified: None,
            request_bytes: 0,
            endpoint: None,
            attempts: 0,
            waiting_since: None,
            waited: Duration::ZERO,
            first_output: None,
            relayed_events: 0,
            usage: None,
            usage_so_far: None,
            dropped: Vec::new(),
        };
        Self { open: Some(Box::new(record)), reaper: reaper.clone() }
    }

    /// Closes the ticket.
    pub fn settle(mut self, metrics: &Metrics, outcome: Outcome<'_>) {
        if let Some(record) = self.open.take() {
            record.settle(metrics, outcome);
        }
    }

    /// The call's id.
    pub fn id(&self) -> &RequestId {
        &self.record().id
    }

    /// What is known so far.
    pub fn record(&self) -> &Record {
        self.open.as_ref().expect("a ticket is open until it is consumed")
    }

    fn record_mut(&mut self) -> &mut Record {
        self.open.as_mut().expect("a ticket is open until it is consumed")
    }

    pub(super) fn identified(&mut self, tenant: &Tenant) {
        self.record_mut().tenant = Some(tenant.clone());
    }

    pub(super) fn received(&mut self, request: &Request) {
        let record = self.record_mut();
        record.model = Some(request.model.clone());
        record.request_bytes = request.body.len();
    }

    pub(super) fn classified(&mut self, classified: Classified) {
        self.record_mut().classified = Some(classified);
    }

    pub(super) fn planned(&mut self, pool: &Pool) {
        self.record_mut().label = Some(Arc::clone(&pool.label));
    }

    pub(super) fn attempting(&mut self, endpoint: &Arc<Endpoint>) {
        let record = self.record_mut();
        record.attempts += 1;
        record.endpoint = Some(Arc::clone(endpoint));
    }

    pub(super) fn attempted(&mut self, answered: bool) {
        let record = self.record_mut();
        if answered {
            record.first_output = Some(record.arrived.elapsed());
        }
        if let Some(endpoint) = &record.endpoint {
            endpoint.metrics.attempted(answered);
        }
    }

    /// Waits for somebody else; the time is not the house's.
    pub(super) async fn waiting<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let began = Instant::now();
        self.record_mut().waiting_since = Some(began);
        let done = wait.await;
        let record = self.record_mut();
        record.waiting_since = None;
        record.waited += began.elapsed();
        done
    }

    /// Counts events that were passed on.
    pub fn relayed(&mut self, events: u64) {
        self.record_mut().relayed_events += events;
    }

    /// Notes what the endpoint reported before it was done.
    pub fn used_so_far(&mut self, usage: Usage) {
        self.record_mut().usage_so_far = Some(usage);
    }

    pub(super) fn dropped(&mut self, names: &mut Vec<String>) {
        self.record_mut().dropped = std::mem::take(names);
    }

    /// Notes what the endpoint reported.
    pub fn used(&mut self, usage: Usage) {
        self.record_mut().usage = Some(usage);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(record) = self.open.take() {
            // The reaper outlives every connection; if it is gone, so is the process.
            let _ = self.reaper.send(record);
        }
    }
}

// === impl Record ===

impl Record {
    /// Time spent in this house up to the first piece of the answer (or up to now, if there is
    /// none): everything but waiting for endpoints.
    pub fn overhead(&self) -> Duration {
        self.first_output.unwrap_or_else(|| self.arrived.elapsed()).saturating_sub(self.waited)
    }

    /// Whether tokens were used: an attempt that failed before its first piece used none.
    pub fn consumed(&self, outcome: &Outcome<'_>) -> bool {
        matches!(outcome, Outcome::Answered) || self.first_output.is_some()
    }

    /// What was used: as reported, or as far as can be told.
    pub fn usage_or_estimate(&self) -> Usage {
        self.usage.unwrap_or_else(|| {
            let known =
                self.usage_so_far.unwrap_or_else(|| Usage::estimated(self.request_bytes, 0));
            let text_output = known.text_output.max(self.relayed_events);
            Usage { text_output, source: Source::Estimated, ..known }
        })
    }

    /// What that costs, where the endpoint's price is known.
    pub fn cost(&self) -> Option<Money> {
        let price = self.endpoint.as_ref()?.price.as_ref()?;
        Some(price.cost(&self.usage_or_estimate()))
    }

    fn settle(mut self, metrics: &Metrics, outcome: Outcome<'_>) {
        // The caller may have left in the middle of a wait.
        if let Some(began) = self.waiting_since.take() {
            self.waited += began.elapsed();
        }
        CallFinished { record: &self, outcome }.emit(metrics);
    }
}

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
                Some(record) = self.dropped.recv() => record.settle(&metrics, Outcome::Abandoned),
                () = finish.cancelled() => break,
            }
        }
        while let Ok(record) = self.dropped.try_recv() {
            record.settle(&metrics, Outcome::Abandoned);
        }
    }
}
