//! Embeddings: texts in, vectors out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Encoding};
use isthmus_inference::failure::Failure;
use serde::Serialize;
use serde_json::Value;

use crate::dialects::fields::{Fields, name_of, wrong_type};
use crate::dialects::openai_answer::json;
use crate::dialects::openai_chat::require_parameters;
use crate::dialects::openai_completions::token_ids;

/// The most inputs to one request, as OpenAI has it.
const MOST_INPUTS: usize = 2048;

/// Reads the body of `POST /embeddings`. `input_type` is an extension that several vendors' own
/// OpenAI-shaped endpoints share (Cohere's word; NVIDIA's and OpenRouter's too).
pub fn decode_embedding(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    fields.take("model");
    Ok(EmbeddingRequest {
        inputs: inputs(fields.required("input")?)?,
        dimensions: fields.integer("dimensions", 1..=u32::MAX)?,
        encoding: encoding(&mut fields)?,
        input_type: fields.text("input_type")?,
        require_parameters: require_parameters(&mut fields)?,
        extra: fields.rest(),
    })
}

/// One text, several texts, one list of tokens, or several of those.
fn inputs(value: Value) -> Result<Vec<EmbeddingInput>, Failure> {
    let items = match value {
        Value::String(_) => vec![value],
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            return Ok(vec![EmbeddingInput::Tokens(token_ids("input", &items)?)]);
        }
        Value::Array(items) => items,
        other => return Err(wrong_type("input", "a string or an array", name_of(&other))),
    };
    if items.is_empty() || items.len() > MOST_INPUTS {
        let message = format!("`input` takes from 1 to {MOST_INPUTS} items, got {}", items.len());
        return Err(Failure::invalid("input", message));
    }
    items.into_iter().map(input).collect()
}

fn input(item: Value) -> Result<EmbeddingInput, Failure> {
    match item {
        Value::String(text) if text.is_empty() => {
            Err(Failure::invalid("input", "`input` must not contain an empty text"))
        }
        Value::String(text) => Ok(EmbeddingInput::Text(text)),
        Value::Array(tokens) => Ok(EmbeddingInput::Tokens(token_ids("input", &tokens)?)),
        other => Err(wrong_type("input", "texts or token ids", name_of(&other))),
    }
}

fn encoding(fields: &mut Fields) -> Result<Encoding, Failure> {
    match fields.text("encoding_format")?.as_deref() {
        None | Some("float") => Ok(Encoding::Float),
        Some("base64") => Ok(Encoding::Base64),
        Some(other) => {
            let message = format!("`encoding_format` must be `float` or `base64`, got `{other}`");
            Err(Failure::invalid("encoding_format", message))
        }
    }
}

// === answers ===

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: UsageOut,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Float(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Writes the answer to `POST /embeddings`; `model` is the name that the caller is to see.
pub fn encode_embedding_answer(answer: &EmbeddingAnswer, encoding: Encoding, model: &str) -> Bytes {
    let items = answer.vectors.iter().enumerate();
    json(&Answer {
        object: "list",
        data: items
            .map(|(index, vector)| Item {
                object: "embedding",
                index,
                embedding: Vector::of(vector, encoding),
            })
            .collect(),
        model,
        usage: UsageOut { prompt_tokens: answer.usage.input(), total_tokens: answer.usage.total() },
    })
}

impl<'a> Vector<'a> {
    fn of(numbers: &'a [f32], encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(numbers),
            Encoding::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                Self::Base64(STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_openai::types::embeddings::{CreateBase64EmbeddingResponse, CreateEmbeddingResponse};
    use isthmus_inference::usage::Usage;
    use serde_json::json;

    use super::*;

    fn decoded(input: &Value) -> Result<Vec<EmbeddingInput>, Failure> {
        let body = json!({"model": "m", "input": input}).to_string();
        decode_embedding(body.as_bytes()).map(|request| request.inputs)
    }

    #[test]
    fn all_four_shapes_of_input_are_read() {
        let text = |text: &str| EmbeddingInput::Text(text.into());
        assert_eq!(decoded(&json!("a")).unwrap(), [text("a")]);
        assert_eq!(decoded(&json!(["a", "b"])).unwrap(), [text("a"), text("b")]);
        assert_eq!(decoded(&json!([1, 2])).unwrap(), [EmbeddingInput::Tokens(vec![1, 2])]);
        let lists = [EmbeddingInput::Tokens(vec![1]), EmbeddingInput::Tokens(vec![2, 3])];
        assert_eq!(decoded(&json!([[1], [2, 3]])).unwrap(), lists);
    }

    #[test]
    fn what_no_word_exists_for_is_kept_by_name() {
        let body = json!({"model": "m", "input": "a", "input_type": "search_query",
            "truncate": "END", "user": null, "provider": {"require_parameters": true}});
        let request = decode_embedding(body.to_string().as_bytes()).unwrap();
        assert_eq!(request.input_type.as_deref(), Some("search_query"));
        assert_eq!(Value::Object(request.extra), json!({"truncate": "END"}));
        assert!(request.require_parameters);
    }

    #[test]
    fn other_inputs_are_refused_by_name() {
        for input in
            [json!(null), json!(7), json!([]), json!(""), json!(["a", ""]), json!([1, "a"])]
        {
            let failure = decoded(&input).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some("input"), "{input}");
        }
        let body = br#"{"input":"a","encoding_format":"hex"}"#;
        assert_eq!(decode_embedding(body).unwrap_err().param.as_deref(), Some("encoding_format"));
    }

    #[test]
    fn the_official_types_read_the_answer() {
        let answer = EmbeddingAnswer {
            model: "engine".into(),
            vectors: vec![vec![0.5, -1.0], vec![2.0, 0.25]],
            usage: Usage { uncached_input: 3, ..Usage::default() },
        };
        let floats = encode_embedding_answer(&answer, Encoding::Float, "shown");
        let floats: CreateEmbeddingResponse = serde_json::from_slice(&floats).unwrap();
        assert_eq!(floats.data[1].embedding, [2.0, 0.25]);
        assert_eq!((floats.model.as_str(), floats.usage.prompt_tokens), ("shown", 3));

        let coded = encode_embedding_answer(&answer, Encoding::Base64, "shown");
        let coded: CreateBase64EmbeddingResponse = serde_json::from_slice(&coded).unwrap();
        let vector: Vec<f32> = coded.data[0].embedding.clone().into();
        assert_eq!(vector, [0.5, -1.0]);
    }
}
