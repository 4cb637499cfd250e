//! What a request needs of an endpoint, seen without reading it in full.
//!
//! Keys and the words of types are looked for in the caller's own text. One that stands inside a text
//! of the caller's cannot be mistaken for one: its quotes are escaped there.

use isthmus_inference::capability::{Capabilities, Capability};
use isthmus_inference::request::{Operation, Request};
use memchr::memmem;

/// Members that hold something (a list with items, or a wish that is not `false`), and the capability
/// that they need.
const MEMBERS: &[(&str, Capability)] = &[
    ("tools", Capability::Tools),
    ("functions", Capability::Tools),
    ("logprobs", Capability::Logprobs),
    ("top_logprobs", Capability::Logprobs),
];

/// Members that ask for a shape, in the words of each dialect.
const FORMATS: &[&str] = &["response_format", "text", "output_config", "output_format"];

/// Members that hold the conversation.
const CONVERSATIONS: &[&str] = &["messages", "input"];

/// Words in a conversation, as they stand in the text, and what they need: types of OpenAI's chat, of
/// Responses, and of Anthropic's Messages.
const WORDS: &[(&[u8], Capability)] = &[
    (b"\"image_url\"", Capability::Vision),
    (b"\"input_image\"", Capability::Vision),
    (b"\"image\"", Capability::Vision),
    (b"\"input_audio\"", Capability::Audio),
    (b"\"input_file\"", Capability::Documents),
    (b"\"file\"", Capability::Documents),
    (b"\"document\"", Capability::Documents),
];

/// What an endpoint must be able to do for this request.
pub fn needs(request: &Request) -> Capabilities {
    let operation = match request.operation {
        Operation::Chat | Operation::CountTokens => Capability::Chat,
        Operation::Completion => Capability::Completions,
        Operation::Embedding => Capability::Embeddings,
    };
    let value = |name: &str| {
        let member = request.outline.named(&request.body, name).next()?;
        Some(&request.body[member.value.clone()])
    };
    let mut needed = Capabilities::default().with(operation);
    if operation != Capability::Chat {
        return needed;
    }
    for (name, capability) in MEMBERS {
        if value(name).is_some_and(asks) {
            needed = needed.with(*capability);
        }
    }
    let shaped = |name: &&str| value(name).is_some_and(|value| has(value, b"\"json_schema\""));
    if FORMATS.iter().any(shaped) {
        needed = needed.with(Capability::JsonSchema);
    }
    for conversation in CONVERSATIONS.iter().filter_map(|name| value(name)) {
        let said = WORDS.iter().filter(|(word, _)| has(conversation, word));
        needed = said.fold(needed, |needed, (_, capability)| needed.with(*capability));
    }
    needed
}

fn asks(value: &[u8]) -> bool {
    let empty = value.starts_with(b"[") && value[1..].trim_ascii_start().starts_with(b"]");
    !empty && !matches!(value, b"null" | b"false" | b"0")
}

fn has(text: &[u8], word: &[u8]) -> bool {
    memmem::find(text, word).is_some()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialects::openai_request::decode;

    fn needed(operation: Operation, members: &str) -> String {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        needs(&decode(operation, Bytes::from(body)).unwrap()).to_string()
    }

    #[test]
    fn what_is_asked_tells_what_is_needed() {
        let say = r#""messages":[{"role":"user","content":"hi"}]"#;
        let show = r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]"#;
        let quote = r#""messages":[{"role":"user","content":"write \"image_url\" and \"file\""}]"#;
        for (members, expected) in [
            (say.to_owned(), "`chat`"),
            (show.to_owned(), "`chat`, `vision`"),
            (quote.to_owned(), "`chat`"),
            (format!(r#"{say},"tools":[],"logprobs":false"#), "`chat`"),
            (format!(r#"{say},"tools":[{{}}],"logprobs":true"#), "`chat`, `tools`, `logprobs`"),
            (
                format!(r#"{say},"response_format":{{"type":"json_schema"}}"#),
                "`chat`, `json_schema`",
            ),
        ] {
            assert_eq!(needed(Operation::Chat, &members), expected, "{members}");
        }
        assert_eq!(needed(Operation::Embedding, r#""input":"x""#), "`embeddings`");
    }
}
