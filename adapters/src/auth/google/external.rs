//! Workload identity federation: another identity provider's token, from a file or a URL, is
//! exchanged for one of Google's (AIP-4117; RFC 8693).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use isthmus_inference::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::fetch::{Question, read_file};
use crate::auth::google::SCOPE;
use crate::auth::google::file::Impersonation;
use crate::auth::oauth::Granted;
use crate::auth::refreshing::{Fresh, Unobtained};

/// A file of type `external_account`.
#[derive(Deserialize)]
pub(super) struct External {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Source,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    workforce_pool_user_project: Option<String>,
    /// Present where the exchanged token may only impersonate a service account.
    #[serde(flatten)]
    impersonation: Option<Impersonation>,
}

/// Where the other provider's token is.
#[derive(Deserialize)]
struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    format: Format,
}

/// How it is written there.
#[derive(Deserialize, Default)]
struct Format {
    /// `text` or `json`.
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

impl External {
    pub(super) async fn token(&self) -> Result<Fresh<Secret>, Unobtained> {
        let subject = self.credential_source.subject().await?;
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", self.audience.as_str()),
            ("scope", SCOPE),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject.expose()),
            ("subject_token_type", self.subject_token_type.as_str()),
        ];
        let project = self.workforce_pool_user_project.as_ref();
        let options = project.map(|project| json!({ "userProject": project }).to_string());
        form.extend(options.as_deref().map(|options| ("options", options)));
        let mut question = Question::form(self.token_url.as_str(), &form);
        if let (Some(id), Some(secret)) = (&self.client_id, &self.client_secret) {
            let basic = STANDARD.encode(format!("{id}:{}", secret.expose()));
            question = question.header(AUTHORIZATION, &format!("Basic {basic}"))?;
        }
        let exchanged =
            Granted::read(&question.ask().await?.granted(&[&subject])?, SystemTime::now())?;
        match &self.impersonation {
            Some(impersonation) => impersonation.token(&exchanged.credential).await,
            None => Ok(exchanged),
        }
    }
}

impl Source {
    /// The other provider's token.
    async fn subject(&self) -> Result<Secret, Unobtained> {
        let text = match (&self.file, &self.url) {
            (Some(file), _) => read_file(Path::new(file)).await?,
            (None, Some(url)) => self.ask(url).await?,
            (None, None) => {
                let message = "`credential_source` must hold `file` or `url`; commands and AWS \
                               are not supported";
                return Err(Unobtained(message.to_owned()));
            }
        };
        self.format.pick(&text)
    }

    async fn ask(&self, url: &str) -> Result<String, Unobtained> {
        let mut question = Question::get(url);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Unobtained("`credential_source.headers` has a bad name".to_owned()))?;
            question = question.header(name, value.expose())?;
        }
        let reply = question.ask().await?.granted(&[])?;
        reply.text().map(str::to_owned)
    }
}

impl Format {
    fn pick(&self, text: &str) -> Result<Secret, Unobtained> {
        if self.kind.as_deref() != Some("json") {
            return Ok(text.trim().into());
        }
        let field = self.subject_token_field_name.as_deref().unwrap_or_default();
        let value = serde_json::from_str::<Value>(text).unwrap_or_default();
        let found = value[field].as_str();
        let missing = || Unobtained(format!("the subject token's JSON has no text `{field}`"));
        found.map(Secret::from).ok_or_else(missing)
    }
}
