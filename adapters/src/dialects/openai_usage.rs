//! What an upstream says that an answer took, taken apart into disjoint buckets.
//!
//! The shapes are those of recorded answers: OpenAI counts cached, audio and reasoning tokens within
//! its totals; DeepSeek has `prompt_cache_hit_tokens`, Together and Moonshot `cached_tokens`, Mistral
//! `num_cached_tokens` at times; OpenRouter tells cache writes; Groq streams it inside `x_groq`; xAI
//! leaves reasoning out of `completion_tokens` but not out of `total_tokens`.

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::outline::Outline;
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialects::{openai_error, tiers};

/// The members of an answer, or of a chunk of one, that the house reads. All others are skipped
/// without being built.
#[derive(Deserialize)]
pub(crate) struct Told<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<InGroq<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "tiers::named")]
    service_tier: Option<Tier>,
}

#[derive(Deserialize)]
struct InGroq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    prompt_cache_hit_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    num_cached_tokens: Option<u64>,
    /// Mistral tells it here.
    #[serde(deserialize_with = "tiers::named")]
    service_tier: Option<Tier>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// The usage in a whole answer; `None` if it has none.
///
/// An answer that is no JSON object is no answer. One that holds an error instead (OpenRouter sends
/// some of those with status 200) is the failure it names.
pub fn read_answer(body: &[u8]) -> Result<Option<Usage>, Failure> {
    let text = simdutf8::basic::from_utf8(body).map_err(|_| no_object(body))?;
    let outline = Outline::of(text).map_err(|_| no_object(body))?;
    let value = |name| {
        let member = outline.named(body, name).next()?;
        Some(&text[member.value.clone()]).filter(|value| *value != "null")
    };
    if value("error").is_some() {
        return Err(openai_error::in_answer(body));
    }
    let in_groq = || {
        let groq: InGroq<'_> = serde_json::from_str(value("x_groq")?).ok()?;
        groq.usage.map(RawValue::get)
    };
    let told = value("usage").or_else(in_groq);
    let usage = told.and_then(|told| serde_json::from_str::<Wire>(told).ok()?.apart());
    let tier = || Tier::named(value(tiers::SERVICE_TIER)?.trim_matches('"'));
    Ok(usage.map(|usage| Usage { tier: tier().or(usage.tier), ..usage }))
}

/// Why an answer is none, in the words of a parser. Slow, and asked only after the fact.
fn no_object(body: &[u8]) -> Failure {
    let message = "the provider's answer is not the JSON object that it should be";
    let failure = Failure::new(Kind::Malformed, message);
    match serde_json::from_slice::<IgnoredAny>(body) {
        Err(error) => failure.with_detail(detail(&error, body)),
        Ok(_) => failure.with_detail(openai_error::class(body)),
    }
}

/// The usage in a piece of an answer that was read already.
pub(crate) fn of_value(answer: &Value) -> Option<Usage> {
    let told = ["/usage", "/x_groq/usage"].into_iter().find_map(|path| answer.pointer(path))?;
    let usage = Wire::deserialize(told).ok()?.apart()?;
    Some(Usage { tier: tiers::of_value(answer).or(usage.tier), ..usage })
}

/// For the log: nothing that was answered. A parser's own words may repeat what it found.
pub(crate) fn detail(error: &serde_json::Error, body: &[u8]) -> String {
    let class = openai_error::class(body);
    format!("{class}, wrong at line {} column {}", error.line(), error.column())
}

// === impl Told ===

impl Told<'_> {
    /// The usage told; `None` if it is absent or in no known shape.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let in_groq = self.x_groq.as_ref().and_then(|groq| groq.usage);
        let wire: Wire = serde_json::from_str(self.usage.or(in_groq)?.get()).ok()?;
        let usage = wire.apart()?;
        Some(Usage { tier: self.service_tier.or(usage.tier), ..usage })
    }

    /// Whether a chunk says nothing to the person who reads the answer.
    pub(crate) fn has_no_choices(&self) -> bool {
        self.choices.is_none_or(|choices| {
            let inside = choices.get().trim_start_matches('[').trim_start();
            choices.get() == "null" || inside.starts_with(']')
        })
    }
}

// === impl Wire ===

impl Wire {
    /// The tokens, each in one bucket. A part is never larger than what is left of its whole,
    /// whatever the upstream claims (Grok on Azure reports more cached tokens than prompt tokens).
    fn apart(self) -> Option<Usage> {
        let prompt_details = self.prompt_tokens_details.unwrap_or_default();
        let completion_details = self.completion_tokens_details.unwrap_or_default();
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return None;
        }
        let prompt = self.prompt_tokens.unwrap_or(0);
        let mut completion = self.completion_tokens.unwrap_or(0);
        let reasoning = completion_details.reasoning_tokens.unwrap_or(0);
        let counted_apart = prompt.checked_add(completion)?.checked_add(reasoning)?;
        if reasoning > 0 && self.total_tokens == Some(counted_apart) {
            completion += reasoning;
        }
        let unexplained = self.total_tokens.unwrap_or(0).saturating_sub(prompt + completion);
        // Mistral's prompts leave out their sound, which it bills by the second: it is what nothing
        // explains then, and no part of the prompt.
        let audio = prompt_details.audio_tokens.filter(|audio| *audio != unexplained);
        let cached = prompt_details
            .cached_tokens
            .or(self.prompt_cache_hit_tokens)
            .or(self.cached_tokens)
            .or(self.num_cached_tokens);

        let mut input = Whole(prompt);
        let cache_read = input.part(cached);
        let cache_write_5m = input.part(prompt_details.cache_write_tokens);
        let audio_input = input.part(audio);
        let image_input = input.part(prompt_details.image_tokens);
        let mut output = Whole(completion);
        let reasoning_output = output.part(Some(reasoning));
        let audio_output = output.part(completion_details.audio_tokens);
        Some(Usage {
            uncached_input: input.0,
            cache_read,
            cache_write_5m,
            cache_write_1h: 0,
            audio_input,
            image_input,
            text_output: output.0,
            reasoning_output,
            audio_output,
            unexplained,
            tier: self.service_tier,
            source: Source::Reported,
        })
    }
}

/// What is left of a total after its parts were taken out.
struct Whole(u64);

impl Whole {
    fn part(&mut self, claimed: Option<u64>) -> u64 {
        let part = claimed.unwrap_or(0).min(self.0);
        self.0 -= part;
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        read_answer(format!(r#"{{"usage":{json}}}"#).as_bytes()).unwrap().expect("usage is there")
    }

    #[test]
    fn what_overlaps_is_taken_apart() {
        let openai = usage(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},
            "completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":5}}"#,
        );
        let expected = Usage {
            uncached_input: 30,
            cache_read: 60,
            audio_input: 10,
            text_output: 15,
            reasoning_output: 30,
            audio_output: 5,
            ..Usage::default()
        };
        assert_eq!(openai, expected);
        assert_eq!((openai.input(), openai.output()), (100, 50));
    }

    #[test]
    fn the_tier_is_told_beside_the_usage() {
        for (word, expected) in [
            (r#""flex""#, Some(Tier::Flex)),
            (r#""default""#, Some(Tier::Standard)),
            (r#""auto""#, None),
            ("null", None),
            (r#"{"new":1}"#, None),
        ] {
            let body = format!(r#"{{"usage":{{"prompt_tokens":1}},"service_tier":{word}}}"#);
            let whole = read_answer(body.as_bytes()).unwrap().unwrap();
            let piece: Told<'_> = serde_json::from_str(&body).unwrap();
            let value = of_value(&serde_json::from_str(&body).unwrap()).unwrap();
            let tiers = [whole.tier, piece.usage().unwrap().tier, value.tier];
            assert_eq!(tiers, [expected; 3], "{word}");
        }
    }

    #[test]
    fn sound_beside_a_prompt_is_no_part_of_it() {
        let mistral = usage(
            r#"{"prompt_audio_seconds":4,"prompt_tokens":9,"total_tokens":585,"completion_tokens":201,
            "prompt_tokens_details":{"cached_tokens":0,"audio_tokens":375},"service_tier":"priority"}"#,
        );
        assert_eq!((mistral.uncached_input, mistral.audio_input), (9, 0));
        assert_eq!((mistral.unexplained, mistral.total()), (375, 585));
        assert_eq!(mistral.tier, Some(Tier::Priority), "told inside the usage");
    }

    #[test]
    fn every_word_for_cached_tokens_is_known() {
        for cached in [
            r#""prompt_tokens_details":{"cached_tokens":4}"#,
            r#""prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6"#,
            r#""cached_tokens":4"#,
            r#""num_cached_tokens":4"#,
        ] {
            let usage = usage(&format!(r#"{{"prompt_tokens":10,"completion_tokens":1,{cached}}}"#));
            assert_eq!((usage.cache_read, usage.uncached_input), (4, 6), "{cached}");
        }
    }

    #[test]
    fn reasoning_that_only_the_total_counts_is_output_too() {
        let xai = usage(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,
            "completion_tokens_details":{"reasoning_tokens":30}}"#,
        );
        assert_eq!((xai.text_output, xai.reasoning_output, xai.total()), (5, 30, 45));
    }

    #[test]
    fn parts_larger_than_their_whole_are_cut() {
        let odd = usage(
            r#"{"prompt_tokens":235,"completion_tokens":10,"total_tokens":245,
            "prompt_tokens_details":{"cached_tokens":373},
            "completion_tokens_details":{"reasoning_tokens":11}}"#,
        );
        assert_eq!((odd.cache_read, odd.uncached_input), (235, 0));
        assert_eq!((odd.reasoning_output, odd.text_output), (10, 0));
    }

    #[test]
    fn absent_or_odd_usage_is_none() {
        for body in [
            "{}",
            r#"{"usage":null}"#,
            r#"{"usage":{}}"#,
            r#"{"usage":"plenty"}"#,
            r#"{"usage":{"prompt_tokens":-1}}"#,
            r#"{"x_groq":7}"#,
            r#"{"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":1}}"#,
        ] {
            assert_eq!(read_answer(body.as_bytes()).unwrap(), None, "{body}");
        }
    }

    #[test]
    fn an_error_in_place_of_an_answer_is_a_failure() {
        let body = br#"{"error":{"message":"no credits","code":402},"user_id":"u"}"#;
        let failure = read_answer(body).unwrap_err();
        assert_eq!(failure.kind, Kind::QuotaExhausted);
        assert_eq!(failure.message, "no credits");
        for garbage in [
            &b""[..],
            b"<html>private",
            b"[]",
            b"{\"usage\":",
            b"\"private\"",
            b"{\"private\":\"\xFF\"}",
        ] {
            let failure = read_answer(garbage).unwrap_err();
            assert_eq!(failure.kind, Kind::Malformed);
            assert!(!failure.detail.unwrap().contains("private"), "answers are not for the log");
        }
    }
}
