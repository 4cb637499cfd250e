//! Thinking in OpenAI-shaped requests and answers: how much is wanted, and what was thought before.
//!
//! OpenRouter's `reasoning` and `reasoning_details` are the only documented words for signed thoughts
//! in this shape (its guide "Reasoning tokens"): a detail is a `reasoning.text` with a signature, a
//! `reasoning.summary`, or a `reasoning.encrypted`, each with the `format` that can read it.

use isthmus_inference::chat::{Effort, Reasoning, Summary};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Part, Signature, formats};
use serde_json::{Value, json};

use crate::dialects::fields::Fields;

/// The format of a detail that does not say it (OpenRouter's own word).
const UNKNOWN_FORMAT: &str = "unknown";

// === how much is wanted ===

/// Reads `reasoning_effort` (OpenAI), `reasoning` (OpenRouter) and `thinking` (Anthropic, Z.AI).
pub(crate) fn wanted(fields: &mut Fields) -> Result<Reasoning, Failure> {
    let mut reasoning =
        Reasoning { effort: effort(fields, "reasoning_effort")?, ..Reasoning::default() };
    if let Some(mut inner) = fields.object("reasoning")? {
        object(&mut inner, &mut reasoning)?;
    }
    if let Some(mut inner) = fields.object("thinking")? {
        thinking(&mut inner, &mut reasoning)?;
    }
    if fields.boolean("include_reasoning")? == Some(false) {
        reasoning.summary = Some(Summary::Hidden);
    }
    Ok(reasoning)
}

/// Reads an effort by its word; Groq's `default` is the same as none given.
pub(crate) fn effort(fields: &mut Fields, name: &str) -> Result<Option<Effort>, Failure> {
    let Some(word) = fields.text(name)?.filter(|word| word != "default") else { return Ok(None) };
    Effort::of_word(&word).map(Some).ok_or_else(|| {
        let param = fields.param(name);
        let known: Vec<_> = Effort::ALL.iter().map(|(_, word)| format!("`{word}`")).collect();
        Failure::invalid(
            &param,
            format!("`{param}` must be one of {}, got `{word}`", known.join(", ")),
        )
    })
}

/// Reads the word for how thinking is to be shown.
pub(crate) fn summary(fields: &mut Fields, name: &str) -> Result<Option<Summary>, Failure> {
    let Some(word) = fields.text(name)? else { return Ok(None) };
    match word.as_str() {
        "auto" => Ok(Some(Summary::Auto)),
        "concise" => Ok(Some(Summary::Concise)),
        "detailed" => Ok(Some(Summary::Detailed)),
        _ => {
            let param = fields.param(name);
            let message =
                format!("`{param}` must be `auto`, `concise` or `detailed`, got `{word}`");
            Err(Failure::invalid(&param, message))
        }
    }
}

fn object(inner: &mut Fields, reasoning: &mut Reasoning) -> Result<(), Failure> {
    reasoning.effort = effort(inner, "effort")?.or(reasoning.effort);
    reasoning.budget = inner.integer("max_tokens", 0..=u32::MAX)?;
    reasoning.summary = summary(inner, "summary")?;
    if inner.boolean("exclude")? == Some(true) {
        reasoning.summary = Some(Summary::Hidden);
    }
    match inner.boolean("enabled")? {
        Some(false) => (reasoning.effort, reasoning.budget) = (Some(Effort::None), None),
        Some(true) if !reasoning.is_asked() => reasoning.effort = Some(Effort::Medium),
        _ => {}
    }
    Ok(())
}

fn thinking(inner: &mut Fields, reasoning: &mut Reasoning) -> Result<(), Failure> {
    let budget = inner.integer("budget_tokens", 0..=u32::MAX)?;
    match inner.text("type")?.as_deref() {
        Some("disabled") => (reasoning.effort, reasoning.budget) = (Some(Effort::None), None),
        Some("adaptive") => reasoning.adaptive = true,
        // `enabled`; Z.AI and DeepSeek count no tokens.
        Some(_) => {
            reasoning.budget = budget.or(reasoning.budget);
            reasoning.adaptive = !reasoning.is_asked();
        }
        None => {}
    }
    Ok(())
}

// === what was thought ===

/// One `reasoning_details` item, or a piece of one.
pub(crate) struct Detail {
    /// More of the thought.
    pub(crate) text: Option<String>,
    /// What completes it.
    pub(crate) signature: Option<Signature>,
}

impl Detail {
    /// Reads one; what it has no word for is left out.
    pub(crate) fn of_value(value: &Value) -> Self {
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let format = text("format").unwrap_or_else(|| UNKNOWN_FORMAT.to_owned());
        let signature = |data: String, redacted: bool| Signature {
            format: format.clone(),
            data,
            redacted,
            id: text("id"),
        };
        match value.get("type").and_then(Value::as_str) {
            // OpenAI's encrypted thoughts belong to the summary that stands before them.
            Some("reasoning.encrypted") => {
                let redacted = format != formats::RESPONSES;
                Self { text: None, signature: text("data").map(|data| signature(data, redacted)) }
            }
            Some("reasoning.summary") => Self { text: text("summary"), signature: None },
            _ => Self {
                text: text("text"),
                signature: text("signature").map(|data| signature(data, false)),
            },
        }
    }

    /// The thoughts of these details, in order.
    pub(crate) fn thoughts(details: &[Value]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for detail in details.iter().map(Self::of_value) {
            let goes_on = detail.text.is_none()
                && detail.signature.as_ref().is_some_and(|signature| !signature.redacted);
            match (parts.last_mut(), detail) {
                (Some(Part::Thinking { signature: signature @ None, .. }), detail) if goes_on => {
                    *signature = detail.signature;
                }
                (_, Self { text: None, signature: None }) => {}
                (_, Self { text, signature }) => {
                    parts.push(Part::Thinking { text: text.unwrap_or_default(), signature });
                }
            }
        }
        parts
    }
}

/// A signed thought as `reasoning_details`, counted from `index`. Each has an `index`, by which the
/// official SDKs join pieces.
pub(crate) fn details(text: &str, signature: &Signature, index: usize) -> Vec<Value> {
    let Signature { format, data, redacted, id } = signature;
    if *redacted {
        return vec![encrypted(data, format, id.as_deref(), index)];
    }
    if format == formats::RESPONSES {
        let summary = json!({
            "type": "reasoning.summary", "summary": text, "id": id, "format": format, "index": index,
        });
        let summary = (!text.is_empty()).then_some(summary);
        let next = index + usize::from(summary.is_some());
        let sealed = (!data.is_empty()).then(|| encrypted(data, format, id.as_deref(), next));
        return summary.into_iter().chain(sealed).collect();
    }
    vec![json!({
        "type": "reasoning.text", "text": text, "signature": data, "id": id, "format": format,
        "index": index,
    })]
}

fn encrypted(data: &str, format: &str, id: Option<&str>, index: usize) -> Value {
    json!({
        "type": "reasoning.encrypted", "data": data, "id": id, "format": format, "index": index,
    })
}

/// The text of Mistral's thinking chunks: `[{"type": "text", "text": …}]`.
pub(crate) fn thought_text(chunks: &Value) -> String {
    let chunks = chunks.as_array().map(Vec::as_slice).unwrap_or_default();
    chunks.iter().filter_map(|chunk| chunk.get("text")?.as_str()).collect()
}

/// What Google wants to see again with a call: `extra_content.google.thought_signature` (its guide
/// "OpenAI compatibility").
pub(crate) fn call_signature(call: &Value) -> Option<Signature> {
    let data = call.pointer("/extra_content/google/thought_signature")?.as_str()?;
    Some(Signature::new(formats::GEMINI, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Reasoning, Failure> {
        wanted(&mut Fields::of_value(body.clone(), "").unwrap())
    }

    #[test]
    fn every_way_of_asking_for_thought_is_understood() {
        let of =
            |effort, budget, adaptive, summary| Reasoning { effort, budget, adaptive, summary };
        let cases = [
            (json!({}), of(None, None, false, None)),
            (json!({"reasoning_effort": "high"}), of(Some(Effort::High), None, false, None)),
            (json!({"reasoning_effort": "default"}), of(None, None, false, None)),
            (json!({"reasoning": {"effort": "low"}}), of(Some(Effort::Low), None, false, None)),
            (json!({"reasoning": {"enabled": true}}), of(Some(Effort::Medium), None, false, None)),
            (json!({"reasoning": {"enabled": false}}), of(Some(Effort::None), None, false, None)),
            (
                json!({"reasoning": {"max_tokens": 9, "exclude": true}}),
                of(None, Some(9), false, Some(Summary::Hidden)),
            ),
            (
                json!({"reasoning": {"effort": "high", "summary": "auto"}}),
                of(Some(Effort::High), None, false, Some(Summary::Auto)),
            ),
            (
                json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
                of(None, Some(2000), false, None),
            ),
            (json!({"thinking": {"type": "enabled"}}), of(None, None, true, None)),
            (json!({"thinking": {"type": "adaptive"}}), of(None, None, true, None)),
            (json!({"thinking": {"type": "disabled"}}), of(Some(Effort::None), None, false, None)),
        ];
        for (body, expected) in cases {
            assert_eq!(read(&body).unwrap(), expected, "{body}");
        }
        for (body, param) in [
            (json!({"reasoning_effort": "some"}), "reasoning_effort"),
            (json!({"reasoning": {"effort": "some"}}), "reasoning.effort"),
            (json!({"reasoning": {"summary": "long"}}), "reasoning.summary"),
            (json!({"thinking": {"type": 1}}), "thinking.type"),
        ] {
            let failure = read(&body).unwrap_err();
            assert!(failure.param.as_deref().unwrap().ends_with(param), "{body}: {failure:?}");
        }
    }

    #[test]
    fn signed_thoughts_survive_the_way_out_and_back() {
        let redacted = Signature { redacted: true, ..Signature::new(formats::ANTHROPIC, "x") };
        let encrypted =
            Signature { id: Some("rs_1".into()), ..Signature::new(formats::RESPONSES, "enc") };
        let cases = [
            ("hm", Signature::new(formats::ANTHROPIC, "sig"), 1),
            ("", redacted, 1),
            ("in short", encrypted.clone(), 2),
            ("", encrypted, 1),
            ("", Signature::new(formats::GEMINI, "sig"), 1),
        ];
        for (text, signature, count) in cases {
            let written = details(text, &signature, 4);
            let indices: Vec<_> = written.iter().map(|detail| detail["index"].as_u64()).collect();
            assert_eq!(indices, [Some(4), Some(5)][..count]);
            let thought = Part::Thinking { text: text.into(), signature: Some(signature) };
            assert_eq!(Detail::thoughts(&written), [thought]);
        }
    }
}
