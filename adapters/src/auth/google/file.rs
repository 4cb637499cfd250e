//! The kinds of credential file that Google makes, and the token that each leads to.
//!
//! Shapes: `google.auth.default` and its kin in Google's own Python library; the external kinds are
//! described in AIP-4117.

use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use isthmus_inference::secret::Secret;
use serde::Deserialize;
use serde_json::json;

use crate::auth::expiry::until;
use crate::auth::fetch::Question;
use crate::auth::google::external::External;
use crate::auth::google::service_account::ServiceAccount;
use crate::auth::google::{SCOPE, TOKEN_ENDPOINT};
use crate::auth::oauth::Granted;
use crate::auth::refreshing::{Fresh, Unobtained};

/// A file of one of the known kinds.
#[derive(Deserialize)]
pub(super) struct File {
    #[serde(flatten)]
    kind: Kind,
    project_id: Option<String>,
    quota_project_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind {
    ServiceAccount(ServiceAccount),
    AuthorizedUser(User),
    ImpersonatedServiceAccount(Impersonated),
    ExternalAccount(Box<External>),
}

/// A person who has logged in.
#[derive(Deserialize)]
struct User {
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
    token_uri: Option<String>,
}

/// A service account on whose behalf somebody else acts.
#[derive(Deserialize)]
struct Impersonated {
    source_credentials: Box<Kind>,
    #[serde(flatten)]
    impersonation: Impersonation,
}

/// Where a token is exchanged for that of a service account.
#[derive(Deserialize)]
pub(super) struct Impersonation {
    #[serde(rename = "service_account_impersonation_url")]
    url: String,
    #[serde(default)]
    delegates: Vec<String>,
    #[serde(default, rename = "service_account_impersonation")]
    wishes: Wishes,
}

#[derive(Deserialize, Default)]
struct Wishes {
    token_lifetime_seconds: Option<u32>,
}

/// The answer of `generateAccessToken`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: Secret,
    expire_time: String,
}

// === impl File ===

impl File {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, Unobtained> {
        // What a parser says may repeat what it read.
        serde_json::from_str(text).map_err(|_| {
            let kinds = "service_account, authorized_user, impersonated_service_account or \
                         external_account";
            Unobtained(format!("{} is no credentials file of type {kinds}", path.display()))
        })
    }

    /// The project that the credentials belong to.
    pub(super) fn project(&self) -> Option<&str> {
        self.project_id.as_deref().or(self.quota_project_id.as_deref())
    }

    pub(super) fn quota_project(&self) -> Option<&str> {
        self.quota_project_id.as_deref()
    }

    /// A new access token.
    pub(super) async fn token(&self) -> Result<Fresh<Secret>, Unobtained> {
        self.kind.token().await
    }
}

impl Kind {
    fn token(&self) -> BoxFuture<'_, Result<Fresh<Secret>, Unobtained>> {
        async move {
            match self {
                Self::ServiceAccount(account) => account.token(SystemTime::now()).await,
                Self::AuthorizedUser(user) => user.token().await,
                Self::ExternalAccount(external) => external.token().await,
                Self::ImpersonatedServiceAccount(impersonated) => {
                    let source = impersonated.source_credentials.token().await?;
                    impersonated.impersonation.token(&source.credential).await
                }
            }
        }
        .boxed()
    }
}

impl User {
    async fn token(&self) -> Result<Fresh<Secret>, Unobtained> {
        let url = self.token_uri.as_deref().unwrap_or(TOKEN_ENDPOINT);
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
            ("refresh_token", self.refresh_token.expose()),
        ];
        let reply = Question::form(url, &form).ask().await?;
        Granted::read(
            &reply.granted(&[&self.client_secret, &self.refresh_token])?,
            SystemTime::now(),
        )
    }
}

impl Impersonation {
    /// The service account's token, for the token of one who may impersonate it.
    pub(super) async fn token(&self, source: &Secret) -> Result<Fresh<Secret>, Unobtained> {
        let lifetime = self.wishes.token_lifetime_seconds.unwrap_or(3600);
        let lifetime = format!("{lifetime}s");
        let body = json!({ "delegates": self.delegates, "scope": [SCOPE], "lifetime": lifetime });
        let question = Question::json(self.url.as_str(), &body);
        let question = question.header(AUTHORIZATION, &format!("Bearer {}", source.expose()))?;
        let generated: Generated = question.ask().await?.granted(&[source])?.read()?;
        let lasts: Duration = until(&generated.expire_time, SystemTime::now())?;
        Ok(Fresh { credential: generated.access_token, lasts: Some(lasts) })
    }
}
