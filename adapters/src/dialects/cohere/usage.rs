//! What an answer took.
//!
//! Cohere counts twice: `tokens` with everything that the model saw, its own preamble included, and
//! `billed_units` with what the account is charged for. The latter is what counts here (the vendor's
//! page "How does Cohere's pricing work"); `tokens` steps in where it is missing.

use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;

/// More tokens than any answer takes. What claims more is cut, so that sums never overflow.
const MOST: f64 = (1_u64 << 48) as f64;

/// `usage` of a chat, `meta` of embeddings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    billed_units: Option<Units>,
    tokens: Option<Units>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Units {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    image_tokens: Option<f64>,
    reasoning_tokens: Option<f64>,
}

// === impl Counts ===

impl Counts {
    /// The tokens of a chat, each in one bucket; `None` if nothing was counted.
    pub(super) fn of_chat(&self) -> Option<Usage> {
        let counted = |units: &Units| units.input_tokens.is_some() || units.output_tokens.is_some();
        let units = self.billed_units.filter(counted).or(self.tokens.filter(counted))?;
        let output = whole(units.output_tokens);
        let thought = self.tokens.and_then(|tokens| tokens.reasoning_tokens);
        let reasoning_output = whole(thought).min(output);
        Some(Usage {
            uncached_input: whole(units.input_tokens),
            text_output: output - reasoning_output,
            reasoning_output,
            source: Source::Reported,
            ..Usage::default()
        })
    }

    /// The tokens of embeddings.
    pub(super) fn of_embeddings(&self) -> Option<Usage> {
        let units = self.billed_units.or(self.tokens)?;
        Some(Usage {
            uncached_input: whole(units.input_tokens),
            image_input: whole(units.image_tokens),
            source: Source::Reported,
            ..Usage::default()
        })
    }
}

/// The vendor's counts are decimal numbers.
fn whole(count: Option<f64>) -> u64 {
    count.unwrap_or(0.0).clamp(0.0, MOST) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_counts() {
        let cases = [
            (
                r#"{"billed_units":{"input_tokens":65,"output_tokens":63},"tokens":{"input_tokens":508,"output_tokens":86,"reasoning_tokens":28},"cached_tokens":144}"#,
                Some((65, 35, 28)),
            ),
            (r#"{"tokens":{"input_tokens":5.0,"output_tokens":2}}"#, Some((5, 2, 0))),
            (r#"{"billed_units":{},"tokens":{"input_tokens":5}}"#, Some((5, 0, 0))),
            (
                r#"{"billed_units":{"input_tokens":-1,"output_tokens":1e300}}"#,
                Some((0, 1 << 48, 0)),
            ),
            ("{}", None),
        ];
        for (json, expected) in cases {
            let counts: Counts = serde_json::from_str(json).unwrap();
            let found = counts.of_chat();
            let found = found.map(|of| (of.uncached_input, of.text_output, of.reasoning_output));
            assert_eq!(found, expected, "{json}");
        }
    }
}
