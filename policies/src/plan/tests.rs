//! Plans: what is preferred, and what no plan ever holds.

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
    assert_eq!(pool.demand.fresh_input(1), 200);
    assert_eq!(pool.choices(), [1, 0]);
}

#[test]
fn a_bound_on_the_p95_comes_before_the_price() {
    let slow = || Bounds { p95_ttft: Some(0.8), ..Bounds::default() };
    let pool = Pool::of(&[(price("1", "4"), 1.0), (price("3", "9"), 0.5)]).within(slow());
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
fn one_in_a_hundred_goes_to_somebody_who_is_seldom_seen() {
    let mut pool = Pool::of(&[(price("1", "4"), 1.0); 3]);
    pool.lives[0].ttft.p95 = 0.9;
    pool.lives[1].samples = 3;
    pool.lives[2].ttft.p95 = 0.95;
    let mut pool = pool.aim("fastest");
    pool.strategy.tuning = Tuning { near: 0.0, ..Tuning::default() };
    let firsts = pool.firsts();
    assert!((3..25).contains(&firsts[1]), "{firsts:?}");
    assert_eq!(firsts[2], 0, "often seen and worse");
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
    // The dearer of two prompts of 1000 tokens.
    assert_eq!(hedge.extra_cost.to_string(), "0.002");

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

fn any_gate() -> impl proptest::strategy::Strategy<Value = Gate> {
    let until = NOW + Duration::from_secs(5);
    prop_oneof![
        6 => Just(Gate::Clear),
        1 => Just(Gate::Sick { until }),
        1 => Just(Gate::Cooling { until }),
        1 => Just(Gate::Spent { until }),
        1 => Just(Gate::Full),
    ]
}

fn any_pricing() -> impl proptest::strategy::Strategy<Value = Pricing> {
    prop_oneof![
        5 => (0u32..20, 0u32..60).prop_map(|(input, output)| price(&input.to_string(), &output.to_string())),
        1 => Just(lease()),
        1 => Just(Pricing::Unknown),
    ]
}

fn any_live() -> impl proptest::strategy::Strategy<Value = LiveView> {
    let figures = (0.05f64..5.0, 0u32..100, 1.0f64..200.0, 0.0f64..1.0, 0u32..50, 0.0f64..4.0);
    (any_gate(), figures).prop_map(|(gate, (p95, samples, tps, failure, pending, queue))| {
        LiveView { gate, samples, tokens_per_second: tps, failure, pending, queue, ..live(p95) }
    })
}

fn any_bounds() -> impl proptest::strategy::Strategy<Value = Bounds> {
    let speed =
        (option(0.1f64..3.0), option(1.0f64..20.0), option(0.0f64..0.5), option(5.0f64..90.0));
    (speed, option(1u32..50)).prop_map(|((p95_ttft, latency, error_rate, min_tps), price)| Bounds {
        p95_ttft,
        latency,
        error_rate,
        min_tps,
        max_price_in: None,
        max_price_out: price.map(|price| price.to_string().parse().unwrap()),
    })
}

fn any_narrowing() -> impl proptest::strategy::Strategy<Value = Option<Narrowing>> {
    let objects = [
        r#"{"order": ["endpoint-3", "endpoint-1"]}"#,
        r#"{"order": ["endpoint-3", "endpoint-1"], "allow_fallbacks": false}"#,
        r#"{"only": ["endpoint-0", "account-2", "endpoint-5"]}"#,
        r#"{"ignore": ["endpoint-0", "account-2"], "sort": "throughput"}"#,
        r#"{"max_price": {"prompt": 5, "completion": 20}}"#,
        r#"{"zdr": true}"#,
        r#"{"preferred_min_throughput": 90, "sort": "latency"}"#,
    ];
    option(proptest::sample::select(objects.to_vec()))
        .prop_map(|it| it.map(|it| Narrowing::of_provider_object(it.as_bytes()).unwrap()))
}

fn any_pool() -> impl proptest::strategy::Strategy<Value = Pool> {
    let endpoint = (any_pricing(), any_live(), any::<(bool, bool, bool)>());
    let wishes = (any_bounds(), any_narrowing(), 0..crate::objective::OBJECTIVES.len());
    let rest =
        (0u64..40_000, 0u64..2_000, option(0usize..8), 0u64..30_000, any::<bool>(), 0.0f64..0.5);
    (proptest::collection::vec(endpoint, 0..24), wishes, rest).prop_map(
        |(endpoints, (bounds, narrowing, aim), rest)| {
            let (input_tokens, output_tokens, incumbent, time_left, fallback, exploration) = rest;
            let offers: Vec<_> = endpoints.iter().map(|(pricing, _, _)| (*pricing, 1.0)).collect();
            let permitted = |permits: fn(&(bool, bool, bool)) -> bool| {
                let all = endpoints.iter().enumerate();
                all.filter(|(_, (_, _, it))| permits(it)).map(|(number, _)| number).collect()
            };
            let hedge = HedgeRules {
                after: HedgeAfter::Quantile(Quantile::P95),
                max_extra_cost_percent: 2.0,
            };
            let objective = Objective {
                aim: crate::objective::OBJECTIVES[aim],
                bounds,
                ..Objective::default()
            };
            Pool {
                lives: endpoints.iter().map(|(_, live, _)| *live).collect(),
                route: permitted(|it| it.0),
                fallback: permitted(|it| it.1),
                hedge: permitted(|it| it.2),
                demand: Demand { input_tokens, output_tokens, ..Demand::default() },
                narrowing,
                incumbent,
                time_left: Duration::from_millis(time_left),
                strategy: Strategy {
                    objective,
                    fallback,
                    hedge: Some(hedge),
                    tuning: Tuning { exploration, ..Tuning::default() },
                    ..Strategy::default()
                },
                ..Pool::of(&offers)
            }
        },
    )
}

proptest! {
    #[test]
    fn no_plan_holds_who_is_forbidden_closed_or_ruled_out(pool in any_pool(), seed: u64) {
        if let Ok(plan) = pool.plan(seed) {
            let choices: Vec<_> = plan.choices().collect();
            prop_assert!(pool.route.has(plan.first()));
            prop_assert!(choices[1..].iter().all(|number| pool.fallback.has(*number)));
            let hedged = plan.hedge.map(|hedge| hedge.partner);
            prop_assert!(hedged.is_none_or(|partner| pool.hedge.has(partner) && partner != plan.first()));
            for number in choices.iter().copied().chain(hedged) {
                prop_assert!(pool.lives[number].gate.is_clear());
                let today = "2026-11-28".parse().unwrap();
                let admitted = pool.narrowing.as_ref().map(|it| it.admits(&pool.offers[number], today));
                prop_assert!(admitted.is_none_or(|it| it.is_ok()));
                // A bound on money is never relaxed by default.
                let most = pool.strategy.objective.bounds.max_price_out;
                let dearer = pool.offers[number].pricing.rates().map(|(_, output)| output);
                prop_assert!(most.is_none_or(|most| dearer.is_some_and(|it| it <= most.pico_dollars_per_token())));
            }
            let distinct: std::collections::BTreeSet<_> = choices.iter().collect();
            prop_assert_eq!(distinct.len(), choices.len());
        }
    }

    #[test]
    fn no_plan_passes_the_deadline(pool in any_pool(), seed: u64) {
        match pool.plan(seed) {
            Ok(plan) => {
                prop_assert_eq!(plan.deadline, NOW + pool.time_left);
                prop_assert!(plan.hedge.is_none_or(|hedge| hedge.after < pool.time_left));
            }
            Err(_) => prop_assert!(true),
        }
        let late = Pool { time_left: Duration::ZERO, ..pool };
        prop_assert!(late.plan(seed).is_err());
    }

    #[test]
    fn narrowing_never_widens(mut pool in any_pool(), seed: u64) {
        let able = |pool: &Pool| -> Vec<usize> {
            let considered = pool.ask(seed, Strategy::explain).1.considered;
            let ranked = considered.iter().filter(|it| matches!(it.verdict, Verdict::Ranked(_)));
            ranked.map(|it| it.number).collect()
        };
        let (narrowed, plan) = (able(&pool), pool.plan(seed));
        pool.narrowing = None;
        let all = able(&pool);
        prop_assert!(narrowed.iter().all(|number| all.contains(number)));
        if let Ok(plan) = plan {
            prop_assert!(plan.choices().all(|number| narrowed.contains(&number)));
            prop_assert!(plan.hedge.is_none_or(|hedge| narrowed.contains(&hedge.partner)));
            prop_assert!(pool.plan(seed).is_ok());
        }
    }

    #[test]
    fn the_same_situation_gives_the_same_plan_explained_or_not(pool in any_pool(), seed: u64) {
        let plan = pool.plan(seed);
        prop_assert_eq!(plan, pool.plan(seed));
        let (explained, explanation) = pool.ask(seed, Strategy::explain);
        prop_assert_eq!(plan, explained);
        if plan != Err(NoRoute::TooLate) {
            prop_assert_eq!(explanation.considered.len(), pool.offers.len());
        }
    }

    #[test]
    fn whoever_can_be_served_is_served(pool in any_pool(), seed: u64) {
        let unbounded = Pool {
            narrowing: None,
            time_left: AMPLE,
            strategy: Strategy { objective: Objective::default(), ..pool.strategy.clone() },
            ..pool
        };
        let able = (0..unbounded.lives.len())
            .any(|number| unbounded.route.has(number) && unbounded.lives[number].gate.is_clear());
        prop_assert_eq!(unbounded.plan(seed).is_ok(), able);
    }
}
