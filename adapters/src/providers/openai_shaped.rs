//! An account at a provider that speaks OpenAI's language: its paths and its quirks.

use std::borrow::Cow;
use std::sync::Arc;

use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};

use crate::adapter::Adapter;
use isthmus_inference::failure::Failure;

use crate::dialect::{ChatDialect, RelayDialect};
use crate::dialects::openai::OpenAiRelay;
use crate::dialects::openai_models::decode_models;
use crate::dialects::openai_provider::{OpenAiChat, Style};
use crate::dialects::openai_request::Quirks;
use crate::dialects::responses::{self, ResponsesChat, ResponsesRelay};
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::registry::BuildError;
use crate::service::{Listing, Route, Service};
use crate::settings::AccountSettings;

/// How one provider's OpenAI-shaped API differs from the usual.
#[derive(Clone)]
pub struct Wire {
    /// How the credential is shown.
    pub auth: Auth,
    /// What is appended to the base URL for the list of models.
    pub models_path: &'static str,
    /// What is appended to the base URL for embeddings.
    pub embeddings_path: &'static str,
    /// What must be sent otherwise than the caller wrote it.
    pub quirks: Quirks,
    /// Whether callers and the provider understand each other's chats as they are. Where not, they
    /// are written anew like those of callers who speak another language.
    pub relays_chat: bool,
    /// How chats are written anew.
    pub style: Style,
    /// Whether it has Responses too.
    pub responses: bool,
    /// What is appended to the base URL where a turn is to be gone on with, if that is a path of its
    /// own.
    pub continuation_path: Option<&'static str>,
}

/// The paths of one account, parsed once.
struct OpenAiShaped {
    chat: Target,
    completions: Target,
    embeddings: Target,
    models: Target,
    relay: OpenAiRelay,
    relays_chat: bool,
    dialect: OpenAiChat,
    responses: Option<Target>,
    continuation: Option<Target>,
}

/// Makes the adapter of an account at a provider with this wire.
pub fn build(settings: &AccountSettings, wire: &Wire) -> Result<Arc<dyn Adapter>, BuildError> {
    let service = OpenAiShaped {
        chat: settings.target("/chat/completions")?,
        completions: settings.target("/completions")?,
        embeddings: settings.target(wire.embeddings_path)?,
        models: settings.target(wire.models_path)?,
        relay: OpenAiRelay { quirks: wire.quirks },
        relays_chat: wire.relays_chat,
        dialect: OpenAiChat { style: wire.style },
        responses: wire.responses.then(|| settings.target("/responses")).transpose()?,
        continuation: wire.continuation_path.map(|path| settings.target(path)).transpose()?,
    };
    http_adapter::build(settings, &wire.auth, service)
}

impl OpenAiShaped {
    /// Where chats with this model go if it speaks Responses alone.
    fn through_responses(&self, model: &UpstreamModel) -> Option<&Target> {
        let only = self.dialect.style.openai_models && responses::only(model.as_str());
        self.responses.as_ref().filter(|_| only)
    }
}

impl Service for OpenAiShaped {
    fn relay(
        &self,
        request: &Request,
        model: &UpstreamModel,
    ) -> Option<Route<'_, dyn RelayDialect>> {
        match request.dialect {
            Dialect::OpenAi => {}
            Dialect::Responses => {
                let target = Cow::Borrowed(self.responses.as_ref()?);
                return Some(Route { target, dialect: &ResponsesRelay });
            }
            Dialect::Anthropic => return None,
        }
        let target = match request.operation {
            // Who asks in chat completions for a model without them is answered nevertheless.
            Operation::Chat if self.through_responses(model).is_some() => return None,
            Operation::Chat if self.relays_chat => &self.chat,
            Operation::Completion if self.relays_chat => &self.completions,
            Operation::Chat | Operation::Completion => return None,
            Operation::Embedding => &self.embeddings,
            Operation::CountTokens => return None,
        };
        Some(Route { target: Cow::Borrowed(target), dialect: &self.relay })
    }

    fn chat(
        &self,
        model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        if let Some(target) = self.through_responses(model) {
            return Ok(Route { target: Cow::Borrowed(target), dialect: &ResponsesChat });
        }
        Ok(Route { target: Cow::Borrowed(&self.chat), dialect: &self.dialect })
    }

    fn continuation(
        &self,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        match &self.continuation {
            Some(target) => Ok(Route { target: Cow::Borrowed(target), dialect: &self.dialect }),
            None => self.chat(model, stream),
        }
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: decode_models })
    }
}
