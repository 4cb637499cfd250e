//! What is known of a loaded model, and how busy it is.

/// A loaded model, as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// A name fit for URLs, such as `smollm2-135m`: `general.basename` and `general.size_label` of
    /// the file, else `general.name`, else the file's own name.
    pub id: String,
    /// `general.name`, for people.
    pub name: String,
    /// `general.architecture`, such as `llama` or `bert`.
    pub architecture: String,
    /// How the weights are written, such as `Q8_0`.
    pub quantization: String,
    /// Number of weights.
    pub parameters: u64,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u32,
    /// Tokens that a prompt and its answer may fill together.
    pub context_window: u32,
    /// Answers that are made at the same time.
    pub slots: u32,
    /// Length of the vectors if this is an embedding model, which then cannot chat.
    pub embedding_length: Option<u32>,
}

/// How busy the engine is; counters only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadState {
    /// Slots with an answer in the making.
    pub slots_busy: u64,
    /// Requests that wait for a slot.
    pub queued: u64,
    /// Tokens generated since the start.
    pub tokens_generated: u64,
    /// Prompt tokens computed since the start.
    pub prompt_tokens_computed: u64,
    /// Prompt tokens that were already held by a slot.
    pub prompt_tokens_reused: u64,
}
