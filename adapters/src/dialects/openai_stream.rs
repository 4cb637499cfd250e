//! Streamed answers, written for callers: neutral events become server-sent events.

use bytes::{BufMut, Bytes, BytesMut};
use isthmus_inference::answer::TokenLogprob;
use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::request::Operation;
use isthmus_inference::stream::Event;
use serde::Serialize;
use serde_json::Value;

use crate::dialect::{Stamp, StreamEncoder, Told};
use crate::dialects::citations;
use crate::dialects::openai_answer::{self, UsageOut};
use crate::dialects::openai_chat::reasoning;
use crate::dialects::openai_completions;
use crate::dialects::openai_error;

/// Writes the chunks of one streamed answer to a chat or a legacy completion.
#[derive(Debug)]
pub struct ChunkWriter {
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
    /// The thought that is not signed yet.
    thought: String,
    /// How many items of `reasoning_details` it had.
    details: usize,
    /// How many pictures it had.
    images: usize,
    /// The calls whose arguments are free text.
    custom: Vec<u32>,
}

/// The longest thought that is kept until its signature comes, in bytes; no model thinks so long.
const LONGEST_THOUGHT: usize = 4 << 20;
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
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCallDelta<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Value>,
}

#[derive(Serialize)]
struct ToolCallDelta<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// A call of a tool that takes free text.
#[derive(Serialize)]
struct CustomDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<openai_completions::LogprobsOut>,
    finish_reason: Option<&'static str>,
}

// === impl ChunkWriter ===

impl ChunkWriter {
    /// A writer for one answer. `usage_wanted` is the caller's `stream_options.include_usage`.
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

    /// The same for an answer whose first choice has begun elsewhere.
    pub(super) fn begun(mut self) -> Self {
        self.choice(0).begun = true;
        self
    }

    fn write_chat(&mut self, out: &mut BytesMut, event: &Event) {
        let (index, delta, tokens, finish_reason) = match event {
            Event::Text { choice, text, logprobs } => {
                self.choice(*choice).end_thought(!text.is_empty());
                let delta = Delta { content: Some(text), ..Delta::default() };
                (*choice, delta, logprobs.as_slice(), None)
            }
            Event::Refusal { choice, text } => {
                let delta = Delta { refusal: Some(text), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::Reasoning { choice, text } => {
                self.choice(*choice).think(text);
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::ToolCallStart { choice, index, call } => {
                let so_far = self.choice(*choice);
                so_far.end_thought(true);
                so_far.custom.extend(call.free_text.then_some(*index));
                let call = ToolCallDelta::start(*index, call);
                let delta = Delta { tool_calls: Some([call]), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::ToolCallArguments { choice, index, text } => {
                let custom = self.choice(*choice).custom.contains(index);
                let call = ToolCallDelta::arguments(*index, text, custom);
                let delta = Delta { tool_calls: Some([call]), ..Delta::default() };
                (*choice, delta, no_tokens(), None)
            }
            Event::Finish { choice, reason, .. } => {
                (*choice, Delta::default(), no_tokens(), Some(reason.as_openai()))
            }
            Event::ReasoningSigned { choice, signature } => {
                let reasoning_details = self.choice(*choice).signed(signature);
                (*choice, Delta { reasoning_details, ..Delta::default() }, no_tokens(), None)
            }
            Event::Part { choice, part } => {
                let images = self.choice(*choice).image(part).map(|image| [image]);
                let annotations = citations::cited(part, formats::OPENAI_CHAT);
                if images.is_none() && annotations.is_empty() {
                    return;
                }
                (*choice, Delta { images, annotations, ..Delta::default() }, no_tokens(), None)
            }
            Event::UsageSoFar(_) | Event::Usage(_) => return,
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
            Event::Finish { choice, reason, .. } => {
                let finish_reason = Some(openai_completions::finish_word(*reason));
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

impl StreamEncoder for ChunkWriter {
    fn encode(&mut self, event: &Event) -> Bytes {
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

    fn done(&mut self) -> Bytes {
        Bytes::from_static(DONE)
    }

    fn failed(&mut self, told: &Told<'_>) -> Bytes {
        let body = openai_error::encode(told);
        // An upstream's own error may be written over several lines; an event's data may not.
        let one_line =
            body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte });
        let mut event = BytesMut::with_capacity(body.len() + 8);
        event.put_slice(b"data: ");
        event.extend(one_line);
        event.put_slice(b"\n\n");
        event.freeze()
    }
}

fn no_tokens<'a>() -> &'a [TokenLogprob] {
    &[]
}

// === impl ChoiceSoFar ===

impl ChoiceSoFar {
    fn think(&mut self, piece: &str) {
        if self.thought.len() + piece.len() <= LONGEST_THOUGHT {
            self.thought.push_str(piece);
        }
    }

    /// What is said or done behind a thought shows that no signature comes for it.
    fn end_thought(&mut self, ended: bool) {
        if ended {
            self.thought.clear();
        }
    }

    /// The details of the thought that is now signed. It comes whole: joining pieces of one, the
    /// official SDKs would join the words of its other members too.
    fn signed(&mut self, signature: &Signature) -> Vec<Value> {
        let text =
            if signature.redacted { String::new() } else { std::mem::take(&mut self.thought) };
        let details = reasoning::details(&text, signature, self.details);
        self.details += details.len();
        details
    }

    fn image(&mut self, part: &Part) -> Option<Value> {
        let Part::Image { media, .. } = part else { return None };
        let image = openai_answer::image(media, self.images)?;
        self.images += 1;
        Some(image)
    }
}

// === impl ToolCallDelta ===

impl<'a> ToolCallDelta<'a> {
    fn start(index: u32, call: &'a ToolCall) -> Self {
        let kind = if call.free_text { "custom" } else { "function" };
        Self {
            id: Some(&call.id),
            r#type: Some(kind),
            extra_content: openai_answer::extra_content(call),
            ..Self::piece(index, Some(&call.name), "", call.free_text)
        }
    }

    fn arguments(index: u32, text: &'a str, custom: bool) -> Self {
        Self::piece(index, None, text, custom)
    }

    fn piece(index: u32, name: Option<&'a str>, text: &'a str, custom: bool) -> Self {
        let function = (!custom).then_some(FunctionDelta { name, arguments: text });
        let custom = custom.then_some(CustomDelta { name, input: text });
        Self { index, id: None, r#type: None, function, custom, extra_content: None }
    }
}

#[cfg(test)]
mod tests {
    use async_openai::types::chat::{
        CreateChatCompletionResponse, CreateChatCompletionStreamResponse,
    };
    use async_openai::types::completions::CreateCompletionResponse;
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::part::{Media, formats};
    use isthmus_inference::stream::Fold;
    use isthmus_inference::usage::Usage;
    use serde_json::json;

    use super::*;
    use crate::adapter::Piece;
    use crate::dialects::openai_relay::Relay;
    use crate::framing::sse::{self, Splitter};

    const STAMP: Stamp<'_> = Stamp { id: "x-1", created: 7, model: "shown" };

    fn text(choice: u32, text: &str) -> Event {
        let token =
            TokenLogprob { bytes: text.into(), logprob: -0.25, top: vec![(text.into(), -0.25)] };
        Event::Text { choice, text: text.into(), logprobs: vec![token] }
    }

    fn finish(choice: u32, reason: FinishReason) -> Event {
        Event::Finish { choice, reason, stop_sequence: None }
    }

    fn call() -> ToolCall {
        ToolCall { id: "c1".into(), name: "f".into(), ..ToolCall::default() }
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Reasoning { choice: 0, text: "hm".into() },
            text(0, "a\"é"),
            text(1, "b"),
            text(0, "!"),
            Event::ToolCallStart { choice: 1, index: 0, call: call() },
            Event::ToolCallArguments { choice: 1, index: 0, text: "{}".into() },
            finish(0, FinishReason::Stop),
            finish(1, FinishReason::ToolCalls),
            Event::Usage(Usage { uncached_input: 3, text_output: 4, ..Usage::default() }),
        ]
    }

    fn encoded(operation: Operation, usage_wanted: bool) -> Bytes {
        let mut encoder = ChunkWriter::new(operation, &STAMP, usage_wanted);
        let mut out = BytesMut::new();
        events().iter().for_each(|event| out.extend_from_slice(&encoder.encode(event)));
        out.extend_from_slice(&encoder.done());
        out.freeze()
    }

    /// The data of each event but the last, `[DONE]`.
    fn chunks(stream: Bytes) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(1 << 20);
        splitter.push(stream);
        let mut data = Vec::new();
        while let Some(event) = splitter.next_event().unwrap() {
            data.push(sse::data(&event).unwrap().into_owned());
        }
        assert_eq!(data.pop().unwrap(), b"[DONE]");
        data
    }

    #[test]
    fn the_official_types_read_every_chunk() {
        let chunks = chunks(encoded(Operation::Chat, true));
        let read: Vec<CreateChatCompletionStreamResponse> =
            chunks.iter().map(|chunk| serde_json::from_slice(chunk).unwrap()).collect();
        let of = |index: u32| {
            let choices = read.iter().flat_map(|chunk| &chunk.choices);
            choices.filter(move |choice| choice.index == index).map(|choice| &choice.delta)
        };
        let said: String = of(0).filter_map(|delta| delta.content.as_deref()).collect();
        assert_eq!(said, "a\"é!");
        for index in [0, 1] {
            assert_eq!(of(index).filter(|delta| delta.role.is_some()).count(), 1);
            assert!(of(index).next().unwrap().role.is_some(), "the role comes first");
        }
        let last = read.last().unwrap();
        assert!(last.choices.is_empty());
        assert_eq!(last.usage.as_ref().unwrap().total_tokens, 7);
        assert!(read.iter().all(|chunk| chunk.id == "x-1" && chunk.model == "shown"));
    }

    #[test]
    fn usage_is_shown_to_those_who_asked() {
        for (wanted, shown) in [(true, Some(&Value::Null)), (false, None)] {
            let chunks = chunks(encoded(Operation::Chat, wanted));
            let first: Value = serde_json::from_slice(&chunks[0]).unwrap();
            assert_eq!(first.get("usage"), shown);
            let last: Value = serde_json::from_slice(chunks.last().unwrap()).unwrap();
            assert_eq!(last["usage"].is_object(), wanted);
        }
    }

    #[test]
    fn signed_thoughts_and_pictures_come_whole_and_counted() {
        let think = |text: &str| Event::Reasoning { choice: 0, text: text.into() };
        let sign = |signature| Event::ReasoningSigned { choice: 0, signature };
        let media = Media::of_url("data:image/png;base64,AA".into());
        let picture = Event::Part { choice: 0, part: Part::Image { media, detail: None } };
        let google = Signature::new(formats::GEMINI, "g");
        let call = ToolCall { signature: Some(google), ..call() };
        let events = [
            think("lost"),
            text(0, "so"),
            think("h"),
            think("m"),
            sign(Signature::new(formats::ANTHROPIC, "s")),
            sign(Signature { redacted: true, ..Signature::new(formats::ANTHROPIC, "r") }),
            picture.clone(),
            picture,
            Event::ToolCallStart { choice: 0, index: 0, call },
            finish(0, FinishReason::ToolCalls),
        ];
        let mut encoder = ChunkWriter::new(Operation::Chat, &STAMP, false);
        let mut out = BytesMut::new();
        events.iter().for_each(|event| out.extend_from_slice(&encoder.encode(event)));
        out.extend_from_slice(&encoder.done());
        let deltas: Vec<Value> = chunks(out.freeze())
            .iter()
            .map(|chunk| serde_json::from_slice::<Value>(chunk).unwrap())
            .map(|chunk| chunk["choices"][0]["delta"].clone())
            .collect();
        let all = |name: &str| {
            let items = deltas.iter().filter_map(|delta| delta[name].as_array());
            items.flatten().cloned().collect::<Vec<_>>()
        };
        let details = all("reasoning_details");
        assert_eq!((&details[0]["text"], &details[0]["index"]), (&json!("hm"), &json!(0)));
        assert_eq!((&details[1]["data"], &details[1]["index"]), (&json!("r"), &json!(1)));
        let indices: Vec<_> = all("images").iter().map(|image| image["index"].clone()).collect();
        assert_eq!(indices, [0, 1]);
        assert_eq!(all("tool_calls")[0]["extra_content"]["google"]["thought_signature"], "g");
    }

    #[test]
    fn legacy_chunks_carry_text_alone() {
        let chunks = chunks(encoded(Operation::Completion, false));
        let read: Vec<CreateCompletionResponse> =
            chunks.iter().map(|chunk| serde_json::from_slice(chunk).unwrap()).collect();
        let first: String = read
            .iter()
            .flat_map(|chunk| &chunk.choices)
            .filter(|choice| choice.index == 0)
            .map(|choice| choice.text.as_str())
            .collect();
        assert_eq!(first, "a\"é!");
        let offsets: Vec<_> = read
            .iter()
            .flat_map(|chunk| &chunk.choices)
            .filter(|choice| choice.index == 0)
            .filter_map(|choice| choice.logprobs.as_ref())
            .flat_map(|logprobs| logprobs.text_offset.clone())
            .collect();
        assert_eq!(offsets, [0, 3]);
    }

    #[test]
    fn what_is_written_here_is_understood_by_the_relay() {
        let mut relay = Relay::new(1);
        relay.push(encoded(Operation::Chat, true)).unwrap();
        let pieces: Vec<_> = std::iter::from_fn(|| relay.next_piece()).collect();
        assert!(matches!(pieces[0], Piece::Relay(_)));
        assert!(
            matches!(pieces[1], Piece::Usage { usage, only_usage: true, .. } if usage.total() == 7)
        );
        assert!(matches!(pieces[2], Piece::Done { event: Some(_) }));
    }

    #[test]
    fn the_official_types_read_the_folded_answer() {
        let mut fold = Fold::default();
        events().into_iter().for_each(|event| fold.push(event));
        let answer = fold.finish("engine".into()).unwrap();
        let bytes = openai_answer::encode_chat_answer(&answer, &STAMP);
        let read: CreateChatCompletionResponse = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read.choices[0].message.content.as_deref(), Some("a\"é!"));
        assert_eq!(read.choices[1].message.tool_calls.as_ref().unwrap().len(), 1);
        let logprobs = read.choices[0].logprobs.as_ref().unwrap().content.as_ref().unwrap();
        assert_eq!(logprobs[0].bytes.as_deref(), Some("a\"é".as_bytes()));

        let raw: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(raw["choices"][0]["message"]["reasoning_content"], json!("hm"));
        assert_eq!(raw["choices"][0]["message"]["refusal"], Value::Null);
        assert!(raw["choices"][0]["message"].get("tool_calls").is_none());
        assert_eq!(raw["choices"][0]["finish_reason"], json!("stop"));
    }
}
