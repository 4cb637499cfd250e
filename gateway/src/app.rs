//! Settings become a running house: the only place where parts are joined.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use isthmus_adapters::adapter::Adapter;
use isthmus_adapters::hub::HubError;
use isthmus_config::settings::{self, Policies, Settings};
use isthmus_inference::capability::Capability;
use isthmus_inference::ident::ProviderName;
use isthmus_inference::secret::Secret;
use isthmus_ledger::journal::Journal;
use isthmus_ledger::store::StoreError;
use isthmus_ledger::stores::Ledger;
use isthmus_policies::affinity::Prompt;
use isthmus_policies::facts::Facts;
use isthmus_policies::offer::Pricing;
use isthmus_runtime::{Engine, EngineSettings, LoadError};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cache::Memory;
use crate::cache::redis::RedisError;
use crate::calendar::{moment, today};
use crate::classifier::Classifier;
use crate::decision_log::{DecisionSink, DecisionWriter};
use crate::directory::{Account, Directory};
use crate::embedded::Embedded;
use crate::explain::subject::kind;
use crate::hub;
use crate::keyring::{Keyring, now};
use crate::permits::{Permits, Unusable, Watch};
use crate::pipeline::BodyLimits;
use crate::pipeline::settle::{Reaper, Record};
use crate::pool::{Endpoint, EndpointParts, Learnt, Pool};
use crate::quota::Quota;
use crate::telemetry::events::CopyNotMade;
use crate::telemetry::metrics::Metrics;

/// A running house. Everything that a call needs on its way is here and nowhere else.
pub struct App {
    /// Which endpoints stand behind a name.
    pub directory: Directory,
    /// What policy permits.
    pub permits: Permits,
    /// Who may call.
    pub keyring: Keyring,
    /// Where decisions are logged.
    pub decisions: DecisionSink,
    /// Where money is held and settled.
    pub journal: Journal,
    /// What may be spent, and how fast.
    pub quota: Arc<Quota>,
    /// Where both are read again; empty until the ledger is open.
    pub ledger: OnceLock<Ledger>,
    /// Answers that were given before; `None` if no pool remembers any.
    pub memory: Option<Arc<Memory>>,
    /// What sort of data a request carries.
    pub classifier: Classifier,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// Where tickets go that were dropped open.
    pub reaper: mpsc::UnboundedSender<Box<Record>>,
    /// What the pages of the admin door ask for.
    pub admin_token: Option<Secret>,
    /// The most that a body may cost.
    pub body_limits: BodyLimits,
    /// Room for the bodies of all calls together, in KiB.
    pub body_room: Arc<Semaphore>,
    /// The most time that a call may take.
    pub request_timeout: Duration,
    /// Unix seconds.
    pub started_at: i64,
    /// Set when the house begins to close.
    pub stop: CancellationToken,
    engines: Vec<Arc<Embedded>>,
}

/// A house, and who works behind it.
pub struct Built {
    /// The house.
    pub app: Arc<App>,
    /// Settles what was dropped open.
    pub reaper: Reaper,
    /// Follows the policies.
    pub watch: Watch,
    /// Writes the log of decisions, if there is one.
    pub writer: Option<DecisionWriter>,
}

/// Why a house cannot be built from its settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An account cannot be used.
    #[error("provider `{0}`: {1}")]
    Account(ProviderName, isthmus_adapters::registry::BuildError),
    /// The engine cannot be started.
    #[error("provider `{0}`: {1}")]
    Engine(ProviderName, LoadError),
    /// The model could not be obtained.
    #[error("provider `{0}`: {1}")]
    Model(ProviderName, HubError),
    /// The model that ships with the house is not there.
    #[error(
        "provider `{0}`: there is no model at `{path}`; `make model` obtains it, or set model_path or model_repo",
        path = .1.display()
    )]
    NoModel(ProviderName, PathBuf),
    /// The policies cannot be used.
    #[error(transparent)]
    Policies(#[from] Unusable),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] StoreError),
    /// The memory of answers cannot be used.
    #[error(transparent)]
    Memory(#[from] RedisError),
    /// A metric could not be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Room for the bodies of all calls together: a flood of large ones is told to come back, before
/// it can fill the machine.
const BODY_ROOM_KIB: usize = 1 << 20;

/// Where `make model` puts the embedded model.
pub const DEFAULT_MODEL: &str = "models/smollm2-135m-instruct-q4_1.gguf";

// === impl App ===

impl App {
    /// Builds the house: accounts first, then the pools that stand on them. Loads models, which
    /// takes a moment.
    pub async fn build(
        settings: &Settings,
        journal: Journal,
        quota: Arc<Quota>,
    ) -> Result<Built, BuildError> {
        let metrics = Arc::new(Metrics::new()?);
        let mut engines = Vec::new();
        let accounts = accounts(settings, &metrics, &mut engines).await?;
        let pools = pools(settings, &accounts, &metrics);
        let directory = Directory::new(pools, accounts, settings);
        Self::join(settings, directory, metrics, engines, journal, quota)
    }

    /// Joins ready parts; tests bring their own.
    pub fn join(
        settings: &Settings,
        directory: Directory,
        metrics: Arc<Metrics>,
        engines: Vec<Arc<Embedded>>,
        journal: Journal,
        quota: Arc<Quota>,
    ) -> Result<Built, BuildError> {
        let server = &settings.server;
        let (reaper, reaping) = Reaper::new();
        let Policies { dir, shadow_dir, rollout, .. } = settings.policies.clone();
        let mut watch = Watch::new(dir, shadow_dir, rollout);
        let permits = watch.start(&directory, today())?;
        let (decisions, writer) = match settings.policies.decision_log.enabled {
            true => {
                let (sink, writer) = DecisionSink::new(&metrics);
                (sink, Some(writer))
            }
            false => (DecisionSink::nowhere(&metrics), None),
        };
        let app = Self {
            directory,
            permits,
            decisions,
            journal,
            quota,
            ledger: OnceLock::new(),
            keyring: Keyring::new(server.may_be_open(), &settings.tenancy),
            classifier: Classifier::new(settings),
            memory: Memory::new(settings)?,
            metrics,
            reaper,
            admin_token: server.admin_token.clone(),
            body_room: Arc::new(Semaphore::new(BODY_ROOM_KIB.max(server.max_body_bytes >> 10))),
            body_limits: BodyLimits { size: server.max_body_bytes, time: server.body_timeout },
            request_timeout: server.request_timeout,
            started_at: now(),
            stop: CancellationToken::new(),
            engines,
        };
        Ok(Built { app: Arc::new(app), reaper: reaping, watch, writer })
    }

    /// Puts up the figures of all endpoints anew, as those that nobody asks grow old; never returns.
    pub async fn refresh(&self) {
        const EVERY: Duration = Duration::from_secs(5);
        let mut tick = tokio::time::interval(EVERY);
        loop {
            let now = moment(tick.tick().await);
            self.directory.endpoints().for_each(|endpoint| endpoint.monitor.refresh(now));
        }
    }

    /// Whether the house is closing.
    pub fn is_draining(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends the engines, once no call needs them any more. Blocks for a step of each.
    pub fn stop_engines(&self) {
        self.engines.iter().for_each(|embedded| embedded.engine().stop());
    }

    /// Brings the gauges up to date that are read off somebody else.
    pub fn observe(&self) {
        self.observe_engines();
        if let Some(memory) = &self.memory {
            self.metrics.cache_bytes.set(i64::try_from(memory.bytes()).unwrap_or(i64::MAX));
        }
        self.metrics.budgets(&self.quota.shown());
        let editions = self.permits.editions();
        let trial = editions.trial.as_ref().map(|trial| trial.tally()).unwrap_or_default();
        let shadow = editions.shadow.as_ref().map(|shadow| shadow.tally()).unwrap_or_default();
        self.metrics.compared("trial", &trial);
        self.metrics.compared("shadow", &shadow);
        let now = moment(Instant::now());
        for pool in self.directory.pools() {
            for endpoint in &pool.endpoints {
                let name = endpoint.name.as_str();
                self.metrics.gate(name, endpoint.monitor.view(now, Prompt::default()).gate);
                self.metrics.priced(name, endpoint.rates().offer.pricing != Pricing::Unknown);
            }
        }
    }

    /// Brings the engines' gauges up to date.
    fn observe_engines(&self) {
        let states = self.engines.iter().map(|embedded| embedded.engine().load_state());
        let (busy, queued) = states
            .fold((0, 0), |(busy, queued), state| (busy + state.slots_busy, queued + state.queued));
        self.metrics.engine_slots_busy.set(busy as f64);
        self.metrics.engine_queue.set(queued as f64);
    }
}

/// Opens the ledger that holds the keys, and makes it if there is none.
pub async fn open_ledger(settings: &Settings) -> Result<Ledger, StoreError> {
    // Boxed: connecting to a database is large, and done once.
    Box::pin(Ledger::open(&settings.ledger.place, &settings.ledger.path)).await
}

/// Opens the ledger for a look: a command run in the wrong folder should not leave an empty one.
pub async fn open_existing_ledger(settings: &Settings) -> Result<Ledger, StoreError> {
    Box::pin(Ledger::open_existing(&settings.ledger.place, &settings.ledger.path)).await
}

async fn accounts(
    settings: &Settings,
    metrics: &Metrics,
    engines: &mut Vec<Arc<Embedded>>,
) -> Result<BTreeMap<ProviderName, Account>, BuildError> {
    let mut accounts = BTreeMap::new();
    for (name, provider) in &settings.providers {
        let adapter: Arc<dyn Adapter> = match &provider.account {
            settings::Account::Remote(account) => (account.kind.build)(account)
                .map_err(|error| BuildError::Account(name.clone(), error))?,
            settings::Account::Embedded(embedded) => {
                let embedded = load(name, embedded).await?;
                engines.push(Arc::clone(&embedded));
                embedded
            }
        };
        let label: Arc<str> = format!("{name}/*").into();
        let kind = kind(&provider.account);
        let account = Account {
            adapter,
            timeouts: provider.timeouts,
            metrics: metrics.endpoint(&label, name.as_str()),
            label,
            narrows: kind == "openrouter",
            in_process: matches!(&provider.account, settings::Account::Embedded(_)),
            kind: kind.into(),
            region: provider.account.region().map(Arc::from),
            facts: Arc::new(Facts {
                network: provider.account.usual_network(),
                ..Facts::default()
            }),
        };
        accounts.insert(name.clone(), account);
    }
    Ok(accounts)
}

fn pools(
    settings: &Settings,
    accounts: &BTreeMap<ProviderName, Account>,
    metrics: &Metrics,
) -> Vec<Pool> {
    let mut endpoints = BTreeMap::new();
    for written in settings.endpoints.values() {
        if let Some(account) = accounts.get(&written.provider) {
            let endpoint = endpoint(written, account, settings, metrics);
            endpoints.insert(written.name.clone(), Arc::new(endpoint));
        }
    }
    let pool = |written: &settings::Pool| Pool {
        name: written.name.clone(),
        label: written.name.as_str().into(),
        endpoints: written
            .endpoints
            .iter()
            .filter_map(|name| endpoints.get(name).cloned())
            .collect(),
        strategy: written.strategy(),
        baseline: written.baseline.as_ref().and_then(|name| {
            written
                .endpoints
                .iter()
                .filter(|it| endpoints.contains_key(*it))
                .position(|it| it == name)
        }),
        learnt: Learnt::default(),
    };
    settings.models.values().map(pool).collect()
}

fn endpoint(
    written: &settings::Endpoint,
    account: &Account,
    settings: &Settings,
    metrics: &Metrics,
) -> Endpoint {
    Endpoint::new(EndpointParts {
        name: written.name.clone(),
        provider: written.provider.clone(),
        kind: Arc::clone(&account.kind),
        model: written.model.clone(),
        adapter: Arc::clone(&account.adapter),
        narrows: account.narrows,
        charging: written.charging.clone(),
        capabilities: written.capabilities,
        continues: account.adapter.continues() && continues(written, settings),
        timeouts: written.timeouts,
        metrics: metrics.endpoint(written.name.as_str(), written.provider.as_str()),
        in_process: account.in_process,
        facts: Arc::new(written.facts.clone()),
        limits: written.limits,
    })
}

/// Whether an endpoint goes on with what another one began: as written, or as its kind does.
fn continues(endpoint: &settings::Endpoint, settings: &Settings) -> bool {
    if let Some(written) = endpoint.capabilities {
        return written.has(Capability::Continuation);
    }
    settings.providers.get(&endpoint.provider).is_some_and(|provider| match &provider.account {
        settings::Account::Remote(account) => account.kind.about.continues(),
        settings::Account::Embedded(_) => true,
    })
}

/// Loads the engine off the reactor: it reads a file of a hundred megabytes or more.
async fn load(
    name: &ProviderName,
    embedded: &settings::Embedded,
) -> Result<Arc<Embedded>, BuildError> {
    let path = model_path(name, embedded).await?;
    let file = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let usual = EngineSettings::new(path);
    let engine_settings = EngineSettings {
        context_window: embedded.context_window,
        slots: embedded.slots.unwrap_or(usual.slots),
        gpu_layers: embedded.gpu_layers.unwrap_or(usual.gpu_layers),
        threads: embedded.threads,
        queue: embedded.queue.unwrap_or(usual.queue),
        quantize: embedded.model_path.is_none() && embedded.model_repo.is_none(),
        ..usual
    };
    let engine = match load_engine(engine_settings.clone()).await {
        // A folder that cannot be written to (a container's) costs speed, not the start.
        Err(error @ LoadError::Quantize { .. }) => {
            CopyNotMade { error: &error }.emit();
            load_engine(EngineSettings { quantize: false, ..engine_settings }).await
        }
        loaded => loaded,
    };
    engine
        .map(|engine| Embedded::new(engine, file))
        .map_err(|error| BuildError::Engine(name.clone(), error))
}

async fn load_engine(settings: EngineSettings) -> Result<Engine, LoadError> {
    let loaded = tokio::task::spawn_blocking(move || Engine::load(&settings)).await;
    let panicked = |_| LoadError::Settings("the engine panicked while it loaded".to_owned());
    loaded.map_err(panicked).flatten()
}

async fn model_path(
    name: &ProviderName,
    embedded: &settings::Embedded,
) -> Result<PathBuf, BuildError> {
    if let Some(repo) = &embedded.model_repo {
        let file = embedded.model_file.as_deref();
        return hub::obtain(repo, file)
            .await
            .map_err(|error| BuildError::Model(name.clone(), error));
    }
    let path = embedded.model_path.clone().unwrap_or_else(|| DEFAULT_MODEL.into());
    // The engine explains what is wrong with a path that was given; a missing default has a cure.
    if embedded.model_path.is_none() && !path.exists() {
        return Err(BuildError::NoModel(name.clone(), path));
    }
    Ok(path)
}
