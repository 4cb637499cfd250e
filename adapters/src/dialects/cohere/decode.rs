//! Answers, whole and streamed, read into neutral events.
//!
//! A plan for calls (`tool_plan`) is thinking, for it is said before the answer and not in it. A whole
//! answer is read as the events of a stream, so that both always agree.

use std::borrow::Cow;
use std::collections::BTreeMap;

use isthmus_inference::answer::{ChatAnswer, FinishReason, TokenLogprob};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::error;
use super::turns::PLAN;
use super::usage::Counts;
use crate::dialects::broken::{answer_too_large, no_event_stream};
use crate::dialects::citations::CITATIONS;
use crate::dialects::openai_error::class;
use crate::dialects::sse_decoder::{EventReader, SseDecoder, is_of_later_type};
use crate::framing::sse;

/// The types of events of which nothing may be lost (the vendor's SDK, `V2ChatStreamResponse`). A citation
/// with odd members is no reason to lose the text.
const EVENTS: [&str; 8] = [
    "content-start",
    "content-delta",
    "content-end",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "tool-call-end",
    "message-end",
];
/// The most bytes of citations that wait for the text's end.
const MOST_HELD: usize = 8 << 20;
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
    #[serde(default)]
    logprobs: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    tool_plan: Option<String>,
    content: Option<Vec<Content>>,
    tool_calls: Option<Vec<Call>>,
    citations: Option<Vec<Value>>,
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
    #[serde(default)]
    logprobs: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delta {
    message: Option<Piece>,
    finish_reason: Option<String>,
    usage: Option<Counts>,
    /// What went wrong, in words.
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Piece {
    tool_plan: Option<String>,
    content: OneOf<Content>,
    tool_calls: OneOf<Call>,
    citations: Option<Value>,
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

/// The weights of what was drawn (the vendor's SDK, `LogprobItem`): one item, or a list of them. Each has
/// a text of one or several tokens, which count as one here: nobody says where in it they meet.
fn drawn(items: &Value) -> Vec<TokenLogprob> {
    let one = |item: &Value| {
        let weights = item.get("logprobs")?.as_array()?;
        let logprob = weights.iter().filter_map(Value::as_f64).sum::<f64>() as f32;
        let bytes = item.get("text")?.as_str()?.as_bytes().to_vec();
        Some(TokenLogprob { bytes, logprob, top: vec![] })
    };
    match items {
        Value::Array(items) => items.iter().filter_map(one).collect(),
        item => one(item).into_iter().collect(),
    }
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let malformed = || {
        let message = "the provider's answer is not the message that it should be";
        Failure::new(Kind::Malformed, message).with_detail(class(body))
    };
    let Ok(Whole { message: Some(message), finish_reason, usage, logprobs }) =
        serde_json::from_slice(body)
    else {
        return Err(error::in_answer(body).unwrap_or_else(malformed));
    };
    let mut events = Vec::new();
    let mut teller = Teller::default();
    teller.plan(message.tool_plan.unwrap_or_default(), &mut events);
    for content in message.content.unwrap_or_default() {
        teller.content(content, vec![], &mut events);
        teller.end_thought(&mut events);
    }
    teller.text(String::new(), drawn(&logprobs), &mut events);
    teller.cite(message.citations.unwrap_or_default(), 0)?;
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
    /// What the text is from, which is told when that has ended.
    citations: Vec<Value>,
    /// How many bytes these came in.
    held: usize,
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
        let Ok(told) = serde_json::from_slice::<Told<'_>>(data) else {
            return if is_of_later_type(data, &EVENTS) {
                Ok(())
            } else {
                Err(no_event_stream(data))
            };
        };
        let Some(kind) = told.r#type else {
            return Err(error::in_answer(data).unwrap_or_else(|| no_event_stream(data)));
        };
        let Delta { message, finish_reason, usage, error } = told.delta.unwrap_or_default();
        let message = message.unwrap_or_default();
        match (&*kind, message.content, message.tool_calls) {
            ("content-start" | "content-delta", OneOf::Item(content), _) => {
                self.teller.content(content, drawn(&told.logprobs), events);
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
            ("citation-start", ..) => {
                let citations = message.citations.into_iter().collect();
                self.teller.cite(citations, data.len())?;
            }
            ("message-end", ..) => {
                self.teller.explain(error.unwrap_or_default(), events);
                self.teller.finish(finish_reason.as_deref(), usage, events);
                self.over = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn is_whole(event: &[u8]) -> bool {
        let read = |data: &[u8]| serde_json::from_slice::<Told<'_>>(data).is_ok();
        sse::data(event).is_some_and(|data| read(&data) || is_of_later_type(&data, &EVENTS))
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

// === impl Teller ===

impl Teller {
    fn content(&mut self, content: Content, logprobs: Vec<TokenLogprob>, events: &mut Vec<Event>) {
        // The weights of thoughts have no place in an answer.
        let thinks = content.thinking.as_ref().is_some_and(|text| !text.is_empty());
        self.think(content.thinking.unwrap_or_default(), "", events);
        let logprobs = if thinks { vec![] } else { logprobs };
        self.text(content.text.unwrap_or_default(), logprobs, events);
    }

    fn text(&mut self, text: String, logprobs: Vec<TokenLogprob>, events: &mut Vec<Event>) {
        if !text.is_empty() || !logprobs.is_empty() {
            self.end_thought(events);
            self.told += text.len();
            events.push(Event::Text { choice: 0, text, logprobs });
        }
    }

    /// Tells why there is no more of an answer.
    fn explain(&mut self, text: String, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.end_thought(events);
            self.end_text(events);
            events.push(Event::Refusal { choice: 0, text });
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

    /// Takes in what the text is from, which came in so many bytes.
    fn cite(&mut self, citations: Vec<Value>, size: usize) -> Result<(), Failure> {
        self.citations.extend(citations);
        self.held += size;
        if self.held > MOST_HELD { Err(answer_too_large("too many citations")) } else { Ok(()) }
    }

    fn end_text(&mut self, events: &mut Vec<Event>) {
        let citations = std::mem::take(&mut self.citations);
        if !citations.is_empty() {
            let value = json!({ CITATIONS: citations });
            let part = Part::Native { format: formats::COHERE, value };
            events.push(Event::Part { choice: 0, part });
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
        self.end_text(events);
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
        self.end_text(events);
        let known = |word: &str| REASONS.iter().find(|(known, _)| *known == word);
        let reason = word.and_then(known).map_or(FinishReason::Stop, |(_, reason)| *reason);
        events.push(Event::Finish { choice: 0, reason, stop_sequence: None });
        let counted = counts.and_then(|counts| counts.of_chat());
        events.push(Event::Usage(counted.unwrap_or_else(|| Usage::of_answer(self.told))));
    }
}

#[cfg(test)]
mod tests;
