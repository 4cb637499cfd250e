//! The event loop: a trace's requests, one contender, one seed's market.
//!
//! The loop is open: requests come when the trace says, however slow the answers are. It does what
//! the gateway's dispatch does (attempt, hedge, retry, fall back, give up at the deadline) by what
//! the contender's plan and the retry rules say, and charges every attempt, lost races included.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_policies::retry::{Next, Progress};

use super::chance::Chance;
use super::fair::Fair;
use super::oracle::Oracle;
use super::router::{self, Ask, Listing, PATIENCE, Plan, Router};
use super::trace::{Arrival, Trace};
use super::world::{Ending, Fate, Try, World};

/// Who decides.
pub enum Contender {
    /// Somebody who sees what a gateway sees.
    Blind(Box<dyn Router>),
    /// Somebody who knows more.
    Seer(Oracle),
    /// Somebody who knows every law, and no luck.
    Fair(Fair),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// From its arrival to its first token, in nanoseconds; none if there was none.
    pub ttft: Option<u64>,
    /// Whether its answer was whole.
    pub whole: bool,
    /// What all its attempts were charged.
    pub cost: Money,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether a second attempt ran beside the first.
    pub hedged: bool,
    /// Who answered.
    pub endpoint: Option<usize>,
}

struct Simulation<'a> {
    trace: &'a Trace,
    world: World<'a>,
    contender: &'a mut Contender,
    chance: Chance,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sent: u64,
    exchanges: Vec<Exchange>,
    attempts: Vec<Attempt>,
}

/// What happens next to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    FirstToken(usize),
    End(usize),
    Again(usize),
    Hedge(usize),
}

/// A request on its way.
#[derive(Debug, Clone, Default)]
struct Exchange {
    plan: Plan,
    /// The place in the plan.
    position: usize,
    attempts_here: u32,
    /// Attempts without an end or a first token.
    running: Vec<usize>,
    answered: bool,
    record: Record,
}

#[derive(Debug, Clone, Copy, Default)]
struct Attempt {
    request: usize,
    endpoint: usize,
    started: u64,
    place: usize,
    fate: Fate,
    over: bool,
}

/// The longest that a caller waits for the whole answer.
const DEADLINE: u64 = 120_000_000_000;
/// Branches of chance beside those of the world's.
const DICE: u64 = 3 << 60;
const BYTES: u64 = 4 << 60;
/// Bytes of text to a token: the mean and the spread of its logarithm between prompts.
const BYTES_PER_TOKEN: f64 = 4.2;
const BYTES_SPREAD: f64 = 0.12;

/// Runs the trace; one record for each of its requests.
pub fn run(trace: &Trace, world: World<'_>, contender: &mut Contender, seed: u64) -> Vec<Record> {
    let mut simulation = Simulation {
        trace,
        world,
        contender,
        chance: Chance::of(seed),
        events: BinaryHeap::new(),
        sent: 0,
        exchanges: vec![Exchange::default(); trace.arrivals.len()],
        attempts: Vec::with_capacity(trace.arrivals.len() * 5 / 4),
    };
    for (request, arrival) in trace.arrivals.iter().enumerate() {
        simulation.until(arrival.at);
        simulation.arrive(request, arrival);
    }
    simulation.until(u64::MAX);
    simulation.exchanges.into_iter().map(|exchange| exchange.record).collect()
}

// === impl Simulation ===

impl<'a> Simulation<'a> {
    /// Everything that happens before this time.
    fn until(&mut self, time: u64) {
        while let Some(Reverse((now, ..))) = self.events.peek()
            && *now < time
            && let Some(Reverse((now, _, event))) = self.events.pop()
        {
            match event {
                Event::FirstToken(attempt) => self.first_token(attempt, now),
                Event::End(attempt) => self.end(attempt, now),
                Event::Again(request) => self.proceed(request, now),
                Event::Hedge(request) => self.hedge(request, now),
            }
        }
    }

    fn arrive(&mut self, request: usize, arrival: &Arrival) {
        let now = arrival.at;
        let ask = self.ask(request);
        let plan = match &mut *self.contender {
            Contender::Blind(router) => router.plan(&ask, Listing::new(&self.world, now)),
            Contender::Seer(oracle) => {
                let attempt = Try { request: request as u64, earlier: 0, arrival };
                oracle.plan(attempt, &self.world, now)
            }
            Contender::Fair(fair) => fair.plan(arrival, &self.world, now),
        };
        let hedge = plan.hedge;
        self.exchanges[request].plan = plan;
        self.proceed(request, now);
        if let Some(hedge) = hedge {
            self.at(now + hedge.after, Event::Hedge(request));
        }
    }

    /// Tries the endpoint at the plan's place, or else the ones after it.
    fn proceed(&mut self, request: usize, now: u64) {
        while let Some(endpoint) = self.exchanges[request].here()
            && !self.attempt(request, endpoint, now)
        {
            self.exchanges[request].go_on();
        }
    }

    /// Makes an attempt, unless the contender does not let it start.
    fn attempt(&mut self, request: usize, endpoint: usize, now: u64) -> bool {
        let number = self.attempts.len();
        let unsent = Attempt { request, endpoint, started: now, ..Attempt::default() };
        self.attempts.push(unsent);
        let starts = self.ask_contender(number, now, |router, attempt| router.starts(attempt));
        if starts == Some(false) {
            self.attempts.pop();
            return false;
        }
        let exchange = &mut self.exchanges[request];
        let earlier = u64::from(exchange.record.attempts);
        exchange.record.attempts += 1;
        exchange.attempts_here += 1;
        exchange.running.push(number);
        let has_alternative = exchange.has_alternative();
        let arrival = &self.trace.arrivals[request];
        let attempt = Try { request: request as u64, earlier, arrival };
        let (fate, place) = self.world.make(endpoint, attempt, now);
        (self.attempts[number].fate, self.attempts[number].place) = (fate, place);
        let patience = self
            .ask_contender(number, now, |router, attempt| router.patience(attempt, has_alternative))
            .unwrap_or(PATIENCE);
        match fate.first_token.unwrap_or(fate.end) {
            news if news > now + patience => self.at(now + patience, Event::End(number)),
            news if fate.first_token.is_some() => self.at(news, Event::FirstToken(number)),
            news => self.at(news, Event::End(number)),
        }
        true
    }

    fn first_token(&mut self, number: usize, now: u64) {
        let Attempt { request, endpoint, fate, over, .. } = self.attempts[number];
        if over {
            return;
        }
        self.ask_contender(number, now, |router, attempt| router.first_token(attempt));
        let exchange = &mut self.exchanges[request];
        exchange.answered = true;
        exchange.record.ttft = Some(now - self.trace.arrivals[request].at);
        exchange.record.endpoint = Some(endpoint);
        let losers = std::mem::take(&mut exchange.running);
        for loser in losers.into_iter().filter(|running| *running != number) {
            let Attempt { endpoint, place, fate, .. } = self.attempts[loser];
            self.close(loser, now, fate.left_at(now), None);
            self.world.leave(endpoint, place, &fate, now);
        }
        self.at(fate.end, Event::End(number));
    }

    fn end(&mut self, number: usize, now: u64) {
        let Attempt { request, fate, over, .. } = self.attempts[number];
        if over {
            return;
        }
        let ending = if now < fate.end { Ending::Stalled } else { fate.ending };
        let usage = if now < fate.end { fate.left_at(now) } else { fate.usage };
        self.close(number, now, usage, Some(ending));
        if ending == Ending::Stalled {
            let Attempt { endpoint, place, .. } = self.attempts[number];
            self.world.leave(endpoint, place, &fate, now);
        }
        let exchange = &mut self.exchanges[request];
        exchange.running.retain(|running| *running != number);
        if exchange.answered {
            exchange.record.whole = ending == Ending::Whole;
        } else if exchange.running.is_empty() {
            self.after_failure(request, now, &failure(ending));
        }
    }

    /// Asks what to do, and does it.
    fn after_failure(&mut self, request: usize, now: u64, failure: &Failure) {
        let exchange = &self.exchanges[request];
        let left = (self.trace.arrivals[request].at + DEADLINE).saturating_sub(now);
        let progress = Progress {
            attempts_here: exchange.attempts_here,
            has_alternative: exchange.has_alternative(),
            time_left: Duration::from_nanos(left),
        };
        let dice = self.chance.at(DICE).at(request as u64);
        let dice = dice.at(u64::from(exchange.record.attempts)).uniform();
        let next = match &mut *self.contender {
            Contender::Blind(router) => router.next(progress, failure, dice, now),
            Contender::Seer(_) | Contender::Fair(_) if progress.has_alternative => Next::Elsewhere,
            Contender::Seer(_) | Contender::Fair(_) => Next::GiveUp,
        };
        match next {
            Next::Again { after } => {
                self.at(now + after.as_nanos() as u64, Event::Again(request));
            }
            Next::Elsewhere => {
                self.exchanges[request].go_on();
                self.proceed(request, now);
            }
            Next::GiveUp => {}
        }
    }

    fn hedge(&mut self, request: usize, now: u64) {
        let exchange = &self.exchanges[request];
        let waits = !exchange.answered && exchange.running.len() == 1 && exchange.position == 0;
        if let (true, Some(hedge)) = (waits, exchange.plan.hedge)
            && let Contender::Blind(router) = &mut *self.contender
            && router.may_hedge(&hedge, now)
        {
            self.exchanges[request].record.hedged = self.attempt(request, hedge.with, now);
        }
    }

    /// An attempt is over: it is charged, and the contender told.
    fn close(&mut self, number: usize, now: u64, usage: Usage, ending: Option<Ending>) {
        let attempt = &mut self.attempts[number];
        attempt.over = true;
        attempt.fate.usage = usage;
        let cost = self.world.price(attempt.endpoint, attempt.started).cost(&usage);
        let record = &mut self.exchanges[attempt.request].record;
        record.cost += cost;
        self.ask_contender(number, now, |router, attempt| router.ended(attempt, ending));
    }

    fn ask_contender<T>(
        &mut self,
        number: usize,
        now: u64,
        what: impl FnOnce(&mut dyn Router, &router::Attempt<'_>) -> T,
    ) -> Option<T> {
        let Attempt { request, endpoint, started, fate, over, .. } = self.attempts[number];
        let ask = self.ask(request);
        let Contender::Blind(router) = &mut *self.contender else { return None };
        let Usage { uncached_input, cache_read, text_output, .. } = fate.usage;
        let attempt = router::Attempt {
            ask: &ask,
            number,
            endpoint,
            started,
            now,
            input_tokens: uncached_input + cache_read,
            cached_tokens: cache_read,
            output_tokens: if over { text_output } else { 0 },
        };
        Some(what(router.as_mut(), &attempt))
    }

    fn ask(&self, request: usize) -> Ask<'a> {
        let trace: &'a Trace = self.trace;
        let arrival = &trace.arrivals[request];
        let bytes = self.chance.at(BYTES).at(request as u64).log_normal(BYTES_SPREAD);
        Ask {
            request: request as u64,
            now: arrival.at,
            prompt_bytes: (arrival.input as f64 * BYTES_PER_TOKEN * bytes) as u64 + 1,
            prefixes: &trace.prefixes[request],
            dice: self.chance.at(DICE).at(request as u64).uniform(),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sent += 1;
        self.events.push(Reverse((time, self.sent, event)));
    }
}

// === impl Exchange ===

impl Exchange {
    /// The endpoint at the plan's place.
    fn here(&self) -> Option<usize> {
        self.plan.order.get(self.position).copied()
    }

    fn has_alternative(&self) -> bool {
        self.position + 1 < self.plan.order.len()
    }

    fn go_on(&mut self) {
        self.position += 1;
        self.attempts_here = 0;
    }
}

/// The failure that the gateway's adapter would make of it.
fn failure(ending: Ending) -> Failure {
    match ending {
        Ending::Limited(asked) => {
            let failure = Failure::new(Kind::RateLimited, "429");
            match asked {
                Some(asked) => failure.with_retry_after(Duration::from_nanos(asked)),
                None => failure,
            }
        }
        Ending::Failed => Failure::new(Kind::ProviderError, "500"),
        Ending::Unreachable => Failure::new(Kind::Unreachable, "no connection"),
        Ending::Stalled => Failure::new(Kind::Timeout, "no first token"),
        Ending::Whole | Ending::Broken => Failure::new(Kind::Malformed, "cut"),
    }
}
