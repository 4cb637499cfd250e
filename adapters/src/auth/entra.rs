//! Microsoft Entra ID: OAuth access tokens for Azure OpenAI.
//!
//! The order is that of the Azure SDKs' `DefaultAzureCredential`, as far as servers need it: a
//! client's secret, a workload identity (the token that Kubernetes puts into a file), a managed
//! identity (App Service and its like, else the virtual machine's metadata service). The SDK for
//! Rust is not used: it is in beta and brings an HTTP pipeline of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use isthmus_inference::secret::Secret;

use crate::auth::environment::Environment;
use crate::auth::fetch::{METADATA, Question, read_file};
use crate::auth::oauth::{Granted, OAuth, Token};
use crate::auth::refreshing::{Fresh, Obtain, Refreshing, Unobtained};
use crate::auth::{Authorise, Static};

/// What an operator may say of an Entra identity; what is missing is looked for in the environment.
#[derive(Debug, Clone, Default)]
pub struct EntraSettings {
    /// An access token, which nobody renews: for tests and short trials.
    pub access_token: Option<Secret>,
    /// The directory (`AZURE_TENANT_ID`).
    pub tenant_id: Option<String>,
    /// The application, or a user-assigned managed identity (`AZURE_CLIENT_ID`).
    pub client_id: Option<String>,
    /// The application's secret (`AZURE_CLIENT_SECRET`).
    pub client_secret: Option<Secret>,
    /// Where the workload's own token is (`AZURE_FEDERATED_TOKEN_FILE`).
    pub federated_token_file: Option<PathBuf>,
    /// The authority, for sovereign clouds (`AZURE_AUTHORITY_HOST`).
    pub authority: Option<String>,
}

/// Where the tokens come from.
enum Source {
    /// An application that shows its secret.
    Client { application: Application, secret: Secret },
    /// An application that shows a token which its platform renews in a file.
    Workload { application: Application, token_file: PathBuf },
    /// Whatever the platform says that this machine or service is.
    Managed { client_id: Option<String>, service: Service },
}

/// An application in a directory.
struct Application {
    url: String,
    client_id: String,
}

/// Who tells a managed identity's tokens.
enum Service {
    /// App Service, Functions, Container Apps.
    App { endpoint: String, header: Secret },
    /// A virtual machine's metadata service.
    Machine { host: String },
}

/// What tokens are for: Azure's AI services.
const RESOURCE: &str = "https://cognitiveservices.azure.com";
/// The authority of the public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The metadata service, unless `AZURE_POD_IDENTITY_AUTHORITY_HOST` names another.
const METADATA_HOST: &str = "http://169.254.169.254";
/// Keeps forwarded requests from reaching the metadata service.
const METADATA_HEADER: HeaderName = HeaderName::from_static("metadata");
/// The same for App Service, with a value that only the service itself knows.
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What puts a token on requests; `account` names it in the log. The error is the operator's, about
/// settings that do not go together.
pub fn authorise(
    account: &str,
    settings: &EntraSettings,
    environment: &Environment,
) -> Result<Arc<dyn Authorise>, String> {
    if let Some(token) = &settings.access_token {
        let fixed = Static::bearer(token).map_err(|unfit| format!("`access_token`: {unfit}"))?;
        return Ok(Arc::new(fixed));
    }
    let source = Source::find(settings, environment)?;
    Ok(Arc::new(OAuth::new(Refreshing::new(account, source))))
}

// === impl Source ===

impl Source {
    fn find(settings: &EntraSettings, environment: &Environment) -> Result<Self, String> {
        let named = |setting: &Option<String>, variable: &str| {
            setting.clone().or_else(|| environment.get(variable))
        };
        let tenant = named(&settings.tenant_id, "AZURE_TENANT_ID");
        let client_id = named(&settings.client_id, "AZURE_CLIENT_ID");
        let authority = named(&settings.authority, "AZURE_AUTHORITY_HOST");
        let application = |client_id: Option<String>| {
            let authority = authority.as_deref().unwrap_or(AUTHORITY);
            Application::new(authority, tenant.as_deref(), client_id)
        };
        let secret = settings.client_secret.clone();
        if let Some(secret) = secret.or_else(|| environment.secret("AZURE_CLIENT_SECRET")) {
            return Ok(Self::Client { application: application(client_id)?, secret });
        }
        let file = settings.federated_token_file.clone();
        let file = file.or_else(|| environment.get("AZURE_FEDERATED_TOKEN_FILE").map(Into::into));
        if let Some(token_file) = file {
            return Ok(Self::Workload { application: application(client_id)?, token_file });
        }
        Ok(Self::Managed { client_id, service: Service::find(environment) })
    }

    async fn token(&self) -> Result<Fresh<Secret>, Unobtained> {
        match self {
            Self::Client { application, secret } => {
                application.token(&[("client_secret", secret.expose())], secret).await
            }
            Self::Workload { application, token_file } => {
                let token = Secret::from(read_file(Path::new(token_file)).await?.trim());
                let proof = [
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", token.expose()),
                ];
                application.token(&proof, &token).await
            }
            Self::Managed { client_id, service } => service.token(client_id.as_deref()).await,
        }
    }
}

impl Obtain for Source {
    type Credential = Token;

    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<Token>, Unobtained>> {
        async {
            let fresh = self.token().await?;
            Ok(Fresh { credential: Token::new(fresh.credential)?, lasts: fresh.lasts })
        }
        .boxed()
    }
}

// === impl Application ===

impl Application {
    fn new(
        authority: &str,
        tenant: Option<&str>,
        client_id: Option<String>,
    ) -> Result<Self, String> {
        let (Some(tenant), Some(client_id)) = (tenant, client_id) else {
            return Err("Entra needs `tenant_id` and `client_id`".to_owned());
        };
        // An id or a domain. Anything else could turn the URL elsewhere.
        if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
            return Err("`tenant_id` must be an id or a domain".to_owned());
        }
        // Older values of `AZURE_AUTHORITY_HOST` leave the scheme out.
        let scheme = if authority.contains("://") { "" } else { "https://" };
        let authority = authority.trim_end_matches('/');
        let url = format!("{scheme}{authority}/{tenant}/oauth2/v2.0/token");
        Ok(Self { url, client_id })
    }

    /// The application's token, for a proof that it is the application; the proof's secret is
    /// struck out of what the log says.
    async fn token(
        &self,
        proof: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Fresh<Secret>, Unobtained> {
        let scope = format!("{RESOURCE}/.default");
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", scope.as_str()),
        ];
        form.extend(proof);
        let reply = Question::form(self.url.as_str(), &form).ask().await?;
        Granted::read(&reply.granted(&[secret])?, SystemTime::now())
    }
}

// === impl Service ===

impl Service {
    fn find(environment: &Environment) -> Self {
        let endpoint = environment.get("IDENTITY_ENDPOINT");
        if let (Some(endpoint), Some(header)) = (endpoint, environment.secret("IDENTITY_HEADER")) {
            return Self::App { endpoint, header };
        }
        let host = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        Self::Machine { host: host.unwrap_or_else(|| METADATA_HOST.to_owned()) }
    }

    async fn token(&self, client_id: Option<&str>) -> Result<Fresh<Secret>, Unobtained> {
        let now = SystemTime::now();
        match self {
            Self::App { endpoint, header } => {
                let url = format!("{endpoint}?{}", query("2019-08-01", client_id));
                let question = Question::get(url).header(IDENTITY_HEADER, header.expose())?;
                // This service can be slow when it has just started.
                let reply = question.within(METADATA * 4).ask().await?;
                Granted::read(&reply.granted(&[header])?, now)
            }
            Self::Machine { host } => {
                let host = host.trim_end_matches('/');
                let query = query("2018-02-01", client_id);
                let mut question =
                    Question::get(format!("{host}/metadata/identity/oauth2/token?{query}"));
                question.headers.insert(METADATA_HEADER, HeaderValue::from_static("true"));
                let reply = question.within(METADATA).ask().await;
                let reply = reply.and_then(|reply| reply.granted(&[])).map_err(none_found)?;
                Granted::read(&reply, now)
            }
        }
    }
}

/// What a managed identity is asked with.
fn query(version: &str, client_id: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", version).append_pair("resource", RESOURCE);
    if let Some(client_id) = client_id {
        query.append_pair("client_id", client_id);
    }
    query.finish()
}

fn none_found(Unobtained(reason): Unobtained) -> Unobtained {
    Unobtained(format!(
        "no Entra credentials: no `client_secret`, AZURE_CLIENT_SECRET or \
         AZURE_FEDERATED_TOKEN_FILE, and the managed identity gave none ({reason})"
    ))
}
