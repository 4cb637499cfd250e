//! An attempt from its beginning to its end: how much it is expected to be, and how it ended.

use std::time::Duration;

use isthmus_inference::failure::{Blame, Failure, Kind};

use crate::affinity::Prompt;
use crate::crowding::Place;
use crate::moment::Moment;

/// How much an attempt is expected to be.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// The prompt, and how much of it the endpoint has read lately.
    pub prompt: Prompt,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// How much an attempt was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Of those, the ones that were in the endpoint's cache, as it reports: 0 if it reports tokens and none
    /// of these. `None` if it reports nothing.
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// An attempt that is under way. Whoever drops it without [`Monitor::finish`](super::Monitor::finish) leaves its place
/// taken.
#[derive(Debug)]
#[must_use = "an attempt that is not finished keeps its place for ever"]
pub struct Started {
    pub(super) at: Moment,
    pub(super) first_token_at: Option<Moment>,
    pub(super) work: Work,
    /// Tokens of the prompt that the endpoint's cache was expected to have, and the others.
    pub(super) cached: u64,
    pub(super) fresh: u64,
    /// Its place among the prompts that a machine of one's own has before it.
    pub(super) line: Place,
    /// How many others were under way when it began.
    pub(super) beside: u32,
    pub(super) probe: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With a whole answer of these tokens, as far as they are known.
    Answered(Served),
    /// The endpoint failed: no connection, a broken stream, an error of its own.
    Failed,
    /// It was silent for too long, before the first token or after it.
    Stalled,
    /// It said that it has no room (503, 529).
    Overloaded {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It said that the house asks too much of it (429).
    Limited {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It refused the request for what is in it, which shows that it is well.
    Declined,
    /// The house broke it off: the caller left, or another copy of the request was faster.
    Abandoned,
}

// === impl Started ===

impl Started {
    /// When it began.
    pub const fn at(&self) -> Moment {
        self.at
    }

    /// When its first token came.
    pub const fn first_token_at(&self) -> Option<Moment> {
        self.first_token_at
    }

    /// The prompt as far as it had to be computed, which is what times are learnt by.
    pub(super) const fn computed(&self) -> Prompt {
        Prompt::new(self.fresh)
    }

    /// How long it took to generate the answer. Of one that came whole, that is the time without what
    /// the first token usually takes.
    pub(super) fn generation(&self, now: Moment, usual_first: f64) -> Duration {
        match self.first_token_at {
            Some(first) => now.since(first),
            None => {
                let whole = now.since(self.at);
                let usual_first = Duration::try_from_secs_f64(usual_first).unwrap_or_default();
                whole.saturating_sub(usual_first).max(whole / 10)
            }
        }
    }

    /// Whether it shows if an endpoint has recovered.
    pub const fn is_probe(&self) -> bool {
        self.probe
    }
}

// === impl Outcome ===

impl Outcome {
    /// How an attempt ended that failed like this.
    pub fn of(failure: &Failure) -> Self {
        let retry_after = failure.retry_after;
        match failure.kind {
            // Credit that is used up does not come back within seconds.
            Kind::QuotaExhausted => {
                Self::Limited { retry_after: retry_after.or(Some(Duration::from_mins(1))) }
            }
            Kind::RateLimited => Self::Limited { retry_after },
            Kind::Overloaded => Self::Overloaded { retry_after },
            Kind::Timeout => Self::Stalled,
            Kind::Internal => Self::Abandoned,
            _ if failure.blame == Blame::Caller => Self::Declined,
            Kind::InvalidRequest
            | Kind::TooLarge
            | Kind::ContextLength
            | Kind::Unauthenticated
            | Kind::Forbidden
            | Kind::PolicyDenied
            | Kind::NotFound
            | Kind::ContentFilter
            | Kind::Unreachable
            | Kind::Malformed
            | Kind::ProviderError
            | Kind::UpstreamAuth
            | Kind::Unsupported => Self::Failed,
        }
    }
}
