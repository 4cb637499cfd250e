//! What stands behind [`crate::Engine`] in a build without an engine: nothing, provably. The type
//! has no values, so no method of it is ever reached.

use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::Failure;
use tokio::sync::oneshot;

use crate::{EngineSettings, EventStream, LoadError, LoadState, ModelInfo};

pub(crate) enum Backing {}

impl Backing {
    pub(crate) fn load(_: &EngineSettings) -> Result<Self, LoadError> {
        Err(LoadError::NoEngine)
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        match *self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }

    pub(crate) fn load_state(&self) -> LoadState {
        match *self {}
    }

    pub(crate) fn chat(&self, _: &ChatRequest) -> Result<EventStream, Failure> {
        match *self {}
    }

    pub(crate) fn score(&self, _: &Prompt, _: usize, _: u8) -> Result<EventStream, Failure> {
        match *self {}
    }

    pub(crate) fn embed(&self, _: &EmbeddingRequest) -> Result<PendingVectors, Failure> {
        match *self {}
    }

    pub(crate) fn tokenize(&self, _: &str) -> Vec<u32> {
        match *self {}
    }

    pub(crate) fn prompt_tokens(&self, _: &ChatRequest) -> Result<Vec<u32>, Failure> {
        match *self {}
    }
}

type PendingVectors = oneshot::Receiver<Result<EmbeddingAnswer, Failure>>;

#[cfg(test)]
mod tests {
    use crate::{Engine, EngineSettings, LoadError};

    #[test]
    fn a_build_without_an_engine_says_so() {
        let refusal = Engine::load(&EngineSettings::new("any.gguf")).err().unwrap();
        assert!(matches!(refusal, LoadError::NoEngine));
        assert!(refusal.to_string().contains("--features embedded"), "{refusal}");
    }
}
