//! Answers, whole and streamed, read into neutral events.
//!
//! A plan for calls (`tool_plan`) is thinking, for it is said before the answer and not in it. A whole
//! answer is read as the events of a stream, so that both always agree.

use std::borrow::Cow;
use std::collections::BTreeMap;

use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Signature, ToolCall, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error;
use super::turns::PLAN;
use super::usage::Counts;
use crate::dialects::broken::{answer_too_large, no_event_stream};
use crate::dialects::openai_error::class;
use crate::dialects::sse_decoder::{EventReader, SseDecoder};
use crate::framing::sse;

/// The most calls of one answer.
const MOST_CALLS: usize = 4096;

/// Why an answer ended (the vendor's SDK, `ChatFinishReason`, and `FinishReason` of older models).
const REASONS: [(&str, FinishReason); 9] = [
    ("COMPLETE", FinishReason::Stop),
    ("STOP_SEQUENCE", FinishReason::StopSequence),
    ("MAX_TOKENS", FinishReason::Length),
    ("TOOL_CALL", FinishReason::ToolCalls),
    ("ERROR", FinishReason::Failed),
    ("TIMEOUT", FinishReason::Failed),
    ("USER_CANCEL", FinishReason::Failed),
    ("ERROR_LIMIT", FinishReason::ContextLength),
    ("ERROR_TOXIC", FinishReason::ContentFilter),
];

/// A whole answer, as far as it is read here.
#[derive(Deserialize)]
struct Whole {
    message: Option<Message>,
    finish_reason: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    tool_plan: Option<String>,
    content: Option<Vec<Content>>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Call {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// An event of a stream.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    /// Which call; a server may leave it out where there is but one at a time.
    index: Option<u64>,
    delta: Option<Delta>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delta {
    message: Option<Piece>,
    finish_reason: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Piece {
    tool_plan: Option<String>,
    content: OneOf<Content>,
    tool_calls: OneOf<Call>,
}

/// An item in most events, an empty list in the first one.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOf<T> {
    Item(T),
    Other(IgnoredAny),
}

impl<T> Default for OneOf<T> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let malformed = || {
        let message = "the provider's answer is not the message that it should be";
        Failure::new(Kind::Malformed, message).with_detail(class(body))
    };
    let Ok(Whole { message: Some(message), finish_reason, usage }) = serde_json::from_slice(body)
    else {
        return Err(error::in_answer(body).unwrap_or_else(malformed));
    };
    let mut events = Vec::new();
    let mut teller = Teller::default();
    teller.plan(message.tool_plan.unwrap_or_default(), &mut events);
    for content in message.content.unwrap_or_default() {
        teller.content(content, &mut events);
        teller.end_thought(&mut events);
    }
    for call in message.tool_calls.unwrap_or_default() {
        teller.call(None, call, &mut events)?;
        teller.end_call(None, &mut events);
    }
    teller.finish(finish_reason.as_deref(), usage, &mut events);
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish("".into()).ok_or_else(malformed)
}

/// Reads one streamed answer.
pub(super) type Decoder = SseDecoder<Reader>;

/// What is known of an answer while it streams.
#[derive(Default)]
pub(in crate::dialects) struct Reader {
    teller: Teller,
    over: bool,
}

/// Tells what was read as events.
#[derive(Default)]
struct Teller {
    /// What the open thought is signed with.
    thought: Option<&'static str>,
    /// The calls by the vendor's index, with their own and whether arguments came.
    calls: BTreeMap<u64, (u32, bool)>,
    /// The vendor's index of the call that began last.
    last: u64,
    /// How many bytes were told, for an estimate.
    told: usize,
}

// === impl Reader ===

impl EventReader for Reader {
    fn event(&mut self, event: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let data = sse::data(event).unwrap_or_default();
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let told: Told<'_> = serde_json::from_slice(data).map_err(|_| no_event_stream(data))?;
        let Some(kind) = told.r#type else {
            return Err(error::in_answer(data).unwrap_or_else(|| no_event_stream(data)));
        };
        let Delta { message, finish_reason, usage } = told.delta.unwrap_or_default();
        let message = message.unwrap_or_default();
        match (&*kind, message.content, message.tool_calls) {
            ("content-start" | "content-delta", OneOf::Item(content), _) => {
                self.teller.content(content, events);
            }
            ("content-end", ..) => self.teller.end_thought(events),
            ("tool-plan-delta", ..) => {
                self.teller.plan(message.tool_plan.unwrap_or_default(), events);
            }
            ("tool-call-start", _, OneOf::Item(call)) => {
                self.teller.call(told.index, call, events)?;
            }
            ("tool-call-delta", _, OneOf::Item(call)) => {
                let piece = call.function.and_then(|function| function.arguments);
                let piece = piece.unwrap_or_default();
                self.teller.arguments(told.index, piece, events);
            }
            ("tool-call-end", ..) => self.teller.end_call(told.index, events),
            ("message-end", ..) => {
                self.teller.finish(finish_reason.as_deref(), usage, events);
                self.over = true;
            }
            _ => {}
        }
        Ok(())
    }
    fn is_whole(event: &[u8]) -> bool {
        sse::data(event).is_some_and(|data| serde_json::from_slice::<Told<'_>>(&data).is_ok())
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

// === impl Teller ===

impl Teller {
    fn content(&mut self, content: Content, events: &mut Vec<Event>) {
        self.think(content.thinking.unwrap_or_default(), "", events);
        let text = content.text.unwrap_or_default();
        if !text.is_empty() {
            self.end_thought(events);
            self.told += text.len();
            events.push(Event::Text { choice: 0, text, logprobs: vec![] });
        }
    }

    fn plan(&mut self, text: String, events: &mut Vec<Event>) {
        self.think(text, PLAN, events);
    }

    fn think(&mut self, text: String, signed: &'static str, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        if self.thought.is_some_and(|open| open != signed) {
            self.end_thought(events);
        }
        self.thought = Some(signed);
        self.told += text.len();
        events.push(Event::Reasoning { choice: 0, text });
    }

    fn end_thought(&mut self, events: &mut Vec<Event>) {
        if let Some(data) = self.thought.take() {
            let signature = Signature::new(formats::COHERE, data);
            events.push(Event::ReasoningSigned { choice: 0, signature });
        }
    }

    /// Begins a call. One that has no index, or that of another, has the next.
    fn call(
        &mut self,
        at: Option<u64>,
        call: Call,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        self.end_thought(events);
        if self.calls.len() >= MOST_CALLS {
            return Err(answer_too_large("too many calls"));
        }
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let next = self.calls.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.last = at.filter(|at| !self.calls.contains_key(at)).unwrap_or(next);
        self.calls.insert(self.last, (index, false));
        let Function { name, arguments } = call.function.unwrap_or_default();
        let (id, name) = (call.id.unwrap_or_default(), name.unwrap_or_default());
        let begun = ToolCall { id, name, ..ToolCall::default() };
        events.push(Event::ToolCallStart { choice: 0, index, call: begun });
        self.arguments(Some(self.last), arguments.unwrap_or_default(), events);
        Ok(())
    }

    fn arguments(&mut self, at: Option<u64>, text: String, events: &mut Vec<Event>) {
        let at = at.unwrap_or(self.last);
        let Some((index, told)) = self.calls.get_mut(&at) else { return };
        if text.is_empty() {
            return;
        }
        *told = true;
        self.told += text.len();
        events.push(Event::ToolCallArguments { choice: 0, index: *index, text });
    }

    /// A function without arguments is called with none.
    fn end_call(&mut self, at: Option<u64>, events: &mut Vec<Event>) {
        if self.calls.get(&at.unwrap_or(self.last)).is_some_and(|(_, told)| !told) {
            self.arguments(at, "{}".to_owned(), events);
        }
    }

    fn finish(&mut self, word: Option<&str>, counts: Option<Counts>, events: &mut Vec<Event>) {
        self.end_thought(events);
        let known = |word: &str| REASONS.iter().find(|(known, _)| *known == word);
        let reason = word.and_then(known).map_or(FinishReason::Stop, |(_, reason)| *reason);
        events.push(Event::Finish { choice: 0, reason, stop_sequence: None });
        let counted = counts.and_then(|counts| counts.of_chat());
        events.push(Event::Usage(counted.unwrap_or_else(|| Usage::estimated(0, self.told))));
    }
}

#[cfg(test)]
mod tests;
