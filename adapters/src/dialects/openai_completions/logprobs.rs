//! The log-probabilities of legacy completions: parallel lists instead of one list of tokens.

use isthmus_inference::chat::TokenLogprob;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::dialects::openai_answer::finite;

/// Four lists with one item for each token.
#[derive(Serialize)]
pub(crate) struct LogprobsOut {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<Map<String, Value>>,
    /// Where each token begins in the text, in characters.
    text_offset: Vec<usize>,
}

impl LogprobsOut {
    /// The lists, or `None` if there are no tokens to list. `offset` counts the characters of all
    /// that came before, and is moved on.
    pub(crate) fn of(tokens: &[TokenLogprob], offset: &mut usize) -> Option<Self> {
        if tokens.is_empty() {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut out = Self {
            tokens: Vec::with_capacity(tokens.len()),
            token_logprobs: Vec::with_capacity(tokens.len()),
            top_logprobs: Vec::with_capacity(tokens.len()),
            text_offset: Vec::with_capacity(tokens.len()),
        };
        for token in tokens {
            let top = token.top.iter();
            out.tokens.push(text(&token.bytes));
            out.token_logprobs.push(finite(token.logprob));
            out.top_logprobs
                .push(top.map(|(bytes, logprob)| (text(bytes), finite(*logprob).into())).collect());
            out.text_offset.push(*offset);
            *offset += characters(&token.bytes);
        }
        Some(out)
    }
}

/// How many characters begin in these bytes, which may hold only a part of one.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}
