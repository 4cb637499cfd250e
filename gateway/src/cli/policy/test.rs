//! `isthmus policy test`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use isthmus_policies::permit::{Bundle, Rule};
use isthmus_policies::policytest::{self, Report, Suite};

use super::{Refusal, folder, junit};
use crate::cli::say;

/// Asks the questions of every `*.policytest.yaml` in a folder of its policies.
///
/// A case passes if exactly the endpoints under `allowed` may be used, and those under `denied` are
/// denied by the rules that stand there. Every policy has to decide at least one answer. Exits with
/// 1 if a case fails, or if a policy decides nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  isthmus policy test policies/starter --junit target/policies.xml

A file of tests:
  today: 2026-11-28                 # decides which facts still count
  catalogue:                        # or a configuration: catalogue: ../isthmus.yaml
    azure-de:
      facts: { network: hyperscaler, processing_regions: [DE], storage_regions: [DE] }
    akash-llama:
      facts: { network: decentralised }
  cases:
    - name: personal data of Europeans stays in Europe
      request: { data_class: pii, subject_regions: [EU], allowed_regions: [EU] }
      allowed: [azure-de]
      denied: { \"akash-*\": [residency] }")]
pub(super) struct Test {
    /// The folder of the policies and their tests.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the results for a build server as well.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What became of all files of tests.
pub(super) struct Tested<'a> {
    /// Each file with its report.
    pub(super) reports: Vec<(&'a Suite, Report)>,
    /// The rules that were to decide something and did not.
    pub(super) idle: Vec<&'a Rule>,
    /// The rules that decide something.
    pub(super) busy: Vec<&'a Rule>,
}

// === impl Test ===

impl Test {
    pub(super) fn run(&self) -> Result<(), Refusal> {
        let bundle = folder::policies(&self.folder)?;
        let suites = folder::suites(&self.folder)?;
        if suites.is_empty() {
            return Err(Refusal::of(format_args!(
                "no tests: there is no *.policytest.yaml in {}; `isthmus policy test --help` shows \
                 one",
                self.folder.display()
            )));
        }
        let reports = suites.iter().map(|suite| {
            let report = policytest::run(suite, &bundle);
            report.map(|report| (suite, report)).map_err(Refusal::of)
        });
        let tested = Tested::new(&bundle, reports.collect::<Result<_, _>>()?);
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::document(&tested)).map_err(|error| {
                Refusal::of(format_args!("cannot write {}: {error}", file.display()))
            })?;
        }
        tested.say()
    }
}

// === impl Tested ===

impl<'a> Tested<'a> {
    fn new(bundle: &'a Bundle, reports: Vec<(&'a Suite, Report)>) -> Self {
        let decided: BTreeSet<_> = reports.iter().flat_map(|(_, report)| &report.decided).collect();
        let asked_for = reports.iter().all(|(suite, _)| suite.every_policy_decides);
        let numbered = || bundle.rules().iter().enumerate();
        let busy = numbered().filter(|(number, _)| decided.contains(number));
        let idle = numbered().filter(|(number, _)| asked_for && !decided.contains(number));
        Self {
            busy: busy.map(|(_, rule)| rule).collect(),
            idle: idle.map(|(_, rule)| rule).collect(),
            reports,
        }
    }

    fn say(&self) -> Result<(), Refusal> {
        let (mut cases, mut failed) = (0, 0);
        for (suite, report) in &self.reports {
            for outcome in &report.outcomes {
                cases += 1;
                if !outcome.differences.is_empty() {
                    failed += 1;
                    let differences = outcome.differences.join("; ");
                    say(&format!(
                        "{}:{}: FAILED {:?}: {differences}",
                        suite.file, outcome.line, outcome.name
                    ));
                }
            }
        }
        for rule in &self.idle {
            say(&format!("{}:{}: IDLE {}: {}", rule.file, rule.line, rule.id, idle(rule)));
        }
        say(&format!(
            "{cases} cases, {} passed, {failed} failed; {} policies decide in some case, {} in none",
            cases - failed,
            self.busy.len(),
            self.idle.len(),
        ));
        match (failed, self.idle.len()) {
            (0, 0) => Ok(()),
            (0, idle) => Err(Refusal::Refused(format!("error: {idle} policies untested"))),
            (failed, _) => {
                Err(Refusal::Refused(format!("error: {failed} of {cases} cases failed")))
            }
        }
    }
}

/// What is wrong with a rule that decides nothing.
pub(super) fn idle(rule: &Rule) -> String {
    format!("this {} decides in no case; add one, or take it out", rule.effect.as_str())
}
