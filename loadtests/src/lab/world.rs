//! What the modelled market does with an attempt: how long it takes, how it ends, what it costs.
//!
//! **A model, and all of it.** For an attempt that reaches endpoint *e* at time *t* with *x* uncached
//! input tokens and *n* output tokens:
//!
//! ```text
//! slow(e,t) = (1 + swing·(1 + cos 2π(t − peak)/h)/2) · exp(drift(e,t)) · brown-out(e,t)
//!             · (1 + crowding · taken/places)
//! ttft      = wait for a place and for its turn + (base + slope·x) · slow · LogNormal(0, σ)
//! decode    = n / tokens per second · slow · LogNormal(0, σ')
//! ```
//!
//! `drift` is an Ornstein–Uhlenbeck process on a grid of five seconds. Places are served in the order
//! of arrival. All that is random is drawn by seed, request, endpoint and try ([`Chance`]), so the
//! fate of an attempt is settled when it is made, and an oracle can be told it.

use isthmus_inference::money::Price;
use isthmus_inference::usage::Usage;

use super::chance::Chance;
use super::market::{Drift, Market, Offer, Woe};
use super::place::Places;
use super::prefix::PrefixCache;
use super::trace::Arrival;

/// The market as one seed has it, and how far it has been used.
#[derive(Debug)]
pub struct World<'a> {
    market: &'a Market,
    chance: Chance,
    endpoints: Vec<Endpoint>,
}

/// One try of a request at an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The request's number in its trace.
    pub request: u64,
    /// How many tries it had before, anywhere.
    pub earlier: u64,
    /// What is asked.
    pub arrival: &'a Arrival,
}

/// What is to be expected of an attempt by whoever knows the market but not the draw.
#[derive(Debug, Clone, Copy)]
pub struct Law {
    /// How long it waits for a place and for the prompts before it, in nanoseconds.
    pub wait: u64,
    /// Median time from the place to the first token, in nanoseconds.
    pub median: f64,
    /// Standard deviation of that time's logarithm.
    pub sigma: f64,
    /// The chance that it is refused or fails before its first token.
    pub refusal: f64,
    /// How many times as slow as written the endpoint is.
    slow: f64,
    /// Input tokens that it has in its cache.
    pub cached: u64,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// When it leaves the queue, in nanoseconds since the trace's beginning.
    pub start: u64,
    /// When its first token is here, if ever.
    pub first_token: Option<u64>,
    /// When it is over.
    pub end: u64,
    /// How it ends.
    pub ending: Ending,
    /// What the endpoint counts for it.
    pub usage: Usage,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// With its last token.
    #[default]
    Whole,
    /// In the middle of its answer.
    Broken,
    /// 429, perhaps with a word on when to come back, in nanoseconds.
    Limited(Option<u64>),
    /// 5xx.
    Failed,
    /// No connection.
    Unreachable,
    /// The caller's patience: there was no first token for too long.
    Stalled,
}

#[derive(Debug)]
struct Endpoint {
    /// The logarithm of its slowness at each step of the grid.
    drift: Vec<f64>,
    spells: Vec<Spell>,
    places: Places,
    /// Until when it reads prompts, where it reads them in turn.
    reads_until: u64,
    cache: PrefixCache,
}

/// A shock, drawn.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    /// The endpoint's number.
    pub endpoint: usize,
    /// When it begins, in nanoseconds since the trace's beginning.
    pub from: u64,
    /// When it ends.
    pub until: u64,
    /// What happens.
    pub what: Woe,
}

const MILLISECOND: f64 = 1e6;
const SECOND: f64 = 1e9;
/// Nanoseconds in a minute.
pub const MINUTE: f64 = 60.0 * SECOND;
/// The grid of the drift.
const STEP: u64 = 5_000_000_000;
/// How long a 429 takes to come.
const REFUSAL: u64 = 30_000_000;
/// Branches of chance, one for each thing that is drawn.
const DRIFT: u64 = 1 << 60;
const SHOCK: u64 = 2 << 60;

// === impl World ===

impl<'a> World<'a> {
    /// The market of this seed, over a trace of this span.
    pub fn new(market: &'a Market, seed: u64, span: u64) -> Self {
        let chance = Chance::of(seed);
        let steps = span / STEP + 200;
        let endpoint = |(endpoint, offer): (usize, &Offer)| Endpoint {
            drift: drift(offer.drift, chance.at(DRIFT).at(endpoint as u64), steps),
            spells: spells(market, endpoint, chance.at(SHOCK)),
            places: Places::new(offer.places.at_once),
            reads_until: 0,
            cache: PrefixCache::new((offer.cache_minutes * MINUTE) as u64),
        };
        let endpoints = market.endpoints.iter().enumerate().map(endpoint).collect();
        Self { market, chance, endpoints }
    }

    /// How many endpoints there are.
    pub fn size(&self) -> usize {
        self.endpoints.len()
    }

    /// What the endpoint charges at this time.
    pub fn price(&self, endpoint: usize, now: u64) -> Price {
        self.priced(endpoint, now, |_| 0)
    }

    /// What the catalogue says that it charges: the truth, a little late.
    pub fn listed_price(&self, endpoint: usize, now: u64) -> Price {
        self.priced(endpoint, now, |minutes| (minutes * MINUTE) as u64)
    }

    fn priced(&self, endpoint: usize, now: u64, late: impl Fn(f64) -> u64) -> Price {
        let mut price = self.market.endpoints[endpoint].price;
        for spell in &self.endpoints[endpoint].spells {
            if let Woe::Price { price: new, noticed_minutes } = spell.what
                && spell.from + late(noticed_minutes) <= now
                && now < spell.until
            {
                price = new;
            }
        }
        price
    }

    /// The law of an attempt that is made now.
    pub fn law(&self, number: usize, arrival: &Arrival, now: u64) -> Law {
        let (offer, endpoint) = (&self.market.endpoints[number], &self.endpoints[number]);
        let place = endpoint.places.first(now);
        let cached = endpoint.cache.tokens(arrival, now).min(arrival.input.saturating_sub(1));
        let mut slow = offer.busy_at(now) * endpoint.drift_at(now).exp();
        if offer.places.crowding > 0.0 {
            slow *= 1.0 + offer.places.crowding * endpoint.places.share_taken(now);
        }
        let mut refusal = offer.failure_rate;
        for spell in endpoint.spells_at(now) {
            match spell.what {
                Woe::BrownOut { slower } => slow *= slower,
                Woe::Storm { share, .. } => refusal = 1.0 - (1.0 - refusal) * (1.0 - share),
                Woe::Vanish { .. } => refusal = 1.0,
                Woe::Price { .. } => {}
            }
        }
        let wait = place.free_at.max(endpoint.reads_until).saturating_sub(now);
        if wait as f64 > offer.places.longest_wait_ms * MILLISECOND {
            refusal = 1.0;
        }
        let uncached = (arrival.input - cached) as f64;
        let written = offer.ttft.base_ms + offer.ttft.per_1k_input_ms * uncached / 1000.0;
        let median = written * MILLISECOND * slow;
        Law { wait, median, sigma: offer.ttft.sigma, refusal, slow, cached }
    }

    /// The share of a leased machine that an attempt takes: the seconds that it reads, and its part of
    /// those that it writes beside others. Nothing where there is no lease.
    pub fn machine_seconds(&self, number: usize, law: &Law, output: u64) -> f64 {
        let offer = &self.market.endpoints[number];
        let decode = output as f64 / offer.decode.tokens_per_second * law.slow;
        let shared = decode / offer.places.at_once as f64;
        if offer.lease.is_some() { law.median / SECOND + shared } else { 0.0 }
    }

    /// What becomes of this attempt if it is made now.
    pub fn look(&self, number: usize, attempt: Try<'_>, now: u64) -> Fate {
        let (offer, endpoint) = (&self.market.endpoints[number], &self.endpoints[number]);
        let draw = self.chance.at(attempt.request).at(number as u64).at(attempt.earlier);
        let law = self.law(number, attempt.arrival, now);
        for spell in endpoint.spells_at(now) {
            match spell.what {
                Woe::Vanish { after_ms } => {
                    let end = now + (after_ms * MILLISECOND) as u64;
                    return Fate::refused(now, end, Ending::Unreachable);
                }
                Woe::Storm { share, retry_after_s } if draw.at(1).uniform() < share => {
                    let asked = retry_after_s.map(|seconds| (seconds * SECOND) as u64);
                    return Fate::refused(now, now + REFUSAL, Ending::Limited(asked));
                }
                _ => {}
            }
        }
        if law.wait as f64 > offer.places.longest_wait_ms * MILLISECOND {
            return Fate::refused(now, now + REFUSAL, Ending::Limited(None));
        }
        let reading = (law.median * draw.at(3).log_normal(law.sigma)) as u64;
        if draw.at(2).uniform() < offer.failure_rate {
            return Fate::refused(now, now + law.wait + reading / 2, Ending::Failed);
        }
        let output = attempt.arrival.output;
        let speed = offer.decode.tokens_per_second / law.slow;
        let decode = output as f64 / speed * draw.at(4).log_normal(offer.decode.sigma) * SECOND;
        let start = now + law.wait;
        let first_token = start + reading;
        let fate = Fate {
            start,
            first_token: Some(first_token),
            end: first_token + decode as u64,
            ending: Ending::Whole,
            usage: Usage {
                uncached_input: attempt.arrival.input - law.cached,
                cache_read: law.cached,
                text_output: output,
                ..Usage::default()
            },
        };
        let mut cut = u64::MAX;
        if draw.at(5).uniform() < offer.break_rate {
            cut = first_token + (decode * draw.at(6).uniform()) as u64;
        }
        let vanishes =
            |spell: &&Spell| matches!(spell.what, Woe::Vanish { .. }) && now < spell.from;
        for spell in endpoint.spells.iter().filter(vanishes) {
            cut = cut.min(spell.from);
        }
        fate.cut_at(cut)
    }

    /// Makes the attempt: it takes its place, and its prompt is cached. The place is for
    /// [`World::leave`].
    pub fn make(&mut self, number: usize, attempt: Try<'_>, now: u64) -> (Fate, usize) {
        let fate = self.look(number, attempt, now);
        let endpoint = &mut self.endpoints[number];
        let place = endpoint.places.first(now).index;
        if matches!(fate.ending, Ending::Whole | Ending::Broken) {
            endpoint.places.take(place, fate.end);
            let read_at = fate.first_token.unwrap_or(fate.end);
            if self.market.endpoints[number].ttft.in_turn {
                endpoint.reads_until = read_at;
            }
            endpoint.cache.keep(attempt.arrival, read_at);
        }
        (fate, place)
    }

    /// The caller leaves an attempt at this time: its place is free again, unless it has been
    /// promised to another since.
    pub fn leave(&mut self, number: usize, place: usize, fate: &Fate, now: u64) {
        self.endpoints[number].places.give_back(place, fate.end, now.max(fate.start));
    }

    /// Every shock.
    pub fn shocks(&self) -> impl Iterator<Item = Spell> {
        self.endpoints.iter().flat_map(|endpoint| endpoint.spells.iter().copied())
    }
}

// === impl Law ===

impl Law {
    /// A bound that the first token keeps with this many standard deviations of certainty, in
    /// nanoseconds from now.
    pub fn bound(&self, deviations: f64) -> f64 {
        self.wait as f64 + self.median * (self.sigma * deviations).exp()
    }
}

// === impl Fate ===

impl Fate {
    fn refused(now: u64, end: u64, ending: Ending) -> Self {
        Self { start: now, first_token: None, end, ending, usage: Usage::default() }
    }

    /// The same attempt, cut at a time; before the first token that is a lost connection.
    fn cut_at(mut self, cut: u64) -> Self {
        let first_token = self.first_token.unwrap_or(self.end);
        if cut < first_token {
            return Self::refused(self.start, cut, Ending::Unreachable);
        }
        if cut < self.end {
            let share = (cut - first_token) as f64 / (self.end - first_token) as f64;
            self.usage.text_output = (self.usage.text_output as f64 * share) as u64;
            self.end = cut;
            self.ending = Ending::Broken;
        }
        self
    }

    /// What is charged if the caller leaves before the first token: the input, once the endpoint
    /// has begun to read it. Few providers say; this is the dearer assumption.
    pub fn left_at(&self, now: u64) -> Usage {
        match now >= self.start {
            true => Usage { text_output: 0, ..self.usage },
            false => Usage::default(),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn drift_at(&self, now: u64) -> f64 {
        let step = (now / STEP) as usize;
        self.drift[step.min(self.drift.len() - 1)]
    }

    fn spells_at(&self, now: u64) -> impl Iterator<Item = &Spell> {
        self.spells.iter().filter(move |spell| spell.from <= now && now < spell.until)
    }
}

// === impl Offer ===

impl Offer {
    fn busy_at(&self, now: u64) -> f64 {
        let turn = (now as f64 / MINUTE - self.busy.peak_minute) / 60.0;
        1.0 + self.busy.swing * f64::midpoint(1.0, (std::f64::consts::TAU * turn).cos())
    }
}

fn drift(drift: Drift, chance: Chance, steps: u64) -> Vec<f64> {
    if drift.sigma == 0.0 || drift.minutes == 0.0 {
        return vec![0.0];
    }
    let memory = (-(STEP as f64) / (drift.minutes * MINUTE)).exp();
    let fresh = drift.sigma * (1.0 - memory * memory).sqrt();
    let mut value = drift.sigma * chance.at(0).normal();
    let mut step = |index| {
        let here = value;
        value = memory * value + fresh * chance.at(index).normal();
        here
    };
    (1..=steps).map(&mut step).collect()
}

fn spells(market: &Market, endpoint: usize, chance: Chance) -> Vec<Spell> {
    let name = &market.endpoints[endpoint].name;
    let here = market.shocks.iter().enumerate().filter(|(_, shock)| shock.endpoint == *name);
    here.map(|(number, shock)| {
        let [first, last] = shock.from;
        let from = first + (last - first) * chance.at(number as u64).uniform();
        let [from, until] = [from, from + shock.minutes].map(|minute| (minute * MINUTE) as u64);
        Spell { endpoint, from, until, what: shock.what }
    })
    .collect()
}

#[cfg(test)]
mod tests;
