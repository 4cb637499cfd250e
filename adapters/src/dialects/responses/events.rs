//! A streamed response, read into neutral events (API reference, "Streaming events").

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;
use serde_json::Value;

use super::output::{Reader, tokens};
use super::relay::left_over;
use crate::dialect::StreamDecoder;
use crate::dialects::broken::{cut, event_too_large, no_event_stream};
use crate::dialects::openai_error;
use crate::dialects::openai_relay::{DONE, LARGEST_EVENT, data_of};
use crate::framing::sse::Splitter;

/// Reads one streamed response.
#[derive(Debug)]
pub(super) struct EventReader {
    splitter: Splitter,
    reader: Reader,
    over: bool,
}

/// The failure that a response with status `failed` names.
pub(super) fn failed(response: &Value) -> Failure {
    let error = serde_json::json!({ "error": response["error"] });
    openai_error::in_answer(error.to_string().as_bytes())
}

/// The failure that an `error` event names; its members stand in it, or in an `error` within.
pub(super) fn error_in(event: &Value) -> Failure {
    openai_error::in_answer(event.to_string().as_bytes())
}

impl Default for EventReader {
    fn default() -> Self {
        Self { splitter: Splitter::new(LARGEST_EVENT), reader: Reader::default(), over: false }
    }
}

impl EventReader {
    fn take_in(&mut self, event: &Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = data_of(event)? else { return Ok(()) };
        if data.trim_ascii() == DONE {
            return Ok(());
        }
        let event: Value = serde_json::from_slice(&data).map_err(|_| no_event_stream(event))?;
        let index = event["output_index"].as_u64().unwrap_or(0);
        let text = || event["delta"].as_str().unwrap_or_default().to_owned();
        let reader = &mut self.reader;
        match event["type"].as_str().unwrap_or_default() {
            "response.output_item.added" => reader.item_added(index, &event["item"], events),
            "response.output_item.done" => reader.item_done(index, &event["item"], events),
            "response.output_text.delta" => {
                let logprobs = tokens(&event["logprobs"]);
                reader.text(index, Event::Text { choice: 0, text: text(), logprobs }, events)
            }
            "response.refusal.delta" => {
                reader.text(index, Event::Refusal { choice: 0, text: text() }, events)
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                reader.text(index, Event::Reasoning { choice: 0, text: text() }, events)
            }
            "response.reasoning_summary_part.added"
                if event["summary_index"].as_u64() > Some(0) =>
            {
                let text = "\n\n".to_owned();
                reader.text(index, Event::Reasoning { choice: 0, text }, events)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                reader.arguments(index, &text(), events)
            }
            "response.completed" | "response.incomplete" => {
                self.over = true;
                reader.close(&event["response"], events)
            }
            "response.failed" => Err(failed(&event["response"])),
            "error" => Err(error_in(&event)),
            // An error without a type, as compatible servers write it.
            _ if event["error"].is_object() => Err(error_in(&event)),
            _ => Ok(()),
        }
    }
}

impl StreamDecoder for EventReader {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.splitter.push(read);
        while !self.over {
            let Some(event) = self.splitter.next_event().map_err(event_too_large)? else { break };
            self.take_in(&event, events)?;
        }
        Ok(())
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        match self.splitter.finish() {
            _ if self.over => Ok(()),
            Some(event) => Err(left_over(&event)),
            None => Err(cut()),
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
