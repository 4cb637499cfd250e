//! Why a request does not fit, in words for the caller: which budget, when its window ends, what to do.

use std::time::Duration;

use isthmus_inference::failure::{Blame, Failure, Kind};
use isthmus_inference::ident::ModelName;
use isthmus_policies::budget::{Amounts, Budget, Measure, OnExhaust, Sort, window};

use super::keeper::{Refused, Standing};
use super::rates::RateLimits;

/// A request that does not fit.
#[derive(Debug)]
pub struct Refusal {
    /// What the caller is told, if nothing else can be done.
    pub failure: Failure,
    /// The budget that it does not fit.
    pub budget: Box<str>,
    /// The pool that may serve it instead.
    pub downgrade: Option<ModelName>,
    /// The account whose endpoints may not be asked, where it is that account's sum.
    pub provider: Option<Box<str>>,
    /// The rates that apply.
    pub rates: RateLimits,
}

/// Who is to come back later than this is not told when, since SDKs would wait for it.
const SOON_MS: i64 = 3_600_000;

impl Refusal {
    /// What was refused by these budgets at this moment.
    pub(super) fn of(refused: &Refused, budgets: &[Budget], now: i64) -> Self {
        match refused {
            Refused::Exhausted { standing, measure } => {
                let budget = &budgets[standing.budget];
                let downgrade = match &budget.on_exhaust {
                    OnExhaust::Downgrade(pool) => Some(pool.clone()),
                    OnExhaust::Refuse => None,
                };
                Self {
                    failure: exhausted(budget, standing, *measure, now),
                    budget: budget.name.clone(),
                    downgrade,
                    provider: budget.scope.provider(&standing.member).map(Into::into),
                    rates: RateLimits::refused(budget, standing, now),
                }
            }
            Refused::Unknown { budget, retry_after } => Self {
                failure: unknown(&budgets[*budget], *retry_after),
                budget: budgets[*budget].name.clone(),
                downgrade: None,
                provider: None,
                rates: RateLimits::default(),
            },
        }
    }

    /// A request that a budget in dollars cannot judge: nobody knows what it costs.
    pub(super) fn unpriced(budget: &Budget, model: &str) -> Failure {
        let message = format!(
            "the budget `{}` is in dollars, and no endpoint of the model `{model}` that may be asked \
             has a price; whoever runs this gateway can write its `price`",
            budget.name
        );
        Failure::new(Kind::QuotaExhausted, message).blamed_on(Blame::House)
    }
}

fn exhausted(budget: &Budget, standing: &Standing, measure: Measure, now: i64) -> Failure {
    let (used, claim) = (of(standing.before, measure), of(standing.claim, measure));
    let limits = &standing.limits;
    let limit = match measure {
        Measure::Money => limits.money.map(|money| money.to_string()),
        Measure::Tokens => limits.tokens.map(|tokens| tokens.to_string()),
        Measure::Requests => limits.requests.map(|requests| requests.to_string()),
    };
    let (limit, what) = (limit.unwrap_or_default(), measure.as_str());
    let whose = match &*standing.member {
        "" => String::new(),
        member => format!(" of `{member}`"),
    };
    let name = &budget.name;
    let ends = budget.window.frame(now).ends;
    let left = Duration::from_millis(ends.map_or(1000, |ends| ends - now).max(1).unsigned_abs());
    match budget.sort {
        Sort::Spending => {
            let when = ends.map_or_else(String::new, |ends| format!(" at {}", window::shown(ends)));
            let message = format!(
                "the budget `{name}`{whose} does not allow this request: {used} of {limit} {what} are \
                 spent or held, and it may take {claim}; wait until the window moves on{when}, ask for \
                 less (a lower max_tokens), or have whoever runs this gateway raise the budget"
            );
            let failure = Failure::new(Kind::QuotaExhausted, message).blamed_on(Blame::Caller);
            match ends {
                Some(ends) if ends - now <= SOON_MS => failure.with_retry_after(left),
                _ => failure,
            }
        }
        Sort::Rate => {
            let message = format!(
                "the rate limit `{name}`{whose} is reached: {used} of {limit} {what} a minute are used, \
                 and this request may take {claim}; wait a moment, or send less at a time"
            );
            Failure::new(Kind::RateLimited, message).blamed_on(Blame::Caller).with_retry_after(left)
        }
        Sort::Places => {
            let message = format!(
                "the limit `{name}`{whose} allows {limit} requests at once, and {used} are under way; \
                 wait until one is done"
            );
            Failure::new(Kind::RateLimited, message)
                .blamed_on(Blame::Caller)
                .with_retry_after(Duration::from_secs(1))
        }
    }
}

fn of(amounts: Amounts, measure: Measure) -> String {
    match measure {
        Measure::Money => amounts.money.to_string(),
        Measure::Tokens => amounts.tokens.to_string(),
        Measure::Requests => amounts.requests.to_string(),
    }
}

fn unknown(budget: &Budget, retry_after: Duration) -> Failure {
    let message = format!(
        "what is spent of the budget `{}` is not known at the moment, so nothing is granted of it; \
         try again in a moment",
        budget.name
    );
    Failure::new(Kind::Overloaded, message).blamed_on(Blame::House).with_retry_after(retry_after)
}
