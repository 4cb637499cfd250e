//! The JSON of Gemini's requests and answers. Members that are not named here are passed over.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

// === requests ===

/// The body of `generateContent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) tool_config: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) generation_config: Map<String, Value>,
    /// `safetySettings`, `cachedContent` and other members that the caller gave in Google's words.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A turn, or the system's instruction, which has no role.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    pub(super) parts: Vec<Piece<'a>>,
}

/// A part of a turn.
#[derive(Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "nearly all parts are of the large kind")]
pub(super) enum Piece<'a> {
    /// In Google's own words, from an earlier answer.
    Native(&'a Value),
    /// Written here.
    Own(PartOut<'a>),
}

/// A part that is written here: one member, and perhaps a signature.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_resolution: Option<Resolution>,
}

/// How closely a file is looked at.
#[derive(Serialize)]
pub(super) struct Resolution {
    pub(super) level: &'static str,
}

/// Bytes in base64.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    pub(super) mime_type: &'a str,
    pub(super) data: &'a str,
}

/// A file somewhere.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    pub(super) file_uri: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<&'a str>,
}

/// A call from an earlier turn.
#[derive(Serialize)]
pub(super) struct FunctionCallOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) args: Box<RawValue>,
}

/// What a call resulted in.
#[derive(Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) response: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Piece<'a>>,
}

impl<'a> PartOut<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

// === answers ===

/// A whole answer, or a chunk of a streamed one.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    pub(super) prompt_feedback: Option<Feedback>,
    pub(super) usage_metadata: Option<UsageMetadata>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    /// In an answer's place.
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// One of the answers, or a piece of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) content: Option<ContentIn<'a>>,
    pub(super) finish_reason: Option<String>,
    pub(super) logprobs_result: Option<LogprobsResult>,
    pub(super) citation_metadata: Option<Value>,
    pub(super) grounding_metadata: Option<Value>,
    pub(super) url_context_metadata: Option<Value>,
}

/// What a candidate says.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ContentIn<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<&'a RawValue>>,
}

/// A part of an answer, as far as it has a neutral form.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartIn<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCallIn<'a>>,
    pub(super) inline_data: Option<BlobIn>,
    pub(super) file_data: Option<FileIn>,
}

/// A call, or a piece of one.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FunctionCallIn<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    /// Arguments in pieces.
    pub(super) partial_args: Option<Vec<PartialArg>>,
    /// Whether more pieces follow.
    pub(super) will_continue: Option<bool>,
}

impl FunctionCallIn<'_> {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Self { id, name, args, partial_args, will_continue } = self;
        let nameless = id.is_none() && name.is_none();
        nameless && args.is_none() && partial_args.is_none() && *will_continue != Some(true)
    }
}

/// A piece of a call's arguments, with one of the values or with none.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartialArg {
    pub(super) json_path: String,
    pub(super) string_value: Option<String>,
    pub(super) number_value: Option<Number>,
    pub(super) bool_value: Option<bool>,
}

/// Bytes in base64.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlobIn {
    pub(super) mime_type: Option<String>,
    pub(super) data: Option<String>,
}

/// A file somewhere.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FileIn {
    pub(super) mime_type: Option<String>,
    pub(super) file_uri: Option<String>,
}

/// Why a prompt got no answer.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Feedback {
    pub(super) block_reason: Option<String>,
}

/// The generated tokens: the chosen ones, and for each the likeliest.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogprobsResult {
    pub(super) chosen_candidates: Option<Vec<Token>>,
    pub(super) top_candidates: Option<Vec<Tokens>>,
}

/// The likeliest tokens at one place.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Tokens {
    pub(super) candidates: Option<Vec<Token>>,
}

/// A token and the logarithm of its probability.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Token {
    pub(super) token: Option<String>,
    pub(super) log_probability: Option<f32>,
}

/// What an exchange took.
#[derive(Deserialize, Default, Clone, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageMetadata {
    pub(super) prompt_token_count: Option<u32>,
    pub(super) cached_content_token_count: Option<u32>,
    pub(super) tool_use_prompt_token_count: Option<u32>,
    pub(super) candidates_token_count: Option<u32>,
    pub(super) thoughts_token_count: Option<u32>,
    pub(super) total_token_count: Option<u32>,
    pub(super) prompt_tokens_details: Option<Vec<ModalityCount>>,
    pub(super) cache_tokens_details: Option<Vec<ModalityCount>>,
    pub(super) candidates_tokens_details: Option<Vec<ModalityCount>>,
    pub(super) service_tier: Option<String>,
    pub(super) traffic_type: Option<String>,
}

/// Tokens of one kind: `TEXT`, `IMAGE`, `AUDIO`, `VIDEO`, `DOCUMENT`.
#[derive(Deserialize, Default, Clone, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ModalityCount {
    pub(super) modality: Option<String>,
    pub(super) token_count: Option<u32>,
}
