//! The handle on a loaded model: cheap to clone, safe to share.
//!
//! Nothing here computes. Preparing a request (template, tokens, grammar) runs on tokio's blocking
//! threads, because a long prompt takes milliseconds; computing runs on the engine's own thread.

use std::sync::Arc;

use futures_util::StreamExt;
use isthmus_inference::answer::{ChatAnswer, TokenLogprob};
use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::Fold;
use isthmus_inference::usage::Usage;

use crate::{Backing, EngineSettings, EventStream, LoadError, LoadState, ModelInfo};

/// A model in memory and the thread that computes with it. When the last handle is dropped, the
/// answers in the making are finished and the thread ends.
#[derive(Clone)]
pub struct Engine {
    backing: Arc<Backing>,
}

/// How likely given tokens were.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// One for each token from the place that was asked for.
    pub logprobs: Vec<TokenLogprob>,
    /// What it took; nothing is generated.
    pub usage: Usage,
}

// === impl Engine ===

impl Engine {
    /// Loads a model; blocks until it can answer, which takes about half a second for 100 MB, and
    /// longer once where a Q8_0 copy is made.
    pub fn load(settings: &EngineSettings) -> Result<Self, LoadError> {
        Ok(Self { backing: Arc::new(Backing::load(settings)?) })
    }

    /// Ends the engine's thread at its next step and waits for it. Answers in the making are cut,
    /// and requests that come later are refused. To be called before the process ends: a thread
    /// that still computes while the program's static objects are taken down may crash it.
    ///
    /// Blocks for one step, which takes well below a second; calling it twice does no harm.
    pub fn stop(&self) {
        self.backing.stop();
    }

    /// What was loaded.
    pub fn info(&self) -> &ModelInfo {
        self.backing.info()
    }

    /// How busy it is.
    pub fn load_state(&self) -> LoadState {
        self.backing.load_state()
    }

    /// Begins an answer.
    ///
    /// Fails at once with [`Kind::ContextLength`] if the prompt, or the prompt and an explicit
    /// `max_tokens` together, do not fit the context window; without `max_tokens` an answer may
    /// fill the rest of the window. Fails with [`Kind::Overloaded`] if too many requests wait.
    /// Log-probabilities are those of the model itself, before temperature, bias and penalties.
    pub async fn chat(&self, request: &ChatRequest) -> Result<EventStream, Failure> {
        let request = request.clone();
        self.blocking(move |backing| backing.chat(&request)).await
    }

    /// Begins an answer and waits for all of it.
    pub async fn chat_whole(&self, request: &ChatRequest) -> Result<ChatAnswer, Failure> {
        let mut events = self.chat(request).await?;
        let mut fold = Fold::default();
        while let Some(event) = events.next().await {
            fold.push(event?);
        }
        let model = self.info().id.as_str().into();
        fold.finish(model).ok_or_else(|| Failure::new(Kind::Internal, "the answer has no usage"))
    }

    /// The log-probabilities of the prompt's own tokens from the one at `from` (at least 1, since
    /// the first follows nothing), with the `top` likeliest tokens at each place. Nothing is
    /// generated: it costs what reading the prompt costs.
    pub async fn score(&self, prompt: &Prompt, from: usize, top: u8) -> Result<Score, Failure> {
        let prompt = prompt.clone();
        let mut events = self.blocking(move |backing| backing.score(&prompt, from, top)).await?;
        let mut fold = Fold::default();
        while let Some(event) = events.next().await {
            fold.push(event?);
        }
        let answer = fold.finish("".into());
        let answer =
            answer.ok_or_else(|| Failure::new(Kind::Internal, "the score has no usage"))?;
        let logprobs = answer.choices.into_iter().flat_map(|choice| choice.logprobs).collect();
        Ok(Score { logprobs, usage: answer.usage })
    }

    /// Turns texts into vectors of length 1. Fails with [`Kind::Unsupported`] on a model that is
    /// made for chat.
    pub async fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingAnswer, Failure> {
        let request = request.clone();
        let pending = self.blocking(move |backing| backing.embed(&request)).await?;
        pending.await.unwrap_or_else(|_| {
            Err(Failure::new(Kind::Internal, "the engine stopped before the vectors were made"))
        })
    }

    /// The tokens of a text, without any that mark its beginning or end; text that spells a
    /// control token stays text.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.backing.tokenize(text)
    }

    /// How many tokens a text has.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenize(text).len()
    }

    /// The tokens that the model would read for this request: the conversation rendered by its
    /// chat template, tools included.
    pub async fn prompt_tokens(&self, request: &ChatRequest) -> Result<Vec<u32>, Failure> {
        let request = request.clone();
        self.blocking(move |backing| backing.prompt_tokens(&request)).await
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Backing) -> Result<T, Failure> + Send + 'static,
    {
        let backing = self.backing.clone();
        let done = tokio::task::spawn_blocking(move || work(&backing)).await;
        done.unwrap_or_else(|panic| {
            Err(Failure::new(Kind::Internal, "the request broke the engine's preparation")
                .with_detail(panic))
        })
    }
}
