//! The service tier in an answer: a word, or nothing that counts.

use isthmus_inference::tier::Tier;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The member of OpenAI's answers, and of those of vendors like it.
pub(super) const SERVICE_TIER: &str = "service_tier";

/// Whatever stands there, so that a word of a new kind spoils no answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Word(String),
    Else(IgnoredAny),
}

/// Reads a field that names a tier.
pub(super) fn named<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Tier>, D::Error> {
    Ok(match Said::deserialize(field)? {
        Said::Word(word) => Tier::named(&word),
        Said::Else(_) => None,
    })
}

/// Reads Anthropic's word for how fast it answered (its SDK, `Usage.speed`).
pub(super) fn of_speed<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Tier>, D::Error> {
    Ok(match Said::deserialize(field)? {
        Said::Word(word) if word == "fast" => Some(Tier::Ultrafast),
        Said::Word(_) | Said::Else(_) => None,
    })
}

/// The tier in an answer that was read already.
pub(super) fn of_value(answer: &Value) -> Option<Tier> {
    answer.get(SERVICE_TIER)?.as_str().and_then(Tier::named)
}
