//! What the mock streams in the languages beside OpenAI's, and the paths at which each is asked for.
//!
//! The first delta comes in one write with all that must stand before it, so that the first event of
//! a stream is the first token in every language.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answers::Stream;

/// A language beside OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's server-sent events.
    Gemini,
    /// Bedrock's binary event stream.
    Bedrock,
}

const MODEL: &str = "mock-model";
/// The mock does not count the prompt's tokens.
const PROMPT_TOKENS: usize = 11;

// === impl Language ===

impl Language {
    /// The language that is spoken at a path, and whether the path asks for a stream; `None` for
    /// OpenAI's, where the body says so.
    pub(super) fn at(path: &str) -> Option<(Self, Option<bool>)> {
        match path {
            "/v1/messages" => Some((Self::Anthropic, None)),
            path if path.ends_with(":streamGenerateContent") => Some((Self::Gemini, Some(true))),
            path if path.ends_with(":generateContent") => Some((Self::Gemini, Some(false))),
            path if path.ends_with("/converse-stream") => Some((Self::Bedrock, Some(true))),
            path if path.ends_with("/converse") => Some((Self::Bedrock, Some(false))),
            _ => None,
        }
    }

    /// A stream of so many tokens.
    pub(super) fn stream(self, tokens: usize) -> Stream {
        let text = |index: usize| format!(" token{index}");
        match self {
            Self::Anthropic => Stream {
                content_type: "text/event-stream",
                deltas: with_opening(anthropic_opening(), tokens, |index| {
                    anthropic(
                        "content_block_delta",
                        json!({
                            "index": 0, "delta": {"type": "text_delta", "text": text(index)},
                        }),
                    )
                }),
                ending: anthropic_ending(tokens),
            },
            Self::Gemini => Stream {
                content_type: "text/event-stream",
                deltas: with_opening(vec![], tokens, |index| gemini(&text(index), None)),
                ending: gemini("", Some(tokens)).into(),
            },
            Self::Bedrock => Stream {
                content_type: "application/vnd.amazon.eventstream",
                deltas: with_opening(
                    frame("messageStart", &json!({"role": "assistant"})),
                    tokens,
                    |index| {
                        let delta = json!({"contentBlockIndex": 0, "delta": {"text": text(index)}});
                        frame("contentBlockDelta", &delta)
                    },
                ),
                ending: bedrock_ending(tokens),
            },
        }
    }
}

/// A delta for each token, the first one behind the opening.
fn with_opening(opening: Vec<u8>, tokens: usize, delta: impl Fn(usize) -> Vec<u8>) -> Vec<Bytes> {
    let mut before = opening;
    let taken = (0..tokens).map(|index| {
        let mut bytes = std::mem::take(&mut before);
        bytes.extend(delta(index));
        bytes.into()
    });
    taken.collect()
}

// === Anthropic ===

fn anthropic(name: &str, mut data: Value) -> Vec<u8> {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

fn anthropic_opening() -> Vec<u8> {
    let message = json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": 1},
    });
    let block = json!({"index": 0, "content_block": {"type": "text", "text": ""}});
    let start = anthropic("message_start", json!({ "message": message }));
    [start, anthropic("content_block_start", block)].concat()
}

fn anthropic_ending(tokens: usize) -> Bytes {
    let delta = json!({
        "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": tokens},
    });
    [
        anthropic("content_block_stop", json!({"index": 0})),
        anthropic("message_delta", delta),
        anthropic("message_stop", json!({})),
    ]
    .concat()
    .into()
}

// === Gemini ===

/// A chunk with this text; the last one says so, with the tokens.
fn gemini(text: &str, last: Option<usize>) -> Vec<u8> {
    let mut candidate =
        json!({"index": 0, "content": {"role": "model", "parts": [{ "text": text }]}});
    let mut usage = json!({ "promptTokenCount": PROMPT_TOKENS });
    if let Some(tokens) = last {
        candidate["finishReason"] = "STOP".into();
        usage["candidatesTokenCount"] = tokens.into();
        usage["totalTokenCount"] = (PROMPT_TOKENS + tokens).into();
    }
    let chunk = json!({
        "candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL,
        "responseId": "mock",
    });
    format!("data: {chunk}\r\n\r\n").into_bytes()
}

// === Bedrock ===

fn bedrock_ending(tokens: usize) -> Bytes {
    let usage = json!({
        "inputTokens": PROMPT_TOKENS, "outputTokens": tokens,
        "totalTokens": PROMPT_TOKENS + tokens,
    });
    [
        frame("contentBlockStop", &json!({"contentBlockIndex": 0})),
        frame("messageStop", &json!({"stopReason": "end_turn"})),
        frame("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ]
    .concat()
    .into()
}

/// One message of an event stream: lengths, their checksum, headers, payload, the checksum of all
/// (the Smithy specification, "Amazon event stream").
fn frame(event: &str, payload: &Value) -> Vec<u8> {
    /// A header's value is a text.
    const TEXT: u8 = 7;
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(length::<u8>(name.len()));
        headers.extend(name.as_bytes());
        headers.push(TEXT);
        headers.extend(length::<u16>(value.len()).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let whole = 12 + headers.len() + payload.len() + 4;
    let mut bytes = Vec::with_capacity(whole);
    bytes.extend(length::<u32>(whole).to_be_bytes());
    bytes.extend(length::<u32>(headers.len()).to_be_bytes());
    bytes.extend(checksum(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload.as_bytes());
    bytes.extend(checksum(&bytes).to_be_bytes());
    bytes
}

/// A length in the frame's own type; the mock's texts are short.
fn length<T: TryFrom<usize> + Default>(length: usize) -> T {
    T::try_from(length).unwrap_or_default()
}

/// CRC-32 as in zip and PNG, bit by bit: this runs before the first request.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_means() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn each_language_has_its_paths_and_brings_every_token() {
        for (path, language) in [
            ("/v1/messages", Language::Anthropic),
            ("/v1beta/models/m:streamGenerateContent", Language::Gemini),
            ("/model/m/converse-stream", Language::Bedrock),
        ] {
            assert_eq!(Language::at(path).map(|(found, _)| found), Some(language));
            let stream = language.stream(3);
            assert_eq!(stream.deltas.len(), 3);
            for (index, delta) in stream.deltas.iter().enumerate() {
                let text = String::from_utf8_lossy(delta);
                assert_eq!(text.matches(" token").count(), 1, "{text}");
                assert!(text.contains(&format!(" token{index}")), "{text}");
            }
        }
        assert_eq!(Language::at("/v1/chat/completions"), None);
    }

    #[test]
    fn a_frame_says_how_long_it_is() {
        let bytes = frame("messageStart", &json!({"role": "assistant"}));
        assert_eq!(bytes[..4], u32::try_from(bytes.len()).unwrap().to_be_bytes());
        let headers = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert_eq!(&bytes[12 + headers..bytes.len() - 4], br#"{"role":"assistant"}"#);
    }
}
