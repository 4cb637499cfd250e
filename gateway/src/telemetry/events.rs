//! What can happen, one struct each: its log line, and the metrics that it moves.
//!
//! Names say who did what (`CallFinished`, `AttemptFailed`). A message is a fixed sentence; what
//! varies stands in fields, so that machines can group lines and people can still read them.

pub mod budgets;
pub mod cache;
pub mod keys;
pub mod ledger;
pub mod policies;
pub mod prices;

use std::net::SocketAddr;

use isthmus_inference::failure::{Blame, Failure};
use isthmus_inference::ident::RequestId;
use isthmus_ledger::store::StoreError;
use isthmus_runtime::LoadError;
use tracing::{debug, error, info, warn};

use crate::pipeline::settle::{Outcome, Record};
use crate::pool::Endpoint;
use crate::telemetry::metrics::Metrics;

/// The doors are open.
pub struct ServerStarted<'a> {
    /// The API's door.
    pub listen: SocketAddr,
    /// The admin door.
    pub admin_listen: SocketAddr,
    /// The names that can be asked for.
    pub models: &'a [String],
}

/// Anyone who reaches the door may call.
pub struct ServerOpen;

/// No more calls are taken in; those under way go on.
pub struct ServerDraining;

/// The time for draining is over and calls were cut.
pub struct DrainTimedOut;

/// The faster copy of the model could not be written; the model itself serves.
pub struct CopyNotMade<'a> {
    /// Why.
    pub error: &'a LoadError,
}

/// Decisions could not be logged.
pub struct DecisionsNotWritten<'a> {
    /// How many.
    pub count: usize,
    /// Why.
    pub error: &'a StoreError,
}

/// Decisions that are older than they are kept could not be removed.
pub struct DecisionsNotForgotten<'a> {
    /// Why.
    pub error: &'a StoreError,
}

/// One try at one endpoint failed.
pub struct AttemptFailed<'a> {
    /// The call.
    pub request_id: &'a RequestId,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// Why.
    pub failure: &'a Failure,
}

/// A call ended, one way or another.
pub struct CallFinished<'a> {
    /// What is known of it.
    pub record: &'a Record,
    /// How it ended.
    pub outcome: Outcome<'a>,
}

/// A stage panicked; the caller got a 500 and the house stands.
pub struct CallPanicked<'a> {
    /// The call.
    pub request_id: &'a RequestId,
}

// === impl ServerStarted ===

impl ServerStarted<'_> {
    /// Tells.
    pub fn emit(self) {
        let Self { listen, admin_listen, models } = self;
        info!(%listen, %admin_listen, models = models.join(" "), "isthmus is ready");
    }
}

// === impl ServerOpen ===

impl ServerOpen {
    /// Tells, loudly.
    pub fn emit(self) {
        warn!(
            "OPEN: there are no keys, so anyone who reaches this port may call; `isthmus keys create --name NAME` closes it"
        );
    }
}

// === impl ServerDraining ===

impl ServerDraining {
    /// Tells.
    pub fn emit(self) {
        info!("stopping: no more calls are taken in, those under way go on");
    }
}

// === impl DrainTimedOut ===

impl DrainTimedOut {
    /// Tells.
    pub fn emit(self) {
        warn!("stopped with calls under way: server.drain_timeout is over");
    }
}

// === impl CopyNotMade ===

impl CopyNotMade<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(error = %self.error, "serving the model as it is");
    }
}

// === impl DecisionsNotWritten ===

impl DecisionsNotWritten<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(count = self.count, error = %self.error, "decisions not logged, and lost to `isthmus explain` and `isthmus replay`");
    }
}

// === impl DecisionsNotForgotten ===

impl DecisionsNotForgotten<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(error = %self.error, "old decisions not removed; tried again in an hour");
    }
}

// === impl AttemptFailed ===

impl AttemptFailed<'_> {
    /// Tells.
    pub fn emit(self) {
        let Self { request_id, endpoint, failure } = self;
        let kind = failure.kind.as_str();
        let detail = failure.detail.as_deref().unwrap_or_default();
        let upstream = failure.upstream.as_deref();
        let status = upstream.map(|upstream| upstream.status);
        let upstream_id = upstream.and_then(|upstream| upstream.request_id.as_deref());
        // What callers bring on themselves is no trouble of the operator's.
        if failure.blame == Blame::Caller {
            debug!(%request_id, endpoint = %endpoint.name, kind, status, upstream_id, detail, reason = failure.message, "attempt refused");
        } else {
            warn!(%request_id, endpoint = %endpoint.name, kind, status, upstream_id, detail, reason = failure.message, "attempt failed");
        }
    }
}

// === impl CallFinished ===

impl CallFinished<'_> {
    /// Tells and counts.
    pub fn emit(self, metrics: &Metrics) {
        self.count(metrics);
        self.log();
    }

    fn count(&self, metrics: &Metrics) {
        let record = self.record;
        metrics.in_flight.dec();
        metrics.overhead.observe(record.overhead().as_secs_f64());
        let label = record.pool.as_ref().map_or("unknown", |pool| &*pool.label);
        metrics.request(label, record.operation.as_str(), self.status());
        metrics.cached(&record.cache);
        for attempted in record.attempts.iter().filter(|attempted| attempted.consumed()) {
            let metrics = &attempted.endpoint.metrics;
            let usage = attempted.usage_or_estimate();
            metrics.input_tokens.observe(usage.input() as f64);
            metrics.output_tokens.observe(usage.output() as f64);
            if let Some(cost) = attempted.cost() {
                metrics.cost.inc_by(cost.pico_dollars() as f64 / 1e12);
            }
        }
        // What the caller waited for is put down to whoever answered him.
        if let (Some(first), Some(endpoint)) = (record.first_output, record.endpoint()) {
            endpoint.metrics.first_token.observe(first.as_secs_f64());
            endpoint.metrics.duration.observe(record.arrived.elapsed().as_secs_f64());
        }
    }

    fn log(&self) {
        let Self { record, outcome } = self;
        let request_id = &record.id;
        let tenant = record.tenant.as_ref().map_or("", |tenant| tenant.name());
        let model = record.model.as_ref().map_or("", |model| model.as_str());
        let attempt = record.attempts.current();
        let endpoint = attempt.map_or("", |attempt| attempt.endpoint.name.as_str());
        let chosen = attempt.map_or("", |attempt| attempt.reason.as_str());
        // The words alone; what was found stays in the request.
        let class = record.classified.map_or("", |told| told.class.strictest().as_str());
        let class_by = record.classified.map_or("", |told| told.by.as_str());
        let ms = record.arrived.elapsed().as_millis() as u64;
        let overhead_us = record.overhead().as_micros() as u64;
        let usage = record.attempts.usage();
        let (attempts, operation, status) =
            (record.attempts.made(), record.operation.as_str(), self.status());
        match outcome {
            Outcome::Answered => {
                info!(%request_id, operation, model, endpoint, chosen, tenant, class, class_by, status, attempts, ms, overhead_us, input_tokens = usage.input(), output_tokens = usage.output(), cache = record.cache.as_str(), "answered");
            }
            Outcome::Abandoned => {
                info!(%request_id, operation, model, endpoint, tenant, class, class_by, attempts, ms, events = attempt.map_or(0, |attempt| attempt.relayed.events), "caller left");
            }
            Outcome::Failed(failure) => {
                let (kind, reason) = (failure.kind.as_str(), &failure.message);
                let detail = failure.detail.as_deref().unwrap_or_default();
                if failure.blame == Blame::Caller {
                    info!(%request_id, operation, model, endpoint, tenant, class, class_by, status, attempts, ms, kind, reason, "refused");
                } else {
                    warn!(%request_id, operation, model, endpoint, tenant, class, class_by, status, attempts, ms, kind, reason, detail, "failed");
                }
            }
        }
    }

    fn status(&self) -> &'static str {
        match self.outcome {
            Outcome::Answered => "200",
            // nginx's word for a client that closed the connection.
            Outcome::Abandoned => "499",
            Outcome::Failed(failure) => status_word(failure.status()),
        }
    }
}

// === impl CallPanicked ===

impl CallPanicked<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(request_id = %self.request_id, "a stage panicked; this is a defect, please report it");
    }
}

/// A status as a label, without allocating for those that occur.
fn status_word(status: u16) -> &'static str {
    match status {
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        408 => "408",
        413 => "413",
        422 => "422",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        status if status < 500 => "4xx",
        _ => "5xx",
    }
}
