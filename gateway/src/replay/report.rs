//! What a replay finds, counted and told.

use std::collections::BTreeMap;
use std::fmt;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_policies::live::LiveView;
use serde::Serialize;

use super::Way;

/// What would change.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Decisions that were read.
    pub decisions: u64,
    /// Those that cannot be judged, by why.
    pub unjudged: BTreeMap<&'static str, u64>,
    /// What changes for each team.
    pub teams: BTreeMap<String, TeamShift>,
    /// How many first choices each endpoint gets.
    pub endpoints: BTreeMap<String, Shift>,
    /// What the recorded tokens cost with the first choices of then and of now.
    pub cost: CostShift,
    /// How long the first token takes: modelled.
    pub ttft: TtftShift,
}

/// Then and now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// As it was decided.
    pub then: u64,
    /// As it would be.
    pub now: u64,
}

/// What changes for one team.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TeamShift {
    /// Decisions that were judged.
    pub judged: u64,
    /// Requests that had a plan and would be denied.
    pub newly_denied: u64,
    /// Requests that were denied and would have a plan.
    pub newly_allowed: u64,
    /// Requests with another first choice.
    pub moved: u64,
}

/// Costs in US dollars, exact.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CostShift {
    /// As it was decided.
    pub then_usd: Money,
    /// As it would be.
    pub now_usd: Money,
    /// Answered requests that both sides serve and have a price for.
    pub priced: u64,
    /// Those of which a price is unknown on one side.
    pub unpriced: u64,
}

/// The change of the mean time to the first token, modelled from the figures that were put up when the
/// requests came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct TtftShift {
    /// Always `true`: nobody measured what did not happen.
    pub modelled: bool,
    /// Requests with figures on both sides.
    pub compared: u64,
    /// The mean change in milliseconds; below 0 is faster.
    pub mean_change_ms: f64,
    /// Half the width of its 95 % interval.
    pub plus_minus_ms: f64,
    #[serde(skip)]
    sum: f64,
    #[serde(skip)]
    variance: f64,
}

// === impl Report ===

impl Report {
    pub(super) fn count(&mut self, team: &str, usage: Option<&Usage>, then: Way<'_>, now: Way<'_>) {
        let (before, after) = (then.endpoint(), now.endpoint());
        let moved = before.map(|seen| &seen.name) != after.map(|seen| &seen.name);
        let shift = self.teams.entry(team.to_owned()).or_default();
        shift.judged += 1;
        shift.newly_denied += u64::from(before.is_some() && matches!(now, Way::Denied));
        shift.newly_allowed += u64::from(after.is_some() && matches!(then, Way::Denied));
        shift.moved += u64::from(moved && before.is_some() && after.is_some());
        if let Some(seen) = before {
            self.endpoints.entry(seen.name.to_string()).or_default().then += 1;
        }
        if let Some(seen) = after {
            self.endpoints.entry(seen.name.to_string()).or_default().now += 1;
        }
        if let Some(usage) = usage.filter(|_| before.is_some() && after.is_some()) {
            self.cost.add(usage, moved, then, now);
        }
        if let (Some(then), Some(now)) = (then.live(), now.live()) {
            self.ttft.add(then, now);
        }
    }

    fn unjudged(&self) -> u64 {
        self.unjudged.values().sum()
    }
}

// === impl CostShift ===

impl CostShift {
    fn add(&mut self, usage: &Usage, moved: bool, then: Way<'_>, now: Way<'_>) {
        // Another endpoint's cache did not hold what this one's did.
        let cold = Usage {
            uncached_input: usage.uncached_input + usage.cache_read,
            cache_read: 0,
            ..*usage
        };
        let anew = if moved { &cold } else { usage };
        match (then.cost(usage), now.cost(anew)) {
            (Some(then), Some(now)) => {
                self.then_usd += then;
                self.now_usd += now;
                self.priced += 1;
            }
            _ => self.unpriced += 1,
        }
    }
}

// === impl TtftShift ===

impl TtftShift {
    fn add(&mut self, then: &LiveView, now: &LiveView) {
        self.modelled = true;
        self.compared += 1;
        self.sum += (now.ttft.p50 - then.ttft.p50) * 1e3;
        self.variance += variance(then) + variance(now);
        let count = self.compared as f64;
        self.mean_change_ms = self.sum / count;
        self.plus_minus_ms = 1.96 * self.variance.sqrt() / count;
    }
}

/// The variance of one first token, in square milliseconds: that of the log-normal distribution with
/// this median and p95.
fn variance(live: &LiveView) -> f64 {
    let median = live.ttft.p50.max(1e-6);
    let sigma = (live.ttft.p95.max(median) / median).ln() / 1.645;
    let spread = (sigma * sigma).exp();
    (median * 1e3).powi(2) * spread * (spread - 1.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} decisions, {} of them not judged", self.decisions, self.unjudged())?;
        for (why, count) in &self.unjudged {
            writeln!(f, "    {count}: {why}")?;
        }
        writeln!(
            f,
            "\n{:<28}{:>9}{:>14}{:>15}{:>9}",
            "team", "judged", "newly denied", "newly allowed", "moved"
        )?;
        for (team, shift) in &self.teams {
            let TeamShift { judged, newly_denied, newly_allowed, moved } = shift;
            writeln!(f, "{team:<28}{judged:>9}{newly_denied:>14}{newly_allowed:>15}{moved:>9}")?;
        }
        let (then, now) = self
            .endpoints
            .values()
            .fold((0, 0), |(then, now), shift| (then + shift.then, now + shift.now));
        let share = |part: u64, all: u64| part as f64 * 100.0 / all.max(1) as f64;
        writeln!(f, "\n{:<28}{:>9}{:>9}", "first choice", "then", "now")?;
        for (endpoint, shift) in &self.endpoints {
            let (before, after) = (share(shift.then, then), share(shift.now, now));
            writeln!(f, "{endpoint:<28}{before:>7.1} %{after:>7.1} %")?;
        }
        let CostShift { then_usd, now_usd, priced, unpriced } = self.cost;
        writeln!(
            f,
            "\ncost of {priced} answers that both give, exact on their tokens: ${then_usd} then, ${now_usd} now"
        )?;
        if unpriced > 0 {
            writeln!(f, "    {unpriced} more have no known price on one side")?;
        }
        let TtftShift { compared, mean_change_ms, plus_minus_ms, .. } = self.ttft;
        writeln!(
            f,
            "time to the first token, modelled on {compared}: {mean_change_ms:+.0} ms on average (± {plus_minus_ms:.0})"
        )
    }
}

#[cfg(test)]
mod tests {
    use isthmus_policies::live::{Gate, Quantiles};
    use isthmus_policies::recorded::Seen;

    use super::*;

    fn seen(name: &str, p50: f64) -> Seen {
        let ttft = Quantiles { p50, p90: p50 * 2.0, p95: p50 * 3.0, p99: p50 * 5.0 };
        let live = LiveView {
            gate: Gate::Clear,
            cached_tokens: 0,
            ttft,
            samples: 9,
            tokens_per_second: 50.0,
            failure: 0.0,
            pending: 0,
            queue: 0.0,
        };
        Seen { name: name.into(), may: [true; 3], rules: vec![], live: Some(live) }
    }

    #[test]
    fn what_changes_is_counted_once_for_whom_it_changes() {
        let (one, other) = (seen("one", 0.5), seen("other", 0.3));
        let mut report = Report::default();
        for (then, now) in [
            (Way::To(&one, None), Way::To(&one, None)),
            (Way::To(&one, None), Way::To(&other, None)),
            (Way::To(&one, None), Way::Denied),
            (Way::Denied, Way::To(&other, None)),
            (Way::Nowhere, Way::Denied),
        ] {
            report.count("support", None, then, now);
        }
        let expected = TeamShift { judged: 5, newly_denied: 1, newly_allowed: 1, moved: 1 };
        assert_eq!(report.teams["support"], expected);
        assert_eq!(report.endpoints["one"], Shift { then: 3, now: 1 });
        assert_eq!(report.endpoints["other"], Shift { then: 0, now: 2 });
        assert!((report.ttft.mean_change_ms + 100.0).abs() < 1e-9, "{:?}", report.ttft);
        assert!(report.ttft.plus_minus_ms > 0.0 && report.ttft.modelled);
    }
}
