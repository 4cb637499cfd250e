//! Gemini's answers, read into neutral events. A whole answer is one chunk of a stream, so both are
//! read here, and agree.

use isthmus_inference::answer::{ChatAnswer, FinishReason, TokenLogprob};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, Signature, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde_json::Value;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::error;
use super::sources::{METADATA, Sources, Voice};
use super::usage::Counts;
use super::wire::{Candidate, LogprobsResult, PartIn, Response, Token};
use crate::dialects::broken::cut;
use crate::dialects::openai_error::class;

/// More candidates than any request can ask for (`candidateCount` goes to 8).
const MOST_CHOICES: usize = 128;

/// Reads a whole answer. A list of chunks, which is what a stream without `alt=sse` is, counts too.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let mut reader = Reader::new(true);
    let mut events = vec![];
    reader.read_any(body, &mut events)?;
    reader.finish(Unfinished::Failed, &mut events)?;
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let model = reader.model.unwrap_or_default();
    fold.finish(model.into()).ok_or_else(|| malformed(body))
}

/// Why an answer ended (`Candidate.finishReason`), in neutral words.
const FINISH_REASONS: [(&str, FinishReason); 16] = [
    ("STOP", FinishReason::Stop),
    ("MAX_TOKENS", FinishReason::Length),
    ("SAFETY", FinishReason::ContentFilter),
    ("RECITATION", FinishReason::ContentFilter),
    ("LANGUAGE", FinishReason::ContentFilter),
    ("BLOCKLIST", FinishReason::ContentFilter),
    ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("SPII", FinishReason::ContentFilter),
    ("MODEL_ARMOR", FinishReason::ContentFilter),
    ("ESCALATION", FinishReason::ContentFilter),
    // The account was restricted for what it asked before.
    ("PUP_LIMITED_DISABLED", FinishReason::ContentFilter),
    ("IMAGE_SAFETY", FinishReason::ContentFilter),
    ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("IMAGE_RECITATION", FinishReason::ContentFilter),
    // The service stopped in between and would go on.
    ("CONTINUATION", FinishReason::Pause),
    // Not an end of its own; stands for "not said".
    ("FINISH_REASON_UNSPECIFIED", FinishReason::Failed),
];

/// `MALFORMED_FUNCTION_CALL`, `UNEXPECTED_TOOL_CALL`, `TOO_MANY_TOOL_CALLS`, `MALFORMED_RESPONSE`,
/// `MISSING_THOUGHT_SIGNATURE`, `NO_IMAGE`, `IMAGE_OTHER`, `OTHER` and words that are yet to come tell
/// of an answer that went wrong.
fn finish_reason(word: &str) -> FinishReason {
    let known = FINISH_REASONS.iter().find(|(known, _)| *known == word);
    known.map_or(FinishReason::Failed, |(_, reason)| *reason)
}

/// What an answer is that does not say why it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Cut: a stream.
    Cut,
    /// All there is: a whole answer.
    Failed,
}

/// Reads chunk after chunk.
#[derive(Default)]
pub(super) struct Reader {
    /// Whether text is kept, so that sources can be placed in it.
    keeps: bool,
    choices: Vec<Progress>,
    counts: Counts,
    told: Option<Usage>,
    model: Option<String>,
    response_id: Option<String>,
    /// The prompt itself was refused, so that there are no candidates.
    blocked: bool,
    /// Bytes of text and thinking, for when nobody counts tokens.
    bytes: usize,
}

/// How far one candidate is.
struct Progress {
    calls: Calls,
    sources: Sources,
    finish: Option<FinishReason>,
}

// === impl Reader ===

impl Reader {
    /// A reader of one answer. Only if it keeps the text, all sources can be placed in it.
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// Reads one chunk, or a list of them.
    pub(super) fn read_any(&mut self, json: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        if json.trim_ascii_start().first() != Some(&b'[') {
            return self.read(json, events);
        }
        let chunks: Vec<&RawValue> = serde_json::from_slice(json).map_err(|_| malformed(json))?;
        chunks.iter().try_for_each(|chunk| self.read(chunk.get().as_bytes(), events))
    }

    /// Reads one chunk.
    pub(super) fn read(&mut self, json: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let response: Response<'_> = serde_json::from_slice(json).map_err(|_| malformed(json))?;
        if response.error.is_some() {
            return Err(error::in_answer(json));
        }
        self.model = response.model_version.or(self.model.take());
        self.response_id = response.response_id.or(self.response_id.take());
        self.blocked |= response.prompt_feedback.is_some_and(|said| said.block_reason.is_some());
        for (at, candidate) in response.candidates.into_iter().flatten().enumerate() {
            let index = candidate.index.map_or(at, |index| index as usize);
            if index >= MOST_CHOICES {
                return Err(malformed(json));
            }
            if self.choices.len() <= index {
                let keeps = self.keeps;
                self.choices.resize_with(index + 1, || Progress::new(keeps));
            }
            self.candidate(index, candidate, json, events)?;
        }
        if let Some(told) = response.usage_metadata {
            self.counts.update(told);
            let usage = self.counts.usage();
            if let Some(usage) = usage.filter(|usage| self.told.as_ref() != Some(usage)) {
                self.told = Some(usage);
                events.push(Event::UsageSoFar(usage));
            }
        }
        Ok(())
    }

    /// Nothing more comes: tells why each answer ended, and what it took.
    pub(super) fn finish(
        &mut self,
        unfinished: Unfinished,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if self.choices.is_empty() {
            if !self.blocked {
                let message =
                    "the provider's answer holds nothing: no candidate, and no reason why";
                return Err(Failure::new(Kind::Malformed, message));
            }
            let reason = FinishReason::ContentFilter;
            events.push(Event::Finish { choice: 0, reason, stop_sequence: None });
        }
        if unfinished == Unfinished::Cut && self.choices.iter().any(|one| one.finish.is_none()) {
            return Err(cut());
        }
        for (choice, progress) in (0..).zip(&mut self.choices) {
            progress.calls.close(choice, events);
            events.extend(progress.sources.take().map(|value| native(choice, value)));
            let reason = match progress.finish.unwrap_or(FinishReason::Failed) {
                FinishReason::Stop if progress.calls.any() => FinishReason::ToolCalls,
                reason => reason,
            };
            events.push(Event::Finish { choice, reason, stop_sequence: None });
        }
        let usage = self.told.unwrap_or_else(|| Usage::of_answer(self.bytes));
        events.push(Event::Usage(usage));
        Ok(())
    }

    /// Reads a candidate of this chunk.
    fn candidate(
        &mut self,
        index: usize,
        candidate: Candidate<'_>,
        json: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let choice = index as u32;
        let mut logprobs = candidate.logprobs_result.map(tokens).unwrap_or_default();
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        for (at, raw) in parts.into_iter().enumerate() {
            let mut part = match serde_json::from_str::<PartIn<'_>>(raw.get()) {
                // A part that is not read is of a kind that came later; a call must not be lost.
                Err(_) if !raw.get().contains("functionCall") => PartIn::default(),
                read => read.map_err(|_| malformed(json))?,
            };
            let thought = part.thought == Some(true);
            let signature = part.thought_signature.take();
            let progress = &mut self.choices[index];
            progress.sources.begin(voice(&part), at == 0);
            match part {
                PartIn { function_call: Some(call), .. } => {
                    let (before, answer) = (events.len(), self.response_id.as_deref());
                    progress.calls.take(choice, call, signature.as_deref(), answer, events)?;
                    self.bytes += events[before..].iter().map(said).sum::<usize>();
                }
                PartIn { text: Some(text), .. } => {
                    self.bytes += text.len();
                    if !text.is_empty() && thought {
                        events.push(Event::Reasoning { choice, text });
                    } else if !text.is_empty() {
                        progress.sources.say(&text);
                        let logprobs = std::mem::take(&mut logprobs);
                        events.push(Event::Text { choice, text, logprobs });
                    }
                    sign(choice, signature, events);
                }
                part => match (file(&part), thought) {
                    (Some(part), false) => {
                        events.push(Event::Part { choice, part });
                        sign(choice, signature, events);
                    }
                    _ => {
                        let value = serde_json::from_str(raw.get());
                        events.push(native(choice, value.map_err(|_| malformed(json))?));
                    }
                },
            }
        }
        if !logprobs.is_empty() {
            events.push(Event::Text { choice, text: String::new(), logprobs });
        }
        let progress = &mut self.choices[index];
        let beside = [
            candidate.grounding_metadata,
            candidate.citation_metadata,
            candidate.url_context_metadata,
        ];
        for (name, value) in METADATA.iter().zip(beside) {
            if let Some(value) = value {
                progress.sources.tell(name, value);
            }
        }
        let finish = candidate.finish_reason.as_deref().map(finish_reason);
        progress.finish = finish.or(progress.finish);
        Ok(())
    }
}

impl Progress {
    fn new(keeps: bool) -> Self {
        Self { calls: Calls::default(), sources: Sources::new(keeps), finish: None }
    }
}

// === parts ===

/// How many bytes of a call's arguments an event brings.
fn said(event: &Event) -> usize {
    if let Event::ToolCallArguments { text, .. } = event { text.len() } else { 0 }
}

fn voice(part: &PartIn<'_>) -> Voice {
    match (&part.text, part.thought) {
        (Some(_), Some(true)) => Voice::Thinks,
        (Some(_), _) => Voice::Speaks,
        (None, _) => Voice::Else,
    }
}

fn sign(choice: u32, signature: Option<String>, events: &mut Vec<Event>) {
    events.extend(signature.map(|data| {
        let signature = Signature::new(formats::GEMINI, data);
        Event::ReasoningSigned { choice, signature }
    }));
}

/// What has no neutral form: code that Google ran, searches, and parts that are yet to come.
fn native(choice: u32, value: Value) -> Event {
    Event::Part { choice, part: Part::Native { format: formats::GEMINI, value } }
}

/// A part that is a file.
fn file(part: &PartIn<'_>) -> Option<Part> {
    let (media_type, media) = match (&part.inline_data, &part.file_data) {
        (Some(blob), _) => {
            let media_type = blob.mime_type.clone().unwrap_or_default();
            let base64 = blob.data.clone().unwrap_or_default();
            (media_type.clone(), Media::Inline { media_type, base64 })
        }
        (None, Some(file)) => {
            let media_type = file.mime_type.clone();
            let url = file.file_uri.clone()?;
            (media_type.clone().unwrap_or_default(), Media::Url { url, media_type })
        }
        (None, None) => return None,
    };
    Some(match media_type.split('/').next() {
        Some("image") => Part::Image { media, detail: None },
        Some("audio") => Part::Audio(media),
        Some("video") => Part::Video(media),
        _ => Part::Document { media, name: None },
    })
}

fn tokens(result: LogprobsResult) -> Vec<TokenLogprob> {
    let of = |token: Token| (token.token.unwrap_or_default(), token.log_probability.unwrap_or(0.0));
    let mut tops = result.top_candidates.unwrap_or_default().into_iter();
    let chosen = result.chosen_candidates.into_iter().flatten().map(|chosen| {
        let (text, logprob) = of(chosen);
        let top = tops.next().and_then(|top| top.candidates).unwrap_or_default();
        let top = top.into_iter().map(of).map(|(text, logprob)| (text.into_bytes(), logprob));
        TokenLogprob { bytes: text.into_bytes(), logprob, top: top.collect() }
    });
    chosen.collect()
}

pub(super) fn malformed(json: &[u8]) -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is none that Gemini's API describes")
        .with_detail(class(json))
}
