//! How long silence is borne: before the first token, and between two pieces.
//!
//! An operator's timeouts say how long an endpoint may take at most. Where another could answer, it
//! is not worth waiting for so long: silence far beyond what is usual is a stall.

use std::time::Duration;

use crate::lease;
use crate::live::LiveView;

/// Beyond so many times its p99 an endpoint's silence is no slowness any more.
const BEYOND_P99: f64 = 3.0;

/// Nobody is called stalled before this: guesses about milliseconds are worth nothing.
const AT_LEAST: Duration = Duration::from_secs(2);

/// How long the first token is waited for: as long as the operator's `limit` if nobody else could
/// answer, else three times the p99 of this endpoint for prompts of this size, and at least 2 s.
pub fn until_first_token(live: &LiveView, limit: Duration, has_alternative: bool) -> Duration {
    if !has_alternative {
        return limit;
    }
    let usual = BEYOND_P99 * (live.ttft.p99 + lease::waiting(live.queue));
    Duration::try_from_secs_f64(usual).unwrap_or(limit).max(AT_LEAST).min(limit)
}

/// How long the next piece of a running answer is waited for: as long as the operator's `limit` if
/// the stream could not be continued elsewhere, else the time in which it would usually have made a
/// hundred tokens, and at least 2 s.
pub fn between_pieces(live: &LiveView, limit: Duration, may_splice: bool) -> Duration {
    if !may_splice {
        return limit;
    }
    let usual = 100.0 / live.tokens_per_second.max(0.001);
    Duration::try_from_secs_f64(usual).unwrap_or(limit).max(AT_LEAST).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Gate, Quantiles};

    #[test]
    fn patience_depends_on_what_is_usual_and_on_who_else_is_there() {
        let limit = Duration::from_mins(2);
        let mut live = LiveView {
            gate: Gate::Clear,
            cached_tokens: 0,
            ttft: Quantiles { p50: 0.5, p90: 1.0, p95: 1.5, p99: 3.0 },
            samples: 100,
            tokens_per_second: 20.0,
            failure: 0.0,
            pending: 0,
            queue: 0.0,
        };
        assert_eq!(until_first_token(&live, limit, false), limit);
        assert_eq!(until_first_token(&live, limit, true), Duration::from_secs(9));
        live.ttft.p99 = 0.1;
        assert_eq!(until_first_token(&live, limit, true), Duration::from_secs(2));
        live.ttft.p99 = f64::INFINITY;
        assert_eq!(until_first_token(&live, limit, true), limit);
        assert_eq!(between_pieces(&live, limit, true), Duration::from_secs(5));
        assert_eq!(between_pieces(&live, limit, false), limit);
    }
}
