//! Plans: what is preferred.

mod laws;

use std::num::NonZeroU32;
use std::sync::Arc;

use isthmus_inference::money::Price;
use proptest::option::of as option;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;
use crate::affinity::{PrefixMap, Prefixes};
use crate::bounds::{Bound, Bounds, Then, WhenInfeasible};
use crate::explain::{Fate, Verdict};
use crate::facts::Facts;
use crate::hedge::HedgeAfter;
use crate::lease::Lease;
use crate::live::{Gate, Quantile, Quantiles};
use crate::objective::Aim;
use crate::offer::Pricing;

const NOW: Moment = Moment::from_nanos(1_000_000_000_000);
const AMPLE: Duration = Duration::from_secs(60);

/// A pool to plan for.
#[derive(Debug, Clone)]
struct Pool {
    offers: Vec<Offer>,
    lives: Vec<LiveView>,
    route: EndpointSet,
    fallback: EndpointSet,
    hedge: EndpointSet,
    demand: Demand,
    narrowing: Option<Narrowing>,
    incumbent: Option<usize>,
    time_left: Duration,
    strategy: Strategy,
}

fn price(input: &str, output: &str) -> Pricing {
    let price = Price {
        input: input.parse().unwrap(),
        output: output.parse().unwrap(),
        ..Price::default()
    };
    Pricing::Tokens(price)
}

fn lease() -> Pricing {
    let per_hour = Money::from_pico_dollars(1_890_000_000_000);
    Pricing::Lease(Lease { per_hour, tokens_per_second: NonZeroU32::new(2400).unwrap() })
}

fn offer(number: usize, pricing: Pricing) -> Offer {
    Offer {
        name: format!("endpoint-{number}").into(),
        provider: format!("account-{number}").into(),
        kind: Arc::from("openai"),
        pricing,
        facts: Arc::new(Facts::default()),
    }
}

/// Well, seen often, with its p95 at this many seconds.
fn live(p95: f64) -> LiveView {
    LiveView {
        gate: Gate::Clear,
        cached_tokens: 0,
        ttft: Quantiles { p50: p95 / 3.0, p90: p95 * 0.8, p95, p99: p95 * 2.0 },
        samples: 1000,
        tokens_per_second: 50.0,
        failure: 0.0,
        pending: 0,
        queue: 0.0,
    }
}

impl Pool {
    /// Each endpoint with its price and its p95; everything is permitted, the cheapest sought.
    fn of(endpoints: &[(Pricing, f64)]) -> Self {
        let everyone: EndpointSet = (0..endpoints.len()).collect();
        let number = |(number, (pricing, _)): (usize, &(Pricing, f64))| offer(number, *pricing);
        Self {
            offers: endpoints.iter().enumerate().map(number).collect(),
            lives: endpoints.iter().map(|(_, p95)| live(*p95)).collect(),
            route: everyone.clone(),
            fallback: everyone.clone(),
            hedge: everyone,
            demand: Demand { input_tokens: 1000, output_tokens: 200, ..Demand::default() },
            narrowing: None,
            incumbent: None,
            time_left: AMPLE,
            strategy: Strategy {
                objective: Objective::only(Aim::of("cheapest").unwrap()),
                tuning: Tuning { exploration: 0.0, ..Tuning::default() },
                ..Strategy::default()
            },
        }
    }

    fn aim(mut self, word: &str) -> Self {
        self.strategy.objective.aim = Aim::of(word).unwrap();
        self
    }

    fn within(mut self, bounds: Bounds) -> Self {
        self.strategy.objective.bounds = bounds;
        self
    }

    fn narrowed(mut self, provider: &str) -> Self {
        self.narrowing = Some(Narrowing::of_provider_object(provider.as_bytes()).unwrap());
        self
    }

    fn ask<T>(&self, seed: u64, ask: impl FnOnce(&Strategy, &Situation<'_>) -> T) -> T {
        let candidates: Vec<_> = (self.offers.iter().zip(&self.lives).enumerate())
            .map(|(number, (offer, live))| Candidate { number, offer, live: *live })
            .collect();
        let permits = Permits { route: &self.route, fallback: &self.fallback, hedge: &self.hedge };
        ask(
            &self.strategy,
            &Situation {
                now: NOW,
                today: "2026-11-28".parse().unwrap(),
                time_left: self.time_left,
                demand: &self.demand,
                candidates: &candidates,
                permits,
                narrowing: self.narrowing.as_ref(),
                incumbent: self.incumbent,
                chance: Chance::new(seed),
            },
        )
    }

    fn plan(&self, seed: u64) -> Result<RoutePlan, NoRoute> {
        self.ask(seed, Strategy::plan)
    }

    fn choices(&self) -> Vec<usize> {
        self.plan(1).unwrap().choices().collect()
    }

    /// How many of a thousand plans begin with each endpoint.
    fn firsts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.offers.len()];
        (0..1000).for_each(|seed| counts[self.plan(seed).unwrap().first()] += 1);
        counts
    }
}

#[test]
fn the_cheapest_serves_and_the_dearer_follow() {
    let pool = Pool::of(&[(price("2", "8"), 1.0), (price("1", "4"), 1.0), (price("3", "9"), 1.0)]);
    assert_eq!(pool.choices(), [1, 0, 2]);
    let plan = pool.plan(1).unwrap();
    // 1000 · 1 + 200 · 4 millionths of a dollar.
    assert_eq!(plan.expected_cost.unwrap().to_string(), "0.0018");
    assert_eq!(plan.deadline, NOW + AMPLE);
}

#[test]
fn the_written_order_is_kept_by_ordered_whatever_is_measured() {
    let mut pool = Pool::of(&[(price("9", "9"), 9.0), (price("1", "1"), 1.0)]).aim("ordered");
    pool.lives[0].samples = 0;
    pool.strategy.tuning.exploration = 1.0;
    assert_eq!(pool.choices(), [0, 1]);
}

#[test]
fn fastest_and_balanced_count_time() {
    let slow_and_cheap = (price("0.1", "0.4"), 3.0);
    let fast_and_dear = (price("0.5", "2"), 1.0);
    let pool = Pool::of(&[slow_and_cheap, fast_and_dear]);
    assert_eq!(pool.choices(), [0, 1]);
    assert_eq!(pool.aim("fastest").choices(), [1, 0]);
    // Two seconds are worth 0.002 USD, and the difference in price is 0.00072 USD.
    assert_eq!(Pool::of(&[slow_and_cheap, fast_and_dear]).aim("balanced").choices(), [1, 0]);
    let fast_and_very_dear = (price("2", "8"), 1.0);
    assert_eq!(Pool::of(&[slow_and_cheap, fast_and_very_dear]).aim("balanced").choices(), [0, 1]);
}

#[test]
fn whoever_fails_pays_for_its_retries() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("1.2", "4.8"), 1.0)]);
    assert_eq!(pool.choices(), [0, 1]);
    pool.lives[0].failure = 0.5;
    assert_eq!(pool.choices(), [1, 0]);
}

#[test]
fn a_warm_cache_is_worth_its_discount() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("1.1", "4"), 1.0)]);
    let Pricing::Tokens(price) = &mut pool.offers[1].pricing else { panic!() };
    price.cache_read = Some("0.11".parse().unwrap());
    assert_eq!(pool.choices(), [0, 1]);
    let mut map = PrefixMap::new(100);
    let prefixes = Prefixes::of(0, &[b'a'; 4096]);
    map.saw(NOW, &prefixes, 1);
    pool.demand.warm = map.warm(NOW, &prefixes);
    pool.lives[1].cached_tokens = pool.demand.prompt(1).cached(0.8);
    assert_eq!(pool.lives[1].cached_tokens, 800);
    assert_eq!(pool.choices(), [1, 0]);
}

#[test]
fn lateness_is_weighed_while_it_is_seldom_and_comes_before_the_price_when_it_is_not() {
    let slow = || Bounds { p95_ttft: Some(0.8), ..Bounds::default() };
    // Late for 6 in 100: less than the price is worth, and more.
    let seldom =
        |first| Pool::of(&[(price(first, first), 0.82), (price("9", "9"), 0.5)]).within(slow());
    assert_eq!(seldom("1").choices(), [0, 1]);
    assert_eq!(seldom("8").choices(), [1, 0]);
    let mut used_up = seldom("1");
    used_up.demand.usual.late = 0.05;
    assert_eq!(used_up.choices(), [1, 0], "the pool has been late as often as the bound allows");
    let mut strict = seldom("1");
    strict.strategy.objective.when_infeasible =
        WhenInfeasible { relax: vec![], then: Then::Reject };
    assert_eq!(strict.choices(), [1], "a bound that is not relaxed is no matter of money");
    let pool = Pool::of(&[(price("1", "4"), 3.0), (price("3", "9"), 0.5)]).within(slow());
    assert_eq!(pool.choices(), [1, 0], "the slow one is still there for a failure");
    let pool = Pool::of(&[(price("1", "4"), 2.0), (price("3", "9"), 0.9)]).within(slow());
    assert_eq!(pool.choices(), [1, 0], "nobody is fast enough, and the faster one is worth it");
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("3", "9"), 0.5)]).within(slow());
    pool.strategy.objective.when_infeasible = WhenInfeasible { relax: vec![], then: Then::Reject };
    assert_eq!(pool.choices(), [1], "what is not relaxed is not a fallback either");
    pool.lives[1].ttft.p95 = 0.9;
    let broken = BoundSet::default().with(Bound::P95Ttft);
    assert_eq!(pool.plan(1), Err(NoRoute::Infeasible { broken }));
    pool.strategy.objective.when_infeasible.then = Then::Best;
    assert_eq!(pool.choices().len(), 2);
}

#[test]
fn a_bound_on_the_price_is_not_relaxed_and_the_unknown_breaks_it() {
    let bounds = Bounds { max_price_out: Some("5".parse().unwrap()), ..Bounds::default() };
    let endpoints = [(price("1", "6"), 1.0), (Pricing::Unknown, 1.0), (price("3", "5"), 1.0)];
    assert_eq!(Pool::of(&endpoints).within(bounds.clone()).choices(), [2]);
    assert!(matches!(
        Pool::of(&endpoints[..2]).within(bounds).plan(1),
        Err(NoRoute::Infeasible { .. })
    ));
}

#[test]
fn an_unknown_price_comes_last() {
    let pool = Pool::of(&[(Pricing::Unknown, 0.1), (price("90", "90"), 9.0)]);
    assert_eq!(pool.choices(), [1, 0]);
    assert_eq!(pool.aim("fastest").choices(), [0, 1]);
}

#[test]
fn a_lease_is_free_until_it_is_saturated_and_then_it_spills() {
    let mut pool = Pool::of(&[(price("0.01", "0.01"), 1.0), (lease(), 1.0)]);
    assert_eq!(pool.choices(), [1, 0]);
    assert_eq!(pool.plan(1).unwrap().expected_cost, Some(Money::ZERO));
    pool.lives[1].queue = 1.9;
    assert_eq!(pool.choices(), [1, 0]);
    pool.lives[1].queue = 2.1;
    assert_eq!(pool.choices(), [0, 1]);
}

#[test]
fn equals_share_the_load_and_the_busier_one_gets_less() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0); 3]);
    assert!(pool.firsts().iter().all(|count| *count > 250), "{:?}", pool.firsts());
    pool.lives[0].pending = 5;
    let firsts = pool.firsts();
    assert_eq!(firsts[0], 0);
    assert!(firsts[1] > 400 && firsts[2] > 400, "{firsts:?}");
}

#[test]
fn the_incumbent_stays_unless_another_is_a_tenth_better() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("1", "4"), 0.96)]).aim("fastest");
    pool.strategy.tuning.near = 0.0;
    pool.incumbent = Some(0);
    let plan = pool.plan(1).unwrap();
    assert_eq!((plan.first(), plan.picked, plan.reference), (0, Picked::Incumbent, 0));
    pool.lives[1].ttft.p95 = 0.4;
    let plan = pool.plan(1).unwrap();
    assert_eq!((plan.first(), plan.picked, plan.reference), (1, Picked::Best, 1));
}

#[test]
fn a_price_is_no_measurement_and_the_smallest_difference_counts() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("0.99", "4"), 1.0)]);
    pool.incumbent = Some(0);
    assert_eq!(pool.firsts(), [0, 1000]);
}

#[test]
fn one_in_a_hundred_goes_to_somebody_who_is_seldom_seen_and_more_to_a_stranger() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0); 3]);
    pool.lives[0].ttft.p95 = 0.9;
    pool.lives[1].samples = 99;
    pool.lives[2].ttft.p95 = 0.95;
    let mut pool = pool.aim("fastest");
    pool.strategy.tuning = Tuning { near: 0.0, ..Tuning::default() };
    let firsts = pool.firsts();
    assert!((3..25).contains(&firsts[1]), "{firsts:?}");
    assert_eq!(firsts[2], 0, "often seen and worse");
    pool.lives[1].samples = 0;
    assert!((30..75).contains(&pool.firsts()[1]), "{:?}", pool.firsts());
    pool.route = [0, 2].into_iter().collect();
    assert_eq!(pool.firsts()[1], 0, "nobody explores what policy forbids");
}

#[test]
fn a_slow_stranger_is_explored_and_a_dear_one_is_not() {
    let bounds = Bounds {
        p95_ttft: Some(0.8),
        max_price_out: Some("5".parse().unwrap()),
        ..Bounds::default()
    };
    let endpoints = [(price("1", "4"), 0.5), (price("1", "4"), 3.0), (price("1", "6"), 0.5)];
    let mut pool = Pool::of(&endpoints).within(bounds);
    pool.strategy.tuning.exploration = 1.0;
    pool.lives[1].samples = 0;
    pool.lives[2].samples = 0;
    assert_eq!(pool.firsts(), [0, 1000, 0]);
}

#[test]
fn a_reason_is_given_for_every_refusal() {
    let pool = || Pool::of(&[(price("1", "4"), 1.0), (price("2", "8"), 1.0)]);
    assert_eq!(Pool::of(&[]).plan(1), Err(NoRoute::Nobody));

    let denied = Pool { route: EndpointSet::default(), ..pool() };
    assert_eq!(denied.plan(1), Err(NoRoute::Denied), "a fallback alone is no route");

    let narrowed = pool().narrowed(r#"{"only": ["nobody"]}"#);
    assert_eq!(narrowed.plan(1), Err(NoRoute::Narrowed { by: "provider.only" }));

    let mut closed = pool();
    closed.lives[0].gate = Gate::Sick { until: NOW + Duration::from_secs(9) };
    closed.lives[1].gate = Gate::Cooling { until: NOW + Duration::from_secs(3) };
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(closed.plan(1), Err(NoRoute::Unavailable { retry_after }));
    closed.lives[1].gate = Gate::Full;
    let retry_after = Some(Duration::from_secs(9));
    assert_eq!(closed.plan(1), Err(NoRoute::Unavailable { retry_after }));

    let late = Pool { time_left: Duration::ZERO, ..pool() };
    assert_eq!(late.plan(1), Err(NoRoute::TooLate));
}

#[test]
fn without_fallback_only_one_is_asked() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0), (price("2", "8"), 1.0)]);
    pool.strategy.fallback = false;
    assert_eq!(pool.choices(), [0]);
}

#[test]
fn the_callers_order_and_sort_come_before_the_aim() {
    let endpoints = [(price("1", "4"), 3.0), (price("2", "8"), 2.0), (price("3", "9"), 1.0)];
    let narrowed = |provider| Pool::of(&endpoints).narrowed(provider).choices();
    assert_eq!(narrowed(r#"{"order": ["endpoint-2", "ACCOUNT-1"]}"#), [2, 1, 0]);
    assert_eq!(narrowed(r#"{"order": ["account-1"], "allow_fallbacks": false}"#), [1]);
    assert_eq!(narrowed(r#"{"sort": "latency"}"#), [2, 1, 0]);
    let unpriced = [(Pricing::Unknown, 1.0), (price("1", "4"), 2.0)];
    let by_latency = Pool::of(&unpriced).narrowed(r#"{"sort": "latency"}"#);
    assert_eq!(by_latency.choices(), [0, 1], "money is no matter then");
    assert_eq!(narrowed(r#"{"ignore": ["endpoint-0"]}"#), [1, 2]);
    assert_eq!(narrowed(r#"{"preferred_max_latency": 0.8}"#), [1, 2, 0]);
    assert_eq!(narrowed(r#"{"max_price": {"completion": 8}}"#), [0, 1]);
}

#[test]
fn a_second_copy_goes_to_whoever_would_answer_soonest() {
    let mut pool =
        Pool::of(&[(price("1", "4"), 1.0), (price("2", "4"), 0.3), (price("2", "4"), 5.0)]);
    let after = HedgeAfter::Quantile(Quantile::P95);
    pool.strategy.hedge = Some(HedgeRules { after, max_extra_cost_percent: 2.0 });
    let hedge = pool.plan(1).unwrap().hedge.unwrap();
    assert_eq!((hedge.partner, hedge.after), (1, Duration::from_secs(1)));
    // The other's prompt of 1000 tokens; or the own one, and what the other's answer costs more.
    assert_eq!(hedge.extra_cost.to_string(), "0.002");
    pool.offers[1].pricing = price("2", "9");
    let hedge = pool.plan(1).unwrap().hedge.unwrap();
    assert_eq!(hedge.extra_cost.to_string(), "0.003");
    pool.offers[1].pricing = lease();
    pool.lives[1].pending = 1;
    pool.route = [0].into_iter().collect();
    assert_eq!(pool.plan(1).unwrap().hedge.unwrap().partner, 2, "the lease is at work for another");
    pool.offers[1].pricing = price("2", "4");

    pool.hedge = [0, 2].into_iter().collect();
    assert_eq!(pool.plan(1).unwrap().hedge.unwrap().partner, 2);
    pool.hedge = EndpointSet::default();
    assert_eq!(pool.plan(1).unwrap().hedge, None);
    pool.hedge = [1].into_iter().collect();
    pool.time_left = Duration::from_secs(1);
    assert_eq!(pool.plan(1).unwrap().hedge, None, "the deadline comes first");
}

#[test]
fn an_explanation_tells_of_everyone() {
    let mut pool = Pool::of(&[
        (price("1", "4"), 1.0),
        (price("2", "8"), 1.0),
        (price("0.5", "2"), 1.0),
        (price("0.5", "2"), 1.0),
    ]);
    let permitted: EndpointSet = [0, 1, 3].into_iter().collect();
    pool.route = permitted.clone();
    pool.fallback = permitted.clone();
    pool.hedge = permitted;
    pool.lives[3].gate = Gate::Full;
    let (plan, explanation) = pool.ask(1, Strategy::explain);
    assert_eq!(plan, pool.plan(1));
    assert_eq!(explanation.aim.unwrap().word, "cheapest");
    let verdict = |number: usize| explanation.considered[number].verdict;
    assert_eq!(verdict(2), Verdict::Out(Fate::Denied));
    assert_eq!(verdict(3), Verdict::Out(Fate::Closed { gate: Gate::Full }));
    let (Verdict::Ranked(first), Verdict::Ranked(second)) = (verdict(0), verdict(1)) else {
        panic!("{explanation:?}");
    };
    assert_eq!((first.choice, second.choice), (Some(0), Some(1)));
    assert_eq!(first.margin.total_cmp(&0.0), std::cmp::Ordering::Equal);
    assert!(second.margin > 1.7e9, "1.8 thousandths of a dollar: {}", second.margin);
}
