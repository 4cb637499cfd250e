//! `isthmus serve`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use isthmus_config::settings::{Account, Embedded, Origin, Settings};
use isthmus_config::{Checked, settings::Server};
use isthmus_ledger::books::Books;
use isthmus_ledger::decision::DecisionLog;
use isthmus_ledger::store::{Store, StoreError};
use isthmus_ledger::stores::Ledger;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{CommandError, ConfigFile};
use crate::app::{App, BuildError, Built, open_ledger};
use crate::books;
use crate::calendar::unix_milliseconds;
use crate::http::server::{DoorLimits, Drained, bind, serve};
use crate::http::workers::Workers;
use crate::keyring::Loaded;
use crate::quota::{self, Quota, openings};
use crate::repricing::Repricing;
use crate::telemetry::events::{
    DecisionsNotForgotten, DrainTimedOut, ServerDraining, ServerOpen, ServerStarted,
};
use crate::{http, telemetry};

/// Answers calls until SIGTERM or SIGINT, then lets streams finish.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  OPENAI_API_KEY=sk-… isthmus serve\n  isthmus serve --config isthmus.yaml"
)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
}

impl Serve {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let checked = self.config.load()?;
        let filter = std::env::var("RUST_LOG").ok();
        // Held to the end: the last lines are written when it goes.
        let _logging = telemetry::logs::start(checked.settings.telemetry, filter.as_deref());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::of(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(house(checked))
    }
}

/// Opens the doors, and closes them in order.
async fn house(Checked { mut settings, warnings }: Checked) -> Result<(), CommandError> {
    for warning in warnings {
        warn!("{warning}");
    }
    without_missing_default_model(&mut settings);
    let ledger = open_ledger(&settings).await.map_err(CommandError::of)?;
    let (journal, books) = books::open(&settings, &ledger).await.map_err(CommandError::of)?;
    // The doors come first: an address that is taken should not cost the loading of a model.
    let (street, admin) = doors(&settings.server).await?;
    let (quota, quota_work) =
        quota(&settings, &ledger, books.node()).await.map_err(CommandError::of)?;
    let Built { app, reaper, watch, writer } =
        App::build(&settings, journal, quota).await.map_err(CommandError::of)?;
    let keys = app.keyring.load(&ledger).await.map_err(CommandError::of)?;
    check_openness(&settings.server, keys.count)?;
    let (finish, written) = (CancellationToken::new(), CancellationToken::new());
    let mut repricing = Repricing::of(settings.clone());
    // Loading a model takes a while.
    repricing.again(&app, &ledger).await.map_err(CommandError::of)?;
    tokio::spawn(repricing.run(Arc::clone(&app), ledger.clone()));
    let settled = CancellationToken::new();
    let keeping_sums = tokio::spawn(quota_work.run(settled.clone()));
    let keeping = books.keep(ledger.clone(), &app.metrics).map_err(CommandError::of)?;
    let reaping = tokio::spawn(reaper.run(Arc::clone(&app.metrics), finish.clone()));
    let _first = app.ledger.set(ledger.clone());
    let writing = writer.map(|writer| {
        let keep = settings.policies.decision_log.keep_days;
        let (log, finish) = (ledger.clone(), written.clone());
        tokio::spawn(forget(ledger.clone(), keep));
        tokio::spawn(async move { writer.run(&log, finish).await })
    });
    follow_keys(Arc::clone(&app), ledger, keys);
    tokio::spawn(watch.run(Arc::clone(&app)));
    refresh(Arc::clone(&app));
    read_vocabularies(Arc::clone(&app));
    stop_on_signal(app.stop.clone())?;

    let workers = Workers::start().map_err(CommandError::of)?;
    announce(&app, &street, &admin);
    open(Arc::clone(&app), street, admin, &settings.server, &workers).await;
    drop(workers);
    // Every connection is gone, so whatever was dropped open is with the reaper by now.
    finish.cancel();
    reaping.await.map_err(CommandError::of)?;
    // The last tickets are settled, so the last sums, entries and decisions are in their queues.
    settled.cancel();
    keeping_sums.await.map_err(CommandError::of)?;
    keeping.finish().await.map_err(CommandError::of)?;
    written.cancel();
    if let Some(writing) = writing {
        writing.await.map_err(CommandError::of)?;
    }
    tokio::task::spawn_blocking(move || app.stop_engines()).await.map_err(CommandError::of)
}

/// The budgets, with what the books say was spent of them.
async fn quota(
    settings: &Settings,
    ledger: &Ledger,
    node: &str,
) -> Result<(Arc<Quota>, quota::Work), StoreError> {
    let (budgets, now) = (quota::budgets(&settings.budgets), unix_milliseconds());
    let kept = ledger.keys().await?;
    let keys = kept.iter().chain(&settings.tenancy.keys).map(|(_, key)| key.terms.limits);
    let keys_have_limits =
        keys.into_iter().any(|it| it.usd_per_day.is_some() || it.usd_per_month.is_some());
    let openings = match openings::hours(&budgets, keys_have_limits, now) {
        Some(hours) => {
            let buckets = ledger.buckets(hours).await?;
            let label = |model: &str| openings::label(&settings.models, model);
            openings::openings(&budgets, &buckets, label, now)
        }
        None => vec![],
    };
    let clock = Arc::new(unix_milliseconds);
    Ok(Quota::new(budgets, &settings.keeping, node, openings, clock))
}

async fn doors(server: &Server) -> Result<(TcpListener, TcpListener), CommandError> {
    let street = bind(server.listen, "server.listen or ISTHMUS_LISTEN");
    let admin = bind(server.admin_listen, "server.admin_listen or ISTHMUS_ADMIN_LISTEN");
    let (street, admin) = tokio::join!(street, admin);
    Ok((street.map_err(CommandError::of)?, admin.map_err(CommandError::of)?))
}

/// Serves both doors until the house closes. The admin door closes last, so that a probe can see
/// the draining.
async fn open(
    app: Arc<App>,
    street: TcpListener,
    admin: TcpListener,
    server: &Server,
    workers: &Workers,
) {
    let limits = DoorLimits {
        connections: server.max_connections,
        header_time: server.header_timeout,
        drain_time: server.drain_timeout,
    };
    let admin_pages = http::admin(Arc::clone(&app));
    let [connections, admin_connections] = app.metrics.doors();
    let admin_door = tokio::spawn(async move {
        let never = CancellationToken::new();
        serve(admin, admin_pages, limits, never, admin_connections, &Workers::here()).await
    });

    let service = http::street(Arc::clone(&app));
    let drained = serve(street, service, limits, app.stop.clone(), connections, workers).await;
    if drained == Drained::Cut {
        DrainTimedOut.emit();
    }
    admin_door.abort();
}

/// Without keys the gateway is open, which is fit for this machine alone.
fn check_openness(server: &Server, keys: usize) -> Result<(), CommandError> {
    if keys > 0 {
        return Ok(());
    }
    if !server.may_be_open() {
        return Err(CommandError::of(format!(
            "there are no keys, and {} can be reached from other machines; make one with `isthmus keys create --name NAME`, or listen on 127.0.0.1, or set server.allow_anonymous: true",
            server.listen
        )));
    }
    ServerOpen.emit();
    Ok(())
}

/// Someone who set a provider's variable and never obtained the model wants that provider, not an
/// error about the model.
fn without_missing_default_model(settings: &mut Settings) {
    let has_another = settings.providers.values().any(|provider| {
        provider.origin == Origin::Environment && matches!(provider.account, Account::Remote(_))
    });
    let is_default = |account: &Account| match account {
        Account::Embedded(embedded) => *embedded == Embedded::default(),
        Account::Remote(_) => false,
    };
    let missing = !std::path::Path::new(crate::app::DEFAULT_MODEL).exists();
    if !has_another || !missing {
        return;
    }
    let Some(name) = settings
        .providers
        .iter()
        .find_map(|(name, provider)| is_default(&provider.account).then(|| name.clone()))
    else {
        return;
    };
    warn!(
        "{}; going on without it",
        BuildError::NoModel(name.clone(), crate::app::DEFAULT_MODEL.into())
    );
    settings.providers.remove(&name);
    settings.endpoints.retain(|_, endpoint| endpoint.provider != name);
    let endpoints = &settings.endpoints;
    settings.models.retain(|_, pool| {
        pool.endpoints.retain(|endpoint| endpoints.contains_key(endpoint));
        !pool.endpoints.is_empty()
    });
}

fn follow_keys(app: Arc<App>, ledger: Ledger, seen: Loaded) {
    tokio::spawn(async move { app.keyring.follow(&ledger, seen).await });
}

/// Removes decisions that are older than the operator keeps them; never returns.
async fn forget(log: Ledger, keep_days: u32) {
    const EVERY: Duration = Duration::from_hours(1);
    const MILLISECONDS_A_DAY: i64 = 86_400_000;
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let before = unix_milliseconds() - i64::from(keep_days) * MILLISECONDS_A_DAY;
        if let Err(error) = log.forget_before(before).await {
            DecisionsNotForgotten { error: &error }.emit();
        }
    }
}

/// Vocabularies are read before the first request has to wait for that.
fn read_vocabularies(app: Arc<App>) {
    tokio::task::spawn_blocking(move || {
        app.directory.pools().filter_map(|pool| pool.tokenizer()).for_each(|tokenizer| {
            tokenizer.count("");
        });
    });
}

fn refresh(app: Arc<App>) {
    tokio::spawn(async move { app.refresh().await });
}

/// SIGTERM (an orchestrator) and SIGINT (a person) mean the same.
fn stop_on_signal(stop: CancellationToken) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::of)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        ServerDraining.emit();
        stop.cancel();
    });
    Ok(())
}

fn announce(app: &App, street: &TcpListener, admin: &TcpListener) {
    let (Ok(listen), Ok(admin_listen)) = (street.local_addr(), admin.local_addr()) else { return };
    let pools = app.directory.names().into_iter().map(ToString::to_string);
    let accounts = app.directory.accounts().keys().map(|name| format!("{name}/…"));
    let models: Vec<_> = pools.chain(accounts).collect();
    ServerStarted { listen, admin_listen, models: &models }.emit();
}
