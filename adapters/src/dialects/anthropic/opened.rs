//! One content block between its beginning and its end.

use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::stream::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dialects::citations::{CITATIONS, cited_by_anthropic};

/// How far an answer is.
#[derive(Default)]
pub(super) struct Progress {
    /// How many calls have begun.
    pub(super) calls: u32,
    /// How many characters of visible text were told.
    characters: u64,
}

/// A block that has begun.
pub(super) enum Open {
    /// Thinking, which is told as it comes.
    Plain,
    /// Text, which is told as it comes, and what it is from, which is told behind it.
    Text {
        /// How many characters were told before it.
        from: u64,
        citations: Vec<Value>,
    },
    /// A call of a function of the caller's.
    Call {
        index: u32,
        /// The arguments, if they came with the beginning.
        input: Value,
        /// Whether any came after it.
        told: bool,
    },
    /// What only this vendor knows: it is told when it is whole.
    Native {
        block: Map<String, Value>,
        /// The `input` of a call that the vendor makes itself.
        input: String,
    },
}

/// A piece of a block. What else it has is read only for blocks that only this vendor knows.
#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Value>,
}

impl Open {
    /// Begins a block and tells what it brings already.
    pub(super) fn begin(block: Value, progress: &mut Progress, events: &mut Vec<Event>) -> Self {
        let Value::Object(mut block) = block else { return Self::Plain };
        let mut text = |name: &str| match block.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let kind = text("type");
        match kind.as_str() {
            "text" => {
                let from = progress.characters;
                progress.tell(text("text"), events);
                let citations = match block.shift_remove(CITATIONS) {
                    Some(Value::Array(citations)) => citations,
                    _ => vec![],
                };
                return Self::Text { from, citations };
            }
            "thinking" => {
                tell_thought(text("thinking"), events);
                tell_signature(text("signature"), events);
            }
            "redacted_thinking" => {
                let signature = Signature {
                    redacted: true,
                    ..Signature::new(formats::ANTHROPIC, text("data"))
                };
                events.push(Event::ReasoningSigned { choice: 0, signature });
            }
            "tool_use" => {
                let call = ToolCall { id: text("id"), name: text("name"), ..ToolCall::default() };
                let index = progress.calls;
                progress.calls += 1;
                events.push(Event::ToolCallStart { choice: 0, index, call });
                let input = block.shift_remove("input").unwrap_or_default();
                return Self::Call { index, input, told: false };
            }
            _ => {
                block.insert("type".to_owned(), kind.into());
                return Self::Native { block, input: String::new() };
            }
        }
        Self::Plain
    }

    /// Whether what began it waits for the end.
    pub(super) fn is_held(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Text { citations, .. } => !citations.is_empty(),
            Self::Call { .. } | Self::Native { .. } => true,
        }
    }

    /// Takes in a piece; the answer is how many bytes of it wait for the end.
    pub(super) fn grow(
        &mut self,
        delta: &RawValue,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> usize {
        if let Self::Native { block, input } = self {
            grow_native(block, input, delta);
            return delta.get().len();
        }
        let size = delta.get().len();
        let Ok(delta) = serde_json::from_str::<Delta>(delta.get()) else { return 0 };
        progress.tell(delta.text.unwrap_or_default(), events);
        tell_thought(delta.thinking.unwrap_or_default(), events);
        tell_signature(delta.signature.unwrap_or_default(), events);
        if let Self::Call { index, told, .. } = self
            && let Some(text) = delta.partial_json.filter(|json| !json.is_empty())
        {
            *told = true;
            events.push(Event::ToolCallArguments { choice: 0, index: *index, text });
        }
        match (self, delta.citation) {
            (Self::Text { citations, .. }, Some(citation)) => {
                citations.push(citation);
                size
            }
            _ => 0,
        }
    }

    /// Ends the block and tells what waited for that.
    pub(super) fn end(self, progress: &mut Progress, events: &mut Vec<Event>) {
        match self {
            Self::Plain | Self::Call { told: true, .. } => {}
            Self::Text { citations, .. } if citations.is_empty() => {}
            Self::Text { from, citations } => {
                let part = cited_by_anthropic(&citations, (from, progress.characters));
                events.push(Event::Part { choice: 0, part });
            }
            // A function without arguments is called with none: streams bring no piece of them.
            Self::Call { index, input, told: false } => {
                let text = if input.is_null() { "{}".to_owned() } else { input.to_string() };
                events.push(Event::ToolCallArguments { choice: 0, index, text });
            }
            Self::Native { mut block, input } => {
                if let Ok(input) = serde_json::from_str(&input) {
                    block.insert("input".to_owned(), input);
                }
                // Of a kind that is yet to come, its text is what all can read.
                if let Some(Value::String(text)) = block.get_mut("text").map(Value::take) {
                    return progress.tell(text, events);
                }
                let value = Value::Object(block);
                let part = Part::Native { format: formats::ANTHROPIC, value };
                events.push(Event::Part { choice: 0, part });
            }
        }
    }
}

/// Adds to a block of a kind that is not known here: text grows, lists gather, all else is replaced.
fn grow_native(block: &mut Map<String, Value>, input: &mut String, delta: &RawValue) {
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(delta.get()) else { return };
    for (name, value) in members {
        match (name.as_str(), block.get_mut(&name), value) {
            ("type", ..) => {}
            ("partial_json", _, Value::String(piece)) => input.push_str(&piece),
            (_, Some(Value::String(text)), Value::String(piece)) => text.push_str(&piece),
            (_, Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (_, _, value) => {
                block.insert(name, value);
            }
        }
    }
}

impl Progress {
    fn tell(&mut self, text: String, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.characters += text.chars().count() as u64;
            events.push(Event::Text { choice: 0, text, logprobs: vec![] });
        }
    }
}

fn tell_thought(text: String, events: &mut Vec<Event>) {
    if !text.is_empty() {
        events.push(Event::Reasoning { choice: 0, text });
    }
}

fn tell_signature(data: String, events: &mut Vec<Event>) {
    if !data.is_empty() {
        let signature = Signature::new(formats::ANTHROPIC, data);
        events.push(Event::ReasoningSigned { choice: 0, signature });
    }
}
