//! What one kind of provider is asked for: where, and in which language.

use std::borrow::Cow;

use http::HeaderMap;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};

use crate::dialect::{ChatDialect, EmbeddingDialect, RelayDialect};
use crate::http_client::Target;

/// An account's services. A provider says in it which paths it has and which dialects it speaks there;
/// `http_adapter` does the rest.
pub(crate) trait Service: Send + Sync + 'static {
    /// Where this request goes if the provider speaks the caller's own language; asked first.
    fn relay(
        &self,
        _request: &Request,
        _model: &UpstreamModel,
    ) -> Option<Route<'_, dyn RelayDialect>> {
        None
    }

    /// Where chats with this model go.
    fn chat(
        &self,
        model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        Err(unserved("chat", model))
    }

    /// Where chats go whose last turn is to be gone on with, if that is elsewhere.
    fn continuation(
        &self,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        self.chat(model, stream)
    }

    /// Where embeddings of this model are made.
    fn embedding(&self, model: &UpstreamModel) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        Err(unserved("embeddings", model))
    }

    /// Headers of every call beside the credential's; the operator's own win over them.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// Where so many embeddings are made at once, if that is elsewhere.
    fn embeddings(
        &self,
        model: &UpstreamModel,
        _count: usize,
    ) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        self.embedding(model)
    }

    /// Where the account's models are listed, and how the answer is read.
    fn models(&self) -> Option<Listing>;
}

/// Where to send, and in which language.
pub(crate) struct Route<'s, D: ?Sized> {
    /// The URL.
    pub(crate) target: Cow<'s, Target>,
    /// The language.
    pub(crate) dialect: &'s D,
}

/// A list of models, to be had by GET.
pub(crate) struct Listing {
    /// The URL.
    pub(crate) target: Target,
    /// Reads the answer.
    pub(crate) decode: fn(&[u8]) -> Result<Vec<String>, Failure>,
}

/// This provider does not do that.
pub(crate) fn unserved(what: &str, model: &UpstreamModel) -> Failure {
    let message = format!("the provider of `{model}` does not serve {what}");
    Failure::new(Kind::Unsupported, message).with_param("model")
}

/// The word for an operation in complaints.
pub(crate) const fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Completion => "legacy completions",
        Operation::Embedding => "embeddings",
        Operation::CountTokens => "counting tokens",
    }
}
