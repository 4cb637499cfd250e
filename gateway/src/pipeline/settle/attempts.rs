//! The attempts of one call, a line each: what was tried and why, how it ended, what it took.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::money::Money;
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage, estimate_tokens};
use isthmus_policies::monitor::{Outcome, Served, Started};
use tokio::time::Instant;

use crate::calendar::moment;
use crate::pool::{Endpoint, Rates};

/// One try at one endpoint.
#[derive(Debug)]
pub struct Attempted {
    /// Counts from 1.
    pub number: u32,
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What that charged when it was asked.
    pub rates: Arc<Rates>,
    /// Why it was tried.
    pub reason: Reason,
    /// How it ended.
    pub fate: Fate,
    /// When it began.
    pub began: Instant,
    /// From then to the first piece of its answer.
    pub first_output: Option<Duration>,
    /// How many tokens it was sent, as expected.
    pub expected_input: u64,
    /// The service tier that was asked for, if one was.
    pub tier: Option<Tier>,
    /// What was passed on of its answer.
    pub relayed: Relayed,
    /// What the endpoint reported.
    pub usage: Option<Usage>,
    /// What it reported before it was done.
    pub usage_so_far: Option<Usage>,
    /// When it was over.
    ended: Option<Instant>,
    /// Its place under the endpoint's monitor, until it is known how it ended.
    pub(super) watched: Option<Started>,
}

/// What was passed on of an answer, as far as it is counted on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relayed {
    /// Server-sent events; about one token each, unless the provider puts several into one.
    pub events: u64,
    /// Bytes of text, where the answer was translated, and so read.
    pub text_bytes: usize,
}

/// Why an endpoint was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was the first choice.
    First,
    /// It failed, and was given another chance.
    Again,
    /// Another one failed.
    Fallback,
    /// Another one was slow.
    Hedge,
    /// Another one broke off in the middle of its answer.
    Splice,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has not: the endpoint is awaited, or the caller left.
    Open,
    /// The endpoint answers, or has answered.
    Answered,
    /// It failed, before its answer or in the middle of it.
    Failed(Kind),
    /// Another one was faster.
    Lost,
}

/// The attempts of one call. The first one, mostly the only one, costs no allocation.
#[derive(Debug, Default)]
pub struct Attempts {
    first: Option<Attempted>,
    more: Vec<Attempted>,
    made: u32,
}

/// How many are kept. Those beyond replace the oldest that cost nothing.
const MOST_KEPT: usize = 32;

// === impl Reason ===

impl Reason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Again => "retry",
            Self::Fallback => "fallback",
            Self::Hedge => "hedge",
            Self::Splice => "splice",
        }
    }
}

// === impl Fate ===

impl Fate {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Failed(kind) => kind.as_str(),
            Self::Lost => "lost",
        }
    }
}

// === impl Relayed ===

impl Relayed {
    /// How many tokens that was, roughly, and no fewer than can be seen.
    fn tokens(self) -> u64 {
        self.events.max(estimate_tokens(self.text_bytes))
    }
}

// === impl Attempted ===

impl Attempted {
    /// Whether tokens were used. An attempt that failed before its first piece used none; a provider
    /// may charge for one that lost a race.
    pub fn consumed(&self) -> bool {
        self.first_output.is_some() || self.fate == Fate::Lost
    }

    /// Whether the caller was shown something of it.
    pub fn contributed(&self) -> bool {
        self.first_output.is_some() && self.fate != Fate::Lost
    }

    /// What was used: as reported, or as far as can be told. The tier is the one that was asked for
    /// where the answer does not say by which it came.
    pub fn usage_or_estimate(&self) -> Usage {
        let usage = self.usage.unwrap_or_else(|| {
            Usage::of_cut(self.usage_so_far, self.expected_input, self.relayed.tokens())
        });
        Usage { tier: usage.tier.or(self.tier), ..usage }
    }

    /// Whether its endpoint keeps beginnings of prompts, as far as can be told: it has a price for
    /// them, or has just reported some.
    pub fn caches(&self) -> bool {
        self.rates.has_cache_price() || self.usage.is_some_and(|usage| usage.cache_read > 0)
    }

    /// How long it took, up to now if it is not over.
    pub fn took(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.began)
    }

    /// What that costs; nothing on a lease, whose hour is paid, and `None` where no price is known.
    pub fn cost(&self) -> Option<Money> {
        self.rates.list_cost(&self.usage_or_estimate())
    }
}

impl Attempted {
    /// The first piece of a stream is here.
    pub(super) fn began_to_answer(&mut self) {
        let now = Instant::now();
        self.fate = Fate::Answered;
        self.first_output = Some(now.saturating_duration_since(self.began));
        self.endpoint.metrics.attempted(true);
        self.endpoint.answers.store(true, Relaxed);
    }

    /// The first piece is the first of a stream.
    pub(super) fn streams(&mut self) {
        if let Some(watched) = &mut self.watched {
            self.endpoint.monitor.first_token(watched, moment(Instant::now()));
        }
    }

    /// It failed, before its answer or in the middle of it.
    pub(super) fn failed(&mut self, failure: &Failure) {
        self.fate = Fate::Failed(failure.kind);
        // Whoever spoke, if only to refuse, is there.
        self.endpoint.answers.store(failure.upstream.is_some(), Relaxed);
        self.finish(Outcome::of(failure));
    }

    /// It is over, and the endpoint's monitor learns from it; only the first call counts.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.ended.get_or_insert_with(Instant::now);
        if let Some(watched) = self.watched.take() {
            self.endpoint.monitor.finish(watched, moment(Instant::now()), outcome);
        }
    }

    /// It is over, and the answer was whole.
    pub(super) fn finish_well(&mut self) {
        let usage = self.usage_or_estimate();
        let tells = usage.source == Source::Reported;
        let was = Served {
            input_tokens: usage.input(),
            cached_tokens: tells.then_some(usage.cache_read),
            output_tokens: usage.output(),
        };
        if let Some(watched) = &mut self.watched
            && watched.first_token_at().is_none()
        {
            self.endpoint.monitor.whole(watched, moment(Instant::now()), was.output_tokens);
        }
        self.finish(Outcome::Answered(was));
    }
}

// === impl Attempts ===

impl Attempts {
    /// Begins one, and numbers it.
    pub(super) fn begin(
        &mut self,
        endpoint: Arc<Endpoint>,
        reason: Reason,
        expected_input: u64,
        tier: Option<Tier>,
        watched: Started,
    ) -> u32 {
        self.made += 1;
        let attempted = Attempted {
            number: self.made,
            rates: endpoint.rates(),
            endpoint,
            reason,
            fate: Fate::Open,
            began: Instant::now(),
            first_output: None,
            expected_input,
            tier,
            relayed: Relayed::default(),
            usage: None,
            usage_so_far: None,
            ended: None,
            watched: Some(watched),
        };
        match &self.first {
            None => self.first = Some(attempted),
            Some(_) => {
                let idle = |kept: &Attempted| kept.fate != Fate::Open && !kept.consumed();
                if self.more.len() + 1 >= MOST_KEPT
                    && let Some(place) = self.more.iter().position(idle)
                {
                    self.more.remove(place);
                }
                self.more.push(attempted);
            }
        }
        self.made
    }

    /// How many there were, those included that are not kept.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// Those that are kept, in the order in which they began.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Attempted> {
        self.first.iter().chain(&self.more)
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Attempted> {
        self.first.iter_mut().chain(&mut self.more)
    }

    /// The one with this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Attempted> {
        self.iter_mut().rev().find(|attempted| attempted.number == number)
    }

    /// The one that counts: that answers, or else the last that did not lose a race.
    pub fn current(&self) -> Option<&Attempted> {
        let latest = |counts: fn(Fate) -> bool| self.iter().rev().find(|at| counts(at.fate));
        latest(|fate| fate == Fate::Answered).or_else(|| latest(|fate| fate != Fate::Lost))
    }

    /// The same, to be changed.
    pub fn current_mut(&mut self) -> Option<&mut Attempted> {
        let number = self.current()?.number;
        self.get_mut(number)
    }

    /// Whether an endpoint was tried already.
    pub fn tried(&self, endpoint: &Endpoint) -> bool {
        self.iter().any(|attempted| attempted.endpoint.name == endpoint.name)
    }

    /// Whether the answer is put together from those of several.
    pub fn spliced(&self) -> bool {
        self.splices() > 0
    }

    /// How often another endpoint went on with the answer.
    pub fn splices(&self) -> u32 {
        let went_on = |at: &&Attempted| at.reason == Reason::Splice && at.contributed();
        u32::try_from(self.iter().filter(went_on).count()).unwrap_or(u32::MAX)
    }

    /// Whether a second copy of the request was sent.
    pub fn hedged(&self) -> bool {
        self.iter().any(|attempted| attempted.reason == Reason::Hedge)
    }

    /// What the answer took, of all who gave a part of it.
    pub fn usage(&self) -> Usage {
        let parts = self.iter().filter(|attempted| attempted.contributed());
        let sum = parts.map(Attempted::usage_or_estimate).reduce(|mut sum, part| {
            sum += part;
            sum
        });
        sum.unwrap_or_else(|| self.current().map_or(Usage::default(), Attempted::usage_or_estimate))
    }

    /// What all that was used costs, the answer or not; `None` if the price of some of it is unknown.
    pub fn cost(&self) -> Option<Money> {
        let mut costs = self.iter().filter(|attempted| attempted.consumed()).map(Attempted::cost);
        let first = costs.next().or_else(|| self.current().map(Attempted::cost))??;
        costs.try_fold(first, |sum, cost| Some(sum + cost?))
    }
}
