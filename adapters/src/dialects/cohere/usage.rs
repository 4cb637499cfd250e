//! What an answer took.
//!
//! Cohere counts twice: `tokens` with everything that the model saw, its own preamble included, and
//! `billed_units` with what the account is charged for. The latter is what counts here (the vendor's
//! page "How does Cohere's pricing work"); `tokens` steps in where it is missing. `cached_tokens` are some
//! of `tokens`, and what is billed is not less for them, so that they take nothing from the former.

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
    cached_tokens: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Units {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    image_tokens: Option<f64>,
    text_tokens: Option<f64>,
    reasoning_tokens: Option<f64>,
}

// === impl Counts ===

impl Counts {
    /// The tokens of a chat, each in one bucket; `None` if nothing was counted.
    pub(super) fn of_chat(&self) -> Option<Usage> {
        let counted = |units: &Units| units.input_tokens.is_some() || units.output_tokens.is_some();
        let billed = self.billed_units.filter(counted);
        let units = billed.or(self.tokens.filter(counted))?;
        let (input, output) = (whole(units.input_tokens), whole(units.output_tokens));
        let cached = self.cached_tokens.filter(|_| billed.is_none());
        let cache_read = whole(cached).min(input);
        let thought = self.tokens.and_then(|tokens| tokens.reasoning_tokens);
        let reasoning_output = whole(thought).min(output);
        Some(Usage {
            uncached_input: input - cache_read,
            cache_read,
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
            // Where texts are told apart, the other may hold the images too.
            uncached_input: whole(units.text_tokens.or(units.input_tokens)),
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
                Some([65, 0, 35, 28]),
            ),
            (
                r#"{"billed_units":{"input_tokens":267,"output_tokens":66},"tokens":{"input_tokens":34,"output_tokens":70,"image_tokens":259}}"#,
                Some([267, 0, 66, 0]),
            ),
            (
                r#"{"tokens":{"input_tokens":5.0,"output_tokens":2},"cached_tokens":3}"#,
                Some([2, 3, 2, 0]),
            ),
            (r#"{"billed_units":{},"tokens":{"input_tokens":5}}"#, Some([5, 0, 0, 0])),
            (
                r#"{"billed_units":{"input_tokens":-1,"output_tokens":1e300}}"#,
                Some([0, 0, 1 << 48, 0]),
            ),
            ("{}", None),
        ];
        for (json, expected) in cases {
            let counts: Counts = serde_json::from_str(json).unwrap();
            let found = counts
                .of_chat()
                .map(|of| [of.uncached_input, of.cache_read, of.text_output, of.reasoning_output]);
            assert_eq!(found, expected, "{json}");
        }
    }

    #[test]
    fn vectors_of_pictures_are_counted_apart() {
        for (units, expected) in [
            (r#"{"input_tokens":7,"image_tokens":0}"#, (7, 0)),
            (r#"{"input_tokens":12,"image_tokens":9,"text_tokens":3}"#, (3, 9)),
        ] {
            let counts: Counts =
                serde_json::from_str(&format!(r#"{{"billed_units":{units}}}"#)).unwrap();
            let usage = counts.of_embeddings().unwrap();
            assert_eq!((usage.uncached_input, usage.image_input), expected, "{units}");
        }
    }
}
