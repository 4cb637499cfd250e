//! A block of a streamed answer that has begun and not ended.

use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::stream::Event;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{SERVER_CALL, cited, drawn};
use super::signature::withheld;

/// What has come of a block. All but images and what the provider does by itself is told at once.
pub(super) enum Open {
    /// Text or thinking: these begin without a word.
    Said {
        /// How many characters of the answer's text stand before it, and are in it.
        from: usize,
        characters: usize,
        citations: Vec<Value>,
        signature: String,
    },
    /// A call of the caller's function.
    Call {
        index: u32,
        /// Whether anything came of its arguments.
        begun: bool,
    },
    /// A call that the provider makes and answers by itself.
    ServerCall {
        head: Map<String, Value>,
        input: String,
    },
    /// What such a call resulted in.
    ServerResult {
        head: Map<String, Value>,
        content: Vec<Value>,
    },
    Image {
        format: String,
        base64: String,
    },
}

/// How much of an answer was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) calls: u32,
    /// Of the text that a caller sees.
    pub(super) characters: usize,
}

/// `ContentBlockStart`: one of these, or something newer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Start {
    tool_use: Option<Map<String, Value>>,
    tool_result: Option<Map<String, Value>>,
    image: Option<ImageStart>,
}

#[derive(Deserialize)]
struct ImageStart {
    format: String,
}

/// `ContentBlockDelta`: one of these, or something newer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta {
    text: Option<String>,
    tool_use: Option<CallDelta>,
    tool_result: Option<Vec<Value>>,
    reasoning_content: Option<ThoughtDelta>,
    citation: Option<Value>,
    image: Option<ImageDelta>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThoughtDelta {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ImageDelta {
    source: Option<ImageSource>,
}

#[derive(Deserialize)]
struct ImageSource {
    bytes: Option<String>,
}

impl Open {
    /// A block of text or thinking, behind so many characters of the answer's text.
    pub(super) fn said(from: usize) -> Self {
        Self::Said { from, characters: 0, citations: Vec::new(), signature: String::new() }
    }

    /// The block that begins so, behind what was told.
    pub(super) fn begin(start: Start, told: &mut Told, events: &mut Vec<Event>) -> Self {
        if let Some(head) = start.tool_result {
            return Self::ServerResult { head, content: Vec::new() };
        }
        if let Some(image) = start.image {
            return Self::Image { format: image.format, base64: String::new() };
        }
        let Some(head) = start.tool_use else { return Self::said(told.characters) };
        if head.get("type").is_some_and(|kind| kind == SERVER_CALL) {
            return Self::ServerCall { head, input: String::new() };
        }
        let text = |name: &str| head.get(name).and_then(Value::as_str).unwrap_or_default();
        let (id, name) = (text("toolUseId").to_owned(), text("name").to_owned());
        let call = ToolCall { id, name, ..ToolCall::default() };
        let index = told.calls;
        told.calls += 1;
        events.push(Event::ToolCallStart { choice: 0, index, call });
        Self::Call { index, begun: false }
    }

    /// Takes in a piece, and says how many bytes of it are held until the block ends; `None` if the
    /// piece is none of this block. `format` is whose the model's signatures are.
    pub(super) fn grow(
        &mut self,
        delta: Delta,
        told: &mut Told,
        format: &'static str,
        events: &mut Vec<Event>,
    ) -> Option<usize> {
        match (self, delta) {
            (block, Delta { text: Some(text), .. }) => {
                let more = text.chars().count();
                told.characters += more;
                if let Self::Said { characters, .. } = block {
                    *characters += more;
                }
                if !text.is_empty() {
                    events.push(Event::Text { choice: 0, text, logprobs: vec![] });
                }
                Some(0)
            }
            (Self::Said { signature, .. }, Delta { reasoning_content: Some(thought), .. }) => {
                Some(think(thought, signature, format, events))
            }
            (Self::Said { citations, .. }, Delta { citation: Some(citation), .. }) => {
                let held = citation.to_string().len();
                citations.push(citation);
                Some(held)
            }
            (Self::Call { index, begun }, Delta { tool_use: Some(CallDelta { input }), .. }) => {
                if !input.is_empty() {
                    *begun = true;
                    events.push(Event::ToolCallArguments { choice: 0, index: *index, text: input });
                }
                Some(0)
            }
            (Self::ServerCall { input, .. }, Delta { tool_use: Some(piece), .. }) => {
                input.push_str(&piece.input);
                Some(piece.input.len())
            }
            (Self::ServerResult { content, .. }, Delta { tool_result: Some(pieces), .. }) => {
                let held = pieces.iter().map(|piece| piece.to_string().len()).sum();
                content.extend(pieces);
                Some(held)
            }
            (Self::Image { base64, .. }, Delta { image: Some(image), .. }) => {
                let bytes = image.source.and_then(|source| source.bytes).unwrap_or_default();
                base64.push_str(&bytes);
                Some(bytes.len())
            }
            // Arguments without a call would be lost.
            (_, Delta { tool_use: Some(_), .. }) => None,
            // Something newer than this program.
            _ => Some(0),
        }
    }

    /// Tells what the block's end makes whole.
    pub(super) fn end(self, format: &'static str, events: &mut Vec<Event>) {
        let part = match self {
            Self::Said { from, characters, citations, signature } => {
                if !signature.is_empty() {
                    let signature = Signature::new(format, signature);
                    events.push(Event::ReasoningSigned { choice: 0, signature });
                }
                let span = (from, from + characters);
                (!citations.is_empty()).then(|| cited(&citations, span))
            }
            Self::Call { index, begun } => {
                if !begun {
                    let text = "{}".to_owned();
                    events.push(Event::ToolCallArguments { choice: 0, index, text });
                }
                None
            }
            Self::ServerCall { mut head, input } => {
                let input = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
                head.insert("input".to_owned(), input);
                Some(native("toolUse", &head))
            }
            Self::ServerResult { mut head, content } => {
                head.insert("content".to_owned(), content.into());
                Some(native("toolResult", &head))
            }
            Self::Image { format, base64 } => Some(drawn(&format, base64)),
        };
        events.extend(part.map(|part| Event::Part { choice: 0, part }));
    }
}

/// Tells a piece of thinking, and gathers its signature.
fn think(
    thought: ThoughtDelta,
    signature: &mut String,
    format: &'static str,
    events: &mut Vec<Event>,
) -> usize {
    if let Some(text) = thought.text.filter(|text| !text.is_empty()) {
        events.push(Event::Reasoning { choice: 0, text });
    }
    if let Some(blob) = thought.redacted_content {
        let signature = withheld(&blob, format);
        events.push(Event::ReasoningSigned { choice: 0, signature });
    }
    let piece = thought.signature.unwrap_or_default();
    signature.push_str(&piece);
    piece.len()
}

fn native(name: &str, value: &Map<String, Value>) -> Part {
    Part::Native { format: formats::BEDROCK, value: json!({ name: value }) }
}
