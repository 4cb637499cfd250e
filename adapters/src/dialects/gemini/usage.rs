//! Gemini's counts, taken apart into disjoint buckets.
//!
//! `promptTokenCount` has the cached ones in it and not what tools brought in; `candidatesTokenCount`
//! has no thoughts in it; `totalTokenCount` is the sum of prompt, tools, candidates and thoughts
//! (`GenerateContentResponseUsageMetadata` in the discovery document).

use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};

use super::wire::{ModalityCount, UsageMetadata};

/// The counts of an answer, which a stream tells over and over, sometimes in parts.
#[derive(Default)]
pub(super) struct Counts(UsageMetadata);

impl Counts {
    /// Takes in what was told last; what it leaves out stays as it was.
    pub(super) fn update(&mut self, told: UsageMetadata) {
        let known = std::mem::take(&mut self.0);
        self.0 = UsageMetadata {
            prompt_token_count: told.prompt_token_count.or(known.prompt_token_count),
            cached_content_token_count: told
                .cached_content_token_count
                .or(known.cached_content_token_count),
            tool_use_prompt_token_count: told
                .tool_use_prompt_token_count
                .or(known.tool_use_prompt_token_count),
            candidates_token_count: told.candidates_token_count.or(known.candidates_token_count),
            thoughts_token_count: told.thoughts_token_count.or(known.thoughts_token_count),
            total_token_count: told.total_token_count.or(known.total_token_count),
            prompt_tokens_details: told.prompt_tokens_details.or(known.prompt_tokens_details),
            cache_tokens_details: told.cache_tokens_details.or(known.cache_tokens_details),
            candidates_tokens_details: told
                .candidates_tokens_details
                .or(known.candidates_tokens_details),
            service_tier: told.service_tier.or(known.service_tier),
            traffic_type: told.traffic_type.or(known.traffic_type),
        };
    }

    /// The counts in buckets, or `None` if nothing was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        let told = &self.0;
        if told.prompt_token_count.is_none() && told.total_token_count.is_none() {
            return None;
        }
        let count = |told: Option<u32>| u64::from(told.unwrap_or(0));
        let prompt = count(told.prompt_token_count);
        let tools = count(told.tool_use_prompt_token_count);
        let cache_read = count(told.cached_content_token_count).min(prompt);
        // What of these kinds came from the cache is counted there.
        let fresh = |modality| {
            let all = of(modality, &told.prompt_tokens_details);
            all.saturating_sub(of(modality, &told.cache_tokens_details))
        };
        let room = prompt - cache_read;
        let audio_input = fresh("AUDIO").min(room);
        let image_input = fresh("IMAGE").min(room - audio_input);
        let candidates = count(told.candidates_token_count);
        let audio_output = of("AUDIO", &told.candidates_tokens_details).min(candidates);
        let mut usage = Usage {
            uncached_input: room - audio_input - image_input + tools,
            cache_read,
            audio_input,
            image_input,
            text_output: candidates - audio_output,
            reasoning_output: count(told.thoughts_token_count),
            audio_output,
            tier: tier(told),
            source: Source::Reported,
            ..Usage::default()
        };
        usage.unexplained =
            count(told.total_token_count).saturating_sub(usage.input() + usage.output());
        Some(usage)
    }
}

/// The tier: `flex` in the Gemini API, `ON_DEMAND_FLEX` on Vertex.
fn tier(told: &UsageMetadata) -> Option<Tier> {
    let word = told.service_tier.as_deref().or(told.traffic_type.as_deref())?.to_ascii_lowercase();
    Tier::named(word.strip_prefix("on_demand_").unwrap_or(&word))
}

/// How many tokens are of this kind.
fn of(modality: &str, counts: &Option<Vec<ModalityCount>>) -> u64 {
    let counts = counts.iter().flatten();
    counts
        .filter(|count| count.modality.as_deref() == Some(modality))
        .filter_map(|count| count.token_count.map(u64::from))
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(told: serde_json::Value) -> Option<Usage> {
        let mut counts = Counts::default();
        counts.update(serde_json::from_value(told).unwrap());
        counts.usage()
    }

    #[test]
    fn every_token_is_in_one_bucket() {
        let told = json!({
            "promptTokenCount": 100, "cachedContentTokenCount": 40, "toolUsePromptTokenCount": 7,
            "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 135,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 50}, {"modality": "AUDIO", "tokenCount": 20},
                {"modality": "IMAGE", "tokenCount": 30}],
            "cacheTokensDetails": [
                {"modality": "TEXT", "tokenCount": 30}, {"modality": "IMAGE", "tokenCount": 10}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 12}]
        });
        let expected = Usage {
            uncached_input: 27,
            cache_read: 40,
            audio_input: 20,
            image_input: 20,
            text_output: 8,
            reasoning_output: 5,
            audio_output: 12,
            unexplained: 3,
            ..Usage::default()
        };
        assert_eq!(usage(told), Some(expected));
        assert_eq!(expected.total(), 135);
    }

    #[test]
    fn odd_counts_do_not_wrap_around() {
        let told = json!({"promptTokenCount": 1, "cachedContentTokenCount": 9,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 99}]});
        assert_eq!(usage(told).unwrap().input(), 1);
        assert_eq!(usage(json!({"trafficType": "ON_DEMAND"})), None);
    }

    #[test]
    fn a_later_count_leaves_what_it_does_not_mention() {
        let mut counts = Counts::default();
        for told in [
            json!({"promptTokenCount": 4, "totalTokenCount": 4}),
            json!({"candidatesTokenCount": 2, "totalTokenCount": 6}),
            json!({"trafficType": "ON_DEMAND"}),
        ] {
            counts.update(serde_json::from_value(told).unwrap());
        }
        let usage = counts.usage().unwrap();
        assert_eq!((usage.input(), usage.output(), usage.unexplained), (4, 2, 0));
        assert_eq!(usage.tier, Some(Tier::Standard));
    }

    #[test]
    fn a_tier_is_told_in_two_languages() {
        for (told, expected) in [
            (json!({"promptTokenCount": 1, "serviceTier": "flex"}), Some(Tier::Flex)),
            (
                json!({"promptTokenCount": 1, "trafficType": "ON_DEMAND_PRIORITY"}),
                Some(Tier::Priority),
            ),
            (json!({"promptTokenCount": 1, "trafficType": "ON_DEMAND"}), Some(Tier::Standard)),
            (json!({"promptTokenCount": 1, "serviceTier": "standard"}), Some(Tier::Standard)),
            (json!({"promptTokenCount": 1, "trafficType": "PROVISIONED_THROUGHPUT"}), None),
        ] {
            assert_eq!(usage(told).unwrap().tier, expected);
        }
    }
}
