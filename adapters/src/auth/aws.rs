//! AWS credentials: the standard chain, and what signs requests with what it finds.
//!
//! The order is the SDKs' ("Standardized credential providers" in the AWS SDKs reference guide):
//! the settings, the environment, the profile files, a web identity, the container, the instance.
//! What is not configured is passed over; what is configured and fails ends the search, so that a
//! broken profile is not answered by the rights of the machine.
//!
//! Written here because `aws-config` reads the process's environment by itself and takes 90 s to
//! compile, and `reqsign-aws-v4` does not know profiles that assume roles. Logging in
//! by SSO is left to the AWS CLI: `credential_process = aws configure export-credentials …`.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;

use crate::auth::environment::Environment;
use crate::auth::refreshing::{Fresh, Obtain, Refreshing, Unobtained, no_credential};
use crate::auth::sigv4::{AwsKeys, Scope, sign};
use crate::auth::{Authorise, Outgoing, Static};

mod container;
mod instance;
mod keys;
mod process;
mod profiles;
mod sts;

use profiles::{Base, Profiles, Route};
use sts::Sts;

/// What an operator may say of an AWS account; whatever is missing is looked for.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    /// Such as `eu-central-1`.
    pub region: Option<String>,
    /// Names the secret key below; one goes with the other.
    pub access_key_id: Option<Secret>,
    /// Signs.
    pub secret_access_key: Option<Secret>,
    /// For temporary keys.
    pub session_token: Option<Secret>,
    /// A profile of `~/.aws/config` or `~/.aws/credentials`. It wins over the environment's keys.
    pub profile: Option<String>,
    /// A Bedrock API key, shown instead of a signature.
    pub bearer: Option<Secret>,
}

/// Finds an account's keys.
pub struct Chain {
    settings: AwsSettings,
    environment: Environment,
}

/// Signs requests with the keys that a source obtains and renews.
pub struct SigV4<S: Obtain<Credential = AwsKeys>> {
    keys: Refreshing<S>,
    region: String,
    service: &'static str,
}

/// A Bedrock API key in the environment.
const BEARER_VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// The region: from the settings, the environment or the profile.
pub fn region(settings: &AwsSettings, environment: &Environment) -> Option<String> {
    let named = || environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
    settings.region.clone().or_else(named).or_else(|| {
        // A file that cannot be read is complained of when its keys are wanted.
        let profiles = Profiles::read(environment).ok()?;
        profiles.region(&profiles::name(settings.profile.as_deref(), environment))
    })
}

/// The domain of the services in a region; each of AWS's partitions has its own.
pub fn domain(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        // The European Sovereign Cloud.
        Some("eusc") => "amazonaws.eu",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("us-isof-") => "csp.hci.ic.gov",
        _ if region.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    }
}

/// What authorises Bedrock calls in this region: an API key if there is one, else signatures.
/// `account` names it in the log. The error is the operator's, about the settings.
pub fn authorise(
    account: &str,
    settings: &AwsSettings,
    region: &str,
    environment: &Environment,
) -> Result<Arc<dyn Authorise>, String> {
    if settings.access_key_id.is_some() != settings.secret_access_key.is_some() {
        return Err("`access_key_id` and `secret_access_key` go together".to_owned());
    }
    let own_keys = settings.access_key_id.is_some() || settings.profile.is_some();
    let surrounding = || environment.secret(BEARER_VARIABLE).filter(|_| !own_keys);
    if let Some(key) = settings.bearer.clone().or_else(surrounding) {
        let key = Static::bearer(&key).map_err(|unfit| format!("the API key: {unfit}"))?;
        return Ok(Arc::new(key));
    }
    let (settings, environment) = (settings.clone(), environment.clone());
    let keys = Refreshing::new(account, Chain { settings, environment });
    Ok(Arc::new(SigV4 { keys, region: region.to_owned(), service: "bedrock" }))
}

// === impl SigV4 ===

impl<S: Obtain<Credential = AwsKeys>> Authorise for SigV4<S> {
    fn authorise<'a>(&'a self, mut request: Outgoing<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        async move {
            let keys = self.keys.get().await?;
            let scope = Scope { region: &self.region, service: self.service };
            sign(&mut request, &keys, scope, SystemTime::now()).map_err(no_credential)
        }
        .boxed()
    }

    fn secrets(&self) -> Vec<Secret> {
        let known = self.keys.known();
        let of = |keys: &AwsKeys| {
            let fixed = [keys.access_key_id.clone(), keys.secret_access_key.clone()];
            fixed.into_iter().chain(keys.session_token.clone()).collect::<Vec<_>>()
        };
        known.iter().flat_map(|keys| of(keys)).collect()
    }

    fn refused(&self) {
        self.keys.refused();
    }
}

// === impl Chain ===

impl Obtain for Chain {
    type Credential = AwsKeys;

    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<AwsKeys>, Unobtained>> {
        self.search().boxed()
    }
}

impl Chain {
    async fn search(&self) -> Result<Fresh<AwsKeys>, Unobtained> {
        let environment = &self.environment;
        if let Some(keys) = self.written() {
            return Ok(lasting(keys));
        }
        if self.settings.profile.is_none()
            && let Some(keys) = surrounding(environment)
        {
            return Ok(lasting(keys));
        }
        if let Some(route) = self.route()? {
            return self.follow(route).await;
        }
        if let Some(identity) = sts::surrounding_identity(environment) {
            return self.sts().with_web_identity(&identity).await;
        }
        if let Some(question) = container::question(environment).await? {
            return container::ask(question).await;
        }
        instance::ask(environment).await.map_err(|Unobtained(reason)| {
            Unobtained(format!(
                "no AWS credentials: no `access_key_id`, AWS_ACCESS_KEY_ID, profile, web identity \
                 or container, and the instance gave none ({reason})"
            ))
        })
    }

    /// The keys in the settings.
    fn written(&self) -> Option<AwsKeys> {
        let settings = &self.settings;
        Some(AwsKeys {
            access_key_id: settings.access_key_id.clone()?,
            secret_access_key: settings.secret_access_key.clone()?,
            session_token: settings.session_token.clone(),
        })
    }

    /// How the profile, if there is one, leads to keys.
    fn route(&self) -> Result<Option<Route>, Unobtained> {
        let environment = &self.environment;
        let named = self.settings.profile.as_deref();
        let wanted = named.is_some() || environment.get("AWS_PROFILE").is_some();
        let name = profiles::name(named, environment);
        let profiles = Profiles::read(environment)?;
        if !profiles.has(&name) {
            let missing = || Unobtained(format!("there is no AWS profile `{name}`"));
            return if wanted { Err(missing()) } else { Ok(None) };
        }
        let route = profiles.route(&name)?;
        if route.is_none() && self.settings.profile.is_some() {
            return Err(Unobtained(format!("the AWS profile `{name}` holds no credentials")));
        }
        Ok(route)
    }

    /// Gets the keys at the route's beginning, then assumes its roles one after the other.
    async fn follow(&self, route: Route) -> Result<Fresh<AwsKeys>, Unobtained> {
        let environment = &self.environment;
        let mut fresh = match route.base {
            Base::Keys(keys) => lasting(keys),
            Base::WebIdentity(identity) => self.sts().with_web_identity(&identity).await?,
            Base::Process(command) => process::run(&command).await?,
            Base::Environment => lasting(surrounding(environment).ok_or_else(|| {
                Unobtained("`credential_source` is Environment, which holds no keys".to_owned())
            })?),
            Base::Container => match container::question(environment).await? {
                Some(question) => container::ask(question).await?,
                None => {
                    let message = "`credential_source` is EcsContainer, but this is no container \
                                   with credentials";
                    return Err(Unobtained(message.to_owned()));
                }
            },
            Base::Instance => instance::ask(environment).await?,
        };
        for role in &route.roles {
            fresh = self.sts().assume(role, &fresh.credential).await?;
        }
        Ok(fresh)
    }

    fn sts(&self) -> Sts {
        Sts::new(region(&self.settings, &self.environment), &self.environment)
    }
}

/// Keys that do not end, as far as one knows.
fn lasting(keys: AwsKeys) -> Fresh<AwsKeys> {
    Fresh { credential: keys, lasts: None }
}

/// The keys in the environment.
fn surrounding(environment: &Environment) -> Option<AwsKeys> {
    Some(AwsKeys {
        access_key_id: environment.secret("AWS_ACCESS_KEY_ID")?,
        secret_access_key: environment.secret("AWS_SECRET_ACCESS_KEY")?,
        session_token: environment.secret("AWS_SESSION_TOKEN"),
    })
}
