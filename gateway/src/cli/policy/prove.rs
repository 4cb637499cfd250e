//! `isthmus policy prove`

use std::path::PathBuf;

use clap::Args;
use isthmus_policies::permit::Bundle;
use serde_json::{Value as Json, json};

use super::progress::Teller;
use super::{Patience, Refusal, block_on, folder};
use crate::cli::say;
use crate::proofs::invariants::{self, Claim, Finding, Verdict};
use crate::proofs::solver::Solver;

/// Proves that the policies of a folder never allow what its invariants forbid.
///
/// A proof holds for every request and every endpoint that there can be, not only for those of a
/// test. Where there is none, a question is shown that the policies allow and the invariant forbids.
/// That no policy can fail while it is evaluated is proved as well. Exits with 1 if anything is not
/// proved, and with 2 if the solver cvc5 is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  isthmus policy prove policies/starter

An invariant, policies/invariants/health.cedar:
  @id(\"phi-never-without-baa\")
  @reason(\"data of patients goes to nobody without a business associate agreement\")
  forbid (principal, action, resource)
  when { context.labels.contains(DataClass::\"phi\") && !resource.baa && !resource.in_process };")]
pub(super) struct Prove {
    /// The folder of the policies; their invariants stand in `invariants/` within it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

// === impl Prove ===

impl Prove {
    pub(super) fn run(&self) -> Result<(), Refusal> {
        let policies = folder::policies(&self.folder)?;
        let invariants = folder::invariants(&self.folder)?;
        if let Some(rule) = invariants::misplaced(&invariants) {
            return Err(Refusal::Refused(format!(
                "{}:{}: error: {}: an invariant says what must never be allowed, so it is a \
                 `forbid`",
                rule.file, rule.line, rule.id
            )));
        }
        let (findings, dead) = block_on(self.prove(&policies, &invariants))?;
        if self.json {
            say(&as_json(policies.version(), &findings, &dead).to_string());
        } else {
            say(&as_text(&findings, &dead));
        }
        let unproved = findings.iter().filter(|finding| !finding.is_proved()).count();
        match unproved {
            0 => Ok(()),
            unproved => Err(Refusal::of(format_args!("{unproved} claims are not proved"))),
        }
    }

    /// What became of each claim, and for which actions nothing is allowed.
    async fn prove(
        &self,
        policies: &Bundle,
        invariants: &Bundle,
    ) -> Result<(Vec<Finding>, Vec<String>), Refusal> {
        let solver = Solver::find(self.patience.each()).await?;
        let teller = Teller::new();
        let findings =
            invariants::prove(policies, invariants, &solver, &|done| teller.tell(done)).await?;
        // Where something is not proved, there is more to do than to think of this.
        let dead = match findings.iter().all(Finding::is_proved) {
            true => invariants::dead_actions(policies, &solver).await?,
            false => vec![],
        };
        Ok((findings, dead))
    }
}

fn as_text(findings: &[Finding], dead: &[String]) -> String {
    let mut lines: Vec<_> = (findings.iter())
        .filter(|finding| finding.claim == Claim::Invariant || !finding.is_proved())
        .map(in_words)
        .collect();
    let sound = findings.iter().filter(|one| one.claim == Claim::NeverFails && one.is_proved());
    lines.push(format!(
        "proved     {} policies can never fail while they are evaluated",
        sound.count()
    ));
    if !dead.is_empty() {
        lines.push(format!("note       nothing is ever allowed for: {}", dead.join(", ")));
    }
    lines.join("\n")
}

/// A finding as a line, and what there is to say about it below.
fn in_words(finding: &Finding) -> String {
    let Finding { id, file, line, .. } = finding;
    let place = format!("{file}:{line}");
    let reason = finding.reason.as_deref().unwrap_or("no reason given");
    match (&finding.verdict, finding.claim) {
        (Verdict::Proved, _) => format!("proved     {id}: {reason}"),
        (Verdict::Refuted { actions, example }, claim) => {
            let (claim, title) = match claim {
                Claim::Invariant => (reason, "Allowed all the same, for example:"),
                Claim::NeverFails => ("this policy never fails", "It fails, for example:"),
            };
            let (actions, example) = (actions.join(", "), example.to_string());
            let example =
                format!("actions   {actions}\n{example}").replace('\n', "\n             ");
            format!(
                "REFUTED    {id} ({place}): {claim}\n           {title}\n             {example}"
            )
        }
        (Verdict::Vacuous, _) => format!("VACUOUS    {id} ({place}): {VACUOUS}"),
        (Verdict::Undecided(error), _) => format!("UNDECIDED  {id} ({place}): {error}"),
    }
}

/// What is wrong with an invariant that any policies would keep.
const VACUOUS: &str = "it forbids nothing that anybody can ask, so it promises nothing";

fn as_json(version: &str, findings: &[Finding], dead: &[String]) -> Json {
    let findings: Vec<_> = findings.iter().map(finding_as_json).collect();
    json!({ "policies": version, "findings": findings, "dead_actions": dead })
}

fn finding_as_json(finding: &Finding) -> Json {
    let claim = match finding.claim {
        Claim::Invariant => "invariant",
        Claim::NeverFails => "never_fails",
    };
    let mut json = json!({
        "claim": claim,
        "id": finding.id,
        "reason": finding.reason,
        "file": finding.file,
        "line": finding.line,
        "verdict": finding.verdict.as_str(),
    });
    match &finding.verdict {
        Verdict::Refuted { actions, example } => {
            json["actions"] = json!(actions);
            json["example"] = example.to_json();
        }
        Verdict::Undecided(error) => json["message"] = json!(error.to_string()),
        Verdict::Proved | Verdict::Vacuous => {}
    }
    json
}
