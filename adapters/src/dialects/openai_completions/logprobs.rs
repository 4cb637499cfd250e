//! The log-probabilities of legacy completions: parallel lists instead of one list of tokens.

use isthmus_inference::answer::TokenLogprob;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::dialects::openai_answer::finite;

/// Four lists with one item for each token.
#[derive(Serialize)]
pub(crate) struct LogprobsOut {
    tokens: Vec<String>,
    /// `None` where nothing came before that could have made the token likely: the first one of an
    /// echoed prompt, which OpenAI writes as null.
    token_logprobs: Vec<Option<f32>>,
    top_logprobs: Vec<Option<Map<String, Value>>>,
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
            let top = || {
                let top = token.top.iter();
                top.map(|(bytes, logprob)| (text(bytes), finite(*logprob).into())).collect()
            };
            let known = !token.logprob.is_nan();
            out.tokens.push(text(&token.bytes));
            out.token_logprobs.push(known.then(|| finite(token.logprob)));
            out.top_logprobs.push(known.then(top));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_token_of_an_echo_has_no_likelihood() {
        let token = |text: &str, logprob, top: &[(&str, f32)]| TokenLogprob {
            bytes: text.into(),
            logprob,
            top: top.iter().map(|(text, logprob)| (text.as_bytes().to_vec(), *logprob)).collect(),
        };
        let tokens = [token("a", f32::NAN, &[]), token("b", f32::NEG_INFINITY, &[("c", -0.5)])];
        let out = serde_json::to_value(LogprobsOut::of(&tokens, &mut 0)).unwrap();
        let expected = json!({
            "tokens": ["a", "b"],
            "token_logprobs": [null, -9999.0],
            "top_logprobs": [null, {"c": -0.5}],
            "text_offset": [0, 1],
        });
        assert_eq!(out, expected);
    }
}
