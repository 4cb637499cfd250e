//! Gemini's answers, read into neutral events. A whole answer is one chunk of a stream, so both are
//! read here, and agree.

use isthmus_inference::answer::{ChatAnswer, FinishReason, TokenLogprob};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, Signature, ToolCall, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error;
use super::usage::Counts;
use super::wire::{Candidate, FunctionCallIn, LogprobsResult, PartIn, Response, Token};
use crate::dialects::broken::cut;
use crate::dialects::openai_error::class;

/// What stands beside an answer's parts and tells where it is from.
pub(super) const METADATA: [&str; 3] =
    ["groundingMetadata", "citationMetadata", "urlContextMetadata"];

/// How ids begin that are made up here: Gemini before 3 gives its calls none.
const MADE_UP: &str = "call_gm_";

/// More candidates than any request can ask for (`candidateCount` goes to 8).
const MOST_CHOICES: usize = 128;

/// Whether an id was made up here, so that Gemini would not know it.
pub(super) fn is_made_up(id: &str) -> bool {
    id.starts_with(MADE_UP)
}

/// Reads a whole answer. A list of chunks, which is what a stream without `alt=sse` is, counts too.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let mut reader = Reader::default();
    let mut events = vec![];
    reader.read_any(body, &mut events)?;
    reader.finish(Unfinished::Failed, &mut events)?;
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let model = reader.model.unwrap_or_default();
    fold.finish(model.into()).ok_or_else(|| malformed(body))
}

/// Why an answer ended (`Candidate.finishReason`), in neutral words.
const FINISH_REASONS: [(&str, FinishReason); 14] = [
    ("STOP", FinishReason::Stop),
    ("MAX_TOKENS", FinishReason::Length),
    ("SAFETY", FinishReason::ContentFilter),
    ("RECITATION", FinishReason::ContentFilter),
    ("LANGUAGE", FinishReason::ContentFilter),
    ("BLOCKLIST", FinishReason::ContentFilter),
    ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("SPII", FinishReason::ContentFilter),
    ("MODEL_ARMOR", FinishReason::ContentFilter),
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
#[derive(Default)]
struct Progress {
    calls: u32,
    finish: Option<FinishReason>,
}

// === impl Reader ===

impl Reader {
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
                self.choices.resize_with(index + 1, Progress::default);
            }
            self.candidate(index, candidate, events).map_err(|_| malformed(json))?;
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
        for (choice, progress) in (0..).zip(&self.choices) {
            let reason = match progress.finish.unwrap_or(FinishReason::Failed) {
                FinishReason::Stop if progress.calls > 0 => FinishReason::ToolCalls,
                reason => reason,
            };
            events.push(Event::Finish { choice, reason, stop_sequence: None });
        }
        let usage = self.told.unwrap_or_else(|| Usage::estimated(0, self.bytes));
        events.push(Event::Usage(usage));
        Ok(())
    }

    fn candidate(
        &mut self,
        index: usize,
        candidate: Candidate<'_>,
        events: &mut Vec<Event>,
    ) -> serde_json::Result<()> {
        let choice = index as u32;
        let mut logprobs = candidate.logprobs_result.map(tokens).unwrap_or_default();
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        for raw in parts {
            let mut part = match serde_json::from_str::<PartIn<'_>>(raw.get()) {
                // A part that is not read is of a kind that came later; a call must not be lost.
                Err(_) if !raw.get().contains("functionCall") => PartIn::default(),
                read => read?,
            };
            let thought = part.thought == Some(true);
            let signature = part.thought_signature.take();
            match part {
                PartIn { function_call: Some(call), .. } => {
                    self.call(choice, call, signature, events);
                }
                PartIn { text: Some(text), .. } => {
                    self.bytes += text.len();
                    if !text.is_empty() && thought {
                        events.push(Event::Reasoning { choice, text });
                    } else if !text.is_empty() {
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
                    _ => events.push(native(choice, serde_json::from_str(raw.get())?)),
                },
            }
        }
        if !logprobs.is_empty() {
            events.push(Event::Text { choice, text: String::new(), logprobs });
        }
        let beside = [
            candidate.grounding_metadata,
            candidate.citation_metadata,
            candidate.url_context_metadata,
        ];
        for (name, value) in METADATA.iter().zip(beside) {
            events.extend(value.map(|value| native(choice, json!({ *name: value }))));
        }
        let finish = candidate.finish_reason.as_deref().map(finish_reason);
        let progress = &mut self.choices[index];
        progress.finish = finish.or(progress.finish);
        Ok(())
    }

    fn call(
        &mut self,
        choice: u32,
        call: FunctionCallIn<'_>,
        signature: Option<String>,
        events: &mut Vec<Event>,
    ) {
        let calls = &mut self.choices[choice as usize].calls;
        let index = *calls;
        *calls += 1;
        let name = call.name.unwrap_or_default();
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let answer = self.response_id.as_deref().unwrap_or(&name);
            format!("{MADE_UP}{answer}_{choice}_{index}")
        });
        let signature = signature.map(|data| Signature::new(formats::GEMINI, data));
        let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| compact(args.get()));
        self.bytes += arguments.len();
        let call = ToolCall { id, name, signature, ..ToolCall::default() };
        events.push(Event::ToolCallStart { choice, index, call });
        events.push(Event::ToolCallArguments { choice, index, text: arguments });
    }
}

// === parts ===

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

/// JSON without the space between its tokens; numbers stay as they are written.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    for letter in json.chars() {
        if inside || !letter.is_ascii_whitespace() {
            compact.push(letter);
        }
        match letter {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && letter == '\\' && !escaped;
    }
    compact
}

fn malformed(json: &[u8]) -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is none that Gemini's API describes")
        .with_detail(class(json))
}
