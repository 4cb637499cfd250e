//! Anthropic: Messages, in the vendor's own headers.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};

use crate::adapter::Adapter;
use crate::dialect::{ChatDialect, RelayDialect};
use crate::dialects::anthropic::{AnthropicChat, AnthropicRelay, Flavour};
use crate::dialects::openai_models::decode_models;
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::providers::table::hosted;
use crate::registry::{About, BuildError, Provider, ProviderOption, Shape};
use crate::service::{Listing, Route, Service};
use crate::settings::AccountSettings;

/// Anthropic. The base URL is the origin, as in the vendor's own SDKs.
pub static ANTHROPIC: Provider = Provider {
    base_url_variable: Some("ANTHROPIC_BASE_URL"),
    options: &[ProviderOption {
        name: "version",
        variables: &[],
        shape: Shape::Text,
        help: "the API's version, for the header `anthropic-version`; 2023-06-01 unless said",
    }],
    about: About {
        dialects: &["Anthropic Messages"],
        relays: &[Dialect::Anthropic],
        credential: "x-api-key:",
        capabilities: CAPABILITIES,
        limits: &[
            "No embeddings, no log-probabilities, no more than one answer to a request, no legacy \
             completions.",
            "Schemas go to models that obey them; elsewhere a function that must be called stands for \
             the answer's shape.",
            "Thinking is kept with its signature, and goes back only where it came from.",
            "What an advisor took, or a model that declined before a fallback, has a price of another \
             model's: these tokens are flagged as unexplained and charged like the dearest. Summaries \
             of the context (compaction) count in their buckets.",
            "An answer of `speed: fast` costs what the price's tier `ultrafast` says.",
        ],
    },
    build,
    ..hosted("anthropic", "Anthropic", "https://api.anthropic.com", &["ANTHROPIC_API_KEY"])
};

/// The API's version (the vendor's page "Versions").
const VERSION: &str = "2023-06-01";

/// What Messages can carry.
pub(super) const CAPABILITIES: &[Capability] = &[
    Capability::Chat,
    Capability::Tools,
    Capability::Vision,
    Capability::JsonSchema,
    Capability::Reasoning,
    Capability::Documents,
    Capability::Continuation,
];

/// The paths of one account.
struct Anthropic {
    messages: Target,
    count: Target,
    models: Target,
    version: HeaderValue,
}

static CHAT: AnthropicChat = AnthropicChat { flavour: Flavour::Direct };
static RELAY: AnthropicRelay = AnthropicRelay { flavour: Flavour::Direct };

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let version = settings.option("version").unwrap_or(VERSION);
    let version = HeaderValue::from_str(version)
        .map_err(|_| BuildError("`version` has characters that no header can hold".to_owned()))?;
    let service = Anthropic {
        messages: settings.target("/v1/messages")?,
        count: settings.target("/v1/messages/count_tokens")?,
        // The list comes in pages; the largest holds all models that there are.
        models: settings.target("/v1/models")?.with_query("limit", "1000"),
        version,
    };
    http_adapter::build(settings, &Auth::Header("x-api-key"), service)
}

impl Service for Anthropic {
    fn relay(
        &self,
        request: &Request,
        _model: &UpstreamModel,
    ) -> Option<Route<'_, dyn RelayDialect>> {
        if !AnthropicRelay::takes(request) {
            return None;
        }
        let target = match request.operation {
            Operation::CountTokens => &self.count,
            _ => &self.messages,
        };
        // Where the vendor's SDK asks for beta features, it says so here too.
        let target = match request.query.as_deref().and_then(beta) {
            Some(beta) => Cow::Owned(target.clone().with_query("beta", &beta)),
            None => Cow::Borrowed(target),
        };
        Some(Route { target, dialect: &RELAY })
    }

    fn chat(
        &self,
        _model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        Ok(Route { target: Cow::Borrowed(&self.messages), dialect: &CHAT })
    }

    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("anthropic-version"), self.version.clone())])
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: decode_models })
    }
}

/// The value of `beta` in a caller's query; nothing else that he writes there goes upstream.
fn beta(query: &str) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "beta").then_some(value))
}
