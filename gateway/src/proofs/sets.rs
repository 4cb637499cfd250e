//! Sets of policies, put together for a claim and compiled for each action.

use cedar_policy::{ParseErrors, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::CompiledPolicySet;
use isthmus_policies::permit;
use isthmus_policies::question::Action;

use crate::proofs::ProofError;

/// Each action with the policies compiled for it, in the order of the house's list of actions.
pub(super) fn compiled(
    policies: &PolicySet,
) -> Result<Vec<(RequestEnv, CompiledPolicySet)>, ProofError> {
    let mut environments: Vec<_> = permit::schema().request_envs().collect();
    let place = |environment: &RequestEnv| {
        Action::WORDS.iter().position(|(word, _)| *word == action(environment))
    };
    environments.sort_by_key(place);
    let compile = |environment: RequestEnv| {
        compile(policies, &environment).map(|compiled| (environment, compiled))
    };
    environments.into_iter().map(compile).collect()
}

/// The policies for one action.
pub(super) fn compile(
    policies: &PolicySet,
    environment: &RequestEnv,
) -> Result<CompiledPolicySet, ProofError> {
    CompiledPolicySet::compile(policies, environment, permit::schema()).map_err(ProofError::of)
}

/// The action's word.
pub(super) fn action(environment: &RequestEnv) -> String {
    environment.action().id().unescaped().to_owned()
}

/// A set that allows everything.
pub(super) fn everything() -> Result<PolicySet, ProofError> {
    "permit (principal, action, resource);"
        .parse()
        .map_err(|error: ParseErrors| ProofError::Failed(error.to_string()))
}

/// A set that allows everything but what this policy forbids.
pub(super) fn all_but(policy: &Policy) -> Result<PolicySet, ProofError> {
    let mut most = everything()?;
    most.add(policy.clone()).map_err(|error| ProofError::Failed(error.to_string()))?;
    Ok(most)
}

/// A set of one.
pub(super) fn alone(policy: &Policy) -> Result<PolicySet, ProofError> {
    PolicySet::from_policies([policy.clone()])
        .map_err(|error| ProofError::Failed(error.to_string()))
}
