//! Legacy completions: plain text continued, without a conversation around it.

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, Choice, FinishReason};
use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::failure::{Failure, Kind};
use serde::Serialize;
use serde_json::Value;

use crate::dialect::Stamp;
use crate::dialects::fields::{Fields, name_of, wrong_type};
use crate::dialects::openai_answer::{UsageOut, json};
use crate::dialects::openai_sampling::{choices, format, sampling};

mod logprobs;

pub(crate) use logprobs::LogprobsOut;

/// How many tokens OpenAI generates for a caller who sets no limit.
const USUAL_MAX_TOKENS: u32 = 16;
/// The most alternatives beside each token.
const MOST_LOGPROBS: u32 = 5;

/// Reads the body of `POST /completions`. Of several prompts in one call only a single one is taken:
/// the others would need answers and usage of their own.
pub fn decode_completion(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    refuse_unsupported(&mut fields)?;
    let prompt = prompt(&mut fields)?;
    let mut sampling = sampling(&mut fields)?;
    // Zero is of use here alone: with `echo` it scores the prompt.
    let max_tokens = fields.integer("max_tokens", 0..=u32::MAX)?;
    sampling.max_tokens = Some(max_tokens.unwrap_or(USUAL_MAX_TOKENS));
    let logprobs = fields.integer("logprobs", 0..=MOST_LOGPROBS)?;
    Ok(ChatRequest {
        prompt,
        format: format(&mut fields)?,
        sampling,
        choices: choices(&mut fields)?,
        top_logprobs: logprobs.and_then(|count| u8::try_from(count).ok()),
        echo: fields.boolean("echo")?.unwrap_or(false),
        ..ChatRequest::default()
    })
}

fn refuse_unsupported(fields: &mut Fields) -> Result<(), Failure> {
    let refuse = |param: &str, message: &str| {
        Err(Failure::new(Kind::Unsupported, message).with_param(param))
    };
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return refuse("suffix", "`suffix` is not supported by this model; leave it out");
    }
    if fields.integer("best_of", 1..=20)?.is_some_and(|best_of| best_of > 1) {
        return refuse("best_of", "`best_of` is not supported by this model; use `n`");
    }
    Ok(())
}

fn prompt(fields: &mut Fields) -> Result<Prompt, Failure> {
    let items = match fields.take("prompt") {
        None => return Ok(Prompt::Text(String::new())),
        Some(Value::String(text)) => return Ok(Prompt::Text(text)),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(wrong_type("prompt", "a string or an array", name_of(&other))),
    };
    match items.as_slice() {
        [] => Err(Failure::invalid("prompt", "`prompt` is empty; give at least one item")),
        [Value::String(text)] => Ok(Prompt::Text(text.clone())),
        [Value::Array(tokens)] => Ok(Prompt::Tokens(token_ids("prompt", tokens)?)),
        [Value::Number(_), ..] => Ok(Prompt::Tokens(token_ids("prompt", &items)?)),
        [Value::String(_) | Value::Array(_), ..] => {
            let message = format!(
                "this model takes one prompt a call, got {}; send one call for each",
                items.len()
            );
            Err(Failure::new(Kind::Unsupported, message).with_param("prompt"))
        }
        [other, ..] => Err(wrong_type("prompt", "texts or token ids", name_of(other))),
    }
}

/// Token ids of a model's own vocabulary.
pub(crate) fn token_ids(param: &str, items: &[Value]) -> Result<Vec<u32>, Failure> {
    let id = |item: &Value| {
        let id = item.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Failure::invalid(param, format!("`{param}`: `{item}` is no token id")))
    };
    items.iter().map(id).collect()
}

// === answers ===

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut>,
    usage: UsageOut,
}

#[derive(Serialize)]
struct ChoiceOut {
    text: String,
    index: usize,
    logprobs: Option<LogprobsOut>,
    finish_reason: Option<&'static str>,
}

/// Writes a whole answer to `POST /completions`.
pub fn encode_completion_answer(answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
    let choices = answer.choices.iter().enumerate().map(ChoiceOut::of).collect();
    json(&Answer {
        id: stamp.id,
        object: "text_completion",
        created: stamp.created,
        model: stamp.model,
        choices,
        usage: UsageOut::of(&answer.usage),
    })
}

/// Why an answer ended. Legacy completions know no calls, and their clients no such word.
pub(crate) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::ToolCalls => FinishReason::Stop.as_openai(),
        other => other.as_openai(),
    }
}

impl ChoiceOut {
    fn of((index, choice): (usize, &Choice)) -> Self {
        Self {
            text: choice.text(),
            index,
            logprobs: LogprobsOut::of(&choice.logprobs, &mut 0),
            finish_reason: choice.finish.map(finish_word),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_openai::types::completions::CreateCompletionResponse;
    use isthmus_inference::answer::TokenLogprob;
    use isthmus_inference::part::Part;
    use isthmus_inference::usage::Usage;
    use serde_json::json;

    use super::*;

    fn decoded(body: &Value) -> Result<ChatRequest, Failure> {
        decode_completion(body.to_string().as_bytes())
    }

    #[test]
    fn one_prompt_is_read_in_each_of_its_shapes() {
        let cases = [
            (json!("a"), Prompt::Text("a".into())),
            (json!(["a"]), Prompt::Text("a".into())),
            (json!([1, 2]), Prompt::Tokens(vec![1, 2])),
            (json!([[1, 2]]), Prompt::Tokens(vec![1, 2])),
            (json!(null), Prompt::Text(String::new())),
        ];
        for (prompt, expected) in cases {
            let request = decoded(&json!({"prompt": prompt})).unwrap();
            assert_eq!(request.prompt, expected);
            assert_eq!(request.sampling.max_tokens, Some(16));
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let cases = [
            (json!({"prompt": ["a", "b"]}), "prompt"),
            (json!({"prompt": []}), "prompt"),
            (json!({"prompt": {}}), "prompt"),
            (json!({"prompt": [-1]}), "prompt"),
            (json!({"prompt": "a", "suffix": "b"}), "suffix"),
            (json!({"prompt": "a", "best_of": 2}), "best_of"),
            (json!({"prompt": "a", "logprobs": 6}), "logprobs"),
            (json!({"prompt": "a", "max_tokens": -1}), "max_tokens"),
            (json!({"prompt": "a", "echo": 1}), "echo"),
        ];
        for (body, param) in cases {
            assert_eq!(decoded(&body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn scoring_a_prompt_needs_no_new_tokens() {
        let body = json!({"prompt": "a", "max_tokens": 0, "echo": true, "logprobs": 0});
        let request = decoded(&body).unwrap();
        assert_eq!((request.sampling.max_tokens, request.top_logprobs), (Some(0), Some(0)));
        assert!(request.echo);
    }

    #[test]
    fn the_official_types_read_the_answer() {
        let token = |text: &str| TokenLogprob {
            bytes: text.into(),
            logprob: -0.5,
            top: vec![(text.into(), -0.5), (b" x".to_vec(), f32::NEG_INFINITY)],
        };
        let choice = Choice {
            content: vec![Part::text("né!")],
            finish: Some(FinishReason::Length),
            logprobs: vec![token("né"), token("!")],
            ..Choice::default()
        };
        let usage = Usage { uncached_input: 1, text_output: 2, ..Usage::default() };
        let answer = ChatAnswer { model: "engine".into(), choices: vec![choice], usage };
        let stamp = Stamp { id: "cmpl-1", created: 7, model: "shown" };
        let bytes = encode_completion_answer(&answer, &stamp);
        let read: CreateCompletionResponse = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read.choices[0].text, "né!");
        assert_eq!(read.usage.unwrap().total_tokens, 3);
        let logprobs = read.choices[0].logprobs.as_ref().unwrap();
        assert_eq!(logprobs.text_offset, [0, 2]);
        assert_eq!(logprobs.top_logprobs[0][" x"], json!(-9999.0));
    }
}
