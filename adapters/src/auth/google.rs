//! Google's application default credentials: OAuth access tokens for Vertex AI.
//!
//! Where they come from, in this order (`cloud.google.com/docs/authentication`, "How Application
//! Default Credentials works"): a token in the settings; the file that the settings or
//! `GOOGLE_APPLICATION_CREDENTIALS` name; the file that `gcloud auth application-default login`
//! writes; the metadata server of Compute Engine, GKE and Cloud Run.
//!
//! Written here because the libraries for it bring an HTTP client and runtime of their own
//! (`gcp_auth`, `google-cloud-auth`) or an RSA implementation with a known weakness (`reqsign-google`),
//! and the one hard thing, RS256, is in `rustls` already.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderName;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::secret::Secret;
use tokio::sync::OnceCell;

use crate::auth::environment::Environment;
use crate::auth::fetch::{METADATA, Question, read_at_once, read_file};
use crate::auth::oauth::{Granted, OAuth, Token};
use crate::auth::refreshing::{Fresh, Obtain, Refreshing, Unobtained};
use crate::auth::{Authorise, Static};

mod external;
mod file;
mod service_account;

use file::File;

/// What an operator may say of Google's credentials; whatever is missing is looked for.
#[derive(Debug, Clone, Default)]
pub struct GoogleSettings {
    /// An access token, which nobody renews: for tests and short trials.
    pub access_token: Option<Secret>,
    /// A JSON file as Google's console and `gcloud` make them.
    pub credentials_file: Option<PathBuf>,
    /// The project that is charged.
    pub project: Option<String>,
}

/// One account's way to its tokens and to the name of its project.
pub struct Google {
    source: Source,
    project: OnceCell<String>,
}

/// Where the tokens come from when the settings hold none.
#[derive(Clone)]
struct Source {
    settings: GoogleSettings,
    environment: Environment,
}

/// All that Vertex AI wants.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where a token is asked for when a file does not say.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// The metadata server, unless `GCE_METADATA_HOST` names another.
const METADATA_HOST: &str = "metadata.google.internal";
/// The path of all that it tells.
const METADATA_PATH: &str = "computeMetadata/v1";
/// Without this header it says nothing, so that no forwarded request makes it speak.
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// Names the project whose quota a person's credentials use.
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

// === impl Google ===

impl Google {
    /// The credentials that these settings and this environment lead to. Nothing is looked up yet.
    pub fn new(settings: GoogleSettings, environment: Environment) -> Self {
        Self { source: Source { settings, environment }, project: OnceCell::new() }
    }

    /// What puts the token on requests; `account` names it in the log. The error is the operator's:
    /// a token that no header can hold.
    pub fn authorise(&self, account: &str) -> Result<Arc<dyn Authorise>, String> {
        if let Some(token) = &self.source.settings.access_token {
            let fixed =
                Static::bearer(token).map_err(|unfit| format!("`access_token`: {unfit}"))?;
            return Ok(Arc::new(fixed));
        }
        Ok(Arc::new(OAuth::new(Refreshing::new(account, self.source.clone()))))
    }

    /// The project that is written down: in the settings, in `GOOGLE_CLOUD_PROJECT`, or in the
    /// credentials' file, which is read.
    pub fn written_project(&self) -> Option<String> {
        let Source { settings, environment } = &self.source;
        let named = || environment.first(&["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]);
        settings.project.clone().or_else(named).or_else(|| {
            let path = self.source.file()?;
            let text = read_at_once(&path).ok()?;
            // A file that is none is complained of when its token is wanted.
            File::parse(&text, &path).ok()?.project().map(str::to_owned)
        })
    }

    /// The project that is written down, else the one that the metadata server tells. Once found it
    /// is kept.
    pub async fn project(&self) -> Result<&str, Failure> {
        let found = self.project.get_or_try_init(|| async {
            if let Some(written) = self.written_project() {
                return Ok(written);
            }
            let reply = self.source.metadata("project/project-id").ask().await?.granted(&[])?;
            reply.text().map(str::to_owned)
        });
        found.await.map(String::as_str).map_err(|reason: Unobtained| {
            let message = "the gateway does not know which Google project to use; its operator can \
                           set `project`";
            Failure::new(Kind::UpstreamAuth, message).with_detail(reason)
        })
    }
}

// === impl Source ===

impl Obtain for Source {
    type Credential = Token;

    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<Token>, Unobtained>> {
        async {
            // The file is read each time, so that one which was replaced is noticed.
            let Some(path) = self.file() else { return self.machines_token().await };
            let file = File::parse(&read_file(&path).await?, &path)?;
            let fresh = file.token().await?;
            let mut token = Token::new(fresh.credential)?;
            if let Some(project) = self.quota_project(&file) {
                token = token.with(QUOTA_PROJECT, &project)?;
            }
            Ok(Fresh { credential: token, lasts: fresh.lasts })
        }
        .boxed()
    }
}

impl Source {
    /// The file that holds credentials, if one is named or is where `gcloud` writes it.
    fn file(&self) -> Option<PathBuf> {
        const WELL_KNOWN: &str = "application_default_credentials.json";
        let named = self.environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        self.settings.credentials_file.clone().or(named).or_else(|| {
            let configured = self.environment.get("CLOUDSDK_CONFIG").map(PathBuf::from);
            let folder = configured.or_else(|| self.environment.at_home(".config/gcloud"))?;
            Some(folder.join(WELL_KNOWN)).filter(|path| path.exists())
        })
    }

    fn quota_project(&self, file: &File) -> Option<String> {
        let named = self.environment.get("GOOGLE_CLOUD_QUOTA_PROJECT");
        named.or_else(|| file.quota_project().map(str::to_owned))
    }

    async fn machines_token(&self) -> Result<Fresh<Token>, Unobtained> {
        let question = self.metadata("instance/service-accounts/default/token");
        let reply = question.ask().await.and_then(|reply| reply.granted(&[]));
        let reply = reply.map_err(|Unobtained(reason)| {
            Unobtained(format!(
                "no Google credentials: no `credentials_file`, GOOGLE_APPLICATION_CREDENTIALS or \
                 gcloud login, and the metadata server gave none ({reason})"
            ))
        })?;
        let fresh = Granted::read(&reply, SystemTime::now())?;
        Ok(Fresh { credential: Token::new(fresh.credential)?, lasts: fresh.lasts })
    }

    fn metadata(&self, path: &str) -> Question {
        let host = self.environment.get("GCE_METADATA_HOST");
        let host = host.as_deref().unwrap_or(METADATA_HOST);
        let mut question = Question::get(format!("http://{host}/{METADATA_PATH}/{path}"));
        question.headers.insert(FLAVOR, http::HeaderValue::from_static("Google"));
        question.within(METADATA)
    }
}
