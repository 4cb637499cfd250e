//! What is asked of whoever keeps the sums, and what is answered. All of a request's claims are granted
//! together, or none of them.

use std::sync::Arc;
use std::time::Duration;

use isthmus_policies::budget::{Amounts, Budget, Limits, Measure};

/// What a request may take of one sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The budget, by its place in the list.
    pub budget: usize,
    /// Whose sum: the value of the budget's `each`, or nothing.
    pub member: Arc<str>,
    /// The account that it is for, where sums are kept by account.
    pub provider: Option<Box<str>>,
    /// How much.
    pub amounts: Amounts,
    /// How much the sum may come to with it, if that is not what the budget says.
    pub own: Option<Limits>,
}

/// A part of a reservation: what is held in one sum, until it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What was claimed, and is held.
    pub claim: Claim,
    /// When the part of the window began in which it is held.
    pub slot: i64,
}

/// What was granted.
#[derive(Debug, Default)]
pub struct Granted {
    /// To be settled.
    pub parts: Vec<Part>,
    /// How the sums stand.
    pub standings: Vec<Standing>,
}

/// How a sum stands for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The budget, by its place in the list.
    pub budget: usize,
    /// Whose sum.
    pub member: Arc<str>,
    /// What was settled and held without the claim.
    pub before: Amounts,
    /// What is claimed.
    pub claim: Amounts,
    /// How much it may come to.
    pub limits: Limits,
}

impl Claim {
    /// How much the sum may come to with it.
    pub fn limits(&self, budget: &Budget) -> Limits {
        self.own.unwrap_or(budget.limits)
    }
}

impl Standing {
    /// How a claim's sum stands that had come to `before`.
    pub fn of(claim: &Claim, budget: &Budget, before: Amounts) -> Self {
        let Claim { budget: number, member, amounts, .. } = claim;
        let (member, limits) = (Arc::clone(member), claim.limits(budget));
        Self { budget: *number, member, before, claim: *amounts, limits }
    }

    /// How much of the limits is used with the claim, in percent.
    pub fn percent(&self) -> u64 {
        self.limits.percent(self.before + self.claim)
    }
}

/// Why nothing was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It does not fit.
    Exhausted {
        /// Where not.
        standing: Box<Standing>,
        /// In what.
        measure: Measure,
    },
    /// Nobody can be asked for the sum of this budget.
    Unknown {
        /// The budget, by its place in the list.
        budget: usize,
        /// When to try again.
        retry_after: Duration,
    },
}

/// A sum as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The budget, by its place in the list.
    pub budget: usize,
    /// Whose sum.
    pub member: Arc<str>,
    /// What exchanges took that are over.
    pub settled: Amounts,
    /// What those under way may take.
    pub held: Amounts,
}

/// What was spent before this process counted, at a moment in Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The budget, by its place in the list.
    pub budget: usize,
    /// Whose sum.
    pub member: Arc<str>,
    /// When.
    pub at: i64,
    /// How much.
    pub amounts: Amounts,
}

/// The most sums of one budget: values that callers choose share one beyond that.
pub const MOST_MEMBERS: usize = 10_000;
/// The sum that they share.
pub const OTHERS: &str = "(others)";
