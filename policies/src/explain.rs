//! What a decision considered, told by the decision itself: the same code runs, with somebody who
//! takes notes.

use isthmus_inference::ident::EndpointName;

use crate::bounds::BoundSet;
use crate::live::Gate;
use crate::objective::{Aim, Score};
use crate::plan::{Candidate, RoutePlan};
use crate::terms::Terms;

/// Takes notes of a decision.
pub(crate) trait Recorder {
    /// By this aim it is made.
    fn aim(&mut self, aim: &'static Aim);
    /// An endpoint is out.
    fn refused(&mut self, candidate: &Candidate<'_>, fate: Fate);
    /// An endpoint is ranked.
    fn ranked(&mut self, candidate: &Candidate<'_>, terms: &Terms, broken: BoundSet, score: Score);
}

/// All that a decision considered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explanation {
    /// By which aim it was made.
    pub aim: Option<&'static Aim>,
    /// Every endpoint, in the order of the pool.
    pub considered: Vec<Considered>,
}

/// What was thought of one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// Its number in the catalogue.
    pub number: usize,
    /// Its name.
    pub name: EndpointName,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It could not serve.
    Out(Fate),
    /// It could.
    Ranked(Rank),
}

/// Why an endpoint could not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Policy does not permit it, in any way.
    Denied,
    /// The caller ruled it out.
    Narrowed {
        /// By what, as the request names it.
        by: &'static str,
    },
    /// It may not be asked at this moment.
    Closed {
        /// Why.
        gate: Gate,
    },
    /// It breaks bounds that are not relaxed.
    OutOfBounds {
        /// Those that it breaks.
        broken: BoundSet,
    },
}

/// How an endpoint that could serve was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// What spoke for and against it.
    pub terms: Terms,
    /// The bounds that were relaxed for it.
    pub broken: BoundSet,
    /// Its score; lower is better.
    pub score: Score,
    /// By how much its score is worse than the first choice's; below 0 where it is better, and
    /// something else spoke for the first choice.
    pub margin: f64,
    /// Its place in the plan, from 0; `None` if it is not in it.
    pub choice: Option<usize>,
}

// === impl Explanation ===

impl Explanation {
    /// Fills in what is known only at the end.
    pub(crate) fn conclude(&mut self, plan: Option<&RoutePlan>) {
        let Some(plan) = plan else { return };
        let first = self.considered.iter().find(|it| it.number == plan.first());
        let Some(Verdict::Ranked(Rank { score: first, .. })) = first.map(|it| it.verdict) else {
            return;
        };
        for considered in &mut self.considered {
            if let Verdict::Ranked(rank) = &mut considered.verdict {
                rank.margin = rank.score.total - first.total;
                rank.choice = plan.choices().position(|number| number == considered.number);
            }
        }
    }

    fn note(&mut self, candidate: &Candidate<'_>, verdict: Verdict) {
        let (number, name) = (candidate.number, candidate.offer.name.clone());
        self.considered.push(Considered { number, name, verdict });
    }
}

impl Recorder for Explanation {
    fn aim(&mut self, aim: &'static Aim) {
        self.aim = Some(aim);
    }

    fn refused(&mut self, candidate: &Candidate<'_>, fate: Fate) {
        self.note(candidate, Verdict::Out(fate));
    }

    fn ranked(&mut self, candidate: &Candidate<'_>, terms: &Terms, broken: BoundSet, score: Score) {
        let rank = Rank { terms: *terms, broken, score, margin: 0.0, choice: None };
        self.note(candidate, Verdict::Ranked(rank));
    }
}

/// Nobody takes notes.
impl Recorder for () {
    fn aim(&mut self, _: &'static Aim) {}

    fn refused(&mut self, _: &Candidate<'_>, _: Fate) {}

    fn ranked(&mut self, _: &Candidate<'_>, _: &Terms, _: BoundSet, _: Score) {}
}
