//! Vectors from Bedrock. `InvokeModel` takes each model's own words (user guide: "Amazon Titan Text
//! Embeddings", "Amazon Titan Multimodal Embeddings", "Cohere Embed"; Nova user guide: "Complete
//! embeddings request and response schema").

use std::sync::Arc;

use http::HeaderMap;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingInput, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{in_place_of_an_answer, malformed, refused, unreadable};
use super::tools::note;
use crate::dialect::{EmbeddingDialect, Encoded, Refused};

/// Models that are asked alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedder {
    /// Titan Text Embeddings G1.
    Titan,
    /// Titan Text Embeddings V2.
    TitanV2,
    /// Titan Multimodal Embeddings.
    TitanImage,
    /// Cohere Embed 3.
    Cohere,
    /// Cohere Embed 4.
    CohereV4,
    /// Nova Multimodal Embeddings.
    Nova,
}

/// What stands in the ids of each; the first that fits counts.
static EMBEDDERS: [(&str, Embedder); 6] = [
    ("amazon.titan-embed-text-v2", Embedder::TitanV2),
    ("amazon.titan-embed-image", Embedder::TitanImage),
    ("amazon.titan-embed", Embedder::Titan),
    ("cohere.embed-v4", Embedder::CohereV4),
    ("cohere.embed", Embedder::Cohere),
    ("amazon.nova-2-multimodal-embeddings", Embedder::Nova),
];
/// The most texts of one call to Cohere's models.
const MOST_TEXTS: usize = 96;
/// Where tokens are counted (API reference, "InvokeModel").
const TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// An answer of any of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Titan's.
    embedding: Option<Vec<f32>>,
    /// Titan's.
    input_text_token_count: Option<u64>,
    /// Cohere's and Nova's.
    embeddings: Option<Vectors>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vectors {
    Plain(Vec<Vec<f32>>),
    ByType { float: Vec<Vec<f32>> },
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    embedding: Vec<f32>,
}

impl Embedder {
    /// How the model with this id is asked; `None` if it is not known to make vectors.
    pub fn of(model: &str) -> Option<&'static Self> {
        EMBEDDERS.iter().find(|(part, _)| model.contains(part)).map(|(_, embedder)| embedder)
    }

    fn body(
        self,
        wanted: &EmbeddingRequest,
        dropped: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Failure> {
        let texts = texts(wanted)?;
        let mut left = wanted.extra.clone();
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let first = || texts.first().copied().unwrap_or_default();
        let dimensions = wanted.dimensions.map(Value::from);
        match self {
            Self::Titan => {
                put("inputText", Some(first().into()));
                refuse_dimensions(wanted)?;
            }
            Self::TitanV2 => {
                put("inputText", Some(first().into()));
                put("dimensions", dimensions);
                put("normalize", left.shift_remove("normalize"));
            }
            Self::TitanImage => {
                put("inputText", Some(first().into()));
                let config = dimensions.map(|length| json!({ "outputEmbeddingLength": length }));
                put("embeddingConfig", config);
            }
            Self::Cohere | Self::CohereV4 => {
                put("texts", Some(texts.into()));
                let purpose = wanted.input_type.as_deref().unwrap_or("search_document");
                put("input_type", Some(purpose.into()));
                put("embedding_types", Some(json!(["float"])));
                put("truncate", left.shift_remove("truncate"));
                if self == Self::Cohere {
                    refuse_dimensions(wanted)?;
                } else {
                    put("output_dimension", dimensions);
                }
            }
            Self::Nova => {
                let mut parameters = json!({
                    "embeddingPurpose": nova_purpose(wanted.input_type.as_deref()),
                    "text": { "truncationMode": "NONE", "value": first() },
                });
                if let Some(dimensions) = dimensions {
                    parameters["embeddingDimension"] = dimensions;
                }
                put("schemaVersion", Some("nova-multimodal-embed-v1".into()));
                put("taskType", Some("SINGLE_EMBEDDING".into()));
                put("singleEmbeddingParams", Some(parameters));
            }
        }
        let knows_purposes = matches!(self, Self::Cohere | Self::CohereV4 | Self::Nova);
        if wanted.input_type.is_some() && !knows_purposes {
            note(dropped, "input_type");
        }
        left.keys().for_each(|name| note(dropped, name));
        Ok(body)
    }
}

impl EmbeddingDialect for Embedder {
    fn encode(
        &self,
        request: &EmbeddingRequest,
        _model: &UpstreamModel,
    ) -> Result<Encoded, Failure> {
        let mut dropped = Vec::new();
        let body = Value::Object(self.body(request, &mut dropped)?);
        Ok(Encoded { body: body.to_string().into(), dropped, ..Encoded::default() })
    }

    fn decode(&self, headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
        let answer: Answer = serde_json::from_slice(body).map_err(unreadable)?;
        let vectors = match (answer.embedding, answer.embeddings) {
            (Some(vector), _) => vec![vector],
            (None, Some(Vectors::Plain(vectors) | Vectors::ByType { float: vectors })) => vectors,
            (None, Some(Vectors::Named(named))) => {
                named.into_iter().map(|named| named.embedding).collect()
            }
            (None, None) => {
                let told = in_place_of_an_answer(&body.to_vec().into());
                return Err(told.unwrap_or_else(|| malformed("it has no vectors")));
            }
        };
        let header = headers.get(TOKENS).and_then(|count| count.to_str().ok()?.parse().ok());
        let usage = match answer.input_text_token_count.or(header) {
            Some(tokens) => Usage { uncached_input: tokens, ..Usage::default() },
            None => Usage { source: Source::Estimated, ..Usage::default() },
        };
        Ok(EmbeddingAnswer { model: Arc::from(""), vectors, usage })
    }

    fn failure(&self, told: Refused<'_>) -> Failure {
        refused(told)
    }

    fn most_inputs(&self) -> usize {
        match self {
            Self::Cohere | Self::CohereV4 => MOST_TEXTS,
            Self::Titan | Self::TitanV2 | Self::TitanImage | Self::Nova => 1,
        }
    }
}

fn texts(wanted: &EmbeddingRequest) -> Result<Vec<&str>, Failure> {
    wanted.inputs.iter().map(text).collect()
}

fn text(input: &EmbeddingInput) -> Result<&str, Failure> {
    match input {
        EmbeddingInput::Text(text) => Ok(text),
        EmbeddingInput::Tokens(_) => {
            let message = "the endpoint takes texts, not tokens, to make vectors of";
            Err(Failure::new(Kind::Unsupported, message).with_param("input"))
        }
    }
}

fn refuse_dimensions(wanted: &EmbeddingRequest) -> Result<(), Failure> {
    if wanted.dimensions.is_none() {
        return Ok(());
    }
    let message = "the endpoint's model makes vectors of one length only";
    Err(Failure::new(Kind::Unsupported, message).with_param("dimensions"))
}

/// Nova's word for what vectors are for.
fn nova_purpose(input_type: Option<&str>) -> &'static str {
    match input_type {
        Some("search_query") => "TEXT_RETRIEVAL",
        Some("classification") => "CLASSIFICATION",
        Some("clustering") => "CLUSTERING",
        _ => "GENERIC_INDEX",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(texts: &[&str]) -> EmbeddingRequest {
        let inputs = texts.iter().map(|text| EmbeddingInput::Text((*text).into())).collect();
        EmbeddingRequest { inputs, ..EmbeddingRequest::default() }
    }

    #[test]
    fn each_model_is_asked_in_its_own_words() {
        let cases = [
            ("amazon.titan-embed-text-v1", None, json!({"inputText": "a"})),
            (
                "amazon.titan-embed-text-v2:0",
                Some(256),
                json!({"inputText": "a", "dimensions": 256, "normalize": true}),
            ),
            (
                "amazon.titan-embed-image-v1",
                Some(384),
                json!({"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 384}}),
            ),
            (
                "cohere.embed-english-v3",
                None,
                json!({"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]}),
            ),
            (
                "eu.cohere.embed-v4:0",
                Some(512),
                json!({"texts": ["a"], "input_type": "search_query",
                    "embedding_types": ["float"], "output_dimension": 512}),
            ),
            (
                "amazon.nova-2-multimodal-embeddings-v1:0",
                Some(1024),
                json!({"schemaVersion": "nova-multimodal-embed-v1", "taskType": "SINGLE_EMBEDDING",
                    "singleEmbeddingParams": {"embeddingPurpose": "TEXT_RETRIEVAL",
                        "text": {"truncationMode": "NONE", "value": "a"},
                        "embeddingDimension": 1024}}),
            ),
        ];
        for (model, dimensions, expected) in cases {
            let mut wanted = request(&["a"]);
            wanted.dimensions = dimensions;
            wanted.input_type = Some("search_query".into());
            wanted.extra.insert("normalize".into(), true.into());
            let embedder = Embedder::of(model).unwrap();
            let encoded = embedder.encode(&wanted, &model.into()).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
            assert_eq!(body, expected, "{model}");
            let titans = model.contains("titan");
            assert_eq!(encoded.dropped.contains(&"input_type".to_owned()), titans, "{model}");
            let normalizes = *embedder == Embedder::TitanV2;
            assert_eq!(encoded.dropped.contains(&"normalize".to_owned()), !normalizes, "{model}");
        }
        assert_eq!(Embedder::of("anthropic.claude-3-haiku-20240307-v1:0"), None);
    }

    #[test]
    fn what_a_model_cannot_do_is_refused() {
        let tokens = EmbeddingRequest {
            inputs: vec![EmbeddingInput::Tokens(vec![1])],
            ..EmbeddingRequest::default()
        };
        let long = EmbeddingRequest { dimensions: Some(8), ..request(&["a"]) };
        for (wanted, param) in [(tokens, "input"), (long, "dimensions")] {
            let failure = Embedder::Titan.encode(&wanted, &"m".into()).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported);
            assert_eq!(failure.param.as_deref(), Some(param));
        }
    }

    #[test]
    fn each_shape_of_an_answer_is_read() {
        let mut counted = HeaderMap::new();
        counted.insert(TOKENS, "7".parse().unwrap());
        let none = HeaderMap::new();
        let one = vec![vec![0.5, -1.0]];
        let cases = [
            (&none, json!({"embedding": [0.5, -1], "inputTextTokenCount": 3}), 3),
            (&counted, json!({"embeddings": [[0.5, -1]], "response_type": "embeddings_floats"}), 7),
            (&counted, json!({"embeddings": {"float": [[0.5, -1]]}, "texts": ["a"]}), 7),
            (
                &counted,
                json!({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, -1]}]}),
                7,
            ),
        ];
        for (headers, body, tokens) in cases {
            let answer = Embedder::Cohere.decode(headers, body.to_string().as_bytes()).unwrap();
            assert_eq!((&answer.vectors, answer.usage.total()), (&one, tokens), "{body}");
            assert_eq!(answer.usage.source, Source::Reported);
        }
        let silent = Embedder::Cohere.decode(&none, br#"{"embeddings":[[1]]}"#).unwrap();
        assert_eq!(silent.usage.source, Source::Estimated);
        for body in ["", "[]", r#"{"message":"no"}"#, r#"{"embeddings":{"int8":[[1]]}}"#] {
            Embedder::Cohere.decode(&none, body.as_bytes()).unwrap_err();
        }
    }
}
