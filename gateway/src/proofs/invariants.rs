//! What a set of policies must never allow: each invariant is a `forbid` in a file of its own, and
//! holds if the set denies all that it forbids.
//!
//! An invariant that forbids nothing which anybody can ask would hold for any set of policies. It
//! promises nothing, and that is reported as a fault of the invariant.

use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv};
use cedar_policy_symcc::CompiledPolicySet;
use futures_util::{StreamExt, stream};
use isthmus_policies::permit::{Bundle, Effect, Rule};

use crate::proofs::example::Example;
use crate::proofs::sets::{action, all_but, alone, compile, compiled, everything};
use crate::proofs::situation::{Question, Situation};
use crate::proofs::solver::Solver;
use crate::proofs::{Progress, ProofError, Told, house};

/// A claim about a set of policies, and what became of it.
#[derive(Debug)]
pub struct Finding {
    /// What is claimed.
    pub claim: Claim,
    /// Its name: an invariant's or a policy's `@id`.
    pub id: String,
    /// Why it is claimed.
    pub reason: Option<String>,
    /// The file in which it stands.
    pub file: String,
    /// The line on which it stands.
    pub line: usize,
    /// What became of it.
    pub verdict: Verdict,
}

/// What is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The policies never allow what this invariant forbids.
    Invariant,
    /// This policy never fails while it is evaluated.
    NeverFails,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Verdict {
    /// It holds for every question.
    Proved,
    /// It does not.
    Refuted {
        /// The actions for which it does not hold.
        actions: Vec<String>,
        /// A question that shows it.
        example: Box<Example>,
    },
    /// It would hold for any policies whatever.
    Vacuous,
    /// There is no proof in either direction.
    Undecided(ProofError),
}

/// All that there is to prove about a set of policies.
struct Proving<'a> {
    solver: &'a Solver,
    /// The policies, less what nobody can ask.
    policies: PolicySet,
    /// The policies for each action, ready for the solver.
    compiled: Vec<(RequestEnv, CompiledPolicySet)>,
}

/// Something to prove.
#[derive(Clone, Copy)]
struct Job<'a> {
    claim: Claim,
    rule: &'a Rule,
    policy: &'a Policy,
}

/// The actions that no policy allows for anybody: every invariant holds for them, to no avail.
pub async fn dead_actions(policies: &Bundle, solver: &Solver) -> Result<Vec<String>, ProofError> {
    let proving = Proving::new(policies, solver)?;
    let mut dead = vec![];
    for (environment, compiled) in &proving.compiled {
        if solver.denies_all(compiled).await? {
            dead.push(action(environment));
        }
    }
    Ok(dead)
}

/// Proves or refutes every invariant, and that no policy can fail. What comes back is in the order
/// of the files, the invariants first.
pub async fn prove(
    policies: &Bundle,
    invariants: &Bundle,
    solver: &Solver,
    told: Told<'_>,
) -> Result<Vec<Finding>, ProofError> {
    let proving = Proving::new(policies, solver)?;
    let jobs: Vec<_> =
        jobs(Claim::Invariant, invariants).chain(jobs(Claim::NeverFails, policies)).collect();
    let all = jobs.len();
    let running = stream::iter(jobs.into_iter().enumerate())
        .map(async |(number, job)| (number, proving.finding(job).await));
    let mut running = std::pin::pin!(running.buffer_unordered(solver.at_once()));
    let mut findings = vec![];
    while let Some((number, finding)) = running.next().await {
        told(Progress { done: findings.len() + 1, all, last: &finding.id });
        findings.push((number, finding));
    }
    findings.sort_by_key(|(number, _)| *number);
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

fn jobs(claim: Claim, bundle: &Bundle) -> impl Iterator<Item = Job<'_>> {
    bundle.rules().iter().filter_map(move |rule| {
        let policy = bundle.policy_set().policy(&PolicyId::new(&rule.id))?;
        Some(Job { claim, rule, policy })
    })
}

/// A rule that is no invariant, for an invariant is a `forbid`.
pub fn misplaced(invariants: &Bundle) -> Option<&Rule> {
    invariants.rules().iter().find(|rule| rule.effect != Effect::Forbid)
}

// === impl Finding ===

impl Finding {
    /// Whether the claim holds for every question.
    pub fn is_proved(&self) -> bool {
        matches!(self.verdict, Verdict::Proved)
    }
}

// === impl Verdict ===

impl Verdict {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted { .. } => "refuted",
            Self::Vacuous => "vacuous",
            Self::Undecided(_) => "undecided",
        }
    }
}

// === impl Proving ===

impl<'a> Proving<'a> {
    fn new(policies: &Bundle, solver: &'a Solver) -> Result<Self, ProofError> {
        let policies = house::within(policies.policy_set())?;
        let compiled = compiled(&policies)?;
        Ok(Self { solver, policies, compiled })
    }

    async fn finding(&self, job: Job<'_>) -> Finding {
        let verdict = match job.claim {
            Claim::Invariant => self.never_allowed(job.policy).await,
            Claim::NeverFails => self.never_fails(job.policy).await,
        };
        let Rule { id, reason, file, line, .. } = job.rule.clone();
        let verdict = verdict.unwrap_or_else(Verdict::Undecided);
        Finding { claim: job.claim, id, reason, file, line, verdict }
    }

    /// Whether the policies never allow what the invariant forbids.
    async fn never_allowed(&self, invariant: &Policy) -> Result<Verdict, ProofError> {
        let most = all_but(invariant)?;
        let mut refuted = vec![];
        let mut found = None;
        for (environment, policies) in &self.compiled {
            let most = compile(&most, environment)?;
            if let Some(example) = self.solver.beyond(policies, &most).await? {
                refuted.push(action(environment));
                found.get_or_insert(example);
            }
        }
        let Some(found) = found else {
            let vacuous = self.forbids_nothing(&most).await?;
            return Ok(if vacuous { Verdict::Vacuous } else { Verdict::Proved });
        };
        let mut example = Example::of(Situation::of(&found)?, &|question| {
            question.put_to(&self.policies).allowed && !question.put_to(&most).allowed
        })?;
        let answer = example.put_to(&self.policies)?;
        if answer.failed {
            return Err(ProofError::OnlyByFailing);
        }
        example.rules = answer.rules.into_iter().collect();
        Ok(Verdict::Refuted { actions: refuted, example: Box::new(example) })
    }

    /// Whether even a set that allows everything would keep the invariant.
    async fn forbids_nothing(&self, most: &PolicySet) -> Result<bool, ProofError> {
        let everything = house::within(&everything()?)?;
        for (environment, _) in &self.compiled {
            let everything = compile(&everything, environment)?;
            let most = compile(most, environment)?;
            if self.solver.beyond(&everything, &most).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the policy can be evaluated whatever is asked.
    async fn never_fails(&self, policy: &Policy) -> Result<Verdict, ProofError> {
        let mut refuted = vec![];
        let mut found = None;
        for (environment, _) in &self.compiled {
            if let Some(example) = self.solver.failing(policy, environment).await? {
                refuted.push(action(environment));
                found.get_or_insert(example);
            }
        }
        let Some(found) = found else { return Ok(Verdict::Proved) };
        let alone = alone(policy)?;
        let shows = |question: &Question| question.put_to(&alone).failed;
        let mut example = Example::of(Situation::of(&found)?, &shows)?;
        example.rules = vec![policy.id().to_string()];
        Ok(Verdict::Refuted { actions: refuted, example: Box::new(example) })
    }
}
