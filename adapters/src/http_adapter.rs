//! An account that is reached over HTTP: what its [`Service`] says, done.
//!
//! Relayed where the provider speaks the caller's language; else decoded to the neutral form, and
//! written in the provider's own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::Method;
use isthmus_inference::chat::Prompt;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;

use crate::adapter::{Adapter, Answer, AnswerStream, Attempt, Content, Timeouts, Whole};
use crate::dialect::{Encoded, Refused, RelayDialect, Watch};
use crate::dialects::{caller, openai_error};
use crate::free_text::{self, StandIns};
use crate::registry::BuildError;
use crate::service::{Listing, Route, Service, word};
use crate::settings::AccountSettings;
use crate::timeouts::{Deadlines, Paced};
use crate::tokens::{self, nearest};

mod decoding;
mod embedding;
mod line;
mod media;
mod pieces;
mod secrets;

pub(crate) use line::{Auth, Line, Outgoing, collect};
pub(crate) use media::HOSTS as MEDIA_HOSTS;

use decoding::Decoding;
use media::Fetcher;
use pieces::Pieces;

/// One account, ready to be called.
struct HttpAdapter<S> {
    service: S,
    line: Line,
    media: Fetcher,
}

/// A list of models is asked for on the operator's behalf, without an attempt's limits.
pub(crate) const LISTING: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(15),
    between_chunks: Duration::from_secs(15),
    total: Duration::from_secs(30),
};

/// Makes the adapter of an account with these services.
pub(crate) fn build(
    settings: &AccountSettings,
    auth: &Auth,
    service: impl Service,
) -> Result<Arc<dyn Adapter>, BuildError> {
    let line = Line::new(settings, auth, service.headers())?;
    Ok(Arc::new(HttpAdapter { service, line, media: Fetcher::new(settings) }))
}

// === impl HttpAdapter ===

impl<S: Service> Adapter for HttpAdapter<S> {
    /// Each way of answering is boxed by itself: a future is as large as its largest branch, and is moved
    /// whole.
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        let request = &attempt.request;
        if attempt.beginning.is_none()
            && let Some(route) = self.service.relay(request, &attempt.model)
        {
            return self.relay(route, attempt).boxed();
        }
        match request.operation {
            Operation::Chat | Operation::Completion => self.chat(attempt).boxed(),
            Operation::Embedding => self.embed(attempt).boxed(),
            Operation::CountTokens => self.count(attempt).boxed(),
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        self.list().boxed()
    }
}

impl<S: Service> HttpAdapter<S> {
    /// Nobody is asked: the model's own tokenizer counts, or else the one that comes nearest.
    async fn count(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let request = &attempt.request;
        let tokenizer = self.tokenizer(&attempt.model).unwrap_or_else(|| Arc::new(nearest()));
        // What cannot be read in full is estimated as a whole.
        let tokens = match tokens::count(Arc::clone(request), tokenizer).await {
            Ok(text) => text + request.outline.encoded.tokens,
            Err(_) => request.rough_tokens(),
        };
        Ok(Whole::new(Content::TokenCount(tokens), Usage::default()).into())
    }

    async fn list(&self) -> Result<Vec<String>, Failure> {
        let Some(Listing { target, decode }) = self.service.models() else {
            let message = "this provider lists no models";
            return Err(Failure::new(Kind::Unsupported, message));
        };
        let deadlines = Deadlines::from_now(&LISTING);
        let (method, encoded) = (Method::GET, Encoded::default());
        let outgoing = Outgoing { method, target: &target, encoded, limits: &LISTING, deadlines };
        let told = self.line.whole(outgoing, openai_error::from_response).await?;
        decode(&told.body)
    }

    // === the same language on both sides ===

    async fn relay(
        &self,
        route: Route<'_, dyn RelayDialect>,
        attempt: Attempt,
    ) -> Result<Answer, Failure> {
        let (request, dialect) = (&attempt.request, route.dialect);
        let limits = limits(&attempt);
        let encoded = dialect.rewrite(request, &attempt.model)?;
        let outgoing = Outgoing::post(&route.target, encoded, &limits);
        let refused = |refused: Refused<'_>| dialect.failure(refused);
        if request.stream {
            let watch = dialect.watch(request);
            return self.stream(outgoing, watch, &refused, vec![]).await.map(Answer::Stream);
        }
        let told = self.line.whole(outgoing, refused).await?;
        let usage = dialect.usage(request, &told.body).map_err(|failure| self.struck(failure))?;
        let usage = usage.unwrap_or_else(|| estimate(request, told.body.len()));
        let whole = Whole::new(Content::Relay(told.body), usage);
        Ok(Whole { upstream_request_id: told.request_id, ..whole }.into())
    }

    // === another language ===

    async fn chat(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let request = &attempt.request;
        let mut chat = caller(request.dialect).chat(request)?;
        if !matches!(chat.prompt, Prompt::Messages(_)) {
            let message = format!("the provider does not serve {}", word(request.operation));
            return Err(Failure::new(Kind::Unsupported, message).with_param("model"));
        }
        if let Some(beginning) = &attempt.beginning {
            beginning.put_into(&mut chat)?;
        }
        let route = if chat.continued {
            self.service.continuation(&attempt.model, request.stream)?
        } else {
            self.service.chat(&attempt.model, request.stream)?
        };
        let thinks = if attempt.reasons { route.dialect.of_reasoning_model() } else { None };
        let dialect = thinks.unwrap_or(route.dialect);
        if chat.continued && !dialect.continues(&chat, &attempt.model) {
            let message = format!("`{}` does not go on with what another began", attempt.model);
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let stand_ins = match dialect.takes_free_text() {
            true => StandIns::default(),
            false => free_text::as_functions(&mut chat)?,
        };
        let _room = self.media.inline(&mut chat, dialect, attempt.timeouts.total).await?;
        let mut encoded = dialect.encode(&chat, &attempt.model, request.stream)?;
        let dropped = allowed(std::mem::take(&mut encoded.dropped), chat.require_parameters)?;
        let format_tool = encoded.format_tool;
        let limits = limits(&attempt);
        let outgoing = Outgoing::post(&route.target, encoded, &limits);
        let refused = |refused: Refused<'_>| dialect.failure(refused);
        if request.stream {
            let asked = request.rough_tokens();
            let watch = Decoding::new(dialect.decoder_for(&chat), format_tool, stand_ins, asked);
            let watch = Box::new(watch);
            return self.stream(outgoing, watch, &refused, dropped).await.map(Answer::Stream);
        }
        let told = self.line.whole(outgoing, refused).await?;
        let mut answer = dialect.decode(&told.body).map_err(|failure| self.struck(failure))?;
        decoding::unwrap_format(&mut answer, format_tool);
        stand_ins.turn_back(&mut answer);
        answer.usage = answer.usage.with_asked(request.rough_tokens());
        let (usage, content) = (answer.usage, Content::Chat(answer));
        let upstream_request_id = told.request_id;
        Ok(Whole { content, usage, upstream_request_id, dropped }.into())
    }

    /// Calls, and watches the answer while it streams.
    async fn stream(
        &self,
        outgoing: Outgoing<'_>,
        watch: Box<dyn Watch>,
        refused: &(dyn Fn(Refused<'_>) -> Failure + Sync),
        dropped: Vec<String>,
    ) -> Result<AnswerStream, Failure> {
        let deadlines = outgoing.deadlines;
        let (body, upstream_request_id) = self.line.stream(outgoing, refused).await?;
        let pieces = Pieces::new(Paced::new(body, deadlines), watch, self.line.secrets());
        Ok(AnswerStream { pieces: pieces.boxed(), upstream_request_id, dropped })
    }

    fn struck(&self, failure: Failure) -> Failure {
        self.line.secrets().strike_failure(failure)
    }
}

/// The names of fields that were left out, unless the caller insists on all of them.
pub(crate) fn allowed(dropped: Vec<String>, all_required: bool) -> Result<Vec<String>, Failure> {
    match dropped.first() {
        Some(first) if all_required => {
            let names = dropped.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let message = format!(
                "the endpoint does not know {}, and `provider.require_parameters` is set",
                names.join(", ")
            );
            Err(Failure::new(Kind::Unsupported, message).with_param(first))
        }
        _ => Ok(dropped),
    }
}

/// How long the phases of an attempt may take. A whole answer begins only when all of it is written,
/// so it may take as long to begin as to end.
fn limits(attempt: &Attempt) -> Timeouts {
    let limits = attempt.timeouts;
    if attempt.request.stream { limits } else { Timeouts { first_byte: limits.total, ..limits } }
}

/// A rough count for an answer that tells none. Vectors are no tokens.
fn estimate(request: &Request, answer: usize) -> Usage {
    let output = if request.operation == Operation::Embedding { 0 } else { answer };
    Usage::of_answer(output).with_asked(request.rough_tokens())
}
