//! Gemini by AI Studio's API ("Gemini Developer API"), with a key.

use std::borrow::Cow;
use std::sync::Arc;

use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use serde::Deserialize;

use crate::adapter::Adapter;
use crate::dialect::{ChatDialect, EmbeddingDialect};
use crate::dialects::gemini::{BatchEmbeddings, Flavour, GeminiChat};
use crate::dialects::openai_error::excerpt;
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::providers::paths;
use crate::providers::table::hosted;
use crate::registry::{About, BuildError, Continent, Provider, ProviderOption, Shape};
use crate::service::{Listing, Route, Service};
use crate::settings::AccountSettings;

/// Google Gemini.
pub static GEMINI: Provider = Provider {
    continent: Some(Continent::Cloud),
    domains: &["googleapis.com"],
    base_url_variable: Some("GOOGLE_GEMINI_BASE_URL"),
    options: &[
        ProviderOption {
            name: "api_version",
            variables: &[],
            shape: Shape::Text,
            help: "the API's version, `v1beta` unless said otherwise",
        },
        http_adapter::MEDIA_HOSTS,
    ],
    about: About {
        dialects: &["Gemini"],
        relays: &[],
        credential: "x-goog-api-key:",
        capabilities: CAPABILITIES,
        limits: &[
            "Media are sent along unless Google itself holds them: the gateway fetches others within \
             limits (never from its own network, but for `media_hosts`).",
            "Calls cannot be held to one at a time (`parallel_tool_calls: false`), and legacy \
             completions are not served.",
            "A schema beside functions is taken by the newer models alone.",
            "At most 8 answers to a request and 5 stop texts; how closely to look at an image \
             (`detail`) is told to Gemini 3 and later; tools of Google's own cannot be forced, nor \
             searches be held to some domains.",
            "An answer that Google stopped to be gone on with (`CONTINUATION`) ends there.",
        ],
    },
    build,
    ..hosted(
        "gemini",
        "Google Gemini (AI Studio)",
        "https://generativelanguage.googleapis.com",
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    )
};

/// What Gemini can carry.
pub(super) const CAPABILITIES: &[Capability] = &[
    Capability::Chat,
    Capability::Embeddings,
    Capability::Tools,
    Capability::Vision,
    Capability::JsonSchema,
    Capability::Logprobs,
    Capability::Reasoning,
    Capability::Audio,
    Capability::Documents,
];

/// JSON Schemas and thinking are in this version alone.
const VERSION: &str = "v1beta";
const CHAT: GeminiChat = GeminiChat { flavour: Flavour::Studio };
const EMBEDDINGS: BatchEmbeddings = BatchEmbeddings { flavour: Flavour::Studio };

/// One account.
struct Gemini {
    /// The origin with the version behind it.
    base: String,
    models: Target,
}

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let version = paths::escaped(settings.option("api_version").unwrap_or(VERSION));
    let base = settings.target(&format!("/{version}"))?.as_str().to_owned();
    let models = Target::exactly(&format!("{base}/models?pageSize=1000")).map_err(BuildError)?;
    http_adapter::build(settings, &Auth::Header("x-goog-api-key"), Gemini { base, models })
}

impl Gemini {
    fn target(&self, model: &UpstreamModel, method: &str) -> Result<Cow<'_, Target>, Failure> {
        let name = paths::segments(model)?;
        // Tuned models have a path of their own.
        let folder = if name.contains('/') { "" } else { "models/" };
        target(&format!("{}/{folder}{name}:{method}", self.base))
    }
}

impl Service for Gemini {
    fn chat(
        &self,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        Ok(Route { target: self.target(model, method(stream))?, dialect: &CHAT })
    }

    fn embedding(&self, model: &UpstreamModel) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        Ok(Route { target: self.target(model, "batchEmbedContents")?, dialect: &EMBEDDINGS })
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: names })
    }
}

/// The method of a chat.
pub(super) fn method(stream: bool) -> &'static str {
    if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
}

/// A URL that was made of a base that was checked and of an escaped path.
pub(super) fn target(url: &str) -> Result<Cow<'static, Target>, Failure> {
    let target = Target::exactly(url).map_err(|error| {
        Failure::new(Kind::Internal, "a model's address cannot be made").with_detail(error)
    })?;
    Ok(Cow::Owned(target))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(alias = "publisherModels", default)]
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
}

/// The names in Google's lists, without the folders before them.
pub(super) fn names(body: &[u8]) -> Result<Vec<String>, Failure> {
    let list: List = serde_json::from_slice(body).map_err(|error| {
        Failure::new(Kind::Malformed, "the provider's list of models cannot be read")
            .with_detail(format!("{error}; it began with {}", excerpt(body)))
    })?;
    let folders = ["models/", "publishers/google/models/"];
    let bare = |name: &str| {
        folders.iter().find_map(|folder| name.strip_prefix(folder)).unwrap_or(name).to_owned()
    };
    Ok(list.models.iter().map(|model| bare(&model.name)).collect())
}
