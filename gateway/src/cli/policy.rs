//! `isthmus policy`

mod access;
mod diff;
mod folder;
mod junit;
mod progress;
mod prove;
mod test;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use isthmus_config::complaint::Complaint;

use super::{CommandError, say_error};
use crate::policy_files;
use crate::proofs::ProofError;

/// Tests, proves and compares policies, before they decide anything.
#[derive(Debug, Args)]
#[command(after_help = "\
A folder of policies:
  policies/*.cedar              what may be done
  policies/*.policytest.yaml    questions with the expected answers
  policies/invariants/*.cedar   what must never be allowed, to be proved

Example:
  isthmus policy test policies && isthmus policy prove policies
  isthmus policy diff policies.live policies --config isthmus.yaml")]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Test(test::Test),
    Prove(prove::Prove),
    Diff(diff::Diff),
}

/// Options of the commands that need the solver.
#[derive(Debug, Args)]
struct Patience {
    /// How many seconds each proof may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
}

/// Why a command about policies did not succeed, in words for the terminal.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Something is wrong with the policies, or with what was asked.
    #[error("{0}")]
    Refused(String),
    /// The solver is not there, so nothing was found out.
    #[error("error: {0}")]
    NoSolver(ProofError),
}

/// The exit status where the solver is missing.
const NO_SOLVER: u8 = 2;

// === impl Policy ===

impl Policy {
    pub(super) fn run(&self) -> ExitCode {
        let done = match &self.action {
            Action::Test(test) => test.run(),
            Action::Prove(prove) => prove.run(),
            Action::Diff(diff) => diff.run(),
        };
        let Err(error) = done else { return ExitCode::SUCCESS };
        say_error(&error.to_string());
        match error {
            Refusal::Refused(_) => ExitCode::FAILURE,
            Refusal::NoSolver(_) => ExitCode::from(NO_SOLVER),
        }
    }
}

impl Patience {
    fn each(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

// === impl Refusal ===

impl Refusal {
    /// Something that went wrong, whatever it is.
    fn of(error: impl std::fmt::Display) -> Self {
        Self::Refused(format!("error: {error}"))
    }
}

impl From<Vec<Complaint>> for Refusal {
    fn from(complaints: Vec<Complaint>) -> Self {
        let lines: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        Self::Refused(lines.join("\n"))
    }
}

impl From<policy_files::PolicyError> for Refusal {
    fn from(error: policy_files::PolicyError) -> Self {
        // Each of its complaints says `error` itself.
        Self::Refused(error.to_string())
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NoSolver { .. } => Self::NoSolver(error),
            error => Self::of(error),
        }
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let done = super::block_on(async { Ok(work.await) });
    done.map_err(|CommandError(error)| Refusal::Refused(error))?
}
