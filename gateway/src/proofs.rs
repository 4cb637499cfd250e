//! What policies can never do, proved: Cedar's symbolic compiler turns policies into logic, and a
//! solver either finds a question to which the claim does not apply, or shows that there is none.
//!
//! * [`invariants`]: what a set of policies must never allow
//! * [`comparison`]: whether one set allows more than another
//! * [`situation`]: one concrete question, and how policies answer it
//! * [`example`]: a solver's counterexample, with all that does not matter made plain
//! * [`house`]: what the gateway sees to for every question, so that proofs need not doubt it
//! * [`solver`]: the process that does the work, bounded in time
//!
//! The house denies where a policy fails, and the logic is that of Cedar, which merely skips that
//! policy. So a proof includes that no policy can fail; then both say the same. Where one fails all the
//! same, the house denies more than was proved, never less.

pub mod comparison;
pub mod example;
pub mod house;
pub mod invariants;
mod sets;
pub mod situation;
pub mod solver;
mod words;

use std::time::Duration;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The solver is not there, or is something else.
    #[error(
        "cvc5, the solver that proves policies, cannot be started as `{program}`: {reason}\n\
         On Debian or Ubuntu: sudo apt-get install cvc5\n\
         Elsewhere: obtain cvc5 1.0.3 or newer from its authors, and put it on the PATH or set \
         CVC5=/path/to/cvc5"
    )]
    NoSolver {
        /// As it was called.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// It did not answer in time.
    #[error("the solver did not answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// It answered that it does not know.
    #[error("the solver cannot tell")]
    Unknown,
    /// All that was found are questions at which a policy fails, and then the house denies.
    #[error(
        "it is refuted only where a policy fails, and then the gateway denies; mend that first"
    )]
    OnlyByFailing,
    /// It, or the symbolic compiler, failed.
    #[error("{0}")]
    Failed(String),
}

/// How far a longer work has come: `done` of `all`, and what was done last.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Pieces of work that are done.
    pub done: usize,
    /// Pieces of work in all.
    pub all: usize,
    /// The last one.
    pub last: &'a str,
}

/// Somebody who wants to know how far it has come.
pub type Told<'a> = &'a dyn Fn(Progress<'_>);
