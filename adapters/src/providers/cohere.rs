//! Cohere: chat and embeddings of its v2.

use std::borrow::Cow;
use std::sync::Arc;

use isthmus_inference::capability::Capability;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;

use crate::adapter::Adapter;
use crate::dialect::{ChatDialect, EmbeddingDialect};
use crate::dialects::cohere::{CohereChat, CohereEmbed};
use crate::dialects::openai_models::decode_models;
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::providers::table::hosted;
use crate::registry::{About, BuildError, Provider};
use crate::service::{Listing, Route, Service};
use crate::settings::AccountSettings;

/// Cohere. The base URL is the origin; `CO_API_KEY` and `CO_API_URL` are the names in the vendor's own
/// SDK.
pub static COHERE: Provider = Provider {
    base_url_variable: Some("CO_API_URL"),
    about: About {
        dialects: &["Cohere v2"],
        relays: &[],
        capabilities: &[
            Capability::Chat,
            Capability::Embeddings,
            Capability::Tools,
            Capability::Vision,
            Capability::JsonSchema,
            Capability::Logprobs,
            Capability::Reasoning,
            Capability::Documents,
        ],
        limits: &[
            "Log-probabilities without alternatives (`top_logprobs`), by the piece of text, which may be \
             several tokens.",
            "No more than one answer to a request, no legacy completions.",
            "Documents are text; where the answer is to be JSON they stand in the conversation, and \
             nothing is cited from them.",
            "Usage is what is billed, which leaves out the vendor's own preamble.",
        ],
        ..About::OPENAI
    },
    build,
    ..hosted("cohere", "Cohere", "https://api.cohere.com", &["CO_API_KEY", "COHERE_API_KEY"])
};

/// The paths of one account.
struct Cohere {
    chat: Target,
    embed: Target,
    models: Target,
}

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let service = Cohere {
        chat: settings.target("/v2/chat")?,
        embed: settings.target("/v2/embed")?,
        // The list comes in pages; the largest holds all models that there are.
        models: settings.target("/v1/models")?.with_query("page_size", "1000"),
    };
    http_adapter::build(settings, &Auth::Bearer, service)
}

impl Service for Cohere {
    fn chat(
        &self,
        _model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        Ok(Route { target: Cow::Borrowed(&self.chat), dialect: &CohereChat })
    }

    fn embedding(
        &self,
        _model: &UpstreamModel,
    ) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        Ok(Route { target: Cow::Borrowed(&self.embed), dialect: &CohereEmbed })
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: decode_models })
    }
}
