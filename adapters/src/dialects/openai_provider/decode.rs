//! A chat completion, or one chunk of it, read into neutral events.
//!
//! A message and a delta have the same members, so both are read by the same code: a whole answer is
//! a stream of one piece. Reading is lenient, because providers differ in what they leave out, write
//! as `null` or put where a text should be.

use std::sync::Arc;

use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Part, ToolCall, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde_json::Value;

use super::said::{found, say};
use crate::dialects::openai_chat::reasoning::{self, Detail};
use crate::dialects::{openai_error, openai_usage};

/// How many bytes of arguments may come before the name of their function.
const MOST_AHEAD: usize = 1 << 20;
/// The most answers in one.
const MOST_CHOICES: usize = 128;
/// The most calls in one answer.
const MOST_CALLS: usize = 1024;
/// The longest thought, in bytes, that is known again when it comes once more with its signature.
const LONGEST_THOUGHT: usize = 4 << 20;

/// Every word for why an answer ended that OpenAI and its kin use (their API references; Mistral's
/// `model_length`, DeepSeek's `insufficient_system_resource`, Z.AI's `sensitive` and `network_error`,
/// vLLM's and SGLang's `abort`, Text Generation Inference's `eos_token` and `stop_sequence`).
const FINISH: [(&str, FinishReason); 16] = [
    ("stop", FinishReason::Stop),
    ("eos", FinishReason::Stop),
    ("eos_token", FinishReason::Stop),
    ("stop_sequence", FinishReason::StopSequence),
    ("length", FinishReason::Length),
    ("max_tokens", FinishReason::Length),
    ("model_length", FinishReason::ContextLength),
    ("model_context_window_exceeded", FinishReason::ContextLength),
    ("tool_calls", FinishReason::ToolCalls),
    ("function_call", FinishReason::ToolCalls),
    ("content_filter", FinishReason::ContentFilter),
    ("sensitive", FinishReason::ContentFilter),
    ("error", FinishReason::Failed),
    ("abort", FinishReason::Failed),
    ("network_error", FinishReason::Failed),
    ("insufficient_system_resource", FinishReason::Failed),
];

/// Where an answer, or a chunk of one, has what was said. Perplexity writes both everywhere.
#[derive(Debug, Clone, Copy, Default)]
enum Said {
    #[default]
    Delta,
    Message,
}

/// What was read of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said_in: Said,
    choices: Vec<ChoiceSoFar>,
    usage: Option<Usage>,
    model: Option<Arc<str>>,
    /// The pages that the answer is from, where they stand beside the choices, and may come with every
    /// chunk (Perplexity, xAI).
    found: Option<Part>,
    /// How many bytes of text came, for an answer that counts no tokens.
    said: usize,
}

#[derive(Debug, Default)]
struct ChoiceSoFar {
    calls: Vec<CallSoFar>,
    finish: Option<(FinishReason, Option<String>)>,
    /// What was thought and not signed yet: some repeat it with the signature.
    thought: String,
    /// Whether it told itself what it is from.
    cited: bool,
}

/// A call, told once its name is known.
#[derive(Debug, Default)]
struct CallSoFar {
    /// The upstream's number for it.
    number: Option<u64>,
    call: ToolCall,
    begun: bool,
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| {
        let message = "the provider's answer is not the JSON object that it should be";
        Failure::new(Kind::Malformed, message).with_detail(openai_usage::detail(&error, body))
    })?;
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(openai_error::in_answer(body));
    }
    let mut events = Vec::new();
    let mut reader = Reader { said_in: Said::Message, ..Reader::default() };
    reader.read(&answer, &mut events)?;
    reader.close(&mut events)?;
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let model = reader.model.unwrap_or_default();
    fold.finish(model).ok_or_else(|| malformed("the provider's answer has no end"))
}

fn malformed(message: &str) -> Failure {
    Failure::new(Kind::Malformed, message)
}

// === impl Reader ===

impl Reader {
    /// Reads an answer or a chunk of one.
    pub(super) fn read(&mut self, answer: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(model) = answer.get("model").and_then(Value::as_str)
            && self.model.is_none()
        {
            self.model = Some(model.into());
        }
        self.usage = openai_usage::of_value(answer).or(self.usage);
        self.found = found(answer).or(self.found.take());
        let choices = answer.get("choices").and_then(Value::as_array);
        for choice in choices.map(Vec::as_slice).unwrap_or_default() {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            if place >= MOST_CHOICES {
                return Err(malformed(
                    "the provider's answer counts more choices than there can be",
                ));
            }
            if self.choices.len() <= place {
                self.choices.resize_with(place + 1, ChoiceSoFar::default);
            }
            let from = events.len();
            let so_far = &mut self.choices[place];
            for said in self.said_in.of(choice) {
                so_far.say(place as u32, choice, said, events)?;
            }
            so_far.end(choice);
            self.said += events[from..].iter().map(Event::said).sum::<usize>();
        }
        Ok(())
    }

    /// Whether every answer that began has said why it ended.
    pub(super) fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some())
    }

    /// Adds what ends the answer. Providers may repeat why it ended, or tell it before they have said
    /// all, so that it is told here and once.
    pub(super) fn close(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.choices.is_empty() {
            return Err(malformed("the provider's answer has no choices"));
        }
        let found = self.found.take().filter(|_| !self.choices[0].cited);
        events.extend(found.map(|part| Event::Part { choice: 0, part }));
        for (choice, index) in self.choices.iter_mut().zip(0..) {
            choice.close(index, events);
        }
        let usage = self.usage.unwrap_or_else(|| Usage::of_answer(self.said));
        events.push(Event::Usage(usage));
        Ok(())
    }
}

impl Said {
    /// What is said: one message, or several (Mistral's SDK, `ChatCompletionChoice.messages`).
    fn of(self, choice: &Value) -> impl Iterator<Item = &Value> {
        let names = match self {
            Self::Delta => ["delta", "message"],
            Self::Message => ["message", "delta"],
        };
        let said = names.into_iter().filter_map(|name| choice.get(name));
        let one = said.into_iter().find(|said| said.is_object());
        let several = choice.get("messages").filter(|_| one.is_none()).and_then(Value::as_array);
        one.into_iter().chain(several.into_iter().flatten())
    }
}

// === impl ChoiceSoFar ===

impl ChoiceSoFar {
    fn say(
        &mut self,
        choice: u32,
        value: &Value,
        said: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        self.think(choice, said, events);
        self.cited |= say(choice, said, value.get("logprobs"), events);
        self.call(choice, said, events)
    }

    /// Reads why it ended.
    fn end(&mut self, value: &Value) {
        if let Some(word) = value.get("finish_reason").and_then(Value::as_str)
            && !word.is_empty()
            && self.finish.is_none()
        {
            // vLLM tells which of the stop texts it met.
            let stop = value.get("stop_reason").and_then(Value::as_str).map(str::to_owned);
            let known = FINISH.iter().find(|(known, _)| *known == word);
            let reason = match known.map_or(FinishReason::Stop, |(_, reason)| *reason) {
                FinishReason::Stop if stop.is_some() => FinishReason::StopSequence,
                reason => reason,
            };
            self.finish = Some((reason, stop));
        }
    }

    /// `reasoning_details` (OpenRouter) say all that `reasoning` does, and more. A stream of ours tells a
    /// thought in pieces first, and once more whole with its signature.
    fn think(&mut self, choice: u32, said: &Value, events: &mut Vec<Event>) {
        let details = said.get("reasoning_details").and_then(Value::as_array);
        let from = events.len();
        let mut shown = false;
        for detail in details.map(Vec::as_slice).unwrap_or_default() {
            let Detail { text, signature } = Detail::of_value(detail);
            shown |= text.is_some();
            let new = text.filter(|text| *text != self.thought);
            events.extend(new.map(|text| Event::Reasoning { choice, text }));
            if let Some(signature) = signature {
                self.thought.clear();
                events.push(Event::ReasoningSigned { choice, signature });
            }
        }
        let plain = ["reasoning_content", "reasoning"].into_iter();
        let plain = plain.filter_map(|name| said.get(name)?.as_str()).find(|text| !text.is_empty());
        if let Some(text) = plain.filter(|_| !shown) {
            if self.thought.len() + text.len() <= LONGEST_THOUGHT {
                self.thought.push_str(text);
            }
            events.insert(from, Event::Reasoning { choice, text: text.to_owned() });
        }
    }

    fn call(&mut self, choice: u32, said: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        let calls = said.get("tool_calls").and_then(Value::as_array);
        for call in calls.map(Vec::as_slice).unwrap_or_default() {
            match call.get("function").or_else(|| call.get("custom")) {
                Some(called) => self.piece_of_call(choice, call, called, events)?,
                None => {
                    let part = Part::Native { format: formats::OPENAI_CHAT, value: call.clone() };
                    events.push(Event::Part { choice, part });
                }
            }
        }
        // What came before `tool_calls`: one call without an id.
        if let Some(function) = said.get("function_call").filter(|call| call.is_object()) {
            self.piece_of_call(choice, &Value::Null, function, events)?;
        }
        Ok(())
    }

    fn piece_of_call(
        &mut self,
        choice: u32,
        piece: &Value,
        function: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let number = piece.get("index").and_then(Value::as_u64);
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (id, name) = (text(piece, "id"), text(function, "name"));
        let place = match self.continued(number, &id, &name) {
            Some(place) => place,
            None if self.calls.len() >= MOST_CALLS => {
                return Err(malformed("the provider's answer makes more calls than there can be"));
            }
            None => {
                self.calls.push(CallSoFar { number, ..CallSoFar::default() });
                self.calls.len() - 1
            }
        };
        let index = place as u32;
        let so_far = &mut self.calls[place];
        so_far.call.free_text |= piece.get("custom").is_some();
        so_far.call.signature = reasoning::call_signature(piece).or(so_far.call.signature.take());
        so_far.take_in((choice, index), (id, &name), arguments(function), events);
        Ok(())
    }

    /// The call that a piece belongs to, if it is no new one. Some providers number none, and some
    /// number all alike.
    fn continued(&self, number: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let place = match number {
            Some(_) => self.calls.iter().rposition(|call| call.number == number)?,
            None if id.is_empty() && name.is_empty() => self.calls.len().checked_sub(1)?,
            None => self.calls.iter().rposition(|call| !id.is_empty() && call.call.id == id)?,
        };
        let known = &self.calls[place].call;
        let another = !id.is_empty() && !name.is_empty() && !known.id.is_empty() && known.id != id;
        (!another).then_some(place)
    }

    fn close(&mut self, choice: u32, events: &mut Vec<Event>) {
        for (call, index) in self.calls.iter_mut().zip(0..) {
            if !call.begun {
                call.begin(choice, index, events);
            }
        }
        let (reason, stop_sequence) = self.finish.take().unwrap_or((FinishReason::Stop, None));
        // A demanded call ends with `stop` at OpenAI; with some others every call does.
        let called = reason == FinishReason::Stop && !self.calls.is_empty();
        let reason = if called { FinishReason::ToolCalls } else { reason };
        events.push(Event::Finish { choice, reason, stop_sequence });
    }
}

// === impl CallSoFar ===

impl CallSoFar {
    fn take_in(
        &mut self,
        (choice, index): (u32, u32),
        (id, name): (String, &str),
        arguments: String,
        events: &mut Vec<Event>,
    ) {
        if self.begun {
            if !arguments.is_empty() {
                events.push(Event::ToolCallArguments { choice, index, text: arguments });
            }
            return;
        }
        if self.call.id.is_empty() {
            self.call.id = id;
        }
        self.call.name.push_str(name);
        self.call.arguments.push_str(&arguments);
        // A name that does not come is not awaited for ever.
        if !self.call.name.is_empty() || self.call.arguments.len() > MOST_AHEAD {
            self.begin(choice, index, events);
        }
    }

    fn begin(&mut self, choice: u32, index: u32, events: &mut Vec<Event>) {
        self.begun = true;
        if self.call.id.is_empty() {
            self.call.id = format!("call_{index}_{}", self.call.name);
        }
        let text = std::mem::take(&mut self.call.arguments);
        events.push(Event::ToolCallStart { choice, index, call: self.call.clone() });
        if !text.is_empty() {
            events.push(Event::ToolCallArguments { choice, index, text });
        }
    }
}

/// Arguments are JSON text; a few providers write the JSON itself. A custom tool has a text as its
/// `input`.
fn arguments(called: &Value) -> String {
    match called.get("arguments").or_else(|| called.get("input")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
