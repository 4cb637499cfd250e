//! What no plan ever holds, whatever the pool.

use super::*;

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
