//! Stage 8: account for the call, exactly once, however it ended.
//!
//! A [`Ticket`] is opened when a call arrives and closed by [`Ticket::settle`]. One that is dropped
//! open (the caller left, a task panicked) does no work in `drop`: it goes to the [`Reaper`], which
//! settles it as abandoned.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::failure::Failure;
use isthmus_inference::ident::{ModelName, RequestId};
use isthmus_inference::money::Money;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_inference::stream::Event;
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};
use isthmus_ledger::journal::{NotWritten, Written};
use isthmus_policies::affinity::Prompt;
use isthmus_policies::classify::Classified;
use isthmus_policies::monitor::{self, Work};
use isthmus_policies::terms::Demand;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Call;
use super::recall::Cache;
use super::spend::actual_shares;
use attempts::{Attempts, Fate, Reason};

use considered::{Came, Considered};
pub use entry::Held;
pub use reaper::Reaper;
pub use release::Release;

use crate::calendar::{moment, unix_milliseconds};
use crate::keyring::Tenant;
use crate::permits::{Edition, Judged, Permitted};
use crate::pool::{Endpoint, Pool, Reading};
use crate::quota::{Notes, Reservation};
use crate::telemetry::events::CallFinished;
use crate::telemetry::metrics::Metrics;

mod about;
pub mod attempts;
pub mod considered;
mod entry;
mod reaper;
mod release;

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
    /// The endpoints behind that name.
    pub pool: Option<Arc<Pool>>,
    /// The policies that decided.
    pub edition: Option<Arc<Edition>>,
    /// What those said.
    permitted: Option<Arc<Permitted>>,
    /// The money that is held for it.
    held: Option<Held>,
    /// The hold on its way to the disk.
    hold: Written,
    /// What is held for it in budgets.
    reservation: Option<Reservation>,
    /// What budgets and rates have the caller told.
    pub notes: Notes,
    /// What the request was expected to be.
    reading: Option<Reading>,
    /// What the plan rested on, where decisions are logged.
    considered: Option<Box<Considered>>,
    /// By when the caller must have all of the answer.
    pub deadline: Instant,
    /// What sort of data it carries, and who says so.
    pub classified: Option<Classified>,
    /// What its key and its caller marked it with.
    pub(super) tags: BTreeMap<String, String>,
    /// The service tier that it asks for, if it names one.
    tier: Option<Tier>,
    /// What was tried.
    pub attempts: Attempts,
    /// Since when the call waits for somebody else, if it does.
    waiting_since: Option<Instant>,
    /// Time spent waiting: for the body, for endpoints, and between tries.
    pub waited: Duration,
    /// From arrival to the first piece of the answer.
    pub first_output: Option<Duration>,
    /// The fields of the request that the endpoint has no word for and that were left out.
    pub dropped: Vec<String>,
    /// What memory did.
    pub cache: Cache,
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
            pool: None,
            edition: None,
            permitted: None,
            held: None,
            hold: Written::at_once(),
            reservation: None,
            notes: Notes::default(),
            reading: None,
            considered: None,
            deadline: call.deadline,
            classified: None,
            tags: BTreeMap::new(),
            tier: None,
            attempts: Attempts::default(),
            waiting_since: None,
            waited: Duration::ZERO,
            first_output: None,
            dropped: Vec::new(),
            cache: Cache::Off,
        };
        Self { open: Some(Box::new(record)), reaper: reaper.clone() }
    }

    /// Closes the ticket. Whoever has more to send to the caller waits until it is written down.
    pub fn settle(mut self, metrics: &Metrics, outcome: Outcome<'_>) -> Written {
        self.open.take().map_or_else(Written::at_once, |record| record.settle(metrics, outcome))
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
        record.tier = asked_tier(request);
    }

    pub(super) fn classified(&mut self, classified: Classified) {
        self.record_mut().classified = Some(classified);
    }

    /// It carries these tags.
    pub(super) fn marked(&mut self, tags: BTreeMap<String, String>) {
        self.record_mut().tags = tags;
    }

    pub(super) fn planned(&mut self, pool: &Arc<Pool>) {
        self.record_mut().pool = Some(Arc::clone(pool));
    }

    /// Policy has spoken.
    pub(super) fn judged(&mut self, judged: &Judged) {
        let record = self.record_mut();
        record.edition = Some(Arc::clone(&judged.edition));
        record.permitted = Some(Arc::clone(&judged.permitted));
    }

    /// Money is held, and that is on its way to the disk.
    pub(super) fn held(&mut self, held: Held, written: Written) {
        let record = self.record_mut();
        record.held = Some(held);
        record.hold = written;
    }

    /// It is held in the budgets that the call touches.
    pub(super) fn reserved(&mut self, mut reservation: Reservation) {
        let record = self.record_mut();
        record.notes = std::mem::take(&mut reservation.notes);
        record.reservation = Some(reservation);
    }

    /// What the caller is told of budgets and rates, if it comes to nothing better.
    pub(super) fn noted(&mut self, notes: Notes) {
        self.record_mut().notes = notes;
    }

    /// Waits until what is held is on the disk.
    pub(super) async fn hold_is_written(&mut self) -> Result<(), NotWritten> {
        self.hold().await
    }

    /// What is held, on its way to the disk; whoever takes it waits for it.
    pub fn hold(&mut self) -> Written {
        std::mem::replace(&mut self.record_mut().hold, Written::at_once())
    }

    /// Memory was asked.
    pub(super) fn cached(&mut self, cache: Cache) {
        self.record_mut().cache = cache;
    }

    /// So much is expected of the request.
    pub(super) fn expected(&mut self, reading: Reading) {
        self.record_mut().reading = Some(reading);
    }

    /// Keeps what the plan rested on.
    pub(super) fn considered(&mut self, considered: Considered) {
        self.record_mut().considered = Some(Box::new(considered));
    }

    /// An attempt begins; its number.
    pub(super) fn attempting(&mut self, endpoint: &Arc<Endpoint>, reason: Reason) -> u32 {
        let record = self.record_mut();
        let demand = record.demand();
        let prompt = match &record.pool {
            Some(pool) => pool.prompt(&demand, endpoint),
            None => Prompt::new(demand.input_tokens),
        };
        let work = Work { prompt, output_tokens: demand.output_tokens };
        let now = moment(Instant::now());
        let watched = endpoint.monitor.start(now, work);
        // The plan looked a moment ago; whoever is asked in spite of what it saw is asked anyway.
        let watched = watched.unwrap_or_else(|_| endpoint.monitor.start_anyway(now, work));
        record.attempts.begin(Arc::clone(endpoint), reason, prompt.tokens, record.tier, watched)
    }

    /// The endpoint answers: its first piece is here.
    pub(super) fn answered(&mut self, number: u32, streams: bool) {
        let record = self.record_mut();
        if record.first_output.is_none() {
            let after = record.arrived.elapsed();
            record.first_output = Some(after);
            if streams && let Some(pool) = &record.pool {
                pool.had_first_token(after);
            }
        }
        if let Some(attempted) = record.attempts.get_mut(number) {
            attempted.began_to_answer();
            if streams {
                attempted.streams();
            }
        }
    }

    /// The attempt failed before its first piece.
    pub(super) fn failed(&mut self, number: u32, failure: &Failure) {
        if let Some(attempted) = self.record_mut().attempts.get_mut(number) {
            attempted.failed(failure);
            attempted.endpoint.metrics.attempted(false);
        }
    }

    /// The attempt was overtaken by another, and cancelled.
    pub(super) fn lost(&mut self, number: u32) {
        if let Some(attempted) = self.record_mut().attempts.get_mut(number) {
            attempted.fate = Fate::Lost;
            attempted.finish(monitor::Outcome::Abandoned);
        }
    }

    /// Whoever was answering broke off.
    pub(super) fn broke_off(&mut self, failure: &Failure) {
        if let Some(attempted) = self.record_mut().attempts.current_mut() {
            attempted.failed(failure);
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
        if let Some(attempted) = self.record_mut().attempts.current_mut() {
            attempted.relayed.events += events;
        }
    }

    /// Counts an event that was passed on, and what it says.
    pub fn told(&mut self, event: &Event) {
        if let Some(attempted) = self.record_mut().attempts.current_mut() {
            attempted.relayed.events += 1;
            attempted.relayed.text_bytes += event.said();
        }
    }

    /// Notes what the endpoint reported before it was done.
    pub fn used_so_far(&mut self, usage: Usage) {
        if let Some(attempted) = self.record_mut().attempts.current_mut() {
            attempted.usage_so_far = Some(usage);
        }
    }

    pub(super) fn dropped(&mut self, names: &mut Vec<String>) {
        let dropped = &mut self.record_mut().dropped;
        names.retain(|name| !dropped.contains(name));
        dropped.append(names);
    }

    /// Notes what the endpoint reported.
    pub fn used(&mut self, usage: Usage) {
        if let Some(attempted) = self.record_mut().attempts.current_mut() {
            attempted.usage = Some(usage);
        }
    }
}

/// The service tier that a request names; the three languages have one word for it.
fn asked_tier(request: &Request) -> Option<Tier> {
    let member = request.outline.named(&request.body, "service_tier").next()?;
    let word = request.body.get(member.value.clone())?;
    Tier::named(std::str::from_utf8(word).ok()?.trim_matches('"'))
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

    /// What was expected of the request.
    pub(super) fn demand(&self) -> Demand {
        self.reading.map(|reading| reading.demand).unwrap_or_default()
    }

    /// The endpoint that answers or answered before, or else was tried last.
    pub fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        match self.cache.hit() {
            Some(hit) => Some(&hit.endpoint),
            None => self.attempts.current().map(|attempted| &attempted.endpoint),
        }
    }

    /// What the answer took, now or when it was given first.
    pub fn usage(&self) -> Usage {
        self.cache.hit().map_or_else(|| self.attempts.usage(), |hit| hit.usage)
    }

    /// What the call costs; `None` if the price of some of it is unknown.
    pub fn cost(&self) -> Option<Money> {
        match self.cache.hit() {
            Some(_) => Some(Money::ZERO),
            None => self.attempts.cost(),
        }
    }

    /// The most tokens that the answer may have, if the caller set a bound.
    pub(super) fn output_bound(&self) -> Option<u64> {
        self.reading.and_then(|reading| reading.output_bound)
    }

    fn settle(mut self, metrics: &Metrics, outcome: Outcome<'_>) -> Written {
        // The caller may have left in the middle of a wait.
        if let Some(began) = self.waiting_since.take() {
            self.waited += began.elapsed();
        }
        self.teach(outcome);
        CallFinished { record: &self, outcome }.emit(metrics);
        if let Some(considered) = self.considered.take() {
            let (came, sink) = (self.came(outcome), considered.sink.clone());
            sink.note(move || considered.decided(came));
        }
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(&actual_shares(&self));
        }
        match &self.held {
            Some(held) => self.write_down(held, outcome),
            None => Written::at_once(),
        }
    }

    /// What came of the call, for the log of decisions.
    fn came(&self, outcome: Outcome<'_>) -> Came {
        let age = i64::try_from(self.arrived.elapsed().as_millis()).unwrap_or(i64::MAX);
        let used = self.attempts.iter().any(attempts::Attempted::consumed);
        Came {
            at: unix_milliseconds().saturating_sub(age),
            request_id: self.id.to_string(),
            model: self.model.as_ref().map(ToString::to_string).unwrap_or_default(),
            endpoint: self.endpoint().map(|endpoint| endpoint.name.to_string()),
            outcome: match outcome {
                Outcome::Answered => "answered",
                Outcome::Failed(failure) => failure.kind.as_str(),
                Outcome::Abandoned => "abandoned",
            },
            usage: used.then(|| self.attempts.usage()),
            cost: if used { self.attempts.cost() } else { None },
        }
    }

    /// What the call teaches of endpoints and of requests.
    fn teach(&mut self, outcome: Outcome<'_>) {
        if let Some(attempted) = self.attempts.current_mut()
            && attempted.fate == Fate::Answered
        {
            match outcome {
                Outcome::Answered => attempted.finish_well(),
                Outcome::Failed(failure) => attempted.failed(failure),
                Outcome::Abandoned => {}
            }
        }
        self.attempts.iter_mut().for_each(|left| left.finish(monitor::Outcome::Abandoned));
        let (Some(pool), Some(reading)) = (&self.pool, &self.reading) else { return };
        let Some(answering) = self.attempts.current().filter(|it| it.first_output.is_some()) else {
            return;
        };
        let number = pool.number(&answering.endpoint);
        if let Some(number) = number.filter(|_| answering.caches()) {
            pool.learnt.began(moment(Instant::now()), reading, number);
        }
        if let Some(usage) =
            answering.usage.filter(|usage| usage.source == Source::Reported && usage.input() > 0)
        {
            pool.learnt.reported(reading, usage.input(), usage.output());
        }
    }
}
