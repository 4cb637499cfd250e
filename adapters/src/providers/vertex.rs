//! Gemini and its neighbours on Vertex AI, with Google Cloud's credentials.
//!
//! Hosts by location are those of the SDK `google-genai` and of the guide "Deployments and endpoints".

use std::path::PathBuf;
use std::sync::Arc;

use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};

use crate::adapter::Adapter;
use crate::auth::google::{Google, GoogleSettings};
use crate::dialect::{ChatDialect, EmbeddingDialect, RelayDialect};
use crate::dialects::anthropic::{self, AnthropicChat, AnthropicRelay};
use crate::dialects::gemini::{
    BatchEmbeddings, Flavour, GeminiChat, PredictEmbeddings, SingleEmbedding,
};
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::places::Processing;
use crate::providers::gemini::{CAPABILITIES, method, names, target};
use crate::providers::paths;
use crate::providers::table::hosted;
use crate::registry::{About, BuildError, Continent, Provider, ProviderOption, Shape};
use crate::service::{Listing, Route, Service, unserved};
use crate::settings::AccountSettings;

/// Google Vertex AI.
pub static VERTEX: Provider = Provider {
    continent: Some(Continent::Cloud),
    domains: &["googleapis.com"],
    base_url: None,
    base_url_derived: true,
    key_optional: true,
    presence_variables: &["GOOGLE_APPLICATION_CREDENTIALS"],
    options: &[
        option("project", &["GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"], "the project's id"),
        option(
            "location",
            &["GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "VERTEXAI_LOCATION"],
            "a region such as `europe-west4`, `us` or `eu`, or `global` (the default)",
        ),
        option("api_version", &[], "the API's version, `v1` unless said otherwise"),
        ProviderOption {
            shape: Shape::Secret,
            ..option("access_token", &[], "an access token, which nobody renews: for trials")
        },
        option("credentials_file", &[], "a JSON file of a service account or of `gcloud`"),
        http_adapter::MEDIA_HOSTS,
    ],
    processing,
    about: About {
        dialects: &["Gemini", "Anthropic Messages for Claude"],
        relays: &[Dialect::Anthropic],
        credential: "authorization: Bearer with a token of Google Cloud",
        capabilities: CAPABILITIES,
        limits: &[
            "Credentials are Google's: `credentials_file`, GOOGLE_APPLICATION_CREDENTIALS, workload \
             identity, `gcloud`, or the machine's own account.",
            "The default location, `global`, may process anywhere, and so may regions for which \
             Google promises nothing: name `us`, `eu` or a region of its page \"Data residency\" where \
             data must stay. `isthmus check` holds `processing_regions` against it; for which models \
             the promise holds is for the operator to see.",
            "Models of Google and of Anthropic; Messages for Claude pass as they are.",
            "What holds for `gemini` and `anthropic` holds here; beyond that, `metadata` of small \
             letters, digits, `_` and `-` become labels, and a search can leave out domains \
             (`blocked_domains`).",
        ],
    },
    build,
    ..hosted("vertex", "Google Vertex AI", "", &[])
};

const VERSION: &str = "v1";
/// Serves every model, the newest alone here. Where data must stay in a place, a region is named.
const LOCATION: &str = "global";
/// Locations that span several regions and have hosts of their own.
const SPANS: [&str; 2] = ["us", "eu"];
const CHAT: GeminiChat = GeminiChat { flavour: Flavour::Vertex };
const CLAUDE: AnthropicChat = AnthropicChat { flavour: anthropic::Flavour::Vertex };
const CLAUDE_RELAY: AnthropicRelay = AnthropicRelay { flavour: anthropic::Flavour::Vertex };
/// Counts tokens for all of Claude's models, which the body names (guide "Count tokens for Claude").
const CLAUDE_COUNTER: &str = "publishers/anthropic/models/count-tokens";
const BATCH: BatchEmbeddings = BatchEmbeddings { flavour: Flavour::Vertex };

/// One account.
struct Vertex {
    /// Up to and including the location.
    base: String,
    models: Target,
}

const fn option(
    name: &'static str,
    variables: &'static [&'static str],
    help: &'static str,
) -> ProviderOption {
    ProviderOption { name, variables, shape: Shape::Text, help }
}

/// The regions within which Google promises to process, if only for the models that it lists (the page
/// "Data residency", section on ML processing, read in November 2026). Of any other region's endpoint
/// that page says that there is no guarantee.
const GUARANTEED: [&str; 11] = [
    "asia-northeast1",
    "asia-northeast3",
    "asia-south1",
    "asia-southeast1",
    "australia-southeast1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west9",
    "northamerica-northeast1",
    "southamerica-east1",
];

/// Where the page promises that calls are processed; what it does not promise may be anywhere.
fn processing(settings: &AccountSettings, _model: &UpstreamModel) -> Processing {
    match settings.option("location").unwrap_or(LOCATION) {
        span if SPANS.contains(&span) => Processing::In([span.to_ascii_uppercase()].into()),
        region if GUARANTEED.contains(&region) => Processing::In([region.to_owned()].into()),
        _ => Processing::Anywhere,
    }
}

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let google = Google::new(
        GoogleSettings {
            access_token: settings.secret("access_token").or_else(|| settings.api_key.clone()),
            credentials_file: settings.option("credentials_file").map(PathBuf::from),
            project: settings.option("project").map(str::to_owned),
        },
        settings.environment.clone(),
    );
    let project = google
        .written_project()
        .ok_or_else(|| BuildError("a provider of kind `vertex` needs a `project`".to_owned()))?;
    let location = settings.option("location").unwrap_or(LOCATION);
    let version = settings.option("api_version").unwrap_or(VERSION);
    let origin = settings.base_url.clone().unwrap_or_else(|| origin(location));
    let parts = [version, &project, location].map(paths::escaped);
    let [version, project, location] = parts.each_ref().map(|part| part.replace('/', "%2F"));
    let checked = |path: &str| {
        Target::new(&origin, path).map_err(|error| BuildError(format!("`base_url`: {error}")))
    };
    let base = checked(&format!("/{version}/projects/{project}/locations/{location}"))?;
    let service = Vertex {
        base: base.as_str().to_owned(),
        // Publishers' models are listed by the beta alone.
        models: checked("/v1beta1/publishers/google/models")?,
    };
    let authorise = google.authorise("vertex").map_err(BuildError)?;
    http_adapter::build(settings, &Auth::Each(authorise), service)
}

fn origin(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        span if SPANS.contains(&span) => format!("https://aiplatform.{span}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// The method of a chat with Claude.
fn claudes_method(stream: bool) -> &'static str {
    if stream { "streamRawPredict" } else { "rawPredict" }
}

/// Whose model it is. Claude's need not be named in full.
fn publisher(model: &str) -> &str {
    match model.strip_prefix("publishers/").and_then(|rest| rest.split('/').next()) {
        Some(publisher) => publisher,
        None if model.starts_with("claude-") => "anthropic",
        None => "google",
    }
}

// === impl Vertex ===

impl Vertex {
    fn url(&self, model: &UpstreamModel, method: &str) -> Result<String, Failure> {
        let name = paths::segments(model)?;
        // What is named in full, such as an endpoint of one's own, stands as it is.
        let folder = match publisher(model.as_str()) {
            _ if name.contains('/') => String::new(),
            publisher => format!("publishers/{publisher}/models/"),
        };
        Ok(format!("{}/{folder}{name}:{method}", self.base))
    }
}

impl Service for Vertex {
    /// Messages for Claude pass as they are.
    fn relay(
        &self,
        request: &Request,
        model: &UpstreamModel,
    ) -> Option<Route<'_, dyn RelayDialect>> {
        if publisher(model.as_str()) != "anthropic" || !AnthropicRelay::takes(request) {
            return None;
        }
        let url = match request.operation {
            Operation::CountTokens => self.url(&CLAUDE_COUNTER.into(), "rawPredict"),
            _ => self.url(model, claudes_method(request.stream)),
        };
        // A name that cannot be is complained of on the other way.
        Some(Route { target: target(&url.ok()?).ok()?, dialect: &CLAUDE_RELAY })
    }

    fn chat(
        &self,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        let (method, dialect): (_, &dyn ChatDialect) = match publisher(model.as_str()) {
            "google" => (method(stream), &CHAT),
            "anthropic" => (claudes_method(stream), &CLAUDE),
            _ => return Err(unserved("chat", model)),
        };
        Ok(Route { target: target(&self.url(model, method)?)?, dialect })
    }

    fn embedding(&self, model: &UpstreamModel) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        self.embeddings(model, 1)
    }

    /// The text embedding models are asked by `predict`; Gemini's by `embedContent`, except the first,
    /// which knows both and takes several texts only there.
    fn embeddings(
        &self,
        model: &UpstreamModel,
        count: usize,
    ) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        let name = model.as_str();
        let gemini = name.contains("gemini");
        let first = name.contains("gemini-embedding-001") || name.contains("gemini-embedding-exp");
        let (method, dialect): (_, &dyn EmbeddingDialect) = match count {
            _ if !gemini => ("predict", &PredictEmbeddings),
            0 | 1 if first => ("predict", &PredictEmbeddings),
            0 | 1 => ("embedContent", &SingleEmbedding),
            _ => ("batchEmbedContents", &BATCH),
        };
        Ok(Route { target: target(&self.url(model, method)?)?, dialect })
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_does_not_promise_may_be_anywhere() {
        let at = |location: &str| {
            let settings = AccountSettings {
                options: [("location", location.into())].into(),
                ..AccountSettings::new(&VERTEX)
            };
            processing(&settings, &"gemini-2.5-flash".into())
        };
        for (location, within) in [("eu", "EU"), ("us", "US"), ("europe-west3", "europe-west3")] {
            assert_eq!(at(location), Processing::In([within.to_owned()].into()));
        }
        for location in ["global", "me-west1", "africa-south1", "us-central1", "a-new-region1"] {
            assert_eq!(at(location), Processing::Anywhere, "{location}");
        }
        let none = AccountSettings::new(&VERTEX);
        assert_eq!(processing(&none, &"gemini-2.5-flash".into()), Processing::Anywhere);
        assert!(
            GUARANTEED.iter().all(|region| isthmus_inference::place::country(region).is_some())
        );
    }

    #[test]
    fn each_location_has_its_host() {
        for (location, host) in [
            ("global", "https://aiplatform.googleapis.com"),
            ("eu", "https://aiplatform.eu.rep.googleapis.com"),
            ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ] {
            assert_eq!(origin(location), host);
        }
    }
}
