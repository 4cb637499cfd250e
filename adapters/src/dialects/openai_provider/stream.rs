//! A streamed chat completion, read into neutral events.

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;
use serde_json::Value;

use super::decode::Reader;
use crate::dialect::StreamDecoder;
use crate::dialects::broken::{cut, event_too_large, no_event_stream};
use crate::dialects::openai_error;
use crate::dialects::openai_relay::{DONE, LARGEST_EVENT, data_of};
use crate::framing::sse::{self, Splitter};

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct ChunkReader {
    splitter: Splitter,
    reader: Reader,
    over: bool,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self { splitter: Splitter::new(LARGEST_EVENT), reader: Reader::default(), over: false }
    }
}

impl ChunkReader {
    fn take_in(&mut self, event: &Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = data_of(event)? else { return Ok(()) };
        if data.trim_ascii() == DONE {
            self.over = true;
            return self.reader.close(events);
        }
        let chunk: Value = serde_json::from_slice(&data).map_err(|_| no_event_stream(event))?;
        let failed = chunk.get("error").is_some_and(|error| !error.is_null());
        if failed || sse::name(event) == Some(b"error") {
            return Err(openai_error::in_answer(&data));
        }
        if !chunk.is_object() {
            return Err(no_event_stream(event));
        }
        self.reader.read(&chunk, events)
    }
}

impl StreamDecoder for ChunkReader {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.splitter.push(read);
        while !self.over {
            let Some(event) = self.splitter.next_event().map_err(event_too_large)? else { break };
            self.take_in(&event, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        if let Some(event) = self.splitter.finish() {
            // An event without its empty line was cut, unless it is the one that says so.
            let told = data_of(&event)?;
            if told.is_none_or(|data| data.trim_ascii() != DONE) {
                return Err(cut());
            }
        } else if !self.reader.is_finished() {
            return Err(cut());
        }
        self.over = true;
        self.reader.close(events)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;

    use super::*;
    use crate::dialects::openai_provider::decode::decode;

    const TEXT: &str = r#"data: {"choices":[{"delta":{"content":"hi"}}]}"#;
    const STOP: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;

    fn read(events: &[&str]) -> (Vec<Event>, Result<(), Failure>) {
        let stream: String = events.iter().map(|event| format!("{event}\n\n")).collect();
        let (mut reader, mut events) = (ChunkReader::default(), Vec::new());
        let outcome = reader.push(stream.into(), &mut events);
        let outcome = outcome.and_then(|()| reader.end(&mut events));
        (events, outcome)
    }

    #[test]
    fn a_stream_ends_with_its_usage_or_with_a_failure() {
        for whole in [&[TEXT, STOP, "data: [DONE]"][..], &[TEXT, STOP], &[TEXT, "data: [DONE]"]] {
            let (events, outcome) = read(whole);
            outcome.unwrap();
            let ends = &events[events.len() - 2..];
            assert!(matches!(ends, [Event::Finish { .. }, Event::Usage(_)]), "{events:?}");
        }
        let far = r#"data: {"choices":[{"index":4000000000,"delta":{}}]}"#;
        let cases = [
            (&[TEXT][..], Kind::Malformed, "cut"),
            (&[], Kind::Malformed, "cut"),
            (&["data: [DONE]"], Kind::Malformed, "no choices"),
            (&[TEXT, "hello"], Kind::Malformed, "event stream"),
            (&[TEXT, "data: 1"], Kind::Malformed, "event stream"),
            (&[TEXT, far], Kind::Malformed, "more choices"),
            (
                &[TEXT, r#"data: {"error":{"message":"boom","code":429}}"#],
                Kind::RateLimited,
                "boom",
            ),
            (&[TEXT, r#"{"error":"boom"}"#], Kind::ProviderError, "boom"),
            (
                &["event: error\ndata: {\"message\":\"boom\",\"status_code\":400}"],
                Kind::InvalidRequest,
                "boom",
            ),
        ];
        for (stream, kind, said) in cases {
            let (events, outcome) = read(stream);
            let failure = outcome.expect_err(&format!("{stream:?}"));
            assert_eq!(failure.kind, kind, "{stream:?}");
            assert!(failure.message.contains(said), "{stream:?}: {}", failure.message);
            assert!(!events.iter().any(|event| matches!(event, Event::Usage(_))), "{stream:?}");
        }
    }

    #[test]
    fn a_thought_that_comes_again_with_its_signature_is_told_once() {
        let signed = |text: &str| {
            let detail = format!(r#"{{"type":"reasoning.text","text":"{text}","signature":"s"}}"#);
            format!(r#"data: {{"choices":[{{"delta":{{"reasoning_details":[{detail}]}}}}]}}"#)
        };
        let said = |text: &str| {
            format!(r#"data: {{"choices":[{{"delta":{{"reasoning_content":"{text}"}}}}]}}"#)
        };
        let thought = |details: &str| {
            let (events, _) = read(&[&said("h"), &said("m"), &signed(details), STOP]);
            let texts = events.iter().filter_map(|event| match event {
                Event::Reasoning { text, .. } => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<String>()
        };
        assert_eq!((thought("hm").as_str(), thought("so").as_str()), ("hm", "hmso"));
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        let cases = [
            ("<html>", Kind::Malformed),
            ("{}", Kind::Malformed),
            (r#"{"choices":[]}"#, Kind::Malformed),
            (r#"{"error":{"message":"no credits","code":402}}"#, Kind::QuotaExhausted),
        ];
        for (body, kind) in cases {
            assert_eq!(decode(body.as_bytes()).unwrap_err().kind, kind, "{body}");
        }
    }

    #[test]
    fn calls_without_end_are_refused() {
        let call = r#"{"id":"","function":{"name":"f"}}"#;
        let calls = vec![call; 2000].join(",");
        let body = format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}}}}]}}"#);
        assert!(decode(body.as_bytes()).unwrap_err().message.contains("more calls"));
    }
}
