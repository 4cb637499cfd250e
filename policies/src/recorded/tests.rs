//! A decision that was logged is made anew as it was.

use std::sync::Arc;

use isthmus_inference::money::Price;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
// Its own name stands for a plan's strategy here.
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::facts::Facts;
use crate::live::{Gate, Quantiles};
use crate::objective::{Aim, Objective};
use crate::offer::Pricing;
use crate::usual::Usual;

fn offer(number: usize, cents: u32) -> Offer {
    let rate = format!("{}.{:02}", cents / 100, cents % 100);
    let price =
        Price { input: rate.parse().unwrap(), output: rate.parse().unwrap(), ..Price::default() };
    Offer {
        name: format!("endpoint-{number}").into(),
        provider: "account".into(),
        kind: Arc::from("openai"),
        pricing: Pricing::Tokens(price),
        facts: Arc::new(Facts::default()),
    }
}

fn seen() -> impl Generator<Value = (Seen, u32)> {
    let live = (0.01f64..5.0, 1.0f64..200.0, 0.0f64..0.5, 0u32..20, 0.0f64..3.0, 0u64..1500)
        .prop_map(|(p50, tokens_per_second, failure, pending, queue, cached_tokens)| LiveView {
            gate: Gate::Clear,
            cached_tokens,
            ttft: Quantiles { p50, p90: p50 * 1.7, p95: p50 * 2.3, p99: p50 * 4.1 },
            samples: 100,
            tokens_per_second,
            failure,
            pending,
            queue,
        });
    (any::<[bool; 3]>(), proptest::option::weighted(0.9, live), 0u32..1000)
        .prop_map(|(may, live, cents)| (Seen { name: "".into(), may, rules: vec![], live }, cents))
}

fn recorded(endpoints: Vec<Seen>, chance: u64, incumbent: Option<usize>) -> Recorded {
    let endpoints = endpoints
        .into_iter()
        .enumerate()
        .map(|(number, seen)| Seen { name: format!("endpoint-{number}").as_str().into(), ..seen });
    Recorded {
        now: Moment::from_nanos(5_000_000_000),
        today: "2026-11-28".to_owned(),
        time_left: 60_000_000_000,
        who: Who { organisation: "acme".into(), team: "support".into(), app: "helpdesk".into() },
        request: About {
            classes: vec!["pci".to_owned(), "phi".to_owned()],
            declared: true,
            subject_regions: BTreeSet::from(["DE".to_owned()]),
            allowed_regions: None,
            purpose: String::new(),
        },
        demand: Demand {
            input_tokens: 1234,
            output_tokens: 99,
            usual: Usual { input_tokens: 777.7, output_tokens: 1.0 / 3.0, late: 0.0123 },
            ..Demand::default()
        },
        narrowed: Narrowed { provider: None, objective: Some("balanced".to_owned()) },
        incumbent,
        chance,
        endpoints: endpoints.collect(),
        plan: Ok(vec![]),
    }
}

proptest! {
    /// Through text and back, every figure is the same, and so is the plan.
    #[test]
    fn a_logged_decision_is_made_anew_as_it_was(
        pool in proptest::collection::vec(seen(), 1..8),
        chance: u64,
        incumbent in proptest::option::of(0usize..8),
    ) {
        let (endpoints, cents): (Vec<Seen>, Vec<u32>) = pool.into_iter().unzip();
        let offers: Vec<Offer> =
            cents.iter().enumerate().map(|(number, cents)| offer(number, *cents)).collect();
        let offers: Vec<Option<&Offer>> = offers.iter().map(Some).collect();
        let objective = Objective::only(Aim::of("cheapest").unwrap());
        let strategy = Strategy { objective, ..Default::default() };
        let logged = recorded(endpoints, chance, incumbent);
        let text = serde_json::to_string(&logged).unwrap();
        let read: Recorded = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &logged);
        let first = logged.decide(&strategy, &offers, None).unwrap();
        let again = read.decide(&strategy, &offers, None).unwrap();
        prop_assert_eq!(first, again);
    }

    /// Whoever no longer exists is in no plan.
    #[test]
    fn a_plan_made_anew_holds_only_what_still_exists(
        pool in proptest::collection::vec((seen(), any::<bool>()), 1..8),
        chance: u64,
    ) {
        let (pool, exists): (Vec<_>, Vec<bool>) = pool.into_iter().unzip();
        let (endpoints, cents): (Vec<Seen>, Vec<u32>) = pool.into_iter().unzip();
        let offers: Vec<Offer> =
            cents.iter().enumerate().map(|(number, cents)| offer(number, *cents)).collect();
        let offers: Vec<Option<&Offer>> =
            offers.iter().zip(&exists).map(|(offer, exists)| exists.then_some(offer)).collect();
        let logged = recorded(endpoints, chance, None);
        let permitted = logged.permitted();
        let (plan, _) = logged.decide(&Default::default(), &offers, None).unwrap();
        for (place, number) in plan.iter().flat_map(RoutePlan::choices).enumerate() {
            prop_assert!(exists[number]);
            prop_assert!(permitted[usize::from(place > 0)].has(number));
        }
    }
}

#[test]
fn the_question_comes_back_as_it_was_put() {
    let logged = recorded(vec![], 1, None);
    let context = logged.context().unwrap();
    assert_eq!(context.class.to_string(), "pci,phi");
    assert_eq!(About::from(&context), logged.request);
    assert_eq!(Who::from(&logged.principal()), logged.who);
    let strange = Recorded { today: "tomorrow".to_owned(), ..logged.clone() };
    assert!(matches!(strange.decide(&Default::default(), &[], None), Err(Unclear::Day(_))));
    let mut strange = logged;
    strange.request.classes = vec!["cosmic".to_owned()];
    assert_eq!(strange.context(), Err(Unclear::Class("cosmic".to_owned())));
}
