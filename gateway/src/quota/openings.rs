//! What was spent before this process counted, by the ledger's books. They know the hour, not the
//! moment: what is of an hour counts as if it were of its end, which is never too early.

use std::collections::BTreeMap;
use std::sync::Arc;

use isthmus_config::settings::Pool;
use isthmus_inference::ident::ModelName;
use isthmus_ledger::books::{Bucket, Hours};
use isthmus_ledger::fold::{self, MILLISECONDS_AN_HOUR};
use isthmus_policies::budget::{Amounts, Budget, OwnLimits, Sort, Subject};

use super::keeper::Opening;

/// The hours that windows of these budgets reach back to; `None` if there is nothing to look for.
/// `keys_have_limits`: whether any key has a limit in dollars of its own.
pub fn hours(budgets: &[Budget], keys_have_limits: bool, now: i64) -> Option<Hours> {
    let counts = |budget: &&Budget| keys_have_limits || budget.own.is_none();
    let spending = budgets.iter().filter(|budget| budget.sort == Sort::Spending).filter(counts);
    let oldest = spending.map(|budget| budget.window.frame(now).oldest).min()?;
    Some(Hours { from: fold::hour(oldest), to: fold::hour(now) + 1 })
}

/// What sums call a model: its pool, or `provider/*`, since callers choose the rest.
pub fn label(pools: &BTreeMap<ModelName, Pool>, model: &str) -> String {
    match model.split_once('/') {
        Some((provider, _)) if !pools.contains_key(model) => format!("{provider}/*"),
        _ => model.to_owned(),
    }
}

/// What the books say was spent of these budgets. `label` is what sums call a model.
pub fn openings(
    budgets: &[Budget],
    buckets: &[Bucket],
    label: impl Fn(&str) -> String,
    now: i64,
) -> Vec<Opening> {
    let mut openings = Vec::new();
    for bucket in buckets {
        let about = &bucket.of.about;
        let label = label(&about.model);
        let subject = Subject {
            organisation: &about.organisation,
            team: &about.team,
            app: &about.app,
            key: &about.key,
            model: &about.model,
            label: &label,
            tags: &about.tags,
            own: &OwnLimits::NONE,
        };
        let sums = &bucket.sums;
        let amounts =
            Amounts { money: sums.cost, tokens: sums.usage.total(), requests: sums.requests };
        let at = ((bucket.hour + 1) * MILLISECONDS_AN_HOUR - 1).min(now);
        for (number, budget) in budgets.iter().enumerate() {
            let member = budget.scope.member(&subject, &bucket.of.provider);
            if let Some(member) = member.filter(|_| budget.sort == Sort::Spending) {
                let member: Arc<str> = member.into();
                openings.push(Opening { budget: number, member, at, amounts });
            }
        }
    }
    openings
}
