//! The one request that a run sends again and again, built once as the bytes of an HTTP/1.1 request.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

/// What the caller asks for.
#[derive(Debug, Clone, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The model's name, as the target knows it.
    #[arg(long, default_value = "chat")]
    #[serde(default = "default_model")]
    pub model: String,
    /// Bytes of prompt text before JSON escapes.
    #[arg(long, default_value_t = 200)]
    pub prompt_bytes: usize,
    /// Whether the answer is to be streamed.
    #[arg(long)]
    #[serde(default)]
    pub stream: bool,
    /// The language that the caller speaks.
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    pub language: Language,
}

/// A caller's language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// OpenAI's chat completions.
    #[default]
    Openai,
    /// Anthropic's Messages.
    Anthropic,
}

/// Where a request goes and who sends it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The socket to connect to.
    pub address: SocketAddr,
    /// The path with its query.
    pub path: String,
    /// The caller's key, sent as a bearer token.
    pub key: Option<String>,
}

fn default_model() -> String {
    "chat".to_owned()
}

// === impl ChatRequest ===

impl ChatRequest {
    /// The whole request, head and body.
    pub fn to_http(&self, destination: &Destination) -> Bytes {
        let body = self.body();
        let Destination { address, path, key } = destination;
        let authorization = match key {
            Some(key) => format!("authorization: Bearer {key}\r\n"),
            None => String::new(),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             {authorization}content-length: {length}\r\n\r\n",
            length = body.len(),
        );
        Bytes::from(head + &body)
    }

    fn body(&self) -> String {
        let mut body = json!({
            "model": self.model,
            "messages": [{ "role": "user", "content": prompt(self.prompt_bytes) }],
            "stream": self.stream,
        });
        if self.language == Language::Anthropic {
            // Nothing is asked there without it.
            body["max_tokens"] = 1000.into();
        }
        body.to_string()
    }
}

// === impl Language ===

impl Language {
    /// Where it is spoken.
    pub fn path(self) -> &'static str {
        match self {
            Self::Openai => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }
}

/// Text of the given length with the line breaks and quotation marks that prose and code have, about
/// three in a hundred bytes, because a reader must stop at each escape.
fn prompt(length: usize) -> String {
    let sentences = (0..).map(|number| {
        format!(
            "Line {number} of this prompt is a sentence of ordinary length that says \"a plain \
             thing\" and ends here.\n"
        )
    });
    let mut text = String::with_capacity(length + 128);
    for sentence in sentences {
        if text.len() >= length {
            break;
        }
        text.push_str(&sentence);
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_announced_is_the_length_sent() {
        let request = ChatRequest {
            model: "chat".into(),
            prompt_bytes: 1000,
            stream: true,
            language: Language::Openai,
        };
        let destination = Destination {
            address: ([127, 0, 0, 1], 80).into(),
            path: "/v1/chat/completions".into(),
            key: Some("isk-test".into()),
        };
        let bytes = request.to_http(&destination);
        let text = std::str::from_utf8(&bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!(head.contains("authorization: Bearer isk-test"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["messages"][0]["content"].as_str().unwrap().len(), 1000);
        assert_eq!(body["stream"], true);
    }
}
