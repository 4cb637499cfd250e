//! The output of a response, read into neutral events: whole, or as it streams.
//!
//! A whole response is read as a stream in which every item comes complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use isthmus_inference::answer::{ChatAnswer, FinishReason, TokenLogprob};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Media, Part, Signature, ToolCall, formats};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde_json::Value;

use super::events::failed;
use super::{malformed, usage};
use crate::dialects::citations::{ANNOTATIONS, annotated};
use crate::dialects::{openai_error, openai_usage};

/// The most items in one response.
const MOST_ITEMS: usize = 4096;
/// What stands between the parts of a summary.
const BREAK: &str = "\n\n";

/// What was read of a response so far. There is one choice.
#[derive(Debug, Default)]
pub(super) struct Reader {
    items: BTreeMap<u64, ItemSoFar>,
    calls: u32,
    said: usize,
}

/// What was told of an item before it was complete.
#[derive(Debug, Default)]
struct ItemSoFar {
    streamed: bool,
    call: Option<u32>,
}

/// Reads a whole response.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let response: Value = serde_json::from_slice(body).map_err(|error| {
        malformed("the provider's answer is not the JSON object that it should be")
            .with_detail(openai_usage::detail(&error, body))
    })?;
    if response["error"].is_object() {
        return Err(openai_error::in_answer(body));
    }
    let Some(output) = response["output"].as_array() else {
        return Err(malformed("the provider's answer has no output"));
    };
    let (mut reader, mut events) = (Reader::default(), Vec::new());
    for (index, item) in (0..).zip(output) {
        reader.item_done(index, item, &mut events)?;
    }
    reader.close(&response, &mut events)?;
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let model = Arc::from(response["model"].as_str().unwrap_or_default());
    fold.finish(model).ok_or_else(|| malformed("the provider's answer has no end"))
}

// === impl Reader ===

impl Reader {
    /// An item begins.
    pub(super) fn item_added(
        &mut self,
        index: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if matches!(item["type"].as_str(), Some("function_call" | "custom_tool_call")) {
            self.begin_call(index, item, events)?;
        }
        Ok(())
    }

    /// More text, of whatever kind, of an item.
    pub(super) fn text(
        &mut self,
        index: u64,
        event: Event,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        self.item(index)?.streamed = true;
        self.said += match &event {
            Event::Text { text, .. } | Event::Refusal { text, .. } => text.len(),
            Event::Reasoning { text, .. } => text.len(),
            _ => 0,
        };
        events.push(event);
        Ok(())
    }

    /// More of a call's arguments.
    pub(super) fn arguments(
        &mut self,
        index: u64,
        text: &str,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        self.said += text.len();
        let item = self.item(index)?;
        if let Some(call) = item.call
            && !text.is_empty()
        {
            item.streamed = true;
            events.push(Event::ToolCallArguments { choice: 0, index: call, text: text.to_owned() });
        }
        Ok(())
    }

    /// An item is complete; what was not told before is told now.
    pub(super) fn item_done(
        &mut self,
        index: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let streamed = self.item(index)?.streamed;
        match item["type"].as_str() {
            Some("message") => {
                for part in item["content"].as_array().into_iter().flatten() {
                    if let Some(event) = said(part).filter(|_| !streamed) {
                        self.text(index, event, events)?;
                    }
                    let cited = annotated(formats::RESPONSES, &part[ANNOTATIONS]);
                    events.extend(cited.map(|part| Event::Part { choice: 0, part }));
                }
            }
            Some("reasoning") => {
                if !streamed && let Some(text) = thought(item) {
                    self.text(index, Event::Reasoning { choice: 0, text }, events)?;
                }
                events.extend(
                    signature(item)
                        .map(|signature| Event::ReasoningSigned { choice: 0, signature }),
                );
            }
            Some(kind @ ("function_call" | "custom_tool_call")) => {
                self.begin_call(index, item, events)?;
                if !streamed {
                    let said = if kind == "custom_tool_call" { "input" } else { "arguments" };
                    let arguments = item[said].as_str().unwrap_or_default();
                    self.arguments(index, arguments, events)?;
                }
            }
            Some("image_generation_call") if item["result"].is_string() => {
                events.push(Event::Part { choice: 0, part: picture(item) });
            }
            _ => {
                let part = Part::Native { format: formats::RESPONSES, value: item.clone() };
                events.push(Event::Part { choice: 0, part });
            }
        }
        Ok(())
    }

    /// The response is complete.
    pub(super) fn close(
        &mut self,
        response: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        // A server that is only like OpenAI's may tell an item nowhere but here.
        for (index, item) in (0..).zip(response["output"].as_array().into_iter().flatten()) {
            if !self.items.contains_key(&index) {
                self.item_done(index, item, events)?;
            }
        }
        let reason = self.finish(response)?;
        events.push(Event::Finish { choice: 0, reason, stop_sequence: None });
        let usage = usage::of_value(response).unwrap_or_else(|| Usage::of_answer(self.said));
        events.push(Event::Usage(usage));
        Ok(())
    }

    /// Why the response ended (API reference, `status` and `incomplete_details.reason`).
    fn finish(&self, response: &Value) -> Result<FinishReason, Failure> {
        match (response["status"].as_str(), response["incomplete_details"]["reason"].as_str()) {
            (Some("failed"), _) => Err(failed(response)),
            (Some("incomplete"), Some("content_filter")) => Ok(FinishReason::ContentFilter),
            (Some("incomplete"), _) => Ok(FinishReason::Length),
            (Some("cancelled"), _) => Ok(FinishReason::Failed),
            (Some("queued" | "in_progress"), _) => {
                Err(malformed("the provider's answer is not complete"))
            }
            _ if self.calls > 0 => Ok(FinishReason::ToolCalls),
            _ => Ok(FinishReason::Stop),
        }
    }

    fn begin_call(
        &mut self,
        index: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let number = self.calls;
        let so_far = self.item(index)?;
        if so_far.call.is_some() {
            return Ok(());
        }
        so_far.call = Some(number);
        self.calls += 1;
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let free_text = item["type"] == "custom_tool_call";
        let (id, name) = (text("call_id"), text("name"));
        let call = ToolCall { id, name, free_text, ..ToolCall::default() };
        events.push(Event::ToolCallStart { choice: 0, index: number, call });
        Ok(())
    }

    fn item(&mut self, index: u64) -> Result<&mut ItemSoFar, Failure> {
        if self.items.len() >= MOST_ITEMS && !self.items.contains_key(&index) {
            return Err(malformed("the provider's answer has more items than there can be"));
        }
        Ok(self.items.entry(index).or_default())
    }
}

// === the items ===

fn said(part: &Value) -> Option<Event> {
    match part["type"].as_str()? {
        "output_text" => {
            let text = part["text"].as_str()?.to_owned();
            Some(Event::Text { choice: 0, text, logprobs: tokens(&part["logprobs"]) })
        }
        "refusal" => Some(Event::Refusal { choice: 0, text: part["refusal"].as_str()?.to_owned() }),
        // A kind that is yet to come: of what it says, its text is what all can read.
        _ => {
            let text = part["text"].as_str()?.to_owned();
            Some(Event::Text { choice: 0, text, logprobs: vec![] })
        }
    }
}

/// The summary of a thought, or the thought itself from a model that shows it.
fn thought(item: &Value) -> Option<String> {
    let texts = |name: &str| {
        let parts = item[name].as_array().into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>()
    };
    let summary = texts("summary");
    let shown = if summary.is_empty() { texts("content").concat() } else { summary.join(BREAK) };
    (!shown.is_empty()).then_some(shown)
}

fn signature(item: &Value) -> Option<Signature> {
    let data = item["encrypted_content"].as_str().filter(|data| !data.is_empty())?;
    let id = item["id"].as_str().map(str::to_owned);
    Some(Signature { id, ..Signature::new(formats::RESPONSES, data) })
}

fn picture(item: &Value) -> Part {
    let format = item["output_format"].as_str().unwrap_or("png");
    let base64 = item["result"].as_str().unwrap_or_default().to_owned();
    let media = Media::Inline { media_type: format!("image/{format}"), base64 };
    Part::Image { media, detail: None }
}

/// The tokens of a text, if they were asked for.
pub(super) fn tokens(logprobs: &Value) -> Vec<TokenLogprob> {
    let weighed = |token: &Value| {
        let bytes = token["bytes"].as_array().map(|bytes| {
            bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect()
        });
        let text = || token["token"].as_str().map(|text| text.as_bytes().to_vec());
        Some((bytes.or_else(text)?, token["logprob"].as_f64()? as f32))
    };
    let tokens = logprobs.as_array().into_iter().flatten();
    let token = |value: &Value| {
        let (bytes, logprob) = weighed(value)?;
        let top = value["top_logprobs"].as_array().into_iter().flatten();
        Some(TokenLogprob { bytes, logprob, top: top.filter_map(weighed).collect() })
    };
    tokens.filter_map(token).collect()
}
