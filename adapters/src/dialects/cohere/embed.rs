//! Embeddings, both ways.

use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingInput, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error;
use super::usage::Counts;
use crate::dialect::Encoded;
use crate::dialects::openai_error::class;

/// Members that only this vendor knows; they are passed on as the caller wrote them.
const OWN_MEMBERS: [&str; 3] = ["max_tokens", "priority", "truncate"];
/// Members that stand for inputs of other kinds: vectors of the texts alone would not be what was asked.
const OTHER_INPUTS: [&str; 2] = ["images", "inputs"];
/// The most texts of one call (the vendor's SDK, `ClientV2.embed`).
pub(super) const MOST_TEXTS: usize = 96;
/// What vectors are for unless the caller says: most are kept to be searched.
const USUAL_TYPE: &str = "search_document";

#[derive(Deserialize)]
struct Answer {
    embeddings: Option<Vectors>,
    meta: Option<Counts>,
}

/// By type, as asked for; or bare, as the first version of the API gave them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vectors {
    ByType { float: Vec<Vec<f32>> },
    Bare(Vec<Vec<f32>>),
}

/// Writes a request.
pub(super) fn encode(
    request: &EmbeddingRequest,
    model: &UpstreamModel,
) -> Result<Encoded, Failure> {
    let mut texts = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        match input {
            EmbeddingInput::Text(text) => texts.push(text.as_str()),
            EmbeddingInput::Tokens(_) => {
                let message = "the endpoint makes embeddings of text, not of tokens";
                return Err(Failure::new(Kind::Unsupported, message).with_param("input"));
            }
        }
    }
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", model.as_str().into());
    put("texts", texts.into());
    put("input_type", request.input_type.as_deref().unwrap_or(USUAL_TYPE).into());
    put("embedding_types", vec!["float"].into());
    if let Some(dimensions) = request.dimensions {
        put("output_dimension", dimensions.into());
    }
    let mut dropped = Vec::new();
    for (name, value) in &request.extra {
        if OTHER_INPUTS.contains(&name.as_str()) {
            let message =
                format!("the endpoint makes vectors of texts in `input`, not of `{name}`");
            return Err(Failure::new(Kind::Unsupported, message).with_param(name.as_str()));
        }
        if OWN_MEMBERS.contains(&name.as_str()) {
            body.insert(name.clone(), value.clone());
        } else {
            dropped.push(name.clone());
        }
    }
    Ok(Encoded { body: Value::Object(body).to_string().into(), dropped, ..Encoded::default() })
}

/// Reads an answer. It does not name the model.
pub(super) fn decode(body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
    let malformed = || {
        let message = "the provider's answer holds no vectors";
        Failure::new(Kind::Malformed, message).with_detail(class(body))
    };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| malformed())?;
    let Some(Vectors::ByType { float: vectors } | Vectors::Bare(vectors)) = answer.embeddings
    else {
        return Err(error::in_answer(body).unwrap_or_else(malformed));
    };
    let nothing_said =
        || Usage { source: isthmus_inference::usage::Source::Estimated, ..Usage::default() };
    let counted = answer.meta.and_then(|meta| meta.of_embeddings());
    let usage = counted.unwrap_or_else(nothing_said);
    Ok(EmbeddingAnswer { model: "".into(), vectors, usage })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wish_for_vectors_is_written_in_full() {
        let request = EmbeddingRequest {
            inputs: vec![EmbeddingInput::Text("a".into())],
            dimensions: Some(256),
            extra: Map::from_iter([("truncate".into(), json!("END")), ("user".into(), json!("u"))]),
            ..EmbeddingRequest::default()
        };
        let written = encode(&request, &"embed-v4.0".into()).unwrap();
        let body: Value = serde_json::from_slice(&written.body.whole()).unwrap();
        let expected = json!({"model": "embed-v4.0", "texts": ["a"], "input_type": "search_document",
            "embedding_types": ["float"], "output_dimension": 256, "truncate": "END"});
        assert_eq!((body, written.dropped), (expected, vec!["user".to_owned()]));
        let tokens = vec![EmbeddingInput::Tokens(vec![1])];
        let tokens = EmbeddingRequest { inputs: tokens, ..request.clone() };
        let mut shown = request;
        shown.extra.insert("images".into(), json!(["data:image/png;base64,AA"]));
        for (wanted, param) in [(tokens, "input"), (shown, "images")] {
            let failure = encode(&wanted, &"m".into()).unwrap_err();
            assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some(param)));
        }
    }

    #[test]
    fn vectors_are_read_in_both_shapes() {
        for embeddings in [r#"{"float":[[0.5,1]]}"#, "[[0.5,1]]"] {
            let body = format!(
                r#"{{"embeddings":{embeddings},"meta":{{"billed_units":{{"input_tokens":7,"image_tokens":0}}}}}}"#
            );
            let answer = decode(body.as_bytes()).unwrap();
            assert_eq!((answer.vectors, answer.usage.input()), (vec![vec![0.5, 1.0]], 7));
        }
        assert_eq!(decode(b"{}").unwrap_err().kind, Kind::Malformed);
        let error = br#"{"id":"x","message":"too many tokens"}"#;
        assert_eq!(decode(error).unwrap_err().kind, Kind::ContextLength);
    }
}
