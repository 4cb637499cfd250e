//! The engine in this process behind the same seam as every provider: [`Adapter`].

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use isthmus_adapters::adapter::{Adapter, Answer, AnswerStream, Attempt, Content, Piece, Whole};
use isthmus_adapters::dialects::caller;
use isthmus_adapters::free_text::{self, StandIns};
use isthmus_adapters::timeouts::{Deadlines, Paced};
use isthmus_adapters::tokens::Tokenizer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::{Failure, Kind, Retry};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;
use isthmus_runtime::Engine;

/// The engine, called like any provider.
pub struct Embedded {
    engine: Engine,
    /// The name of the model's file, without its extension.
    file: String,
}

impl Embedded {
    /// Puts a loaded engine behind the seam.
    pub fn new(engine: Engine, file: String) -> Arc<Self> {
        Arc::new(Self { engine, file })
    }

    /// The engine itself.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    async fn answer(&self, attempt: Attempt) -> Result<Answer, Failure> {
        self.check_model(attempt.model.as_str())?;
        let request = &attempt.request;
        match request.operation {
            Operation::Embedding => self.embed(request).await,
            Operation::Chat | Operation::Completion => {
                let mut chat = caller(request.dialect).chat(request)?;
                if let Some(beginning) = &attempt.beginning {
                    beginning.put_into(&mut chat)?;
                }
                let stand_ins = free_text::as_functions(&mut chat)?;
                self.generate(&attempt, chat, stand_ins).await
            }
            Operation::CountTokens => {
                let mut chat = caller(request.dialect).chat(request)?;
                free_text::as_functions(&mut chat)?;
                let tokens = self.engine.prompt_tokens(&chat).await?.len() as u64;
                Ok(Whole::new(Content::TokenCount(tokens), Usage::default()).into())
            }
        }
    }

    async fn generate(
        &self,
        attempt: &Attempt,
        chat: ChatRequest,
        mut stand_ins: StandIns,
    ) -> Result<Answer, Failure> {
        if !attempt.request.stream {
            let mut answer = self.engine.chat_whole(&chat).await?;
            stand_ins.turn_back(&mut answer);
            let usage = answer.usage;
            return Ok(Whole::new(Content::Chat(answer), usage).into());
        }
        // The engine has its limits of time as every endpoint has.
        let deadlines = Deadlines::from_now(&attempt.timeouts);
        let events = Paced::new(self.engine.chat(&chat).await?, deadlines);
        let done = stream::iter([Ok(Piece::Done { event: None })]);
        let told = events.flat_map(move |event| {
            let mut told = Vec::with_capacity(1);
            match event {
                Ok(event) => stand_ins.tell(event, |event| told.push(Ok(Piece::Event(event)))),
                // A failure ends the stream by itself: whoever reads it stops there.
                Err(failure) => told.push(Err(failure)),
            }
            stream::iter(told)
        });
        let pieces = told.chain(done).boxed();
        Ok(Answer::Stream(AnswerStream { pieces, upstream_request_id: None, dropped: vec![] }))
    }

    async fn embed(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.engine.embed(&caller(request.dialect).embedding(request)?).await?;
        let usage = answer.usage;
        Ok(Whole::new(Content::Embedding(answer), usage).into())
    }

    /// The engine holds one model, and answers for no other.
    fn check_model(&self, model: &str) -> Result<(), Failure> {
        let info = self.engine.info();
        let id = &info.id;
        // A file's name is the model's with the encoding behind it: `…-instruct-q4_1`.
        let heads_file = |rest: &str| rest.is_empty() || rest.starts_with(['-', '.', '_']);
        let is_file = self.file.strip_prefix(model).is_some_and(heads_file) && !model.is_empty();
        if model == id || model == info.name || is_file {
            return Ok(());
        }
        let message = format!("the embedded engine holds `{id}`, not `{model}`");
        let failure = Failure::new(Kind::NotFound, message).with_param("model");
        Err(failure.retried(Retry::Elsewhere))
    }
}

/// The engine's own tokenizer.
struct OfEngine(Engine);

impl Tokenizer for OfEngine {
    fn count(&self, text: &str) -> u64 {
        self.0.count_tokens(text) as u64
    }
}

impl Adapter for Embedded {
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.answer(attempt).boxed()
    }

    fn continues(&self) -> bool {
        true
    }

    fn tokenizer(&self, _model: &UpstreamModel) -> Option<Arc<dyn Tokenizer>> {
        Some(Arc::new(OfEngine(self.engine.clone())))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        let id = self.engine.info().id.clone();
        async { Ok(vec![id]) }.boxed()
    }
}
