//! What an exchange took, and why its answer ended, in Converse's words.
//!
//! `inputTokens` leaves out what was read from the cache or written to it; `totalTokens` has all of
//! it (API reference, `TokenUsage`, and every recorded answer).

use isthmus_inference::answer::FinishReason;
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;

use crate::dialects::tiers;

/// `TokenUsage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_write_input_tokens: u64,
    /// The writes, apart by how long the cache keeps them.
    #[serde(default)]
    cache_details: Vec<CacheDetail>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    #[serde(default)]
    ttl: String,
    #[serde(default)]
    input_tokens: u64,
}

/// `ServiceTier`, beside the usage.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceTier {
    #[serde(default, deserialize_with = "tiers::named")]
    r#type: Option<Tier>,
}

/// `StopReason` (API reference, `ConverseResponse`). An output that AWS calls malformed was broken
/// off: what came of it is no whole answer.
const REASONS: [(&str, FinishReason); 9] = [
    ("end_turn", FinishReason::Stop),
    ("tool_use", FinishReason::ToolCalls),
    ("max_tokens", FinishReason::Length),
    ("stop_sequence", FinishReason::StopSequence),
    ("guardrail_intervened", FinishReason::ContentFilter),
    ("content_filtered", FinishReason::ContentFilter),
    ("malformed_model_output", FinishReason::Failed),
    ("malformed_tool_use", FinishReason::Failed),
    ("model_context_window_exceeded", FinishReason::ContextLength),
];

/// Why the answer ended. A word that is not known yet says no more than that it did.
pub(super) fn finish(word: &str) -> FinishReason {
    let known = REASONS.iter().find(|(known, _)| *known == word);
    known.map_or(FinishReason::Stop, |(_, reason)| *reason)
}

impl TokenUsage {
    /// The tokens, each in one bucket.
    pub(super) fn apart(&self, tier: Option<&ServiceTier>) -> Usage {
        let hours = self.cache_details.iter().filter(|detail| detail.ttl == "1h");
        let hour = hours.map(|detail| detail.input_tokens).sum::<u64>();
        let hour = hour.min(self.cache_write_input_tokens);
        let mut usage = Usage {
            uncached_input: self.input_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write_5m: self.cache_write_input_tokens - hour,
            cache_write_1h: hour,
            text_output: self.output_tokens,
            tier: tier.and_then(|tier| tier.r#type),
            source: Source::Reported,
            ..Usage::default()
        };
        usage.unexplained = self.total_tokens.saturating_sub(usage.total());
        usage
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_token_is_counted_once() {
        // uncached, read, written for 5 minutes, for an hour, output, unexplained
        let cases = [
            (json!({"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}), [3, 0, 0, 0, 5, 0]),
            (
                json!({"inputTokens": 3, "outputTokens": 5, "totalTokens": 30,
                    "cacheReadInputTokens": 10, "cacheWriteInputTokens": 12}),
                [3, 10, 12, 0, 5, 0],
            ),
            (
                json!({"inputTokens": 3, "outputTokens": 5, "totalTokens": 20,
                    "cacheWriteInputTokens": 12, "cacheDetails": [
                        {"ttl": "1h", "inputTokens": 9}, {"ttl": "5m", "inputTokens": 3}]}),
                [3, 0, 3, 9, 5, 0],
            ),
            // Details that say more than the whole are not believed.
            (
                json!({"inputTokens": 1, "outputTokens": 1, "totalTokens": 4,
                    "cacheWriteInputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]}),
                [1, 0, 0, 2, 1, 0],
            ),
            (json!({"inputTokens": 1, "outputTokens": 1, "totalTokens": 7}), [1, 0, 0, 0, 1, 5]),
        ];
        for (said, expected) in cases {
            let usage = serde_json::from_value::<TokenUsage>(said.clone()).unwrap().apart(None);
            let found = [
                usage.uncached_input,
                usage.cache_read,
                usage.cache_write_5m,
                usage.cache_write_1h,
                usage.text_output,
                usage.unexplained,
            ];
            assert_eq!(found, expected, "{said}");
            assert_eq!(usage.total(), said["totalTokens"].as_u64().unwrap(), "{said}");
        }
    }

    #[test]
    fn a_reason_that_is_not_known_yet_is_an_end() {
        assert_eq!(finish("guardrail_intervened"), FinishReason::ContentFilter);
        assert_eq!(finish("tired"), FinishReason::Stop);
    }
}
