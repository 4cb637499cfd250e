//! What may be spent: so much, of whom, in which time. Arithmetic only; the clock is an argument, and
//! whoever keeps the sums (`gateway/src/quota`) asks here what they mean.
//!
//! Rates and places for requests under way are budgets too, with short windows and with none.
//!
//! * [`amounts`]: money, tokens and requests, and limits on them
//! * [`scope`]: whose requests count
//! * [`window`]: when the sums begin anew
//! * [`counter`]: what was settled and what is held in a window
//! * [`own`]: limits that a key brings along

pub mod amounts;
pub mod counter;
pub mod own;
pub mod scope;
pub mod window;

use isthmus_inference::ident::ModelName;

pub use amounts::{Amounts, Limits, Measure};
pub use counter::Counter;
pub use own::{Own, OwnLimits};
pub use scope::{Dimension, Scope, Subject};
pub use window::{Frame, Window};

/// So much, of whom, in which time.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// By which callers and operators know it.
    pub name: Box<str>,
    /// Whose requests count.
    pub scope: Scope,
    /// When the sums begin anew.
    pub window: Window,
    /// How much; settled and held together may reach it.
    pub limits: Limits,
    /// Where each key says for itself how much, instead of `limits`: which of its own limits.
    pub own: Option<Own>,
    /// Whether it stops anybody.
    pub mode: Mode,
    /// At which percentages somebody is told, in ascending order.
    pub warn_at: Vec<u32>,
    /// What becomes of a request that does not fit.
    pub on_exhaust: OnExhaust,
    /// What it is to callers.
    pub sort: Sort,
}

/// Whether a budget stops anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// What does not fit is not served.
    #[default]
    Hard,
    /// It is told, and served.
    Soft,
}

/// What becomes of a request that does not fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnExhaust {
    /// It is refused, unless the budget is soft.
    #[default]
    Refuse,
    /// It is served by this pool, as far as the budget allows that.
    Downgrade(ModelName),
}

/// What a budget is to callers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// An amount; when it is used up, waiting seldom helps.
    #[default]
    Spending,
    /// So much a minute; whoever waits may go on.
    Rate,
    /// So many at once: what is held comes back when it is settled.
    Places,
}

// === impl Budget ===

impl Budget {
    /// How much it allows whoever asks; `None` where nothing is said for them.
    pub fn limits_for(&self, subject: &Subject<'_>) -> Option<Limits> {
        self.own.map_or(Some(self.limits), |own| own.of(subject.own))
    }

    /// What of a claim it refuses by these limits, when so much is settled and held already.
    pub fn refuses(&self, limits: &Limits, total: Amounts, claim: Amounts) -> Option<Measure> {
        match self.mode {
            Mode::Hard => limits.exceeded(total, claim),
            Mode::Soft => None,
        }
    }

    /// What counts of an exchange that is over.
    pub fn remains(&self, actual: Amounts) -> Amounts {
        match self.sort {
            Sort::Spending | Sort::Rate => actual,
            Sort::Places => Amounts::default(),
        }
    }

    /// The highest of its thresholds that lies above `before` and not above `after`, both in percent.
    pub fn crossed(&self, before: u64, after: u64) -> Option<u32> {
        let crosses = |at: &&u32| before < u64::from(**at) && u64::from(**at) <= after;
        self.warn_at.iter().rev().find(crosses).copied()
    }

    /// Whether a caller is to be told that so many percent are used.
    pub fn is_notable(&self, percent: u64) -> bool {
        self.warn_at.first().is_some_and(|at| percent >= u64::from(*at))
    }
}

impl Mode {
    /// Every mode with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("hard", Self::Hard), ("soft", Self::Soft)];
}
