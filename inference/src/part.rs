//! What a turn is made of: said, shown, thought, called, answered.

use serde_json::Value;

/// A piece of a turn, of a request or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// The model's own words for why it does not answer (OpenAI's `refusal`).
    Refusal(String),
    /// An image.
    Image {
        /// Where it is.
        media: Media,
        /// How closely to look: OpenAI's `auto`, `low`, `high`.
        detail: Option<String>,
    },
    /// A document, such as a PDF or a plain text with a title.
    Document {
        /// Where it is.
        media: Media,
        /// Its file's name or title.
        name: Option<String>,
    },
    /// Sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// The model's thinking. Its text may be empty where a provider shows only the signature.
    Thinking {
        /// The thinking, or a summary of it, as far as it is shown.
        text: String,
        /// What the provider wants to see again on the next turn.
        signature: Option<Signature>,
    },
    /// A call that the model made.
    ToolCall(ToolCall),
    /// What a call resulted in.
    ToolResult(ToolResult),
    /// Everything up to here is a prefix worth caching (Anthropic's `cache_control` of the part
    /// before, Bedrock's `cachePoint`).
    CachePoint(CacheLife),
    /// Anything else, in the words of one wire format: for that format alone.
    Native {
        /// The wire format.
        format: &'static str,
        /// The part.
        value: Value,
    },
}

/// Where the bytes of an image, document, sound or film are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// At this address (`https:`, `gs:`, `s3:`); never a `data:` URL.
    Url {
        /// The address.
        url: String,
        /// Its type, such as `image/png`, if the caller said.
        media_type: Option<String>,
    },
    /// Here.
    Inline {
        /// Such as `image/png`; empty where the caller did not say.
        media_type: String,
        /// Base64, as the caller wrote it.
        base64: String,
    },
    /// At the provider, uploaded before.
    File {
        /// The provider's name for it.
        id: String,
    },
    /// Plain text as a document.
    Text(String),
}

/// What a provider wants to see again with a thought or a call, and no one else can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who can read it: one of [`formats`]. Dialects send back none but their own.
    pub format: String,
    /// The signature, or the encrypted thought itself.
    pub data: String,
    /// Whether `data` is the thought itself, withheld (Anthropic's `redacted_thinking`).
    pub redacted: bool,
    /// The provider's id of the thought (OpenAI Responses).
    pub id: Option<String>,
}

/// The names of wire formats in [`Signature::format`] and [`Part::Native`]. Those of signatures are
/// OpenRouter's (`reasoning_details[].format`), so that its clients understand them.
pub mod formats {
    /// Anthropic Messages, wherever it is spoken (Vertex and Bedrock pass its signatures on).
    pub const ANTHROPIC: &str = "anthropic-claude-v1";
    /// Gemini.
    pub const GEMINI: &str = "google-gemini-v1";
    /// OpenAI Responses.
    pub const RESPONSES: &str = "openai-responses-v1";
    /// OpenAI chat completions.
    pub const OPENAI_CHAT: &str = "openai-chat";
    /// Bedrock Converse.
    pub const BEDROCK: &str = "bedrock-converse";
    /// Cohere v2.
    pub const COHERE: &str = "cohere-v2";
    /// Mistral's chat.
    pub const MISTRAL: &str = "mistral-v1";
}

/// One call that the model made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// The id that its result will name.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments: JSON text as the model wrote it, or free text.
    pub arguments: String,
    /// Whether the arguments are free text: the call of a tool that takes such.
    pub free_text: bool,
    /// What the provider wants to see again with the call (Gemini's `thoughtSignature`).
    pub signature: Option<Signature>,
}

/// What a call resulted in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// The function's name, where the caller's dialect says it.
    pub name: Option<String>,
    /// The result: text, images, documents.
    pub content: Vec<Part>,
    /// Whether the function failed.
    pub is_error: bool,
}

/// How long a provider's cache is to keep a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheLife {
    /// Five minutes, the usual.
    #[default]
    FiveMinutes,
    /// An hour.
    OneHour,
}

// === impl Part ===

impl Part {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// What a complaint calls it.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Refusal(_) => "a refusal",
            Self::Image { .. } => "an image",
            Self::Document { .. } => "a document",
            Self::Audio(_) => "audio",
            Self::Video(_) => "a video",
            Self::Thinking { .. } => "thinking",
            Self::ToolCall(_) => "a tool call",
            Self::ToolResult(_) => "a tool result",
            Self::CachePoint(_) => "a cache mark",
            Self::Native { .. } => "a part of a kind that only its own provider knows",
        }
    }
}

impl Media {
    /// From an address that may be a `data:` URL: OpenAI's `image_url.url`.
    pub fn of_url(url: String) -> Self {
        let inline = url.strip_prefix("data:").and_then(|rest| {
            let (head, base64) = rest.split_once(',')?;
            let media_type = head.strip_suffix(";base64")?;
            Some(Self::Inline { media_type: media_type.to_owned(), base64: base64.to_owned() })
        });
        inline.unwrap_or(Self::Url { url, media_type: None })
    }

    /// As an address, a `data:` URL where the bytes are here; `None` for what has no address.
    pub fn as_url(&self) -> Option<String> {
        match self {
            Self::Url { url, .. } => Some(url.clone()),
            Self::Inline { media_type, base64 } => {
                Some(format!("data:{media_type};base64,{base64}"))
            }
            Self::File { .. } | Self::Text(_) => None,
        }
    }
}

impl Signature {
    /// A signature of this format.
    pub fn new(format: &str, data: impl Into<String>) -> Self {
        Self { format: format.to_owned(), data: data.into(), redacted: false, id: None }
    }
}

/// All plain text of these parts, joined with nothing between.
pub fn text_of(parts: &[Part]) -> String {
    parts
        .iter()
        .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_taken_apart_and_put_together() {
        let url = "data:image/png;base64,AAAA";
        let media = Media::of_url(url.to_owned());
        assert_eq!(media, Media::Inline { media_type: "image/png".into(), base64: "AAAA".into() });
        assert_eq!(media.as_url().as_deref(), Some(url));
        // Without base64 it stays an address, which whoever fetches will refuse.
        for odd in ["data:,x", "https://example.com/a.png"] {
            assert_eq!(Media::of_url(odd.into()).as_url().as_deref(), Some(odd));
        }
    }
}
