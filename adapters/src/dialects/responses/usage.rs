//! What a response says that it took.

use isthmus_inference::failure::Failure;
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::malformed;
use crate::dialects::{openai_error, openai_usage, tiers};

/// `usage` of a response, with OpenAI's overlaps.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct Wire {
    input_tokens: u64,
    input_tokens_details: Option<InputDetails>,
    output_tokens: u64,
    output_tokens_details: Option<OutputDetails>,
    total_tokens: u64,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

/// The members of a response that the house reads.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "tiers::named")]
    service_tier: Option<Tier>,
}

/// The usage in a whole response; `None` if it has none. One that failed is the failure it names.
pub(super) fn read_answer(body: &[u8]) -> Result<Option<Usage>, Failure> {
    let told: Told<'_> = serde_json::from_slice(body).map_err(|error| {
        malformed("the provider's answer is not the JSON object that it should be")
            .with_detail(openai_usage::detail(&error, body))
    })?;
    if told.error.is_some() {
        return Err(openai_error::in_answer(body));
    }
    let wire = told.usage.and_then(|usage| serde_json::from_str::<Wire>(usage.get()).ok());
    Ok(wire.and_then(Wire::apart).map(|usage| Usage { tier: told.service_tier, ..usage }))
}

/// The usage in a response that was read already.
pub(super) fn of_value(response: &Value) -> Option<Usage> {
    let usage = Wire::deserialize(response.get("usage")?).ok()?.apart()?;
    Some(Usage { tier: tiers::of_value(response), ..usage })
}

impl Wire {
    pub(super) fn of(usage: &Usage) -> Self {
        let written = usage.cache_write_5m + usage.cache_write_1h;
        Self {
            input_tokens: usage.input(),
            input_tokens_details: Some(InputDetails {
                cached_tokens: Some(usage.cache_read),
                cache_write_tokens: Some(written),
            }),
            output_tokens: usage.output(),
            output_tokens_details: Some(OutputDetails {
                reasoning_tokens: Some(usage.reasoning_output),
            }),
            total_tokens: usage.total(),
        }
    }

    /// The tokens, each in one bucket; a part is never larger than its whole.
    fn apart(self) -> Option<Usage> {
        let input = self.input_tokens_details.unwrap_or_default();
        let output = self.output_tokens_details.unwrap_or_default();
        let cache_read = input.cached_tokens.unwrap_or(0).min(self.input_tokens);
        let uncached = self.input_tokens - cache_read;
        let cache_write_5m = input.cache_write_tokens.unwrap_or(0).min(uncached);
        let reasoning_output = output.reasoning_tokens.unwrap_or(0).min(self.output_tokens);
        let parts = self.input_tokens.checked_add(self.output_tokens)?;
        Some(Usage {
            uncached_input: uncached - cache_write_5m,
            cache_read,
            cache_write_5m,
            text_output: self.output_tokens - reasoning_output,
            reasoning_output,
            unexplained: self.total_tokens.saturating_sub(parts),
            source: Source::Reported,
            ..Usage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_taken_apart_and_put_together() {
        let cases = [
            (r#"{"input_tokens":9,"output_tokens":5,"total_tokens":14}"#, [9, 0, 5, 0, 0]),
            (
                r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,
                "output_tokens_details":{"reasoning_tokens":3},"total_tokens":20}"#,
                [5, 4, 2, 3, 6],
            ),
            (
                r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":99},"output_tokens":0}"#,
                [0, 9, 0, 0, 0],
            ),
        ];
        for (text, buckets) in cases {
            let body = format!(r#"{{"error":null,"usage":{text}}}"#);
            let usage = read_answer(body.as_bytes()).unwrap().unwrap();
            let found = [
                usage.uncached_input,
                usage.cache_read,
                usage.text_output,
                usage.reasoning_output,
                usage.unexplained,
            ];
            assert_eq!(found, buckets, "{text}");
            let again = serde_json::json!({ "usage": Wire::of(&usage) });
            assert_eq!(of_value(&again), Some(usage));
        }
        assert_eq!(read_answer(b"{}").unwrap(), None);
        let failed = br#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}"#;
        assert_eq!(read_answer(failed).unwrap_err().message, "m");
    }
}
