//! What is compared: somebody who decides where a request goes, and learns only what a gateway sees.

use isthmus_inference::failure::Failure;
use isthmus_inference::money::{Money, Price};
use isthmus_policies::affinity::Prefixes;
use isthmus_policies::retry::{Next, Progress, RetryRules};

use super::world::{Ending, World};

/// Decides where requests go.
pub trait Router {
    /// Where this request is tried.
    fn plan(&mut self, ask: &Ask<'_>, listing: Listing<'_>) -> Plan;

    /// Whether this attempt may be sent now, which the plan could not know: if so, it is. Otherwise
    /// the next of the plan has its turn.
    fn starts(&mut self, _attempt: &Attempt<'_>) -> bool {
        true
    }

    /// How long its first token is waited for, in nanoseconds.
    fn patience(&mut self, _attempt: &Attempt<'_>, _has_alternative: bool) -> u64 {
        PATIENCE
    }

    /// Whether a second attempt may be sent beside the first.
    fn may_hedge(&mut self, _hedge: &Hedge, _now: u64) -> bool {
        true
    }

    /// Its first token came.
    fn first_token(&mut self, _attempt: &Attempt<'_>) {}

    /// It is over: by itself, or (`None`) because its race was lost.
    fn ended(&mut self, _attempt: &Attempt<'_>, _ending: Option<Ending>) {}

    /// What to do after a failure before the first token.
    fn next(&mut self, progress: Progress, failure: &Failure, dice: f64, _now: u64) -> Next {
        RetryRules::default().next(progress, failure, dice)
    }
}

/// The longest that an attempt may take to its first token, in nanoseconds.
pub const PATIENCE: u64 = 30_000_000_000;

/// A request, as far as a gateway knows it before it is answered.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Its number in the trace.
    pub request: u64,
    /// When it came, in nanoseconds since the trace's beginning.
    pub now: u64,
    /// How long its prompt's text is. Tokens are counted only in the answer.
    pub prompt_bytes: u64,
    /// The beginnings of its prompt, as the gateway hashes them.
    pub prefixes: &'a Prefixes,
    /// Uniform in `0.0..1.0`, drawn for this request.
    pub dice: f64,
}

/// What everybody can know of the market: who is there, and the listed prices.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    world: &'a World<'a>,
    now: u64,
}

/// Where a request is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Endpoints by number, first choice first. None: the request is refused.
    pub order: Vec<usize>,
    /// A second attempt beside the first, if that one is slow.
    pub hedge: Option<Hedge>,
}

/// A second attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first attempt has, in nanoseconds.
    pub after: u64,
    /// Where the second one goes.
    pub with: usize,
    /// What it is expected to cost.
    pub extra_cost: Money,
}

/// An attempt, as a gateway sees it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What was asked.
    pub ask: &'a Ask<'a>,
    /// Where.
    pub endpoint: usize,
    /// When it was sent.
    pub started: u64,
    /// Its number among the run's attempts.
    pub number: usize,
    /// Now.
    pub now: u64,
    /// Input tokens as the endpoint counts them: known once it is over.
    pub input_tokens: u64,
    /// Of these, the ones from its cache.
    pub cached_tokens: u64,
    /// Output tokens so far.
    pub output_tokens: u64,
}

// === impl Listing ===

impl<'a> Listing<'a> {
    /// The catalogue at this time.
    pub fn new(world: &'a World<'a>, now: u64) -> Self {
        Self { world, now }
    }

    /// How many endpoints there are.
    pub fn size(self) -> usize {
        self.world.size()
    }

    /// What the catalogue says that an endpoint charges.
    pub fn price(self, endpoint: usize) -> Price {
        self.world.listed_price(endpoint, self.now)
    }
}
