//! The real thing: the `policies` crate, held as the gateway holds it.
//!
//! Every decision is `policies`': the plan, what is expected of a request, when an endpoint may be
//! asked, patience, hedges, retries. This file only carries what a gateway sees to it.

use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_inference::failure::Failure;
use isthmus_inference::money::Price;
use isthmus_policies::affinity::{PrefixMap, Warm};
use isthmus_policies::allowance::{Allowance, RETRIES};
use isthmus_policies::bounds::Bounds;
use isthmus_policies::chance::Chance;
use isthmus_policies::endpoint_set::EndpointSet;
use isthmus_policies::estimate::{Calibration, Size};
use isthmus_policies::facts::{Fact, Facts};
use isthmus_policies::hedge::{self, HedgeAfter, HedgeBudget, HedgeRules};
use isthmus_policies::lease::Lease;
use isthmus_policies::live::{Gate, LiveView, Quantile, Quantiles};
use isthmus_policies::moment::Moment;
use isthmus_policies::monitor::{Limits, Monitor, Outcome, Served, Started, Work};
use isthmus_policies::objective::{Aim, Objective};
use isthmus_policies::offer::{Offer, Pricing};
use isthmus_policies::plan::{Candidate, Permits, Situation, Strategy};
use isthmus_policies::prior::Prior;
use isthmus_policies::retry::{Next, Progress};
use isthmus_policies::stall;
use isthmus_policies::terms::Demand;
use isthmus_policies::usual::Usual;

use super::market::{self, Market};
use super::router::{Ask, Attempt, Hedge, Listing, PATIENCE, Plan, Router};
use super::suite::{ISTHMUS, Sort};
use super::world::Ending;

/// The house with a part changed or left out.
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    change: fn(&mut Settings),
    is_ablation: bool,
}

/// The house as it is, other objectives, and one part less at a time.
pub const VARIANTS: &[Variant] = &[
    Variant { name: ISTHMUS, change: |_| {}, is_ablation: false },
    Variant { name: "isthmus-cheapest", change: |it| it.only("cheapest"), is_ablation: false },
    Variant { name: "isthmus-fastest", change: |it| it.only("fastest"), is_ablation: false },
    Variant { name: "isthmus-balanced", change: |it| it.only("balanced"), is_ablation: false },
    less("no-affinity", |it| it.affinity = false),
    less("no-hysteresis", |it| it.strategy.tuning.hysteresis = 0.0),
    less("no-exploration", |it| it.strategy.tuning.exploration = 0.0),
    less("no-hedging", |it| it.strategy.hedge = None),
    less("no-breaker", |it| it.breaker = false),
    less("median-not-p95", |it| it.median = true),
    less("no-two-choices", |it| it.strategy.tuning.two_choices = false),
];

/// What a variant may change.
struct Settings {
    strategy: Strategy,
    affinity: bool,
    breaker: bool,
    /// Whether the bound is held against the median instead of the 95th percentile.
    median: bool,
}

/// A gateway's memory of one pool.
pub struct Isthmus {
    settings: Settings,
    offers: Vec<Offer>,
    monitors: Vec<Monitor>,
    calibration: Calibration,
    prefixes: PrefixMap,
    usual: Usual,
    retries: Allowance,
    hedges: HedgeBudget,
    everybody: EndpointSet,
    incumbent: Option<usize>,
    refreshed: Moment,
    /// The Azure traces' day; no claim in the laboratory lapses.
    today: Date,
    /// What is under way, by the number of the attempt.
    started: Vec<Option<Started>>,
}

/// Figures that nobody moves are put up anew this often, as the gateway does.
const REFRESH: Duration = Duration::from_secs(2);
/// So many beginnings of prompts are remembered.
const PREFIXES: usize = 100_000;
/// What callers leave the gateway.
const DEADLINE: Duration = Duration::from_secs(120);

const fn less(name: &'static str, change: fn(&mut Settings)) -> Variant {
    Variant { name, change, is_ablation: true }
}

// === impl Variant ===

impl Variant {
    /// Its sort.
    pub fn sort(&self) -> Sort {
        if self.is_ablation { Sort::Ablation } else { Sort::Isthmus }
    }
}

// === impl Settings ===

impl Settings {
    /// `minimise: cost, subject_to: { p95_ttft_ms: … }` and `hedge: { after: p95 }`, as the
    /// examples have it.
    fn new(slo_ms: u64) -> Self {
        let bounds = Bounds { p95_ttft: Some(slo_ms as f64 / 1000.0), ..Bounds::default() };
        let hedge = HedgeRules {
            after: HedgeAfter::Quantile(Quantile::P95),
            max_extra_cost_percent: hedge::DEFAULT_MAX_EXTRA_COST_PERCENT,
        };
        let strategy = Strategy {
            objective: Objective::cheapest_within(bounds),
            hedge: Some(hedge),
            ..Strategy::default()
        };
        Self { strategy, affinity: true, breaker: true, median: false }
    }

    /// Another aim, without bounds.
    fn only(&mut self, word: &str) {
        if let Some(aim) = Aim::of(word) {
            self.strategy.objective = Objective::only(aim);
        }
    }
}

// === impl Isthmus ===

impl Isthmus {
    /// A gateway that has just started in this market.
    pub fn new(market: &Market, variant: &Variant, slo_ms: u64) -> Self {
        let mut settings = Settings::new(slo_ms);
        (variant.change)(&mut settings);
        let offers: Vec<Offer> = market.endpoints.iter().map(offer).collect();
        let monitor = |(written, offer): (&market::Offer, &Offer)| {
            let lease = match offer.pricing {
                Pricing::Lease(lease) => Some(lease),
                Pricing::Tokens(_) | Pricing::Unknown => None,
            };
            Monitor::new(Prior::of(Some(written.network)), Limits::default(), lease)
        };
        Self {
            settings,
            monitors: market.endpoints.iter().zip(&offers).map(monitor).collect(),
            calibration: Calibration::default(),
            prefixes: PrefixMap::new(PREFIXES),
            usual: Usual::default(),
            retries: Allowance::new(RETRIES),
            hedges: HedgeBudget::new(),
            everybody: (0..offers.len()).collect(),
            offers,
            incumbent: None,
            refreshed: Moment::START,
            today: Date::new(2023, 11, 16).expect("a day of the calendar"),
            started: vec![],
        }
    }

    fn demand(&self, ask: &Ask<'_>) -> Demand {
        let expected = self.calibration.expect(Size::of_text(ask.prompt_bytes as usize), None);
        let warm = match self.settings.affinity {
            true => self.prefixes.warm(Moment::from_nanos(ask.now), ask.prefixes),
            false => Warm::default(),
        };
        Demand {
            input_tokens: expected.input_tokens,
            output_tokens: expected.output_tokens,
            warm,
            usual: self.usual,
        }
    }

    fn view(&self, now: Moment, demand: &Demand, endpoint: usize) -> LiveView {
        let mut live = self.monitors[endpoint].view(now, demand.prompt(endpoint));
        if self.settings.median {
            // What is hoped of a stranger stays what it was: it is judged by the square of the median
            // over the p95.
            let Quantiles { p50, p95, .. } = live.ttft;
            live.ttft = Quantiles { p50: p50 * (p50 / p95).sqrt(), p95: p50, ..live.ttft };
        }
        if !self.settings.breaker && matches!(live.gate, Gate::Sick { .. }) {
            live.gate = Gate::Clear;
        }
        live
    }

    /// The catalogue is read anew, and figures are put up anew when it is time.
    fn catch_up(&mut self, now: Moment, listing: Listing<'_>) {
        for (endpoint, offer) in self.offers.iter_mut().enumerate() {
            if let Pricing::Tokens(price) = &mut offer.pricing {
                *price = listing.price(endpoint);
            }
        }
        if now.since(self.refreshed) >= REFRESH {
            self.monitors.iter().for_each(|monitor| monitor.refresh(now));
            self.refreshed = now;
        }
    }
}

impl Router for Isthmus {
    fn plan(&mut self, ask: &Ask<'_>, listing: Listing<'_>) -> Plan {
        let now = Moment::from_nanos(ask.now);
        self.catch_up(now, listing);
        self.retries.request(now);
        let demand = self.demand(ask);
        let candidates: Vec<Candidate<'_>> = self
            .offers
            .iter()
            .enumerate()
            .map(|(number, offer)| {
                let live = self.view(now, &demand, number);
                Candidate { number, offer, live }
            })
            .collect();
        let everybody = &self.everybody;
        let permits = Permits { route: everybody, fallback: everybody, hedge: everybody };
        let situation = Situation {
            now,
            today: self.today,
            time_left: DEADLINE,
            demand: &demand,
            candidates: &candidates,
            permits,
            narrowing: None,
            incumbent: self.incumbent,
            chance: Chance::new(ask.dice.to_bits()),
        };
        let Ok(plan) = self.settings.strategy.plan(&situation) else { return Plan::default() };
        self.incumbent = Some(plan.reference);
        if let Some(rules) = &self.settings.strategy.hedge {
            self.hedges.earn(now, rules, plan.expected_cost);
        }
        let hedge = plan.hedge.map(|hedge| Hedge {
            after: hedge.after.as_nanos() as u64,
            with: hedge.partner,
            extra_cost: hedge.extra_cost,
        });
        Plan { order: plan.choices().collect(), hedge }
    }

    fn starts(&mut self, attempt: &Attempt<'_>) -> bool {
        let now = Moment::from_nanos(attempt.now);
        let demand = self.demand(attempt.ask);
        let prompt = demand.prompt(attempt.endpoint);
        let work = Work { prompt, output_tokens: demand.output_tokens };
        let started = self.monitors[attempt.endpoint].start(now, work);
        let unwatched = !self.settings.breaker && matches!(started, Err(Gate::Sick { .. }));
        let may = started.is_ok() || unwatched;
        if self.started.len() <= attempt.number {
            self.started.resize_with(attempt.number + 1, || None);
        }
        self.started[attempt.number] = started.ok();
        may
    }

    fn patience(&mut self, attempt: &Attempt<'_>, has_alternative: bool) -> u64 {
        let now = Moment::from_nanos(attempt.now);
        let demand = self.demand(attempt.ask);
        let live = self.view(now, &demand, attempt.endpoint);
        let limit = Duration::from_nanos(PATIENCE);
        stall::until_first_token(&live, limit, has_alternative).as_nanos() as u64
    }

    fn may_hedge(&mut self, hedge: &Hedge, now: u64) -> bool {
        let after = Duration::from_nanos(hedge.after);
        let hedge = hedge::Hedge { after, partner: hedge.with, extra_cost: hedge.extra_cost };
        self.hedges.spend(Moment::from_nanos(now), &hedge)
    }

    fn first_token(&mut self, attempt: &Attempt<'_>) {
        let now = Moment::from_nanos(attempt.now);
        if let Some(started) = &mut self.started[attempt.number] {
            self.monitors[attempt.endpoint].first_token(started, now);
        }
        if let Some(bound) = self.settings.strategy.objective.bounds.p95_ttft {
            let waited = Duration::from_nanos(attempt.now - attempt.ask.now).as_secs_f64();
            self.usual.had_first_token(waited > bound);
        }
    }

    fn ended(&mut self, attempt: &Attempt<'_>, ending: Option<Ending>) {
        let now = Moment::from_nanos(attempt.now);
        let served = Served {
            input_tokens: attempt.input_tokens,
            cached_tokens: Some(attempt.cached_tokens),
            output_tokens: attempt.output_tokens,
        };
        // As in the gateway: only of those that have a price for it, or have just said so, it is known
        // that they keep prompts.
        let has_price = matches!(
            self.offers[attempt.endpoint].pricing,
            Pricing::Tokens(Price { cache_read: Some(_), .. })
        );
        let answered =
            self.started[attempt.number].as_ref().is_some_and(|it| it.first_token_at().is_some());
        if answered && (has_price || attempt.cached_tokens > 0) {
            self.prefixes.saw(now, attempt.ask.prefixes, attempt.endpoint);
        }
        if ending == Some(Ending::Whole) {
            let size = Size::of_text(attempt.ask.prompt_bytes as usize);
            self.calibration.observe(size, attempt.input_tokens, attempt.output_tokens);
            self.usual.exchanged(attempt.input_tokens, attempt.output_tokens);
        }
        let outcome = match ending {
            None => Outcome::Abandoned,
            Some(Ending::Whole) => Outcome::Answered(served),
            Some(Ending::Limited(asked)) => {
                Outcome::Limited { retry_after: asked.map(Duration::from_nanos) }
            }
            Some(Ending::Stalled) => Outcome::Stalled,
            Some(Ending::Broken | Ending::Failed | Ending::Unreachable) => Outcome::Failed,
        };
        if let Some(started) = self.started[attempt.number].take() {
            self.monitors[attempt.endpoint].finish(started, now, outcome);
        }
    }

    fn next(&mut self, progress: Progress, failure: &Failure, dice: f64, now: u64) -> Next {
        let next = self.settings.strategy.retry.next(progress, failure, dice);
        let affordable = next == Next::GiveUp || self.retries.take(Moment::from_nanos(now));
        if affordable { next } else { Next::GiveUp }
    }
}

fn offer(written: &market::Offer) -> Offer {
    let pricing = match written.lease {
        Some(lease) => Pricing::Lease(Lease {
            per_hour: lease.usd_per_hour,
            tokens_per_second: lease.capacity_tokens_per_second,
        }),
        None => Pricing::Tokens(written.price),
    };
    let network = Fact { value: written.network, until: None, evidence: None };
    let facts = Facts { network: Some(network), ..Facts::default() };
    Offer {
        name: written.name.as_str().into(),
        provider: written.name.as_str().into(),
        kind: "openai-compatible".into(),
        pricing,
        facts: Arc::new(facts),
    }
}
