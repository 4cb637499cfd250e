//! May a request still be paid for, and come in at this rate? Holds what it may take before anybody is
//! asked, and settles what it took.
//!
//! * [`keeper`]: what is asked of whoever keeps the sums
//! * [`local`], [`redis`]: sums of this process, and sums that gateways share
//! * [`refusal`], [`rates`], [`notices`]: what callers and operators are told
//! * [`openings`]: what was spent before this process counted

pub mod keeper;
pub mod local;
pub mod notices;
pub mod openings;
pub mod rates;
pub mod redis;
pub mod refusal;

use std::fmt;
use std::sync::Arc;

use isthmus_config::settings::{keeper as chosen, limits};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::ModelName;
use isthmus_policies::budget::scope::Shares;
use isthmus_policies::budget::{Amounts, Budget, Dimension, Mode, OnExhaust, Own, Sort, Subject};
use tokio_util::sync::CancellationToken;

use keeper::{Claim, Granted, Opening, Part, Shown};
use local::Local;
use notices::{Notices, Webhook};
use rates::RateLimits;
use redis::{Rules, Shared, SharedKeeper};
use refusal::Refusal;

/// All budgets and rates, and who keeps their sums.
pub struct Quota {
    budgets: Arc<[Budget]>,
    keeper: Keeper,
    notices: Notices,
    clock: Clock,
}

/// What time it is: Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

enum Keeper {
    Local(Local),
    Shared(Shared),
}

/// Who works behind it.
pub struct Work {
    shared: Option<SharedKeeper>,
    webhook: Option<Webhook>,
}

/// What is held for a request. Whoever has it settles it.
#[must_use = "what is held must be settled"]
pub struct Reservation {
    quota: Arc<Quota>,
    parts: Vec<Part>,
    /// What the caller is told.
    pub notes: Notes,
    /// Who had better answer, by a soft budget.
    pub instead: Option<Instead>,
}

/// What a caller is told beside the answer.
#[derive(Debug, Default)]
pub struct Notes {
    /// Budgets that are being used up, and to how many percent.
    pub warnings: Vec<(Box<str>, u64)>,
    /// The rates that apply.
    pub rates: RateLimits,
    /// The budget for whose sake another pool answers.
    pub downgraded: Option<Box<str>>,
}

/// A soft budget that is used up, and the pool that is to answer then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The budget.
    pub budget: Box<str>,
    /// The pool.
    pub pool: ModelName,
}

impl Quota {
    /// These budgets (see [`budgets`]), kept as the operator says, and who works behind that. `node` is this gateway's
    /// name for the others, the same after a restart.
    pub fn new(
        budgets: Vec<Budget>,
        keeping: &limits::Keeping,
        node: &str,
        openings: Vec<Opening>,
        clock: Clock,
    ) -> (Arc<Self>, Work) {
        let budgets: Arc<[Budget]> = budgets.into();
        let (notices, webhook) = Notices::new(keeping.webhook.clone());
        let (keeper, shared) = match &keeping.keeper {
            chosen::Keeper::Redis { url } => {
                let rules = Rules::new(node, keeping.when_unreachable);
                let (address, kept) = (url.clone(), Arc::clone(&budgets));
                let (shared, work) = Shared::new(kept, address, rules, &clock, openings);
                (Keeper::Shared(shared), Some(work))
            }
            chosen::Keeper::Local => {
                let local = Local::new(Arc::clone(&budgets));
                local.open(&openings, clock());
                (Keeper::Local(local), None)
            }
        };
        (Arc::new(Self { budgets, keeper, notices, clock }), Work { shared, webhook })
    }

    /// Whether there is anything that such a request has to keep to.
    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        self.budgets.iter().any(|budget| budget.limits_for(subject).is_some())
    }

    /// A hard budget in dollars that a request is under: nobody may be asked then whose price is not
    /// known.
    pub fn needs_prices(&self, subject: &Subject<'_>) -> Option<&Budget> {
        self.budgets.iter().find(|budget| {
            let in_dollars = || budget.limits_for(subject).is_some_and(|it| it.money.is_some());
            let strict = budget.mode == Mode::Hard && in_dollars();
            let touches =
                || budget.scope.is_by_provider() || budget.scope.member(subject, "").is_some();
            strict && touches()
        })
    }

    /// What is told where nobody is left whose price is known.
    pub fn unpriced(&self, budget: &Budget, model: &str) -> Failure {
        Refusal::unpriced(budget, model)
    }

    /// Holds what a request may take of all budgets that it touches, or of none.
    pub async fn reserve(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        shares: &Shares<'_>,
    ) -> Result<Reservation, Box<Refusal>> {
        let claims = self.claims(subject, shares);
        if claims.is_empty() {
            let (quota, notes) = (Arc::clone(self), Notes::default());
            return Ok(Reservation { quota, parts: vec![], notes, instead: None });
        }
        let granted = match &self.keeper {
            Keeper::Local(local) => local.reserve(claims, (self.clock)()),
            Keeper::Shared(shared) => shared.reserve(claims).await,
        };
        let now = (self.clock)();
        let Granted { parts, standings } =
            granted.map_err(|refused| Box::new(Refusal::of(&refused, &self.budgets, now)))?;
        let (mut notes, mut instead) = (Notes::default(), None);
        for standing in &standings {
            let budget = &self.budgets[standing.budget];
            self.notices.granted(budget, standing, now);
            notes.rates.granted(budget, standing, now);
            let percent = standing.percent();
            if budget.is_notable(percent) {
                notes.warnings.push((budget.name.clone(), percent));
            }
            if let OnExhaust::Downgrade(pool) = &budget.on_exhaust
                && standing.limits.exceeded(standing.before, standing.claim).is_some()
            {
                instead = Some(Instead { budget: budget.name.clone(), pool: pool.clone() });
            }
        }
        Ok(Reservation { quota: Arc::clone(self), parts, notes, instead })
    }

    /// How all sums stand, with their budgets.
    pub fn shown(&self) -> Vec<(&Budget, Shown)> {
        let shown = match &self.keeper {
            Keeper::Local(local) => local.shown((self.clock)()),
            Keeper::Shared(shared) => shared.shown(),
        };
        shown.into_iter().map(|shown| (&self.budgets[shown.budget], shown)).collect()
    }

    /// A claim for each sum that a request touches, in the order of budgets and members.
    fn claims(&self, subject: &Subject<'_>, shares: &Shares<'_>) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (number, budget) in self.budgets.iter().enumerate() {
            let Some(limits) = budget.limits_for(subject) else { continue };
            let own = budget.own.map(|_| limits);
            let mut claim = |provider: Option<&str>, amounts| {
                if let Some(member) = budget.scope.member(subject, provider.unwrap_or_default()) {
                    let (member, provider) = (member.into(), provider.map(Into::into));
                    claims.push(Claim { budget: number, member, provider, amounts, own });
                }
            };
            if budget.scope.is_by_provider() {
                for (provider, amounts) in &shares.by_provider {
                    claim(Some(provider), *amounts);
                }
            } else {
                claim(None, shares.whole);
            }
        }
        claims
    }
}

impl Reservation {
    /// The exchange is over, and took so much.
    pub fn settle(self, actual: &Shares<'_>) {
        let took = |part: &Part| {
            let amounts = match &part.claim.provider {
                Some(provider) => actual.by_provider.get(&**provider).copied().unwrap_or_default(),
                None => actual.whole,
            };
            self.quota.budgets[part.claim.budget].remains(amounts)
        };
        let took: Vec<Amounts> = self.parts.iter().map(took).collect();
        match &self.quota.keeper {
            Keeper::Local(local) => {
                self.parts.iter().zip(took).for_each(|(part, took)| local.settle(part, took));
            }
            Keeper::Shared(shared) if !self.parts.is_empty() => {
                shared.settle(self.parts.into_iter().zip(took).collect());
            }
            Keeper::Shared(_) => {}
        }
    }

    /// Nothing came of it.
    pub fn release(self) {
        self.settle(&Shares::default());
    }
}

impl Work {
    /// Works until the order to finish.
    pub async fn run(self, finish: CancellationToken) {
        let keeping = async {
            if let Some(shared) = self.shared {
                shared.run(finish.clone()).await;
            }
        };
        let telling = async {
            if let Some(webhook) = self.webhook {
                webhook.run(finish.clone()).await;
            }
        };
        tokio::join!(keeping, telling);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// The budgets that an operator wrote, and those that keep to the limits of keys.
pub fn budgets(written: &[Budget]) -> Vec<Budget> {
    written.iter().cloned().chain(Own::ALL.map(Own::budget)).collect()
}

/// Whether a sum is told apart in metrics: callers must not choose labels.
pub fn is_shown(budget: &Budget) -> bool {
    let by_tag = budget.scope.each.as_ref().is_some_and(Dimension::is_callers_choice);
    budget.sort == Sort::Spending && !by_tag
}
