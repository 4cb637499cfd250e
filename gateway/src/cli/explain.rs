//! `isthmus explain`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use isthmus_adapters::dialects::caller;
use isthmus_adapters::dialects::needs::needs;
use isthmus_config::settings::Settings;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_ledger::decision::{Decided, DecisionLog};
use isthmus_policies::permit::{Bundle, Permit};
use isthmus_policies::question::Context;
use isthmus_policies::recorded::{About, Narrowed, Recorded, Who};

use super::{CommandError, ConfigFile, block_on, say};
use crate::app::{open_existing_ledger, open_ledger};
use crate::calendar::{moment, today};
use crate::classifier::Classifier;
use crate::explain::subject::Subject;
use crate::explain::{Explained, Figures, Told};
use crate::keyring::{Keyring, Tenant};
use crate::pipeline::declared::declared;
use crate::policy_files;
use crate::pool::Learnt;

/// Tells how a request is decided: which endpoints policy permits and by which rules, what speaks for
/// and against each of them, and the plan. A file is decided on what the configuration says; the id
/// of an answered request, as it was decided when it came.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  isthmus explain request.json --key website --header 'x-isthmus-data-class: pii'
  isthmus explain req_2f6c0e --json

A request's id is in its answer's header `x-request-id`. Ids can be explained where decisions are
logged (`policies.decision_log`, on wherever `policies.dir` is set).")]
pub(super) struct Explain {
    #[command(flatten)]
    config: ConfigFile,
    /// A file with the body of a chat request, or the id of an answered request.
    #[arg(value_name = "REQUEST.json | REQUEST_ID")]
    what: String,
    /// Whose request it is: the name of a key.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// A header of the request, such as `x-isthmus-data-class: phi`; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        let path = PathBuf::from(&self.what);
        let explained = if path.is_file() || self.what.ends_with(".json") {
            block_on(self.file(&settings, &path))?
        } else {
            block_on(past(&settings, &self.what))?
        };
        if self.json {
            say(&serde_json::to_string_pretty(&explained).map_err(CommandError::of)?);
        } else {
            say(explained.to_string().trim_end());
        }
        Ok(())
    }

    /// A request that nobody has sent yet.
    async fn file(&self, settings: &Settings, path: &Path) -> Result<Explained, CommandError> {
        let text = std::fs::read(path)
            .map_err(|error| CommandError(format!("{}: {error}", path.display())))?;
        let wrong = |failure: isthmus_inference::failure::Failure| {
            CommandError(format!("{}: {}", path.display(), failure.message))
        };
        let request = caller(Dialect::OpenAi).read(Operation::Chat, text.into()).map_err(wrong)?;
        let subject = Subject::of(settings, &request.model).ok_or_else(|| {
            CommandError(format!("{}: there is no model `{}`", path.display(), request.model))
        })?;
        let headers = headers(&self.headers)?;
        let said = declared(&headers, &request).map_err(wrong)?;
        let tenant = self.tenant(settings).await?;
        let classifier = Classifier::new(settings);
        let classified =
            classifier.classify(&tenant, said.class, &request.body).await.map_err(wrong)?;
        let context = said.context(classified);
        let bundle = policy_files::bundle(settings.policies.dir.as_deref());
        let bundle = Arc::new(bundle.map_err(CommandError::of)?);
        let objective = headers.get("x-isthmus-objective").and_then(|value| value.to_str().ok());
        let recorded = decide(&subject, &bundle, &request, &tenant, &context, objective)?;
        let told = Told {
            model: request.model.as_str(),
            policy: bundle.version(),
            rules: bundle.rules(),
            strategy: &subject.strategy,
            offers: &subject.offers(&recorded.endpoints),
            figures: Figures::Assumed,
        };
        Explained::of(&recorded, &told).map_err(CommandError::of)
    }

    async fn tenant(&self, settings: &Settings) -> Result<Tenant, CommandError> {
        let keyring = Keyring::new(true, &settings.tenancy);
        let Some(name) = &self.key else { return Ok(keyring.anonymous()) };
        let ledger = open_existing_ledger(settings).await.map_err(CommandError::of)?;
        keyring.load(&ledger).await.map_err(CommandError::of)?;
        keyring.named(name).ok_or_else(|| {
            CommandError(format!(
                "no key is named `{name}`; `isthmus keys list` shows those that exist"
            ))
        })
    }
}

/// A decision that nobody has made yet, as it would be logged. The dice are fixed: nobody explores in
/// an explanation.
fn decide(
    subject: &Subject,
    bundle: &Arc<Bundle>,
    request: &Request,
    tenant: &Tenant,
    context: &Context,
    objective: Option<&str>,
) -> Result<Recorded, CommandError> {
    const UNEXPLORED: u64 = 1;
    const AMPLE: Duration = Duration::from_mins(10);
    let permit = Permit::new(Arc::clone(bundle), &subject.catalogue(), today());
    let permit = permit.map_err(CommandError::of)?;
    let now = moment(tokio::time::Instant::now());
    let demand = Learnt::default().read(now, request, tenant.app_hash(), true).demand;
    let needed = needs(request);
    let endpoints = subject.seen(&permit, tenant.principal(), context, &demand, |endpoint| {
        needed.without(endpoint.capabilities.unwrap_or(needed)).is_empty()
    });
    let provider = request.outline.named(&request.body, "provider").next();
    let provider = provider.map(|member| &request.body[member.value.clone()]);
    Ok(Recorded {
        now,
        today: today().to_string(),
        time_left: AMPLE.as_nanos() as u64,
        who: Who::from(&**tenant.principal()),
        request: About::from(context),
        demand,
        narrowed: Narrowed {
            provider: provider.map(|object| String::from_utf8_lossy(object).into_owned()),
            objective: objective.map(str::to_owned),
        },
        incumbent: None,
        chance: UNEXPLORED,
        endpoints,
        plan: Ok(vec![]),
    })
}

/// A request that was answered, from the log of decisions.
async fn past(settings: &Settings, id: &str) -> Result<Explained, CommandError> {
    let ledger = open_ledger(settings).await.map_err(CommandError::of)?;
    let decided = ledger.decision(id).await.map_err(CommandError::of)?;
    let decided = decided.ok_or_else(|| {
        CommandError(format!(
            "no decision of a request `{id}` is logged in {}; are decisions logged \
             (`policies.decision_log`), and is this the gateway's configuration?",
            settings.ledger.path.display()
        ))
    })?;
    explained(settings, &decided)
}

/// What was decided, by the rules as far as they are the same.
fn explained(settings: &Settings, decided: &Decided) -> Result<Explained, CommandError> {
    let recorded: Recorded = serde_json::from_str(&decided.features)
        .map_err(|error| CommandError(format!("the logged decision cannot be read: {error}")))?;
    let subject = Subject::of(settings, &decided.model.as_str().into()).ok_or_else(|| {
        CommandError(format!("the configuration no longer has the model `{}`", decided.model))
    })?;
    let bundle = policy_files::bundle(settings.policies.dir.as_deref());
    let bundle = bundle.map_err(CommandError::of)?;
    let told = Told {
        model: &decided.model,
        policy: &decided.policy,
        rules: bundle.rules(),
        strategy: &subject.strategy,
        offers: &subject.offers(&recorded.endpoints),
        figures: Figures::Recorded,
    };
    Ok(Explained::of(&recorded, &told).map_err(CommandError::of)?.came(decided))
}

fn headers(written: &[String]) -> Result<http::HeaderMap, CommandError> {
    let mut headers = http::HeaderMap::new();
    for line in written {
        let wrong = || CommandError(format!("`{line}` is not a header such as `name: value`"));
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: http::HeaderName = name.trim().parse().map_err(|_| wrong())?;
        headers.append(name, value.trim().parse().map_err(|_| wrong())?);
    }
    Ok(headers)
}
