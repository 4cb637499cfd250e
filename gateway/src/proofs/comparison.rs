//! Whether one set of policies allows more than another, for each action, by proof in both
//! directions.

use std::collections::BTreeSet;

use cedar_policy::{PolicyId, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicySet, Env};
use futures_util::{StreamExt, TryStreamExt, stream};
use isthmus_policies::permit::{self, Bundle};
use serde_json::Value as Json;

use crate::proofs::example::Example;
use crate::proofs::sets::{action, compiled};
use crate::proofs::situation::{Question, Situation};
use crate::proofs::solver::Solver;
use crate::proofs::{Progress, ProofError, Told, house};

/// How a new set of policies compares with an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Both allow the same.
    Same,
    /// The new one allows less, and nothing more.
    Tightens,
    /// The new one allows more, and nothing less.
    Loosens,
    /// The new one allows some things more and some less.
    Both,
}

/// How the answers for one action change.
#[derive(Debug)]
pub struct Change {
    /// The action.
    pub action: String,
    /// Something that is allowed now and was not, if there is any.
    pub gained: Option<Example>,
    /// Something that was allowed and is not any more, if there is any.
    pub lost: Option<Example>,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleChange {
    /// The new set has it, and the old one does not.
    Added(String),
    /// The old set has it, and the new one does not.
    Removed(String),
    /// It decides otherwise, or may do so.
    Changed(String),
    /// It decides as it did; only its annotations are others.
    Reworded(String),
}

/// Two sets of policies, ready for the solver.
struct Comparing<'a> {
    solver: &'a Solver,
    old: PolicySet,
    new: PolicySet,
}

/// Compares for each action, in the order of the house's list.
pub async fn compare(
    old: &Bundle,
    new: &Bundle,
    solver: &Solver,
    told: Told<'_>,
) -> Result<Vec<Change>, ProofError> {
    let (old, new) = (house::within(old.policy_set())?, house::within(new.policy_set())?);
    let pairs = compiled(&old)?.into_iter().zip(compiled(&new)?);
    let comparing = Comparing { solver, old, new };
    let all = pairs.len();
    let mut done = 0;
    stream::iter(pairs)
        .map(async |((environment, old), (_, new))| comparing.of(&environment, &old, &new).await)
        .buffered(solver.at_once())
        .inspect_ok(|change| {
            done += 1;
            told(Progress { done, all, last: &change.action });
        })
        .try_collect()
        .await
}

/// The policies of either set that can fail while they are evaluated. The gateway denies then, and
/// a comparison passes over it.
pub async fn failing(
    old: &Bundle,
    new: &Bundle,
    solver: &Solver,
) -> Result<BTreeSet<String>, ProofError> {
    let environments: Vec<_> = permit::schema().request_envs().collect();
    let policies = old.policy_set().policies().chain(new.policy_set().policies());
    let pairs = policies.flat_map(|policy| environments.iter().map(move |one| (policy, one)));
    let fails = stream::iter(pairs).map(async |(policy, environment)| {
        let found = solver.failing(policy, environment).await?;
        Ok(found.map(|_| policy.id().to_string()))
    });
    fails.buffered(solver.at_once()).try_filter_map(async |id| Ok(id)).try_collect().await
}

/// The rules that differ: those that were added first, then by name.
pub fn rules(old: &Bundle, new: &Bundle) -> Vec<RuleChange> {
    let names = |bundle: &Bundle| -> BTreeSet<String> {
        bundle.rules().iter().map(|rule| rule.id.clone()).collect()
    };
    let all: BTreeSet<String> = names(old).union(&names(new)).cloned().collect();
    let change = |id: String| match (content(old, &id), content(new, &id)) {
        (None, _) => Some(RuleChange::Added(id)),
        (_, None) => Some(RuleChange::Removed(id)),
        (Some(was), Some(is)) if was.decision != is.decision => Some(RuleChange::Changed(id)),
        (Some(was), Some(is)) if was != is => Some(RuleChange::Reworded(id)),
        _ => None,
    };
    let mut changes: Vec<_> = all.into_iter().filter_map(change).collect();
    changes.sort();
    changes
}

/// A rule, without comments and spaces.
#[derive(PartialEq)]
struct Content {
    annotations: Json,
    decision: Json,
}

fn content(bundle: &Bundle, id: &str) -> Option<Content> {
    let mut decision = bundle.policy_set().policy(&PolicyId::new(id))?.to_json().ok()?;
    let annotations = decision.as_object_mut()?.remove("annotations").unwrap_or_default();
    Some(Content { annotations, decision })
}

// === impl Comparing ===

impl Comparing<'_> {
    async fn of(
        &self,
        environment: &RequestEnv,
        old: &CompiledPolicySet,
        new: &CompiledPolicySet,
    ) -> Result<Change, ProofError> {
        let gained = self.solver.beyond(new, old).await?;
        let lost = self.solver.beyond(old, new).await?;
        Ok(Change {
            action: action(environment),
            gained: gained.map(|found| example(&found, &self.new, &self.old)).transpose()?,
            lost: lost.map(|found| example(&found, &self.old, &self.new)).transpose()?,
        })
    }
}

/// Something that these policies allow and the others do not.
fn example(found: &Env, these: &PolicySet, others: &PolicySet) -> Result<Example, ProofError> {
    let shows =
        |question: &Question| question.put_to(these).allowed && !question.put_to(others).allowed;
    let mut example = Example::of(Situation::of(found)?, &shows)?;
    example.rules = example.put_to(these)?.rules.into_iter().collect();
    example.against = example.put_to(others)?.rules.into_iter().collect();
    Ok(example)
}

// === impl Relation ===

impl Relation {
    /// Of all actions together.
    pub fn of_all<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let gains_and_losses = changes.into_iter().fold((false, false), |(gains, losses), one| {
            (gains || one.gained.is_some(), losses || one.lost.is_some())
        });
        match gains_and_losses {
            (false, false) => Self::Same,
            (false, true) => Self::Tightens,
            (true, false) => Self::Loosens,
            (true, true) => Self::Both,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Tightens => "tightens",
            Self::Loosens => "loosens",
            Self::Both => "both",
        }
    }
}

// === impl Change ===

impl Change {
    /// How the new set compares with the old one for this action.
    pub fn relation(&self) -> Relation {
        Relation::of_all([self])
    }
}
