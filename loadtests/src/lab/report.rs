//! A comparison as a Markdown table, for a terminal and for `RESULTS.md` alike, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::figures::{Interval, Run};
use super::suite::{Comparison, Sort, Standing};
use crate::table;

/// A column: its heading, the figure, and how many decimals it has.
type Column = (&'static str, fn(&Run) -> f64, usize);

const COLUMNS: &[Column] = &[
    ("cost $", |run| run.cost_usd, 3),
    ("regret %", |run| run.regret_percent, 1),
    ("misses %", |run| run.miss_percent, 2),
    ("p50 ms", |run| run.ttft_p50_ms, 0),
    ("p95 ms", |run| run.ttft_p95_ms, 0),
    ("p99 ms", |run| run.ttft_p99_ms, 0),
    ("failed %", |run| run.failed_percent, 2),
    ("attempts", |run| run.attempts, 3),
    ("hedged %", |run| run.hedged_percent, 1),
];

/// The comparison as text: a heading, a table, and the verdict.
pub fn render(comparison: &Comparison) -> String {
    let Comparison { trace, requests, slo_ms, lease_usd, .. } = comparison;
    let seeds = comparison.standings.first().map_or(0, |standing| standing.runs.len());
    let mut text = format!(
        "### {trace}: p95 of the first token within {slo_ms} ms\n\n{requests} requests, {seeds} seeds, \
         means ± 95 % intervals. The lease's ${lease_usd:.2} are paid by all and in no row.\n\n"
    );
    let mut rows = vec![vec!["who".to_owned()]];
    rows[0].extend(COLUMNS.iter().map(|(heading, ..)| (*heading).to_owned()));
    rows.extend(comparison.standings.iter().map(row));
    text.push_str(&table::aligned(&rows));
    if let Some(verdict) = comparison.verdict() {
        let beaten_by = match verdict.beaten_by.is_empty() {
            true => "no baseline that keeps the bound costs less".to_owned(),
            false => format!("cheaper and within the bound: {}", verdict.beaten_by.join(", ")),
        };
        let _ = writeln!(
            text,
            "\nThe bar (cost within 5 % of the oracle's, misses within 1 point, no baseline within \
             the bound cheaper) is {}: {:+.1} %, {:+.2} points, {beaten_by}.",
            if verdict.kept { "kept" } else { "MISSED" },
            verdict.regret_percent,
            verdict.miss_points,
        );
    }
    text
}

/// Every figure of every contender and seed.
pub fn to_json(comparison: &Comparison) -> Value {
    let figures = |standing: &Standing| -> Value {
        let figure = |(heading, of, _): &Column| {
            let Interval { mean, half } = standing.figure(of);
            ((*heading).to_owned(), json!({ "mean": mean, "half": half }))
        };
        COLUMNS.iter().map(figure).collect()
    };
    let summary: Vec<Value> = comparison
        .standings
        .iter()
        .map(|standing| json!({ "name": standing.name, "figures": figures(standing) }))
        .collect();
    json!({ "comparison": comparison, "summary": summary, "verdict": comparison.verdict() })
}

fn row(standing: &Standing) -> Vec<String> {
    let name = match standing.sort {
        Sort::Isthmus => format!("**{}**", standing.name),
        Sort::Oracle | Sort::Baseline | Sort::Ablation => standing.name.clone(),
    };
    let figures = COLUMNS.iter().map(|(_, of, decimals)| cell(standing.figure(of), *decimals));
    std::iter::once(name).chain(figures).collect()
}

/// The mean, with the interval where it would show.
fn cell(interval: Interval, decimals: usize) -> String {
    let Interval { mean, half } = interval;
    let shows = half >= 0.5 * 10_f64.powi(-(decimals as i32));
    match shows {
        true => format!("{mean:.decimals$} ± {half:.decimals$}"),
        false => format!("{mean:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::suite::FirstSeed;

    fn standing(name: &str, sort: Sort, costs: &[f64], miss_percent: f64) -> Standing {
        let oracle = Run { cost_usd: 10.0, ..Run::default() };
        let run = |cost: &f64| Run { cost_usd: *cost, miss_percent, ..Run::default() };
        let runs = costs.iter().map(|cost| run(cost).against(&oracle, &oracle)).collect();
        Standing { name: name.into(), sort, runs }
    }

    fn comparison(baseline_misses: f64) -> Comparison {
        Comparison {
            trace: "azure-conv".into(),
            requests: 3,
            slo_ms: 800,
            endpoints: vec![],
            lease_usd: 1.89,
            standings: vec![
                standing("oracle", Sort::Oracle, &[10.0, 10.0], 0.0),
                standing("isthmus", Sort::Isthmus, &[10.2, 10.4], 0.5),
                standing("cheapest", Sort::Baseline, &[5.0, 5.0], baseline_misses),
            ],
            first_seed: FirstSeed::default(),
        }
    }

    #[test]
    fn a_table_has_means_intervals_and_the_verdict() {
        let text = render(&comparison(90.0));
        assert!(text.contains("| **isthmus** | 10.300 ± 1.271 | 3.0 ± 12.7 | 0.50 "), "{text}");
        assert!(text.contains("is kept: +3.0 %, +0.50 points, no baseline"), "{text}");
    }

    #[test]
    fn a_cheaper_baseline_within_the_bound_takes_the_bar_away() {
        let text = render(&comparison(4.0));
        assert!(text.contains("MISSED") && text.contains("within the bound: cheapest"), "{text}");
        let figures = to_json(&comparison(4.0));
        assert_eq!(figures["verdict"]["kept"], json!(false));
        assert_eq!(figures["summary"][0]["figures"]["cost $"]["mean"], json!(10.0));
    }
}
