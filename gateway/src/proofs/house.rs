//! What the gateway sees to for every question: its strictest class is among its labels, ranks say
//! the same as words. `house.cedar` says it; the tests below hold it against what the gateway builds.

use std::sync::LazyLock;

use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::proofs::ProofError;

/// The rules, for people.
pub const TEXT: &str = include_str!("house.cedar");

/// What all of their ids begin with.
const MARK: &str = "house: ";

static RULES: LazyLock<Result<Vec<Policy>, String>> = LazyLock::new(|| {
    let set: PolicySet = TEXT.parse().map_err(|error| format!("house.cedar: {error}"))?;
    Ok(set.policies().enumerate().map(|(number, rule)| rule.new_id(id(number))).collect())
});

fn id(number: usize) -> PolicyId {
    PolicyId::new(format!("{MARK}{number}"))
}

/// The policies, less what nobody can ask.
pub fn within(policies: &PolicySet) -> Result<PolicySet, ProofError> {
    let mut within = policies.clone();
    for rule in RULES.as_ref().map_err(|error| ProofError::Failed(error.clone()))? {
        within.add(rule.clone()).map_err(|error| ProofError::Failed(error.to_string()))?;
    }
    Ok(within)
}
