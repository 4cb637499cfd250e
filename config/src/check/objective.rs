//! `objective` and `hedge` of a pool: what is preferred among the endpoints that may serve.

use isthmus_inference::money::Rate;
use isthmus_policies::bounds::{Bound, Bounds, Then, WhenInfeasible};
use isthmus_policies::hedge::{DEFAULT_MAX_EXTRA_COST_PERCENT, HedgeAfter, HedgeRules};
use isthmus_policies::live::Quantile;
use isthmus_policies::objective::{Aim, OBJECTIVES, Objective, Weights};
use isthmus_policies::objectives::{cheapest, fastest, minimise};

use crate::check::price;
use crate::reader::{Fields, Value};

/// What `minimise` says in one word.
const GOALS: &[(&str, (&Aim, Weights))] = &[
    ("cost", (&cheapest::CHEAPEST, NO_WEIGHTS)),
    ("latency", (&fastest::FASTEST, NO_WEIGHTS)),
    ("ttft", (&minimise::MINIMISE, Weights { p95_ttft_ms: 1e-6, ..NO_WEIGHTS })),
];

const NO_WEIGHTS: Weights = Weights {
    expected_cost: 0.0,
    p95_ttft_ms: 0.0,
    latency_ms: 0.0,
    ms_per_token: 0.0,
    error_rate: 0.0,
};

/// One word, or what to minimise within which bounds.
pub(super) fn objective(value: &Value<'_>) -> Option<Objective> {
    if value.is_map() {
        return minimised(value);
    }
    let aims = OBJECTIVES.iter().filter_map(|aim| Aim::of(aim.word));
    let words: Vec<_> = aims.map(|aim| (aim.word, aim)).collect();
    value.word(&words).map(Objective::only)
}

fn minimised(value: &Value<'_>) -> Option<Objective> {
    value.fields(|fields| {
        let goal = fields.required("minimise", goal);
        let mut bounds = Bounds::default();
        fields.set("subject_to", &mut bounds, subject_to);
        let mut when_infeasible = WhenInfeasible::default();
        fields.set("when_infeasible", &mut when_infeasible, infeasible);
        let (aim, weights) = goal?;
        Some(Objective { aim, weights, bounds, when_infeasible })
    })
}

fn goal(value: &Value<'_>) -> Option<(&'static Aim, Weights)> {
    if !value.is_map() {
        return value.word(GOALS);
    }
    let mut weights = NO_WEIGHTS;
    value.fields(|fields| {
        fields.set("expected_cost", &mut weights.expected_cost, Value::number);
        fields.set("p95_ttft_ms", &mut weights.p95_ttft_ms, Value::number);
        fields.set("latency_ms", &mut weights.latency_ms, Value::number);
        fields.set("ms_per_token", &mut weights.ms_per_token, Value::number);
        fields.set("error_rate", &mut weights.error_rate, Value::number);
        Some(())
    })?;
    if weights == NO_WEIGHTS {
        return value.refuse_field(
            "at least one weight above 0 is needed, such as `expected_cost: 1`; weights are in USD for each unit",
        );
    }
    Some((&minimise::MINIMISE, weights))
}

fn subject_to(value: &Value<'_>) -> Option<Bounds> {
    let seconds = |value: &Value<'_>| value.number().map(|milliseconds| milliseconds / 1000.0);
    let rate =
        |fields: &mut Fields<'_, '_>, name| -> Option<Rate> { fields.optional(name, price::rate) };
    value.fields(|fields| {
        Some(Bounds {
            p95_ttft: fields.optional("p95_ttft_ms", seconds),
            latency: fields.optional("latency_ms", seconds),
            error_rate: fields.optional("error_rate", share),
            min_tps: fields.optional("min_tps", Value::number),
            max_price_in: rate(fields, "max_price_in_per_m"),
            max_price_out: rate(fields, "max_price_out_per_m"),
        })
    })
}

fn share(value: &Value<'_>) -> Option<f64> {
    let share = value.number()?;
    if share > 1.0 {
        return value.refuse("a share of all attempts is expected, from 0 to 1, such as `0.01`");
    }
    Some(share)
}

fn infeasible(value: &Value<'_>) -> Option<WhenInfeasible> {
    let mut rules = WhenInfeasible::default();
    value.fields(|fields| {
        fields.set("relax", &mut rules.relax, |value| value.list(|it| it.word(Bound::WORDS)));
        fields.set("then", &mut rules.then, |value| value.word(Then::WORDS));
        Some(rules)
    })
}

/// When a second copy is sent, or `false` for never.
pub(super) fn hedge(value: &Value<'_>) -> Option<Option<HedgeRules>> {
    if value.is_word("false") {
        return Some(None);
    }
    value.fields(|fields| {
        let after = fields.required("after", after);
        let mut max_extra_cost_percent = DEFAULT_MAX_EXTRA_COST_PERCENT;
        fields.set("max_extra_cost_percent", &mut max_extra_cost_percent, Value::number);
        Some(Some(HedgeRules { after: after?, max_extra_cost_percent }))
    })
}

/// A quantile of the endpoint's own time to the first token, or a fixed time.
fn after(value: &Value<'_>) -> Option<HedgeAfter> {
    if value.text()?.starts_with('p') {
        return value.word(Quantile::WORDS).map(HedgeAfter::Quantile);
    }
    value.time_limit().map(HedgeAfter::Fixed)
}
