//! Tests of policies: questions, and the answers that their author expects.

use std::collections::BTreeSet;
use std::sync::Arc;

use isthmus_inference::date::Date;
use isthmus_inference::ident::EndpointName;

use crate::permit::{Bundle, CatalogueError, Decision, Described, Permit, Verdict};
use crate::question::{Action, Context, Principal};

/// One file of tests.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The file's name, for reports.
    pub file: String,
    /// The day on which the questions are asked: it decides which facts still count.
    pub today: Date,
    /// The endpoints that there are.
    pub catalogue: Vec<Described>,
    /// The questions.
    pub cases: Vec<Case>,
    /// Whether every rule must decide at least one of the answers.
    pub every_policy_decides: bool,
}

/// A question and the expected answer.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Where it stands in its file.
    pub line: usize,
    /// Who asks.
    pub principal: Principal,
    /// What for.
    pub action: Action,
    /// With which data.
    pub context: Context,
    /// The endpoints that may be used: these, and no others.
    pub allowed: BTreeSet<EndpointName>,
    /// Endpoints that must be denied for stated reasons.
    pub denied: Vec<Denial>,
}

/// Endpoints that must be denied, and the rules that must do it.
#[derive(Debug, Clone)]
pub struct Denial {
    /// A name, or a pattern in which `*` stands for any text.
    pub endpoints: String,
    /// Rules that must all be among those which deny. If there is none, then no rule may forbid:
    /// the endpoint is denied because nothing permits it.
    pub rules: Vec<String>,
}

/// What became of one case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// Where it stands in its file.
    pub line: usize,
    /// How the answer differs from the expected one; nothing if the case passed.
    pub differences: Vec<String>,
}

/// What became of a file of tests.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of each case, in the file's order.
    pub outcomes: Vec<Outcome>,
    /// The rules that decided something, by their numbers in [`Bundle::rules`].
    pub decided: BTreeSet<usize>,
}

/// Asks every question of a file.
pub fn run(suite: &Suite, bundle: &Arc<Bundle>) -> Result<Report, CatalogueError> {
    let permit = Permit::new(Arc::clone(bundle), &suite.catalogue, suite.today)?;
    let mut decided = BTreeSet::new();
    let outcomes = suite.cases.iter().map(|case| {
        let decision = permit.decide(&case.principal, case.action, &case.context);
        let rules = decision.verdicts.iter().flat_map(|verdict| &verdict.rules);
        decided.extend(rules.map(|rule| usize::from(*rule)));
        let answer = Answer { bundle, catalogue: &suite.catalogue, decision };
        let (name, line) = (case.name.clone(), case.line);
        Outcome { name, line, differences: answer.differences(case) }
    });
    Ok(Report { outcomes: outcomes.collect(), decided })
}

/// Whether `name` is what `pattern` stands for; `*` in it is any text, also none.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(beginning) else { return false };
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.map(|at| &name[at..]).any(|name| matches(rest, name))
}

/// A decision with what is needed to read it.
struct Answer<'a> {
    bundle: &'a Bundle,
    catalogue: &'a [Described],
    decision: Decision,
}

// === impl Answer ===

impl Answer<'_> {
    fn differences(&self, case: &Case) -> Vec<String> {
        let mut differences: Vec<_> = self.unlike(&case.allowed).into_iter().collect();
        for denial in &case.denied {
            for (endpoint, verdict) in self.catalogue.iter().zip(&self.decision.verdicts) {
                if matches(&denial.endpoints, endpoint.name.as_str()) {
                    differences.extend(self.unmet(denial, endpoint, verdict));
                }
            }
        }
        differences
    }

    /// How the allowed set differs from the expected one.
    fn unlike(&self, expected: &BTreeSet<EndpointName>) -> Option<String> {
        let allowed: BTreeSet<_> = (self.decision.allowed.iter())
            .map(|number| self.catalogue[number].name.clone())
            .collect();
        if allowed == *expected {
            return None;
        }
        let each = self.catalogue.iter().zip(&self.decision.verdicts);
        let wrong =
            each.filter(|(endpoint, verdict)| verdict.allowed != expected.contains(&endpoint.name));
        let why: Vec<_> = wrong
            .map(|(endpoint, verdict)| format!("{} is {}", endpoint.name, self.reason(verdict)))
            .collect();
        let (expected, came, why) = (listed(expected), listed(&allowed), why.join("; "));
        Some(format!("expected {expected} to be allowed, came {came}: {why}"))
    }

    /// What is missing of a denial.
    fn unmet(&self, denial: &Denial, endpoint: &Described, verdict: &Verdict) -> Option<String> {
        let deciding: BTreeSet<_> = verdict.rules.iter().map(|rule| self.rule(*rule)).collect();
        let met = !verdict.allowed
            && denial.rules.iter().all(|rule| deciding.contains(rule.as_str()))
            && (!denial.rules.is_empty() || deciding.is_empty());
        if met {
            return None;
        }
        let expected = match denial.rules.as_slice() {
            [] => "by no rule".to_owned(),
            rules => format!("by {}", rules.join(", ")),
        };
        let (name, came) = (&endpoint.name, self.reason(verdict));
        Some(format!("expected {name} to be denied {expected}, came {came}"))
    }

    /// A verdict in words.
    fn reason(&self, verdict: &Verdict) -> String {
        let rules: Vec<_> = verdict.rules.iter().map(|rule| self.rule(*rule)).collect();
        match &verdict.error {
            Some(error) => format!("denied by an error: {error}"),
            None if verdict.allowed => format!("allowed by {}", rules.join(", ")),
            None if rules.is_empty() => "denied, as no rule permits it".to_owned(),
            None => format!("denied by {}", rules.join(", ")),
        }
    }

    fn rule(&self, number: u16) -> &str {
        &self.bundle.rules()[usize::from(number)].id
    }
}

/// Names in order, or a word for none.
fn listed(names: &BTreeSet<EndpointName>) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(EndpointName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("akash-*", "akash-llama"));
        assert!(matches("*-eu", "bedrock-eu"));
        assert!(matches("a*c*e", "abcde"));
        assert!(matches("*", ""));
        assert!(!matches("akash", "akash-llama"));
        assert!(!matches("akash-*", "chutes-llama"));
        assert!(!matches("*-eu", "bedrock-eu-west"));
    }
}
