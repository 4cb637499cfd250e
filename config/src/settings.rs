//! What the operator meant: typed, checked, and with every default filled in.
//!
//! Nothing in here can be wrong in itself: names refer to things that exist, addresses and prices
//! parse, secrets do not print. Only the world can still disagree (a port in use, a model file
//! that is not there).

pub mod cache;
pub mod charging;
pub mod classification;
pub mod keeper;
pub mod limits;
pub mod tenancy;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use isthmus_adapters::adapter::Timeouts;
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::ident::{EndpointName, ModelName, ProviderName, UpstreamModel};
use isthmus_inference::secret::Secret;
use isthmus_ledger::fx::Observation;
use isthmus_ledger::journal::Promises;
use isthmus_ledger::stores::Place;
use isthmus_policies::budget::Budget;
use isthmus_policies::facts::Facts;
use isthmus_policies::hedge::HedgeRules;
use isthmus_policies::monitor::Limits;
use isthmus_policies::objective::Objective;
use isthmus_policies::offer::Pricing;
use isthmus_policies::plan::Strategy;
use isthmus_policies::retry::RetryRules;
use isthmus_policies::rollout::RolloutRules;

use cache::{Cache, PoolCache};
use charging::Charging;
use classification::Classification;
use limits::Keeping;
use tenancy::Tenancy;

/// Everything that a gateway is started from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The doors.
    pub server: Server,
    /// Accounts: those that were written, and those whose environment variables are set.
    pub providers: BTreeMap<ProviderName, Provider>,
    /// Concrete ways to get an answer: those that were written, and every `provider/model` that a
    /// pool names.
    pub endpoints: BTreeMap<EndpointName, Endpoint>,
    /// The names that callers use.
    pub models: BTreeMap<ModelName, Pool>,
    /// Which endpoints may have a request.
    pub policies: Policies,
    /// Where exchanges are counted.
    pub ledger: Ledger,
    /// What may be spent, and how fast: those of `budgets:`, then those of `limits.rates`.
    pub budgets: Vec<Budget>,
    /// Who keeps the sums.
    pub keeping: Keeping,
    /// Who remembers answers.
    pub cache: Cache,
    /// What is logged, and how.
    pub telemetry: Telemetry,
    /// Who may call, and on whose behalf.
    pub tenancy: Tenancy,
    /// How it is known what sort of data they carry.
    pub classification: Classification,
}

/// The doors, and what may come in by them.
#[derive(Debug, Clone)]
pub struct Server {
    /// The API.
    pub listen: SocketAddr,
    /// Health, metrics and administration.
    pub admin_listen: SocketAddr,
    /// Serve callers without a key even where others than this machine can reach the API.
    pub allow_anonymous: bool,
    /// The bearer token of the admin API. Always present if `admin_listen` is not a loopback.
    pub admin_token: Option<Secret>,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long a connection may stand without a whole head of a request on it: at its beginning,
    /// and between an answer and the next request. Longer than common load balancers keep theirs
    /// idle (60 s), so that they seldom meet one that is just being closed.
    pub header_timeout: Duration,
    /// How long a caller may take to send a request's body.
    pub body_timeout: Duration,
    /// How long a whole exchange may take, with all of its attempts.
    pub request_timeout: Duration,
    /// How long running exchanges may go on after the order to stop.
    pub drain_timeout: Duration,
}

/// One account, and how long it may take.
#[derive(Debug, Clone)]
pub struct Provider {
    /// How it is reached.
    pub account: Account,
    /// Limits for every attempt here, unless an endpoint has its own.
    pub timeouts: Timeouts,
    /// Who said that it exists.
    pub origin: Origin,
}

/// How a provider is reached.
#[derive(Debug, Clone)]
pub enum Account {
    /// Over the network.
    Remote(AccountSettings),
    /// In this process.
    Embedded(Embedded),
}

/// Who said that an account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    Written,
    /// An environment variable that holds its credential or its address.
    Environment,
}

/// The engine in this process. What is not given, the engine decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embedded {
    /// A GGUF file; a relative path starts at the working directory of the process.
    pub model_path: Option<PathBuf>,
    /// A repository on Hugging Face, `owner/name`. Never together with `model_path`.
    pub model_repo: Option<String>,
    /// The file within `model_repo`.
    pub model_file: Option<String>,
    /// How many tokens one conversation may hold.
    pub context_window: Option<u32>,
    /// How many requests are answered side by side.
    pub slots: Option<u32>,
    /// Threads for the arithmetic.
    pub threads: Option<u32>,
    /// How many of the model's layers go to the GPU.
    pub gpu_layers: Option<u32>,
    /// How many requests may wait for a slot.
    pub queue: Option<usize>,
}

/// One concrete way to get an answer.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As written under `endpoints:`, or `provider/model`.
    pub name: EndpointName,
    /// The account, which exists in [`Settings::providers`].
    pub provider: ProviderName,
    /// The name by which the upstream knows the model.
    pub model: UpstreamModel,
    /// How it is paid, as the file says.
    pub written: Charging,
    /// What that comes to: the same, until [`Settings::price_endpoints`] has filled in what the file
    /// leaves to others.
    pub charging: Charging,
    /// What the upstream lets the house have.
    pub limits: Limits,
    /// How long each phase of an attempt may take.
    pub timeouts: Timeouts,
    /// How many tokens prompt and answer may have together, if known.
    pub context_window: Option<u32>,
    /// What it can do; `None` leaves that to the kind of provider.
    pub capabilities: Option<Capabilities>,
    /// Who runs it, where, and under which promises.
    pub facts: Facts,
}

/// A name that callers use, and what may stand behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// As written under `models:`.
    pub name: ModelName,
    /// Where to try, in this order. Never empty; each exists in [`Settings::endpoints`].
    pub endpoints: Vec<EndpointName>,
    /// Whether another endpoint is tried after one failed.
    pub fallback: bool,
    /// How often one endpoint is tried.
    pub retry: Retry,
    /// What is preferred among the endpoints that may serve.
    pub objective: Objective,
    /// When a second copy of a slow request is sent; `None` for never.
    pub hedge: Option<HedgeRules>,
    /// Whether a stream that broke may be continued on another endpoint.
    pub splice: bool,
    /// What costs are compared with: one of the endpoints, declared before anything is spent.
    pub baseline: Option<EndpointName>,
    /// Whether its answers are remembered; `None` if not.
    pub cache: Option<PoolCache>,
}

/// How often one endpoint is tried for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries at one endpoint; at least 1.
    pub attempts: u32,
    /// The longest pause before another try, an endpoint's own `retry-after` included. An endpoint
    /// that asks for more is given up for this request.
    pub max_wait: Duration,
}

/// Which endpoints may have a request: folders with policies in Cedar (`*.cedar`). A relative path
/// starts at the folder of the configuration's file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policies {
    /// The policies that count; the built-in ones if there is no folder.
    pub dir: Option<PathBuf>,
    /// Policies that are evaluated beside them, without effect.
    pub shadow_dir: Option<PathBuf>,
    /// How a change of `dir` comes into force.
    pub rollout: RolloutRules,
    /// What is kept of decisions.
    pub decision_log: DecisionLog,
}

/// What is kept of decisions, in the ledger's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionLog {
    /// Whether anything is; usually, where policies are written.
    pub enabled: bool,
    /// For how many days. The default is six months, as the EU's AI Act asks of those who deploy
    /// high-risk systems (article 26(6)).
    pub keep_days: u32,
}

/// Where exchanges are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Where the books are.
    pub place: Place,
    /// The SQLite file, beside which the journal is; with a database, only the journal. A relative path
    /// starts at the working directory of the process.
    pub path: PathBuf,
    /// What is promised of entries.
    pub promises: Promises,
    /// What the tokens of networks are worth in dollars.
    pub fx: Vec<Observation>,
    /// How old such a rate may be.
    pub fx_max_age: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// How a line looks.
    pub log_format: LogFormat,
    /// The least important lines that are written.
    pub log_level: LogLevel,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Somebody should act.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint of which only the account and the model are known.
    pub(crate) fn direct(provider: ProviderName, model: UpstreamModel, timeouts: Timeouts) -> Self {
        Self {
            name: format!("{provider}/{model}").into(),
            provider,
            model,
            written: Charging::Unsaid,
            charging: Charging::Unsaid,
            limits: Limits::default(),
            timeouts,
            context_window: None,
            capabilities: None,
            facts: Facts::default(),
        }
    }

    /// How it is paid.
    pub fn pricing(&self) -> Pricing {
        self.charging.pricing()
    }
}

// === impl Pool ===

impl Pool {
    /// All of it that decides how requests are routed.
    pub fn strategy(&self) -> Strategy {
        Strategy {
            objective: self.objective.clone(),
            fallback: self.fallback,
            hedge: self.hedge,
            retry: RetryRules {
                attempts: self.retry.attempts,
                longest: self.retry.max_wait,
                ..RetryRules::default()
            },
            splice: self.splice,
            ..Strategy::default()
        }
    }
}

// === impl Server ===

impl Server {
    /// Whether a gateway without keys may serve anyone: nobody but this machine can reach it, or
    /// the operator said so.
    pub fn may_be_open(&self) -> bool {
        self.listen.ip().is_loopback() || self.allow_anonymous
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin_listen: (Ipv4Addr::LOCALHOST, 8081).into(),
            allow_anonymous: false,
            admin_token: None,
            max_body_bytes: 32 * 1024 * 1024,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_mins(10),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// How long each phase of an attempt may take, where nothing else is written.
pub const DEFAULT_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_mins(2),
    between_chunks: Duration::from_mins(1),
    total: Duration::from_mins(10),
};

// === impl Retry ===

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, max_wait: Duration::from_secs(10) }
    }
}

// === impl Policies ===

impl Policies {
    /// Lets relative paths start at this folder.
    pub(crate) fn start_at(&mut self, folder: &Path) {
        for directory in [&mut self.dir, &mut self.shadow_dir].into_iter().flatten() {
            *directory = folder.join(&directory);
        }
    }
}

// === impl DecisionLog ===

impl Default for DecisionLog {
    fn default() -> Self {
        Self { enabled: false, keep_days: 183 }
    }
}

// === impl Ledger ===

impl Default for Ledger {
    fn default() -> Self {
        Self {
            place: Place::default(),
            path: "isthmus.db".into(),
            promises: Promises::default(),
            fx: vec![],
            fx_max_age: Duration::from_hours(24),
        }
    }
}

// === impl LogFormat ===

impl LogFormat {
    /// Every format with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("text", Self::Text), ("json", Self::Json)];
}

// === impl LogLevel ===

impl LogLevel {
    /// Every level with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The word for it, as a filter of `tracing` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
