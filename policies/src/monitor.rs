//! Watches one endpoint (with its model and credential): admits attempts, learns from how they end,
//! and puts up what decisions read.
//!
//! Shared by all threads. [`Monitor::view`] takes no lock; the others hold one for a moment and
//! never wait for anything while they do.

mod attempt;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::affinity::Prompt;
use crate::board::{Board, Gates};
use crate::breaker::{Breaker, BreakerState};
use crate::caching::Caching;
use crate::concurrency::Concurrency;
use crate::crowding::Line;
use crate::lease::{Backlog, Lease};
use crate::live::{Gate, LiveView};
use crate::moment::Moment;
use crate::prior::Prior;
use crate::quota::PerMinute;
use crate::stats::{BUCKETS, EndpointStats, bucket};

pub use attempt::{Outcome, Served, Started, Work};

/// One endpoint under watch.
pub struct Monitor {
    state: Mutex<State>,
    board: Board,
}

/// What an operator allows an endpoint. What is not given is unlimited, or found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per minute.
    pub rpm: Option<NonZeroU64>,
    /// Tokens per minute, input and output together.
    pub tpm: Option<NonZeroU64>,
    /// Attempts at once; else it is found out ([`crate::concurrency`]).
    pub concurrency: Option<NonZeroU32>,
}

struct State {
    stats: EndpointStats,
    caching: Caching,
    breaker: Breaker,
    concurrency: Concurrency,
    requests: Option<PerMinute>,
    tokens: Option<PerMinute>,
    lease: Option<Lease>,
    backlog: Backlog,
    line: Line,
    cooling_until: Moment,
    /// Refusals without an answer between, for the wait where none was asked for.
    refusals: u32,
    /// When each size of prompts was last put up.
    put_up_at: [Moment; BUCKETS],
}

/// The first token of a whole answer took at least one part in so many of its time.
const WHOLE: u32 = 20;
/// Figures of a size that is often seen are put up this often; they cost microseconds.
const PUT_UP_EVERY: Duration = Duration::from_millis(500);
/// As long as fewer were seen, each one is news.
const NEWS: u32 = 32;
/// The wait after a 429 that names none; doubles with each further one,
const FIRST_COOLING: Duration = Duration::from_secs(1);
/// up to this. A named one counts as far as this, too: a clock that is wrong must not lock out an
/// endpoint for days.
const LONGEST_COOLING: Duration = Duration::from_mins(10);

// === impl Monitor ===

impl Monitor {
    /// A stranger of whom that much is assumed.
    pub fn new(prior: Prior, limits: Limits, lease: Option<Lease>) -> Self {
        let state = State {
            stats: EndpointStats::new(prior, lease.is_some()),
            caching: Caching::default(),
            breaker: Breaker::new(),
            concurrency: Concurrency::new(limits.concurrency, lease.is_some()),
            requests: limits.rpm.map(PerMinute::new),
            tokens: limits.tpm.map(PerMinute::new),
            lease,
            backlog: Backlog::default(),
            line: Line::default(),
            cooling_until: Moment::START,
            refusals: 0,
            put_up_at: [Moment::START; BUCKETS],
        };
        let monitor = Self { state: Mutex::new(state), board: Board::default() };
        monitor.refresh(Moment::START);
        monitor
    }

    /// How it fares, for a request with this prompt.
    #[inline]
    pub fn view(&self, now: Moment, prompt: Prompt) -> LiveView {
        self.board.view(now, prompt)
    }

    /// Begins an attempt, if the endpoint may be asked. A plan read the figures a moment before;
    /// this decides, so that no two probes and no more attempts than allowed are ever under way.
    pub fn start(&self, now: Moment, work: Work) -> Result<Started, Gate> {
        let mut state = self.lock();
        let pending = self.board.pending.load(Relaxed);
        match state.gates().at(now, pending) {
            Gate::Clear => {}
            closed => return Err(closed),
        }
        let probe = state.breaker.pass(now);
        Ok(self.begin(&mut state, now, work, probe))
    }

    /// Begins an attempt that nobody asks leave for: somebody has waited for room, or there is nobody
    /// else to ask.
    pub fn start_anyway(&self, now: Moment, work: Work) -> Started {
        let mut state = self.lock();
        let well = matches!(state.gates().at(now, 0), Gate::Clear);
        let probe = well && state.breaker.pass(now);
        self.begin(&mut state, now, work, probe)
    }

    fn begin(&self, state: &mut State, now: Moment, work: Work, probe: bool) -> Started {
        let pending = self.board.pending.load(Relaxed);
        self.board.pending.store(pending.saturating_add(1), Relaxed);
        let cached = work.prompt.cached(state.caching.kept());
        let fresh = work.prompt.tokens - cached;
        state.take(now, work, fresh);
        self.put_up(state, now);
        let own = state.stats.undisturbed(fresh);
        let line = own.map(|seconds| state.line.join(now, seconds)).unwrap_or_default();
        self.board.put_line(state.line.empty_at());
        Started { at: now, first_token_at: None, work, cached, fresh, line, beside: pending, probe }
    }

    /// A whole answer is here at once. Its first token was not seen; it came when the rest, at this
    /// endpoint's usual pace, had still to be generated.
    pub fn whole(&self, started: &mut Started, now: Moment, output_tokens: u64) {
        let pace = self.view(now, started.computed()).tokens_per_second.max(0.001);
        let all = now.since(started.at);
        let generation = Duration::try_from_secs_f64(output_tokens as f64 / pace);
        let first = all.saturating_sub(generation.unwrap_or(all)).max(all / WHOLE);
        self.first_token(started, started.at + first);
    }

    /// The first token of the answer is here; only the first call counts. For an answer that comes as
    /// a whole there is none to see; [`Monitor::whole`] is for that.
    pub fn first_token(&self, started: &mut Started, now: Moment) {
        if started.first_token_at.is_none() {
            started.first_token_at = Some(now);
            let mut state = self.lock();
            let ttft = now.since(started.at);
            state.line.read(now, started.line);
            self.board.put_line(state.line.empty_at());
            let Started { fresh, line, beside, .. } = *started;
            if let Some(waited) = state.stats.waited(now, fresh, line.ahead, ttft, beside) {
                state.concurrency.sign(beside, waited);
                self.put_up(&state, now);
                if waited {
                    return;
                }
            }
            state.stats.first_token(now, fresh, line.ahead, ttft);
            self.put_up_ttft(&mut state, now, fresh);
        }
    }

    /// Ends an attempt, and learns from it.
    #[expect(clippy::needless_pass_by_value, reason = "an attempt ends once")]
    pub fn finish(&self, started: Started, now: Moment, outcome: Outcome) {
        let mut state = self.lock();
        let pending = self.board.pending.load(Relaxed);
        self.board.pending.store(pending.saturating_sub(1), Relaxed);
        let usual_first = self.board.view(now, started.computed()).ttft.p50;
        state.learn(now, &started, outcome, pending, usual_first);
        let (size, waited) = (started.fresh, now.since(started.at));
        if started.first_token_at.is_none() {
            state.line.leave(now, started.line);
            self.board.put_line(state.line.empty_at());
            if self.shows_slowness(outcome, started.computed(), waited) {
                state.stats.first_token(now, size, started.line.ahead, waited);
                self.put_up_ttft(&mut state, now, size);
            }
        }
        self.put_up(&state, now);
    }

    /// Puts up all figures anew, as those that nobody moved grow old. To be called every few
    /// seconds.
    pub fn refresh(&self, now: Moment) {
        let mut state = self.lock();
        self.board.put_shape(state.stats.shape());
        for bucket in 0..BUCKETS {
            let (ttft, samples) = state.stats.ttft(now, bucket);
            self.board.put_ttft(bucket, ttft, samples);
            state.put_up_at[bucket] = now;
        }
        self.put_up(&state, now);
    }

    /// The state of its breaker.
    pub fn breaker(&self, now: Moment) -> BreakerState {
        self.lock().breaker.state(now)
    }

    /// How many attempts it is allowed at once at present.
    pub fn concurrency(&self) -> u32 {
        self.lock().concurrency.limit()
    }

    fn put_up(&self, state: &State, now: Moment) {
        self.board.put_gates(state.gates());
        self.board.put_queue(state.backlog.empty_at());
        let stats = &state.stats;
        self.board.put_crowding(stats.crowding(), state.caching.kept());
        self.board.put_rates(stats.tokens_per_second(now), stats.failure(now));
    }

    fn put_up_ttft(&self, state: &mut State, now: Moment, input_tokens: u64) {
        let bucket = bucket(input_tokens);
        let often_seen = self.board.samples(bucket) >= NEWS;
        if often_seen && now.since(state.put_up_at[bucket]) < PUT_UP_EVERY {
            return;
        }
        let (ttft, samples) = state.stats.ttft(now, bucket);
        self.board.put_shape(state.stats.shape());
        self.board.put_crowding(state.stats.crowding(), state.caching.kept());
        self.board.put_ttft(bucket, ttft, samples);
        state.put_up_at[bucket] = now;
    }

    /// Whether the lack of a first token, after so long, is news: it would have taken longer still. A
    /// failure that is fast says nothing of the kind, and its haste is not taken for speed; nor is
    /// that of a caller who leaves early.
    fn shows_slowness(&self, outcome: Outcome, prompt: Prompt, waited: Duration) -> bool {
        match outcome {
            Outcome::Stalled => true,
            Outcome::Abandoned => {
                waited.as_secs_f64() > self.board.view(Moment::START, prompt).ttft.p95
            }
            Outcome::Answered(_)
            | Outcome::Failed
            | Outcome::Overloaded { .. }
            | Outcome::Limited { .. }
            | Outcome::Declined => false,
        }
    }

    /// A panic of another thread leaves figures behind that are as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn gates(&self) -> Gates {
        let free_at = |limit: &Option<PerMinute>| limit.map_or(Moment::START, |it| it.free_at());
        Gates {
            sick_until: self.breaker.opens_at(),
            cooling_until: self.cooling_until,
            spent_until: free_at(&self.requests).max(free_at(&self.tokens)),
            limit: self.concurrency.limit(),
        }
    }

    /// All tokens count for what a provider allows, and those that are computed for a machine's time.
    fn take(&mut self, now: Moment, work: Work, fresh: u64) {
        if let Some(requests) = &mut self.requests {
            requests.take(now, 1);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.take(now, work.prompt.tokens.saturating_add(work.output_tokens));
        }
        if let Some(lease) = self.lease {
            self.backlog.add(now, lease.time_for(fresh, work.output_tokens));
        }
    }

    /// Corrects what was taken by what it was.
    fn give_back(&mut self, now: Moment, started: &Started, was: Served) {
        let thought = started.work;
        if let Some(tokens) = &mut self.tokens {
            let taken = thought.prompt.tokens.saturating_add(thought.output_tokens);
            tokens.correct(taken, was.input_tokens.saturating_add(was.output_tokens));
        }
        if let Some(lease) = self.lease {
            let cached = was.cached_tokens.unwrap_or(started.cached);
            let fresh = was.input_tokens.saturating_sub(cached);
            let taken = lease.time_for(started.fresh, thought.output_tokens);
            self.backlog.correct(now, taken, lease.time_for(fresh, was.output_tokens));
        }
    }

    fn learn(
        &mut self,
        now: Moment,
        started: &Started,
        outcome: Outcome,
        pending: u32,
        usual_first: f64,
    ) {
        match outcome {
            Outcome::Answered(was) => {
                self.give_back(now, started, was);
                if let Some(cached) = was.cached_tokens {
                    self.caching.observe(started.work.prompt.known(), cached);
                }
                self.stats.generated(now, was.output_tokens, started.generation(now, usual_first));
                self.concurrency.went_well(pending);
                self.well(now, started.probe);
            }
            Outcome::Declined => self.well(now, started.probe),
            Outcome::Failed => self.sick(now, started.probe),
            Outcome::Stalled => {
                self.concurrency.was_too_much(now);
                self.sick(now, started.probe);
            }
            Outcome::Overloaded { retry_after } => {
                self.concurrency.was_too_much(now);
                match retry_after {
                    Some(wait) => self.cool(now, Some(wait)),
                    None => self.sick(now, started.probe),
                }
            }
            Outcome::Limited { retry_after } => self.cool(now, retry_after),
            Outcome::Abandoned => {}
        }
        let was_no_work =
            !matches!(outcome, Outcome::Answered(_)) && started.first_token_at.is_none();
        if was_no_work {
            self.give_back(now, started, Served::default());
        }
        if started.probe {
            // Whatever was learnt has moved the breaker on; this is for the rest.
            self.breaker.learnt_nothing(now);
        }
    }

    fn well(&mut self, now: Moment, probe: bool) {
        self.refusals = 0;
        self.stats.attempted(now, false);
        self.breaker.succeeded(now, probe);
    }

    fn sick(&mut self, now: Moment, probe: bool) {
        self.stats.attempted(now, true);
        let (attempts, failures) = self.stats.recent(now);
        self.breaker.failed(now, probe, attempts, failures);
    }

    fn cool(&mut self, now: Moment, asked: Option<Duration>) {
        let doubled = FIRST_COOLING.saturating_mul(1 << self.refusals.min(16));
        if self.cooling_until <= now {
            self.refusals = self.refusals.saturating_add(1);
        } else if asked.is_none() {
            // Refusals of one crowded moment count once: this one was under way when it began.
            return;
        }
        let wait = asked.unwrap_or(doubled).min(LONGEST_COOLING);
        self.cooling_until = self.cooling_until.max(now + wait);
    }
}

#[cfg(test)]
mod tests;
