//! cvc5: found, started once for each query, and stopped when it takes too long.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;

use cedar_policy::{Policy, RequestEnv};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use isthmus_policies::permit;
use tokio::process::Command;
use tokio::time::timeout;

use crate::proofs::ProofError;

/// The solver, found and ready to be started.
#[derive(Debug, Clone)]
pub struct Solver {
    program: OsString,
    patience: Duration,
    at_once: NonZeroUsize,
}

/// The variable that holds the solver's path, where it is not on the PATH.
const VARIABLE: &str = "CVC5";

/// Solvers that work side by side at most, however many processors there are.
const MOST_AT_ONCE: usize = 8;

/// How long it may take to say its version.
const START: Duration = Duration::from_secs(10);

// === impl Solver ===

impl Solver {
    /// Finds the solver. Each query may take as long as `patience`.
    pub async fn find(patience: Duration) -> Result<Self, ProofError> {
        let program = std::env::var_os(VARIABLE).filter(|program| !program.is_empty());
        Self::at(program.unwrap_or_else(|| "cvc5".into()), patience).await
    }

    /// The solver that is this program.
    pub async fn at(program: OsString, patience: Duration) -> Result<Self, ProofError> {
        let missing = |reason: String| {
            let program = program.display().to_string();
            ProofError::NoSolver { program, reason }
        };
        let mut version = Command::new(&program);
        version.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        let said = match timeout(START, version.output()).await {
            Ok(said) => said.map_err(|error| missing(error.to_string()))?,
            Err(_) => return Err(missing("it does not say its version".to_owned())),
        };
        if !String::from_utf8_lossy(&said.stdout).contains("cvc5") {
            return Err(missing("it does not say that it is cvc5".to_owned()));
        }
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let at_once = NonZeroUsize::new(processors.min(MOST_AT_ONCE)).unwrap_or(NonZeroUsize::MIN);
        Ok(Self { program, patience, at_once })
    }

    /// How many queries should run side by side.
    pub fn at_once(&self) -> usize {
        self.at_once.get()
    }

    /// Something that `one` allows and `other` does not, if there is such a thing.
    pub(super) async fn beyond(
        &self,
        one: &CompiledPolicySet,
        other: &CompiledPolicySet,
    ) -> Result<Option<Env>, ProofError> {
        let mut compiler = self.start()?;
        self.bounded(compiler.check_implies_with_counterexample_opt(one, other)).await
    }

    /// Something at which the policy fails, if there is such a thing.
    pub(super) async fn failing(
        &self,
        policy: &Policy,
        environment: &RequestEnv,
    ) -> Result<Option<Env>, ProofError> {
        let policy = CompiledPolicy::compile(policy, environment, permit::schema())
            .map_err(ProofError::of)?;
        let mut compiler = self.start()?;
        self.bounded(compiler.check_never_errors_with_counterexample_opt(&policy)).await
    }

    /// Whether the set allows nothing at all.
    pub(super) async fn denies_all(&self, set: &CompiledPolicySet) -> Result<bool, ProofError> {
        let mut compiler = self.start()?;
        self.bounded(compiler.check_always_denies_opt(set)).await
    }

    /// A process of its own, which ends with its query.
    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, ProofError> {
        let limit = format!("--tlimit={}", self.patience.as_millis());
        let mut command = Command::new(&self.program);
        command.args(["--lang", "smt", &limit]).kill_on_drop(true);
        let process = LocalSolver::from_command(&mut command)
            .map_err(|error| ProofError::Failed(error.to_string()))?;
        CedarSymCompiler::new(process).map_err(ProofError::of)
    }

    async fn bounded<T>(
        &self,
        query: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ProofError> {
        match timeout(self.patience, Box::pin(query)).await {
            Ok(answer) => answer.map_err(ProofError::of),
            Err(_) => Err(ProofError::TooSlow(self.patience)),
        }
    }
}

// === impl ProofError ===

impl ProofError {
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::SolverUnknown => Self::Unknown,
            error => Self::Failed(error.to_string()),
        }
    }
}
