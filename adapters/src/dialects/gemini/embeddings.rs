//! Embeddings, in Google's three ways: `batchEmbedContents` (AI Studio, and Vertex for several texts of
//! Gemini Embedding), `embedContent` (Vertex, for one) and `predict` (Vertex, the text embedding
//! models).

use http::HeaderMap;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingInput, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Flavour;
use super::error;
use super::model::Model;
use super::usage::Counts;
use super::wire::UsageMetadata;
use crate::dialect::{EmbeddingDialect, Encoded, Refused};
use crate::dialects::openai_error::class;

/// Many texts at once.
#[derive(Debug)]
pub struct BatchEmbeddings {
    /// Where.
    pub flavour: Flavour,
}

/// Vertex's for text embedding models, many texts at once.
#[derive(Debug)]
pub struct PredictEmbeddings;

/// Vertex's for Gemini Embedding, one text at a time.
#[derive(Debug)]
pub struct SingleEmbedding;

/// What vectors are for: Cohere's word, Google's `taskType`, and what Gemini Embedding 2 wants to read
/// before the text instead, with the title of a document in it (guide "Embeddings", "Task types").
const PURPOSES: [(&str, &str, &str); 8] = [
    ("search_document", "RETRIEVAL_DOCUMENT", "title: {} | text: "),
    ("search_query", "RETRIEVAL_QUERY", "task: search result | query: "),
    ("classification", "CLASSIFICATION", "task: classification | query: "),
    ("clustering", "CLUSTERING", "task: clustering | query: "),
    ("semantic_similarity", "SEMANTIC_SIMILARITY", "task: sentence similarity | query: "),
    ("question_answering", "QUESTION_ANSWERING", "task: question answering | query: "),
    ("fact_verification", "FACT_VERIFICATION", "task: fact checking | query: "),
    ("code_retrieval_query", "CODE_RETRIEVAL_QUERY", "task: code retrieval | query: "),
];

/// The most texts of a batch ("at most 100 requests can be in one batch"), and of a `predict` (guide "Get
/// text embeddings", "Limits").
const MOST_OF_BATCH: usize = 100;
const MOST_INSTANCES: usize = 250;

/// What was read off a request.
struct Wish<'a> {
    texts: Vec<&'a str>,
    task_type: Option<&'static str>,
    /// What stands before each text.
    prefix: String,
    title: Option<&'a Value>,
    truncate: Option<&'a Value>,
    dropped: Vec<String>,
}

impl EmbeddingDialect for BatchEmbeddings {
    fn encode(
        &self,
        request: &EmbeddingRequest,
        model: &UpstreamModel,
    ) -> Result<Encoded, Failure> {
        let mut wish = Wish::of(request, model)?;
        let mut same = Map::new();
        match self.flavour {
            Flavour::Studio => {
                let name = model.as_str();
                let folder = if name.contains('/') { "" } else { "models/" };
                wish.drop_truncation();
                same = wish.settings(request);
                same.insert("model".to_owned(), format!("{folder}{name}").into());
            }
            Flavour::Vertex => {
                let config = wish.settings(request);
                if !config.is_empty() {
                    same.insert("embedContentConfig".to_owned(), config.into());
                }
            }
        }
        let requests = wish.texts.iter().map(|text| {
            let mut one = same.clone();
            one.insert("content".to_owned(), wish.content(text));
            one
        });
        Ok(encoded(&json!({ "requests": requests.collect::<Vec<_>>() }), wish.dropped))
    }

    fn decode(&self, _headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
        let Batch { embeddings, usage_metadata } = parsed(body)?;
        let vectors = embeddings.into_iter().map(|embedding| embedding.values).collect();
        Ok(answer(vectors, usage_of(usage_metadata)))
    }

    fn most_inputs(&self) -> usize {
        MOST_OF_BATCH
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::from_response(refused)
    }
}

impl EmbeddingDialect for PredictEmbeddings {
    fn encode(
        &self,
        request: &EmbeddingRequest,
        model: &UpstreamModel,
    ) -> Result<Encoded, Failure> {
        let wish = Wish::of(request, model)?;
        let instances = wish.texts.iter().map(|text| {
            let mut instance = Map::from_iter([("content".to_owned(), json!(text))]);
            if let Some(task_type) = wish.task_type {
                instance.insert("task_type".to_owned(), task_type.into());
            }
            if let Some(title) = wish.title {
                instance.insert("title".to_owned(), title.clone());
            }
            instance
        });
        let mut body = json!({ "instances": instances.collect::<Vec<_>>() });
        let mut parameters = Map::new();
        if let Some(dimensions) = request.dimensions {
            parameters.insert("outputDimensionality".to_owned(), dimensions.into());
        }
        if let Some(truncate) = wish.truncate {
            parameters.insert("autoTruncate".to_owned(), truncate.clone());
        }
        if !parameters.is_empty() {
            body["parameters"] = parameters.into();
        }
        Ok(encoded(&body, wish.dropped))
    }

    fn decode(&self, _headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
        let Predictions { predictions } = parsed(body)?;
        let told = predictions.iter().filter_map(|one| one.embeddings.statistics.token_count);
        let tokens = told.fold(None, |sum: Option<f64>, tokens| Some(sum.unwrap_or(0.0) + tokens));
        let usage =
            tokens.map(|tokens| Usage { uncached_input: tokens as u64, ..Usage::default() });
        let vectors = predictions.into_iter().map(|one| one.embeddings.values).collect();
        Ok(answer(vectors, usage))
    }

    fn most_inputs(&self) -> usize {
        MOST_INSTANCES
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::from_response(refused)
    }
}

impl EmbeddingDialect for SingleEmbedding {
    fn encode(
        &self,
        request: &EmbeddingRequest,
        model: &UpstreamModel,
    ) -> Result<Encoded, Failure> {
        let wish = Wish::of(request, model)?;
        let [text] = wish.texts[..] else {
            let message = "the provider makes one vector of this model at a time; \
                           send one text with each request";
            return Err(Failure::new(Kind::Unsupported, message).with_param("input"));
        };
        let config = wish.settings(request);
        let mut body = json!({ "content": wish.content(text) });
        if !config.is_empty() {
            body["embedContentConfig"] = config.into();
        }
        Ok(encoded(&body, wish.dropped))
    }

    fn decode(&self, _headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
        let Single { embedding, usage_metadata } = parsed(body)?;
        Ok(answer(vec![embedding.values], usage_of(usage_metadata)))
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::from_response(refused)
    }
}

// === impl Wish ===

impl<'a> Wish<'a> {
    fn of(request: &'a EmbeddingRequest, model: &UpstreamModel) -> Result<Self, Failure> {
        let texts = request.inputs.iter().map(|input| match input {
            EmbeddingInput::Text(text) => Ok(text.as_str()),
            EmbeddingInput::Tokens(_) => {
                let message = "the provider takes texts, not tokens, in `input`";
                Err(Failure::new(Kind::Unsupported, message).with_param("input"))
            }
        });
        let texts = texts.collect::<Result<_, _>>()?;
        let mut wish = Self {
            texts,
            task_type: None,
            prefix: String::new(),
            title: None,
            truncate: None,
            dropped: vec![],
        };
        let mut purpose = request.input_type.as_deref();
        for (name, value) in &request.extra {
            match (name.as_str(), value) {
                ("task_type" | "taskType", Value::String(said)) => purpose = purpose.or(Some(said)),
                ("title", _) => wish.title = Some(value),
                ("auto_truncate" | "autoTruncate", _) => wish.truncate = Some(value),
                _ => wish.dropped.push(name.clone()),
            }
        }
        let known = purpose.map(|said| {
            let known = PURPOSES.iter().find(|(theirs, ours, _)| *theirs == said || *ours == said);
            known.ok_or_else(|| unknown_purpose(said))
        });
        if let Some((_, task_type, prefix)) = known.transpose()? {
            match Model::new(model.as_str()).takes_purpose_as_text() {
                true => {
                    let title = wish.title.take().and_then(Value::as_str).unwrap_or("none");
                    wish.prefix = prefix.replace("{}", title);
                }
                false => wish.task_type = Some(task_type),
            }
        }
        Ok(wish)
    }

    /// Members that say how the vectors are to be made.
    fn settings(&self, request: &EmbeddingRequest) -> Map<String, Value> {
        let mut settings = Map::new();
        if let Some(task_type) = self.task_type {
            settings.insert("taskType".to_owned(), task_type.into());
        }
        if let Some(title) = self.title {
            settings.insert("title".to_owned(), title.clone());
        }
        if let Some(dimensions) = request.dimensions {
            settings.insert("outputDimensionality".to_owned(), dimensions.into());
        }
        if let Some(truncate) = self.truncate {
            settings.insert("autoTruncate".to_owned(), truncate.clone());
        }
        settings
    }

    fn content(&self, text: &str) -> Value {
        json!({ "parts": [{ "text": format!("{}{text}", self.prefix) }] })
    }

    fn drop_truncation(&mut self) {
        if self.truncate.take().is_some() {
            self.dropped.push("auto_truncate".to_owned());
        }
    }
}

fn unknown_purpose(said: &str) -> Failure {
    let known = PURPOSES.map(|(word, ..)| format!("`{word}`")).join(", ");
    let message = format!("`input_type` must be one of {known}, got `{said}`");
    Failure::invalid("input_type", message)
}

fn encoded(body: &Value, dropped: Vec<String>) -> Encoded {
    Encoded { body: body.to_string().into(), dropped, ..Encoded::default() }
}

// === answers ===

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    embeddings: Vec<Embedding>,
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Single {
    embedding: Embedding,
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embedding,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
    #[serde(default)]
    statistics: Statistics,
}

/// Numbers are decimal here: protobuf's `Value` knows no other.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Statistics {
    #[serde(alias = "tokenCount")]
    token_count: Option<f64>,
}

fn parsed<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| {
        if error::is_one(body) {
            return error::in_answer(body);
        }
        Failure::new(Kind::Malformed, "the provider's answer holds no vectors")
            .with_detail(class(body))
    })
}

fn usage_of(told: Option<UsageMetadata>) -> Option<Usage> {
    let mut counts = Counts::default();
    counts.update(told?);
    counts.usage()
}

/// Where nobody counted, the house does, from the request.
fn answer(vectors: Vec<Vec<f32>>, usage: Option<Usage>) -> EmbeddingAnswer {
    let uncounted = Usage { source: Source::Estimated, ..Usage::default() };
    EmbeddingAnswer { model: "".into(), vectors, usage: usage.unwrap_or(uncounted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_title_stands_where_the_model_reads_it() {
        let mut request = EmbeddingRequest {
            inputs: vec![EmbeddingInput::Text("t".into())],
            input_type: Some("search_document".into()),
            ..EmbeddingRequest::default()
        };
        let body = |request: &EmbeddingRequest, model: &str| -> Value {
            let encoded = SingleEmbedding.encode(request, &model.into()).unwrap();
            serde_json::from_slice(&encoded.body.whole()).unwrap()
        };
        let second = body(&request, "gemini-embedding-2");
        assert_eq!(second["content"]["parts"][0]["text"], "title: none | text: t");
        request.extra.insert("title".into(), "T".into());
        let second = body(&request, "gemini-embedding-2");
        assert_eq!(second["content"]["parts"][0]["text"], "title: T | text: t");
        assert_eq!(second["embedContentConfig"], Value::Null);
        let first = body(&request, "gemini-embedding-001");
        let config = json!({"taskType": "RETRIEVAL_DOCUMENT", "title": "T"});
        assert_eq!(first["embedContentConfig"], config);
    }
}
