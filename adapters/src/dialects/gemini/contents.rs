//! A conversation as Gemini's `contents` and `systemInstruction`.
//!
//! Gemini knows two voices, `user` and `model`. The results of functions are a turn of the user's in
//! which nothing else stands, right after the calls and in their order. What the system says first
//! is the instruction; what it says later has no place of its own and is marked in a user's turn.

use std::collections::HashMap;

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, Signature, ToolCall, ToolResult, formats, text_of};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::Flavour;
use super::calls::is_made_up;
use super::media;
use super::model::Model;
use super::sources::METADATA;
use super::wire::{Content, FunctionCallOut, FunctionResponse, PartOut, Piece};

/// Stands for the signature of a call that some other model made: Gemini 3 refuses a call without
/// one, and names this text for histories that came from elsewhere (guide "Thought signatures").
const SIGNED_ELSEWHERE: &str = "skip_thought_signature_validator";

/// A conversation, written.
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Piece<'a>>,
    pub(super) contents: Vec<Content<'a>>,
    /// The caller's words for what was left out.
    pub(super) dropped: Vec<&'static str>,
}

/// Writes the turns one after another.
struct Writer<'a> {
    turns: Turns<'a>,
    model: Model<'a>,
    flavour: Flavour,
    /// What each call was to, and its place among all calls.
    calls: HashMap<&'a str, (usize, &'a str)>,
    /// Results that come one after another make one turn.
    results: Vec<(usize, Piece<'a>)>,
    /// What the functions showed, for models that cannot see it inside a result.
    shown: Vec<Piece<'a>>,
}

/// Writes a conversation.
pub(super) fn turns<'a>(
    messages: &'a [Message],
    model: Model<'a>,
    flavour: Flavour,
) -> Result<Turns<'a>, Failure> {
    let turns = Turns { system: vec![], contents: vec![], dropped: vec![] };
    let (calls, results, shown) = (HashMap::new(), vec![], vec![]);
    let mut writer = Writer { turns, model, flavour, calls, results, shown };
    for (at, message) in messages.iter().enumerate() {
        writer.message(at, message)?;
    }
    writer.close_results();
    let Writer { mut turns, .. } = writer;
    if turns.contents.is_empty() && !turns.system.is_empty() {
        // There must be a turn, and an instruction alone is one to a model.
        turns
            .contents
            .push(Content { role: Some("user"), parts: std::mem::take(&mut turns.system) });
    }
    if turns.contents.is_empty() {
        let message = "`messages` holds nothing that the model could answer";
        return Err(Failure::invalid("messages", message));
    }
    turns.dropped.sort_unstable();
    turns.dropped.dedup();
    Ok(turns)
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn message(&mut self, at: usize, message: &'a Message) -> Result<(), Failure> {
        if message.name.is_some() {
            self.turns.dropped.push("messages[].name");
        }
        match message.role {
            Role::System => self.system(at, message),
            Role::Assistant => self.assistant(at, message),
            Role::User | Role::Tool => self.user(at, message),
        }
    }

    fn system(&mut self, at: usize, message: &'a Message) -> Result<(), Failure> {
        if let Some(part) = message.content.iter().find(|part| !is_words(part)) {
            let param = format!("messages[{at}].content");
            let message = format!("`{param}`: the provider takes only text from the system");
            return Err(Failure::new(Kind::Unsupported, message)
                .with_detail(part.what())
                .with_param(param));
        }
        self.note_cache_marks(&message.content);
        if self.turns.contents.is_empty() && self.results.is_empty() {
            let texts = message.content.iter().filter_map(text);
            self.turns.system.extend(texts.map(|text| Piece::Own(PartOut::text(text))));
        } else {
            let said = text_of(&message.content);
            let marked = PartOut::text(format!("<system>\n{said}\n</system>"));
            self.push("user", vec![Piece::Own(marked)]);
        }
        Ok(())
    }

    fn user(&mut self, at: usize, message: &'a Message) -> Result<(), Failure> {
        self.note_cache_marks(&message.content);
        let mut parts = vec![];
        for part in &message.content {
            match part {
                Part::ToolResult(result) => {
                    if !parts.is_empty() {
                        self.push("user", std::mem::take(&mut parts));
                    }
                    self.result(at, result)?;
                }
                part => parts.extend(self.piece(at, part)?),
            }
        }
        if !parts.is_empty() {
            self.push("user", parts);
        }
        Ok(())
    }

    fn assistant(&mut self, at: usize, message: &'a Message) -> Result<(), Failure> {
        self.note_cache_marks(&message.content);
        let mut parts = vec![];
        for part in &message.content {
            match part {
                Part::ToolCall(call) => {
                    self.calls.insert(&call.id, (self.calls.len(), &call.name));
                    parts.push(Piece::Own(call_part(call)));
                }
                Part::Thinking { text, signature } => {
                    if let Some(signature) = own(signature.as_ref()) {
                        thought(text, signature, &mut parts);
                    }
                }
                part => parts.extend(self.piece(at, part)?),
            }
        }
        if self.model.signs_calls() {
            sign_first_call(&mut parts);
        }
        if !parts.is_empty() {
            self.push("model", parts);
        }
        Ok(())
    }

    /// A part that stands alike in everybody's turns.
    fn piece(&mut self, at: usize, part: &'a Part) -> Result<Option<Piece<'a>>, Failure> {
        let param = format!("messages[{at}].content");
        Ok(match part {
            Part::Text(_) | Part::Refusal(_) => {
                text(part).map(|text| Piece::Own(PartOut::text(text)))
            }
            Part::Native { format: formats::GEMINI, value } => {
                (!METADATA.iter().any(|name| value.get(name).is_some()))
                    .then_some(Piece::Native(value))
            }
            // What other providers searched or ran for an earlier answer, and other models' thoughts.
            Part::Native { .. } | Part::Thinking { .. } | Part::CachePoint(_) => None,
            Part::ToolCall(_) | Part::ToolResult(_) => {
                let message = format!("`{param}` must not hold {}", part.what());
                return Err(Failure::invalid(&param, message));
            }
            Part::Image { detail, .. } => {
                let detail = detail.as_deref().filter(|detail| *detail != "auto");
                let near = detail.filter(|_| self.model.signs_calls()).and_then(media::resolution);
                if detail.is_some() && near.is_none() {
                    self.turns.dropped.push("messages[].content[].image_url.detail");
                }
                let written = media::part(part, self.flavour, &param)?;
                written.map(|written| Piece::Own(PartOut { media_resolution: near, ..written }))
            }
            part => media::part(part, self.flavour, &param)?.map(Piece::Own),
        })
    }

    fn result(&mut self, at: usize, result: &'a ToolResult) -> Result<(), Failure> {
        let Some(&(place, name)) = self.calls.get(result.call_id.as_str()) else {
            let param = format!("messages[{at}].tool_call_id");
            let message = format!("`{param}` is the id of no call that was made before");
            return Err(Failure::invalid(&param, message));
        };
        self.note_cache_marks(&result.content);
        let mut files = vec![];
        for part in result.content.iter().filter(|part| !is_words(part)) {
            match part {
                // In a result, only files stand beside the words.
                Part::Document { media: Media::Text(_), .. } => {}
                part => files.extend(self.piece(at, part)?),
            }
        }
        let inside = self.model.signs_calls();
        if !inside && !files.is_empty() {
            let words = format!("What `{name}` returned:");
            self.shown.push(Piece::Own(PartOut::text(words)));
            self.shown.append(&mut files);
        }
        let id = Some(result.call_id.as_str()).filter(|id| !is_made_up(id));
        let response = FunctionResponse { id, name, response: response(result), parts: files };
        let part = PartOut { function_response: Some(response), ..PartOut::default() };
        self.results.push((place, Piece::Own(part)));
        Ok(())
    }

    /// Adds a turn, or adds to the last one if the same voice goes on.
    fn push(&mut self, role: &'static str, mut parts: Vec<Piece<'a>>) {
        let fresh = self.close_results();
        match self.turns.contents.last_mut() {
            Some(last) if last.role == Some(role) && !fresh => last.parts.append(&mut parts),
            _ => self.turns.contents.push(Content { role: Some(role), parts }),
        }
    }

    /// Ends a turn of results; says whether there was one.
    fn close_results(&mut self) -> bool {
        if self.results.is_empty() {
            return false;
        }
        let mut results = std::mem::take(&mut self.results);
        results.sort_by_key(|(place, _)| *place);
        let parts = results.into_iter().map(|(_, part)| part).collect();
        self.turns.contents.push(Content { role: Some("user"), parts });
        if !self.shown.is_empty() {
            let parts = std::mem::take(&mut self.shown);
            self.turns.contents.push(Content { role: Some("user"), parts });
        }
        true
    }

    /// Google caches by itself, or what was made a cache beforehand.
    fn note_cache_marks(&mut self, parts: &[Part]) {
        if parts.iter().any(|part| matches!(part, Part::CachePoint(_))) {
            self.turns.dropped.push("cache_control");
        }
    }
}

// === parts ===

fn is_words(part: &Part) -> bool {
    matches!(part, Part::Text(_) | Part::Refusal(_) | Part::CachePoint(_))
}

/// Gemini refuses empty texts.
fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) | Part::Refusal(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Nobody's signature but Gemini's own goes back to it.
fn own(signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|by| by.format == formats::GEMINI).map(|by| by.data.as_str())
}

fn call_part(call: &ToolCall) -> PartOut<'_> {
    let id = Some(call.id.as_str()).filter(|id| !id.is_empty() && !is_made_up(id));
    PartOut {
        function_call: Some(FunctionCallOut {
            id,
            name: &call.name,
            args: object(&call.arguments),
        }),
        thought_signature: own(call.signature.as_ref()),
        ..PartOut::default()
    }
}

/// A signature without a thought belongs to the text or image before it, where there is one.
fn thought<'a>(text: &'a str, signature: &'a str, parts: &mut Vec<Piece<'a>>) {
    if text.is_empty()
        && let Some(Piece::Own(last)) = parts.last_mut()
        && last.thought_signature.is_none()
        && last.function_call.is_none()
    {
        last.thought_signature = Some(signature);
        return;
    }
    let part = PartOut::text(text);
    let thought = !text.is_empty();
    parts.push(Piece::Own(PartOut { thought, thought_signature: Some(signature), ..part }));
}

/// Of calls made at once, only the first is signed.
fn sign_first_call(parts: &mut [Piece<'_>]) {
    let mut calls = parts.iter_mut().filter_map(|part| match part {
        Piece::Own(part) if part.function_call.is_some() => Some(part),
        _ => None,
    });
    if let Some(first) = calls.next()
        && first.thought_signature.is_none()
        && calls.all(|call| call.thought_signature.is_none())
    {
        first.thought_signature = Some(SIGNED_ELSEWHERE);
    }
}

/// Arguments as they were written, which must be an object; what is none is put into one.
fn object(text: &str) -> Box<RawValue> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    match serde_json::from_str::<Box<RawValue>>(text) {
        Ok(raw) if raw.get().starts_with('{') => raw,
        _ => raw(&json!({ "arguments": text })),
    }
}

/// A result, which must be an object: one that was returned stands as it is, other text under the
/// names that `FunctionResponse.response` gives to results and failures.
fn response(result: &ToolResult) -> Box<RawValue> {
    let words = result.content.iter().filter_map(|part| match part {
        Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
        Part::Document { media: Media::Text(text), .. } => Some(text),
        _ => None,
    });
    let text: String = words.collect();
    let whole = serde_json::from_str::<Box<RawValue>>(&text);
    let whole = whole.ok().filter(|raw| raw.get().starts_with('{'));
    match (whole, result.is_error) {
        (Some(object), false) => object,
        (Some(object), true) => raw(&HashMap::from([("error", object)])),
        (None, false) => raw(&json!({ "output": text })),
        (None, true) => raw(&json!({ "error": text })),
    }
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("these have text for keys")
}
