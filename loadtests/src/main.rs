//! `isthmus-load`: a mock upstream, a load generator, and a comparison of the gateway with nginx.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use isthmus_loadtests::case::Case;
use isthmus_loadtests::compare::{self, Comparison};
use isthmus_loadtests::fault::Fault;
use isthmus_loadtests::idle;
use isthmus_loadtests::lab;
use isthmus_loadtests::load::{self, Expectation, Job, Plan};
use isthmus_loadtests::mock::Mock;
use isthmus_loadtests::mock::script::Script;
use isthmus_loadtests::pin;
use isthmus_loadtests::process::ProcessTree;
use isthmus_loadtests::relay;
use isthmus_loadtests::request::{ChatRequest, Destination, Language};
use isthmus_loadtests::schedule::Pace;
use isthmus_loadtests::table;
use isthmus_loadtests::target::Target;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Load, mock upstreams and side-by-side figures.
#[derive(Debug, Parser)]
#[command(name = "isthmus-load")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be an upstream that speaks OpenAI chat.
    #[command(
        after_help = "Example:\n  isthmus-load mock --listen 127.0.0.1:9001 --first-token-ms 200"
    )]
    Mock(MockArguments),
    /// Be a proxy that does nothing: what HTTP by hyper costs in itself.
    #[command(
        after_help = "Example:\n  isthmus-load relay --listen 127.0.0.1:9002 --upstream 127.0.0.1:9001"
    )]
    Relay(RelayArguments),
    /// Send one request again and again, and say how long the answers took.
    #[command(
        after_help = "Example:\n  isthmus-load load --address 127.0.0.1:8080 --rate 200 --stream"
    )]
    Load(LoadArguments),
    /// Hold streams open, and say what each costs a process in memory.
    #[command(
        after_help = "Example:\n  isthmus-load idle --address 127.0.0.1:8080 --streams 2000 --pid 4711"
    )]
    Idle(IdleArguments),
    /// Run cases through direct, a bare relay, nginx and Isthmus in turn.
    #[command(
        after_help = "Example:\n  isthmus-load compare small streams-200\n  isthmus-load compare all --json figures.json"
    )]
    Compare(CompareArguments),
    /// Try routing policies on traces of real traffic in a modelled market.
    #[command(
        after_help = "Examples:\n  isthmus-load lab all --figures loadtests/lab/figures\n  isthmus-load lab azure-code --seeds 1 --requests 2000"
    )]
    Lab(lab::command::Arguments),
}

#[derive(Debug, clap::Args)]
struct MockArguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    #[command(flatten)]
    script: Script,
}

#[derive(Debug, clap::Args)]
struct RelayArguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9002")]
    listen: SocketAddr,
    /// Where requests go.
    #[arg(long, default_value = "127.0.0.1:9001")]
    upstream: SocketAddr,
}

#[derive(Debug, clap::Args)]
struct DestinationArguments {
    /// The target's address and port; plain HTTP.
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// The path; unless given, that of the caller's language.
    #[arg(long)]
    path: Option<String>,
    /// The caller's key.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
struct LoadArguments {
    #[command(flatten)]
    destination: DestinationArguments,
    #[command(flatten)]
    request: ChatRequest,
    /// Connections, each with at most one request on its way.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests started per second; without it each connection sends as fast as it is answered.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Debug, clap::Args)]
struct IdleArguments {
    #[command(flatten)]
    destination: DestinationArguments,
    /// The model's name.
    #[arg(long, default_value = "chat")]
    model: String,
    /// Streams to hold.
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    /// Seconds between the last opening and the look at the memory.
    #[arg(long, default_value_t = 2.0)]
    settle: f64,
    /// The process whose memory, with its children's, is looked at.
    #[arg(long)]
    pid: u32,
}

#[derive(Debug, clap::Args)]
struct CompareArguments {
    /// Names of cases, or `all`.
    #[arg(required = true)]
    cases: Vec<String>,
    /// The folder of cases.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))]
    folder: PathBuf,
    /// What to compare, in the order of turns.
    #[arg(long, value_delimiter = ',', default_value = "direct,relay,nginx,isthmus")]
    targets: Vec<Target>,
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/isthmus")]
    isthmus: PathBuf,
    /// Rounds, instead of each case's own number.
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: Option<usize>,
    /// Also write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail if a case's limit was not kept.
    #[arg(long)]
    enforce: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Mock(arguments) => arguments.run().await,
        Command::Relay(arguments) => until_interrupted(arguments.run()).await,
        Command::Load(arguments) => arguments.run().await,
        Command::Idle(arguments) => arguments.run().await,
        Command::Compare(arguments) => until_interrupted(arguments.run()).await,
        Command::Lab(arguments) => {
            arguments.run(|text| println!("{text}"), |note| eprintln!("{note}"))
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("isthmus-load: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Drops the work at an interrupt, so that the programs it started are stopped.
async fn until_interrupted(work: impl Future<Output = Result<bool, Fault>>) -> Result<bool, Fault> {
    tokio::select! {
        ended = work => ended,
        signal = interrupted() => signal.map(|()| false),
    }
}

async fn interrupted() -> Result<(), Fault> {
    let doing = || "wait for a signal".to_owned();
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|source| Fault::System { doing: doing(), source })?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.map_err(|source| Fault::System { doing: doing(), source })
        }
        _ = terminate.recv() => Ok(()),
    }
}

// Each command returns whether what it saw was as it should be.

impl MockArguments {
    async fn run(self) -> Result<bool, Fault> {
        let mock = Mock::start(self.listen, self.script).await?;
        println!("the mock listens on http://{}/v1", mock.address());
        interrupted().await?;
        Ok(true)
    }
}

impl RelayArguments {
    async fn run(self) -> Result<bool, Fault> {
        relay::serve(self.listen, self.upstream).await?;
        Ok(true)
    }
}

impl LoadArguments {
    async fn run(self) -> Result<bool, Fault> {
        let pace = match self.rate {
            Some(rate) if rate <= 0.0 || !rate.is_finite() => {
                return Err(Fault::Unusable(format!("`--rate {rate}` must be above zero")));
            }
            Some(per_second) => Pace::Open { per_second },
            None => Pace::Closed,
        };
        let plan = Plan {
            connections: self.connections,
            pace,
            warm_up: seconds("--warm-up", self.warm_up)?,
            measured: seconds("--seconds", self.seconds)?,
        };
        let expects = match self.request.stream {
            true => Expectation::Stream(1),
            false => Expectation::Body(1),
        };
        let job = self.destination.job(&self.request, expects);
        let outcome = load::run(job, plan, || ()).await;
        println!("{:#}", outcome.tally.to_json());
        Ok(outcome.tally.failed() == 0)
    }
}

impl IdleArguments {
    async fn run(self) -> Result<bool, Fault> {
        let request = ChatRequest {
            model: self.model,
            prompt_bytes: 200,
            stream: true,
            language: Language::Openai,
        };
        let settle = seconds("--settle", self.settle)?;
        let job = self.destination.job(&request, Expectation::Stream(1));
        let processes = ProcessTree::of(self.pid);
        let before = processes.footprint()?;
        let held = idle::hold(&job, self.streams).await?;
        tokio::time::sleep(settle).await;
        let during = processes.footprint()?;
        let growth = (during - before).resident_bytes;
        println!(
            "{:#}",
            json!({
                "streams": self.streams,
                "ended": held.ended(),
                "rss_before_kib": before.resident_bytes / 1024,
                "rss_during_kib": during.resident_bytes / 1024,
                "kib_per_stream": growth as f64 / 1024.0 / self.streams.max(1) as f64,
            })
        );
        Ok(held.ended() == 0)
    }
}

impl CompareArguments {
    async fn run(self) -> Result<bool, Fault> {
        let names = match self.cases.iter().any(|name| name == "all") {
            true => Case::names(&self.folder)?,
            false => self.cases,
        };
        let cases: Vec<Case> =
            names.iter().map(|name| Case::read(&self.folder, name)).collect::<Result<_, _>>()?;
        pin::this_process().await?;
        let settings =
            compare::Settings { targets: self.targets, isthmus: self.isthmus, rounds: self.rounds };
        let mut comparisons = Vec::new();
        for case in &cases {
            eprintln!("{} …", case.name);
            let comparison = compare::compare(case, &settings).await?;
            println!("{}", table::render(&comparison));
            comparisons.push(comparison);
        }
        if let Some(path) = &self.json {
            let text = format!("{:#}\n", json!({ "comparisons": comparisons }));
            std::fs::write(path, text).map_err(|source| Fault::System {
                doing: format!("write `{}`", path.display()),
                source,
            })?;
        }
        Ok(comparisons.iter().all(|comparison| is_sound(comparison, self.enforce)))
    }
}

impl DestinationArguments {
    fn job(self, request: &ChatRequest, expects: Expectation) -> Job {
        let path = self.path.unwrap_or_else(|| request.language.path().to_owned());
        let destination = Destination { address: self.address, path, key: self.key };
        Job { address: destination.address, request: request.to_http(&destination), expects }
    }
}

fn is_sound(comparison: &Comparison, enforce: bool) -> bool {
    let nothing_failed = comparison.results.iter().all(|result| result.failures.is_empty());
    nothing_failed && (!enforce || comparison.verdicts.iter().all(|verdict| verdict.kept))
}

fn seconds(option: &str, value: f64) -> Result<Duration, Fault> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| Fault::Unusable(format!("`{option} {value}` is no number of seconds")))
}
