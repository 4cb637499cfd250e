//! Streamed answers, written for callers: neutral events become server-sent events.

use bytes::{BufMut, Bytes, BytesMut};
use isthmus_inference::chat::TokenLogprob;
use isthmus_inference::request::Operation;
use isthmus_inference::stream::Event;
use serde::Serialize;

use crate::dialects::openai_answer::{self, Stamp, UsageOut};
use crate::dialects::openai_completions;

/// Writes the chunks of one streamed answer to a chat or a legacy completion.
#[derive(Debug)]
pub struct StreamEncoder {
    legacy: bool,
    id: String,
    created: u64,
    model: String,
    usage_wanted: bool,
    choices: Vec<ChoiceSoFar>,
}

/// What later chunks of a choice must know of earlier ones.
#[derive(Debug, Clone, Default)]
struct ChoiceSoFar {
    /// Its first chunk, which says who speaks, was written.
    begun: bool,
    /// How many characters its listed tokens had.
    characters: usize,
}

/// The event that ends every OpenAI stream.
const DONE: &[u8] = b"data: [DONE]\n\n";

#[derive(Serialize)]
struct Chunk<'a, C: Serialize> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [C],
    /// Absent unless the caller asked; then `null` in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageOut>>,
}

#[derive(Serialize)]
struct ChatChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<openai_answer::LogprobsOut>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct ToolCallDelta<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<openai_completions::LogprobsOut>,
    finish_reason: Option<&'static str>,
}

// === impl StreamEncoder ===

impl StreamEncoder {
    /// An encoder for one answer. `usage_wanted` is the caller's `stream_options.include_usage`.
    pub fn new(operation: Operation, stamp: &Stamp<'_>, usage_wanted: bool) -> Self {
        Self {
            legacy: operation == Operation::Completion,
            id: stamp.id.to_owned(),
            created: stamp.created,
            model: stamp.model.to_owned(),
            usage_wanted,
            choices: Vec::new(),
        }
    }

    /// The server-sent events for what happened; empty if the caller need not know of it.
    pub fn encode(&mut self, event: &Event) -> Bytes {
        let mut out = BytesMut::new();
        match event {
            Event::Usage(_) if !self.usage_wanted => {}
            Event::Usage(usage) => {
                self.write::<ChatChoice<'_>>(&mut out, &[], Some(UsageOut::of(usage)));
            }
            _ if self.legacy => self.write_text(&mut out, event),
            _ => self.write_chat(&mut out, event),
        }
        out.freeze()
    }

    /// The event that ends the stream.
    pub fn done() -> Bytes {
        Bytes::from_static(DONE)
    }

    fn write_chat(&mut self, out: &mut BytesMut, event: &Event) {
        let (index, delta, tokens, finish_reason) = match event {
            Event::Text { choice, text, logprobs } => {
                let delta = Delta { content: Some(text), ..Delta::default() };
                (*choice, delta, logprobs.as_slice(), None)
            }
            Event::Reasoning { choice, text } => {
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::ToolCallStart { choice, index, id, name } => {
                let call = ToolCallDelta::start(*index, id, name);
                let delta = Delta { tool_calls: Some([call]), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::ToolCallArguments { choice, index, text } => {
                let call = ToolCallDelta::arguments(*index, text);
                let delta = Delta { tool_calls: Some([call]), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::Finish { choice, reason } => {
                (*choice, Delta::default(), no_tokens(), Some(reason.as_str()))
            }
            Event::Usage(_) => return,
        };
        if !std::mem::replace(&mut self.choice(index).begun, true) {
            let content = matches!(event, Event::Text { .. } | Event::Finish { .. }).then_some("");
            let delta = Delta { role: Some("assistant"), content, ..Delta::default() };
            let first = ChatChoice { index, delta, logprobs: None, finish_reason: None };
            self.write(out, &[first], None);
        }
        let logprobs = openai_answer::LogprobsOut::of(tokens);
        self.write(out, &[ChatChoice { index, delta, logprobs, finish_reason }], None);
    }

    /// Legacy completions know neither roles nor calls nor thinking.
    fn write_text(&mut self, out: &mut BytesMut, event: &Event) {
        let choice = match event {
            Event::Text { choice, text, logprobs } => {
                let offset = &mut self.choice(*choice).characters;
                let logprobs = openai_completions::LogprobsOut::of(logprobs, offset);
                TextChoice { text, index: *choice, logprobs, finish_reason: None }
            }
            Event::Finish { choice, reason } => {
                let finish_reason = Some(reason.as_str());
                TextChoice { text: "", index: *choice, logprobs: None, finish_reason }
            }
            _ => return,
        };
        self.write(out, &[choice], None);
    }

    fn write<C: Serialize>(&self, out: &mut BytesMut, choices: &[C], usage: Option<UsageOut>) {
        let object = if self.legacy { "text_completion" } else { "chat.completion.chunk" };
        let (id, created, model) = (self.id.as_str(), self.created, self.model.as_str());
        let usage = self.usage_wanted.then_some(usage);
        let chunk = Chunk { id, object, created, model, choices, usage };
        out.put_slice(b"data: ");
        out.put_slice(&openai_answer::json(&chunk));
        out.put_slice(b"\n\n");
    }

    fn choice(&mut self, index: u32) -> &mut ChoiceSoFar {
        let index = index as usize;
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, ChoiceSoFar::default);
        }
        &mut self.choices[index]
    }
}

fn no_tokens<'a>() -> &'a [TokenLogprob] {
    &[]
}

// === impl ToolCallDelta ===

impl<'a> ToolCallDelta<'a> {
    fn start(index: u32, id: &'a str, name: &'a str) -> Self {
        let function = FunctionDelta { name: Some(name), arguments: "" };
        Self { index, id: Some(id), r#type: Some("function"), function }
    }

    fn arguments(index: u32, arguments: &'a str) -> Self {
        Self { index, id: None, r#type: None, function: FunctionDelta { name: None, arguments } }
    }
}
