//! The pictures of a comparison: who costs how much and misses how often, who answered when, what
//! each part is worth.

use super::market::Woe;
use super::suite::{Comparison, FirstSeed, ISTHMUS, ORACLE, Sort, Standing};
use super::svg::{Axis, COLOURS, Plot};

/// A file's name and its text.
pub type Picture = (String, String);

const MINUTE: f64 = 60e9;

/// Every picture of this comparison.
pub fn draw(comparison: &Comparison) -> Vec<Picture> {
    let name = |what: &str| format!("{}-{what}.svg", comparison.trace);
    vec![
        (name("cost-and-misses"), cost_and_misses(comparison)),
        (name("shares"), shares(comparison)),
        (name("running-cost"), running_cost(comparison)),
        (name("ablations"), ablations(comparison)),
    ]
}

/// Cost against misses; the best are at the bottom left.
fn cost_and_misses(comparison: &Comparison) -> String {
    let shown = |standing: &&Standing| standing.sort != Sort::Ablation;
    let standings: Vec<&Standing> = comparison.standings.iter().filter(shown).collect();
    let dearest = standings.iter().map(|standing| cost(standing)[2]).fold(0.0, f64::max);
    let x = Axis::round("cost of the trace, dollars (a lease's hours are not in it)", 0.0, dearest);
    // Misses span three orders; a logarithm shows both ends.
    let ticks = [0.01, 0.1, 1.0, 10.0, 100.0].map(|tick: f64| (tick.log10(), tick.to_string()));
    let label = "misses, percent (0.01 and fewer at the bottom)".to_owned();
    let y = Axis { label, from: -2.0, to: 2.0, ticks: ticks.to_vec() };
    let title =
        format!("{}: cost, and misses of the bound of {} ms", comparison.trace, comparison.slo_ms);
    let mut plot = Plot::new(&title, x, y);
    plot.level(5_f64.log10(), "a p95 within the bound: 5 % miss");
    for standing in standings {
        let misses = standing.figure(|run| run.miss_percent);
        let misses = [misses.low(), misses.mean, misses.high()].map(|it| it.max(0.01).log10());
        let cost = cost(standing);
        plot.mark(cost, misses, colour(standing.sort), &standing.name);
    }
    plot.legend(&[
        (colour(Sort::Isthmus), "Isthmus"),
        (colour(Sort::Baseline), "baselines"),
        (colour(Sort::Oracle), "oracles"),
    ]);
    plot.finish()
}

/// Who answered, minute by minute, with the first seed.
fn shares(comparison: &Comparison) -> String {
    let FirstSeed { arrivals, isthmus, shocks, .. } = &comparison.first_seed;
    let minutes = arrivals.last().map_or(1, |last| (*last as f64 / MINUTE) as usize + 1);
    let endpoints = comparison.endpoints.len();
    let mut counts = vec![vec![0.0; endpoints]; minutes];
    for (at, record) in arrivals.iter().zip(isthmus) {
        if let Some(endpoint) = record.endpoint {
            counts[(*at as f64 / MINUTE) as usize][endpoint] += 1.0;
        }
    }
    let x = Axis::round("minute", 0.0, minutes as f64);
    let y = Axis::round("share of the minute's requests, percent", 0.0, 100.0);
    let title = format!("{}: who answered, default objective, seed 1", comparison.trace);
    let mut plot = Plot::new(&title, x, y);
    let mut below = vec![0.0; minutes];
    for endpoint in 0..endpoints {
        let points: Vec<_> = (0..minutes)
            .flat_map(|minute| {
                let total: f64 = counts[minute].iter().sum::<f64>().max(1.0);
                let low = below[minute];
                let high = low + counts[minute][endpoint] / total * 100.0;
                below[minute] = high;
                let minute = minute as f64;
                [(minute, low, high), (minute + 1.0, low, high)]
            })
            .collect();
        plot.band(&points, COLOURS[endpoint % COLOURS.len()]);
    }
    for (row, spell) in shocks.iter().enumerate() {
        let [from, until] = [spell.from, spell.until].map(|time| time as f64 / MINUTE);
        if from < minutes as f64 {
            let until = until.min(minutes as f64);
            // A new price is for good: only its beginning is marked.
            let until = if matches!(spell.what, Woe::Price { .. }) { from } else { until };
            let words = format!("{}: {}", comparison.endpoints[spell.endpoint], word(spell.what));
            plot.stretch(from, until, row, &words);
        }
    }
    let entries: Vec<(&str, &str)> = comparison
        .endpoints
        .iter()
        .enumerate()
        .map(|(number, name)| (COLOURS[number % COLOURS.len()], name.as_str()))
        .collect();
    plot.legend(&entries);
    plot.finish()
}

/// What was spent by each minute, beside the strict oracle, with the first seed.
fn running_cost(comparison: &Comparison) -> String {
    let FirstSeed { arrivals, isthmus, oracle, .. } = &comparison.first_seed;
    let sums = |records: &[super::simulation::Record]| {
        let mut sum = 0.0;
        let mut points = vec![];
        for (index, (at, record)) in arrivals.iter().zip(records).enumerate() {
            sum += record.cost.pico_dollars() as f64 / 1e12;
            if index % 50 == 0 || index + 1 == arrivals.len() {
                points.push((*at as f64 / MINUTE, sum));
            }
        }
        points
    };
    let (ours, theirs) = (sums(isthmus), sums(oracle));
    let end = ours.last().copied().unwrap_or((1.0, 1.0));
    let title = format!("{}: spent so far, seed 1", comparison.trace);
    let x = Axis::round("minute", 0.0, end.0);
    let most = end.1.max(theirs.last().map_or(0.0, |last| last.1));
    let mut plot = Plot::new(&title, x, Axis::round("dollars", 0.0, most));
    plot.line(&ours, colour(Sort::Isthmus));
    plot.line(&theirs, colour(Sort::Oracle));
    plot.legend(&[(colour(Sort::Isthmus), ISTHMUS), (colour(Sort::Oracle), ORACLE)]);
    plot.finish()
}

/// What changes when a part is left out.
fn ablations(comparison: &Comparison) -> String {
    let part = |standing: &&Standing| standing.sort == Sort::Ablation || standing.name == ISTHMUS;
    let standings: Vec<&Standing> = comparison.standings.iter().filter(part).collect();
    let (mut costs, mut misses) = ((f64::MAX, 0.0_f64), 0.0_f64);
    for standing in &standings {
        let [low, _, high] = cost(standing);
        costs = (costs.0.min(low), costs.1.max(high));
        misses = misses.max(standing.figure(|run| run.miss_percent).high());
    }
    let x = Axis::round("cost of the trace, dollars", costs.0, costs.1);
    let y = Axis::round("misses, percent", 0.0, misses);
    let title = format!("{}: one part less at a time", comparison.trace);
    let mut plot = Plot::new(&title, x, y);
    for standing in standings {
        let misses = standing.figure(|run| run.miss_percent);
        let cost = cost(standing);
        let misses = [misses.low(), misses.mean, misses.high()];
        plot.mark(cost, misses, colour(standing.sort), &standing.name);
    }
    plot.finish()
}

fn cost(standing: &Standing) -> [f64; 3] {
    let cost = standing.figure(|run| run.cost_usd);
    [cost.low(), cost.mean, cost.high()]
}

const fn colour(sort: Sort) -> &'static str {
    match sort {
        Sort::Isthmus => COLOURS[0],
        Sort::Baseline => COLOURS[3],
        Sort::Oracle => COLOURS[2],
        Sort::Ablation => COLOURS[7],
    }
}

const fn word(woe: Woe) -> &'static str {
    match woe {
        Woe::Storm { .. } => "429 storm",
        Woe::BrownOut { .. } => "brown-out",
        Woe::Vanish { .. } => "vanished",
        Woe::Price { .. } => "price jump",
    }
}
