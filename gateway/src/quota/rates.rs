//! What callers are told of their rates, in the headers and formats that OpenAI's SDKs know.

use std::fmt;
use std::time::Duration;

use isthmus_policies::budget::{Budget, Limits, Sort};

use super::keeper::Standing;

/// The tightest rates that apply to a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests a minute.
    pub requests: Option<Rate>,
    /// Tokens a minute.
    pub tokens: Option<Rate>,
}

/// A rate, and how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So much a minute.
    pub limit: u64,
    /// What is left of that.
    pub remaining: u64,
    /// When all of it is there again.
    pub reset: Duration,
}

/// A duration as OpenAI writes it: `120ms`, `1s`, `6m0s`.
#[derive(Debug, Clone, Copy)]
pub struct Reset(pub Duration);

impl RateLimits {
    /// How a rate stands after a claim that was granted; the tighter one stays.
    pub(super) fn granted(&mut self, budget: &Budget, standing: &Standing, now: i64) {
        if budget.sort == Sort::Rate {
            let used = standing.before + standing.claim;
            self.tighten(budget, &standing.limits, used.requests, used.tokens, now);
        }
    }

    /// How the rate stands that refused.
    pub(super) fn refused(budget: &Budget, standing: &Standing, now: i64) -> Self {
        let mut rates = Self::default();
        if budget.sort == Sort::Rate {
            let before = standing.before;
            rates.tighten(budget, &standing.limits, before.requests, before.tokens, now);
        }
        rates
    }

    fn tighten(&mut self, budget: &Budget, limits: &Limits, requests: u64, tokens: u64, now: i64) {
        let left = budget.window.empties_in(now).unwrap_or_default();
        let reset = Duration::from_millis(left.unsigned_abs());
        let rate = |limit: Option<u64>, used: u64| {
            let limit = limit?;
            let reset = if used == 0 { Duration::ZERO } else { reset };
            Some(Rate { limit, remaining: limit.saturating_sub(used), reset })
        };
        self.requests = tighter(self.requests, rate(limits.requests, requests));
        self.tokens = tighter(self.tokens, rate(limits.tokens, tokens));
    }
}

/// The one of which the smaller part is left.
fn tighter(one: Option<Rate>, other: Option<Rate>) -> Option<Rate> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let part =
        |rate: Rate, other: Rate| u128::from(rate.remaining) * u128::from(other.limit.max(1));
    Some(if part(b, a) < part(a, b) { b } else { a })
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds < 1000 {
            return write!(f, "{milliseconds}ms");
        }
        let seconds = milliseconds.div_ceil(1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{minutes}m{}s", seconds % 60),
            _ => write!(f, "{hours}h{minutes}m{}s", seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_written_as_openai_does() {
        let shown = |milliseconds| Reset(Duration::from_millis(milliseconds)).to_string();
        let times = [0, 120, 1000, 59_001, 360_000, 3_600_000];
        assert_eq!(times.map(shown), ["0ms", "120ms", "1s", "1m0s", "6m0s", "1h0m0s"]);
    }

    #[test]
    fn of_two_rates_the_tighter_is_told() {
        let rate = |limit, remaining| Some(Rate { limit, remaining, reset: Duration::ZERO });
        assert_eq!(tighter(rate(100, 50), rate(10, 4)), rate(10, 4));
        assert_eq!(tighter(rate(100, 30), rate(10, 4)), rate(100, 30));
        assert_eq!(tighter(None, rate(10, 4)), rate(10, 4));
    }
}
