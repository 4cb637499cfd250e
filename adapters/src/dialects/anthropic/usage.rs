//! What an answer took, in the API's words.
//!
//! `input_tokens`, `cache_creation_input_tokens` and `cache_read_input_tokens` are disjoint already;
//! `output_tokens` contains the thinking (`output_tokens_details.thinking_tokens`). A stream counts
//! twice: in `message_start` with all details, in `message_delta` cumulatively with fewer (the
//! vendor's SDK, `Usage` and `MessageDeltaUsage`). `iterations` tells of each round that the server made,
//! and of some that these counts leave out ([`Rounds`]).

use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage, estimate_tokens};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialects::tiers;

/// The counts of an answer, or of a part of a stream; what a part does not say is `None`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Created>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    #[serde(deserialize_with = "tiers::named")]
    service_tier: Option<Tier>,
    #[serde(deserialize_with = "tiers::of_speed")]
    speed: Option<Tier>,
    #[serde(rename = "iterations", deserialize_with = "rounds")]
    rounds: Option<Rounds>,
}

/// What the rounds of an answer took (the vendor's SDK, `BetaUsage.iterations`).
#[derive(Debug, Clone, Copy, Default)]
struct Rounds {
    /// Summaries of the context, which the counts beside leave out: "a `compaction` entry's tokens are
    /// not included in the top-level `usage` fields". The same model makes them.
    compaction: Usage,
    /// All others together. They are more than the counts beside where some were another model's, at a
    /// price of its own: an advisor's, or that of a model which declined before a fallback.
    others: u64,
}

/// What was written to the cache, by how long it lives.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(default)]
struct Created {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// More tokens than any answer takes. What claims more is cut, so that sums never overflow.
const MOST: u64 = 1 << 48;
/// More rounds than any answer takes.
const MOST_ROUNDS: usize = 1 << 10;

/// Reads `iterations`. What is odd there spoils no other count.
fn rounds<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Rounds>, D::Error> {
    let Value::Array(items) = Value::deserialize(field)? else { return Ok(None) };
    let mut rounds = Rounds::default();
    for item in items.iter().take(MOST_ROUNDS) {
        let took = Counts::deserialize(item).unwrap_or_default().apart();
        match item["type"].as_str() {
            Some("compaction") => rounds.compaction += took,
            _ => rounds.others += took.total(),
        }
    }
    Ok(Some(rounds))
}

// === impl Counts ===

impl Counts {
    /// The counts in the `message` of a stream's first event.
    pub(super) fn of_begun(message: Option<&RawValue>) -> Self {
        #[derive(Deserialize)]
        struct Begun {
            usage: Option<Counts>,
        }
        let begun = message.and_then(|message| serde_json::from_str::<Begun>(message.get()).ok());
        begun.and_then(|begun| begun.usage).unwrap_or_default()
    }

    /// Takes in what a later part says.
    pub(super) fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens =
            later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.service_tier = later.service_tier.or(self.service_tier);
        self.speed = later.speed.or(self.speed);
        self.rounds = later.rounds.or(self.rounds);
    }

    /// Whether the prompt's tokens were told, in any bucket.
    fn knows_input(&self) -> bool {
        self.input_tokens.or(self.cache_read_input_tokens).is_some()
            || self.cache_creation_input_tokens.is_some()
            || self.cache_creation.is_some()
    }

    /// Whether everything was told. A server that is only like the vendor's may leave it out.
    pub(super) fn is_whole(&self) -> bool {
        self.knows_input() && self.output_tokens.is_some()
    }

    /// What was told until now; `None` if nothing was.
    pub(super) fn told(&self) -> Option<Usage> {
        (self.knows_input() || self.output_tokens.is_some()).then(|| self.apart())
    }

    /// The tokens of an answer that said so many bytes; what was not told is estimated, the prompt
    /// by whoever sees it.
    pub(super) fn of_answer(&self, said: usize) -> Usage {
        let told = self.apart();
        if self.is_whole() {
            return told;
        }
        let text_output =
            if self.output_tokens.is_some() { told.text_output } else { estimate_tokens(said) };
        Usage { text_output, source: Source::Estimated, ..told }
    }

    /// The tokens, each in one bucket.
    fn apart(&self) -> Usage {
        let count = |told: Option<u64>| told.unwrap_or(0).min(MOST);
        let created = self.cache_creation.unwrap_or_default();
        let hour = count(created.ephemeral_1h_input_tokens);
        let minutes = count(created.ephemeral_5m_input_tokens);
        // The sum counts; the parts may be missing, or from before the sum grew.
        let written = count(self.cache_creation_input_tokens.or(Some(hour + minutes)));
        let cache_write_1h = hour.min(written);
        let output = count(self.output_tokens);
        let thinking = self.output_tokens_details.and_then(|details| details.thinking_tokens);
        let reasoning_output = count(thinking).min(output);
        let mut usage = Usage {
            uncached_input: count(self.input_tokens),
            cache_read: count(self.cache_read_input_tokens),
            cache_write_5m: written - cache_write_1h,
            cache_write_1h,
            text_output: output - reasoning_output,
            reasoning_output,
            tier: self.speed.or(self.service_tier),
            source: Source::Reported,
            ..Usage::default()
        };
        if let Some(rounds) = self.rounds {
            usage.unexplained = rounds.others.saturating_sub(usage.total());
            usage += rounds.compaction;
        }
        usage
    }
}

// === for callers ===

/// The `usage` of an answer.
#[derive(Debug, Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: Created,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

impl UsageOut {
    pub(super) fn of(usage: &Usage) -> Self {
        let cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
        let thinking = usage.reasoning_output;
        Self {
            input_tokens: usage.input() - cached,
            cache_creation_input_tokens: usage.cache_write_5m + usage.cache_write_1h,
            cache_read_input_tokens: usage.cache_read,
            cache_creation: Created {
                ephemeral_5m_input_tokens: Some(usage.cache_write_5m),
                ephemeral_1h_input_tokens: Some(usage.cache_write_1h),
            },
            output_tokens: usage.output(),
            output_tokens_details: (thinking > 0)
                .then_some(OutputDetails { thinking_tokens: Some(thinking) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(json: &str) -> Counts {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_token_has_one_bucket() {
        let usage = counts(
            r#"{"input_tokens":1,"cache_read_input_tokens":2,"cache_creation_input_tokens":12,
            "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":8},
            "output_tokens":48,"output_tokens_details":{"thinking_tokens":16}}"#,
        );
        let expected = Usage {
            uncached_input: 1,
            cache_read: 2,
            cache_write_5m: 4,
            cache_write_1h: 8,
            text_output: 32,
            reasoning_output: 16,
            ..Usage::default()
        };
        assert_eq!(usage.apart(), expected);
        let back = serde_json::to_string(&UsageOut::of(&expected)).unwrap();
        assert_eq!(counts(&back).apart(), expected);
    }

    #[test]
    fn rounds_that_the_totals_leave_out_are_counted_too() {
        let round = |kind: &str, input: u64, output: u64| {
            format!(
                r#"{{"type":"{kind}","input_tokens":{input},"output_tokens":{output},"cache_read_input_tokens":0,"cache_creation_input_tokens":0}}"#
            )
        };
        let compaction = r#"{"type":"compaction","input_tokens":4,"output_tokens":30,
            "cache_read_input_tokens":500,"cache_creation_input_tokens":6,
            "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":6}}"#;
        let messages = [round("message", 1128, 135), round("message", 1283, 10)].join(",");
        let advised = format!("{messages},{}", round("advisor_message", 2543, 18));
        let compacted = format!("{compaction},{messages}");
        let fallen = [round("message", 1000, 5), round("fallback_message", 2411, 145)].join(",");
        // Buckets in order: input, cache read, written for an hour, output, what nobody explains.
        let cases = [
            (format!("[{messages}]"), [2411, 0, 0, 145, 0]),
            (format!("[{advised}]"), [2411, 0, 0, 145, 2561]),
            (format!("[{compacted}]"), [2415, 500, 6, 175, 0]),
            (format!("[{fallen}]"), [2411, 0, 0, 145, 1005]),
            ("null".to_owned(), [2411, 0, 0, 145, 0]),
            ("[]".to_owned(), [2411, 0, 0, 145, 0]),
            (r#"{"new":1}"#.to_owned(), [2411, 0, 0, 145, 0]),
            (r#"[7,{"type":"message","input_tokens":"x"}]"#.to_owned(), [2411, 0, 0, 145, 0]),
        ];
        for (iterations, expected) in cases {
            let json =
                format!(r#"{{"input_tokens":2411,"output_tokens":145,"iterations":{iterations}}}"#);
            // The totals of a stream stand at its end, and so do its rounds.
            let mut streamed = counts(r#"{"input_tokens":1128,"output_tokens":1}"#);
            streamed.update(counts(&json));
            for usage in [counts(&json).apart(), streamed.apart()] {
                let found = [
                    usage.uncached_input,
                    usage.cache_read,
                    usage.cache_write_1h,
                    usage.output(),
                    usage.unexplained,
                ];
                assert_eq!(found, expected, "{iterations}");
            }
        }
        let endless = vec![r#"{"type":"compaction","input_tokens":18446744073709551615}"#; 5000];
        let usage = counts(&format!(r#"{{"iterations":[{}]}}"#, endless.join(","))).apart();
        assert_eq!(usage.total(), MOST << 10);
    }

    #[test]
    fn speed_has_a_price_of_its_own() {
        for (json, tier) in [
            (r#"{"service_tier":"standard","speed":"fast"}"#, Some(Tier::Ultrafast)),
            (r#"{"service_tier":"standard","speed":"standard"}"#, Some(Tier::Standard)),
            (r#"{"service_tier":"priority","speed":null}"#, Some(Tier::Priority)),
            (r#"{"speed":{"new":1}}"#, None),
        ] {
            // Said as the stream begins, and not again.
            let mut so_far = counts(json);
            so_far.update(counts(r#"{"output_tokens":20}"#));
            assert_eq!(so_far.apart().tier, tier, "{json}");
        }
    }

    #[test]
    fn odd_counts_still_sum_to_the_vendors() {
        let cases = [
            (r#"{"input_tokens":5,"output_tokens":3}"#, (5, 3)),
            (r#"{"input_tokens":5,"cache_creation_input_tokens":7,"output_tokens":3}"#, (12, 3)),
            (
                r#"{"input_tokens":5,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":9}}"#,
                (8, 0),
            ),
            (r#"{"output_tokens":3,"output_tokens_details":{"thinking_tokens":9}}"#, (0, 3)),
            (r#"{"input_tokens":null,"cache_creation":null}"#, (0, 0)),
        ];
        for (json, sums) in cases {
            let usage = counts(json).apart();
            assert_eq!((usage.input(), usage.output()), sums, "{json}");
        }
    }

    #[test]
    fn a_later_count_wins_where_it_says_something() {
        let mut so_far = counts(
            r#"{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1,
            "cache_creation_input_tokens":6,"cache_creation":{"ephemeral_1h_input_tokens":6}}"#,
        );
        so_far.update(counts(r#"{"output_tokens":20,"input_tokens":11}"#));
        let usage = so_far.apart();
        assert_eq!((usage.uncached_input, usage.cache_read, usage.cache_write_1h), (11, 4, 6));
        assert_eq!(usage.output(), 20);
    }

    #[test]
    fn what_is_not_told_is_estimated_never_none() {
        let cases = [
            ("{}", None, (0, 3), Source::Estimated),
            (r#"{"input_tokens":null,"output_tokens":null}"#, None, (0, 3), Source::Estimated),
            (r#"{"input_tokens":5}"#, Some((5, 0)), (5, 3), Source::Estimated),
            (r#"{"output_tokens":2}"#, Some((0, 2)), (0, 2), Source::Estimated),
            (r#"{"input_tokens":0,"output_tokens":0}"#, Some((0, 0)), (0, 0), Source::Reported),
            (
                r#"{"cache_read_input_tokens":7,"output_tokens":2}"#,
                Some((7, 2)),
                (7, 2),
                Source::Reported,
            ),
        ];
        for (json, told, answered, source) in cases {
            let sums = |usage: Usage| (usage.input(), usage.output());
            assert_eq!(counts(json).told().map(sums), told, "{json}");
            let usage = counts(json).of_answer(12);
            assert_eq!((sums(usage), usage.source), (answered, source), "{json}");
        }
    }
}
