//! The commands, one file each.

mod catalogue;
mod check;
mod doctor;
mod explain;
mod export;
mod import;
mod keys;
mod ledger;
mod load;
mod models;
mod policy;
mod replay;
mod report;
mod reprice;
mod serve;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// One OpenAI-compatible URL for every model: hyperscalers, decentralised GPUs, and a model in this
/// process.
#[derive(Debug, Parser)]
#[command(name = "isthmus", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Try it:
  isthmus serve
  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"stream\":true}'";

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer calls until told to stop.
    Serve(serve::Serve),
    /// Check the configuration and the policies; report every complaint with its file and line.
    Check(check::Check),
    /// Tell how a request is decided, or was.
    Explain(explain::Explain),
    /// Make logged decisions anew under other policies.
    Replay(replay::ReplayArguments),
    /// Make, list and revoke the keys that callers present.
    Keys(keys::Keys),
    /// Verify the ledger, and print its entries.
    Ledger(ledger::Ledger),
    /// Tell what was spent, by whom and on what.
    Report(report::Report),
    /// Write the books in formats that others read.
    Export(export::ExportArguments),
    /// List the models that can be asked for.
    Models(models::Models),
    /// List and check list prices, and correct what was charged by a wrong one.
    Catalogue(catalogue::CatalogueCommand),
    /// Compare another list of prices with the catalogue.
    Import(import::Import),
    /// Test, prove and compare policies.
    Policy(policy::Policy),
    /// Look for what would keep the gateway from working.
    Doctor(doctor::Doctor),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file [default: ./isthmus.yaml if there is one, else the embedded model and
    /// every provider whose environment variable is set].
    #[arg(long, value_name = "FILE", env = "ISTHMUS_CONFIG")]
    config: Option<PathBuf>,
}

/// A command that did not succeed, in words for the terminal.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CommandError(String);

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Replay(replay) => replay.run(),
        Command::Keys(keys) => keys.run(),
        Command::Ledger(ledger) => ledger.run(),
        Command::Report(report) => report.run(),
        Command::Export(export) => export.run(),
        Command::Models(models) => models.run(),
        Command::Catalogue(catalogue) => catalogue.run(),
        Command::Import(import) => import.run(),
        // It has an exit status of its own where the solver is missing.
        Command::Policy(policy) => return policy.run(),
        Command::Doctor(doctor) => doctor.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Runs a short command's asynchronous part.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(work)
}

/// What the command was asked for.
fn say(text: &str) {
    // Whoever reads may have read enough (`| head`), which is no failure.
    let _ = writeln!(io::stdout(), "{text}");
}

/// What stands in the way.
fn say_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl CommandError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(format!("error: {error}"))
    }
}
