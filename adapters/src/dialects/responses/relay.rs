//! A streamed response, watched while it passes.
//!
//! Only the events that end it are read as JSON: `response.completed` and `response.incomplete` tell
//! the usage, `response.failed` and `error` are failures. A stream without any of them was cut.

use std::collections::VecDeque;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use serde::Deserialize;
use serde_json::Value;

use super::events::{error_in, failed};
use super::usage;
use crate::adapter::Piece;
use crate::dialect::Watch;
use crate::dialects::broken::{cut, event_too_large, no_event_stream};
use crate::dialects::openai_relay::prelude::Prelude;
use crate::dialects::openai_relay::run::Run;
use crate::dialects::openai_relay::{DONE, LARGEST_EVENT, data_of, is_closed};
use crate::framing::sse::{self, Splitter};

/// Turns what the network brings into pieces of an answer.
#[derive(Debug)]
pub(super) struct Relay {
    splitter: Splitter,
    pieces: VecDeque<Piece>,
    prelude: Prelude,
    over: bool,
}

/// The type of an event, without building the rest.
#[derive(Deserialize)]
struct Typed<'a> {
    r#type: &'a str,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            splitter: Splitter::new(LARGEST_EVENT),
            pieces: VecDeque::new(),
            prelude: Prelude::default(),
            over: false,
        }
    }
}

impl Relay {
    fn take_in(&mut self, event: Bytes, run: &mut Run) -> Result<(), Failure> {
        let name = sse::name(&event).map(<[u8]>::to_vec);
        let known = name.as_deref().is_some_and(|name| name.starts_with(b"response."));
        let named = known && is_closed(&event);
        let data = if named { None } else { data_of(&event)? };
        let kind = match (&name, &data) {
            (Some(name), None) if named => name.as_slice(),
            (_, None) => return self.silent(event, run),
            (_, Some(data)) if data.trim_ascii() == DONE => return Ok(()),
            (_, Some(data)) => serde_json::from_slice::<Typed<'_>>(data)
                .map_err(|_| no_event_stream(&event))?
                .r#type
                .as_bytes(),
        };
        match kind {
            b"response.completed" | b"response.incomplete" => self.ended(event, run),
            b"response.failed" => Err(failed(&read(&event)?["response"])),
            b"error" => Err(error_in(&read(&event)?)),
            _ => {
                self.pass(event, run);
                Ok(())
            }
        }
    }

    fn silent(&mut self, event: Bytes, run: &mut Run) -> Result<(), Failure> {
        if !self.prelude.holds(&event) {
            self.pass(event, run);
        }
        Ok(())
    }

    fn pass(&mut self, event: Bytes, run: &mut Run) {
        let event = self.prelude.joined(event);
        if !run.takes(&event) {
            self.flush(run);
            self.pieces.push_back(Piece::Relay(event));
        }
    }

    fn ended(&mut self, event: Bytes, run: &mut Run) -> Result<(), Failure> {
        let usage = usage::of_value(&read(&event)?["response"]);
        let event = self.prelude.joined(event);
        self.flush(run);
        self.pieces.push_back(match usage {
            Some(usage) => Piece::Usage { usage, event, only_usage: false, so_far: false },
            None => Piece::Relay(event),
        });
        self.pieces.push_back(Piece::Done { event: None });
        self.over = true;
        Ok(())
    }

    fn flush(&mut self, run: &mut Run) {
        self.pieces.extend(run.take().map(Piece::Relay));
    }
}

/// What an event without its empty line tells: an error, if it is one, or that the stream was cut.
pub(super) fn left_over(event: &Bytes) -> Failure {
    let data = match data_of(event) {
        Ok(data) => data.unwrap_or_default(),
        Err(failure) => return failure,
    };
    let value: Value = serde_json::from_slice(&data).unwrap_or_default();
    match value["type"].as_str() {
        Some("error") => error_in(&value),
        Some("response.failed") => failed(&value["response"]),
        _ => cut(),
    }
}

fn read(event: &Bytes) -> Result<Value, Failure> {
    let data = data_of(event)?.unwrap_or_default();
    serde_json::from_slice(&data).map_err(|_| no_event_stream(event))
}

impl Watch for Relay {
    fn push(&mut self, read: Bytes) -> Result<(), Failure> {
        let mut run = Run::of(read.clone());
        if self.over {
            return Ok(());
        }
        self.splitter.push(read);
        let mut outcome = Ok(());
        while outcome.is_ok() && !self.over {
            outcome = match self.splitter.next_event() {
                Ok(Some(event)) => self.take_in(event, &mut run),
                Ok(None) => break,
                Err(error) => Err(event_too_large(error)),
            };
        }
        self.flush(&mut run);
        self.over |= outcome.is_err();
        outcome
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        match self.splitter.finish() {
            Some(event) => Err(left_over(&event)),
            None => Err(cut()),
        }
    }

    fn next_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;

    use super::*;

    const TEXT: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n";
    const END: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":3,\"total_tokens\":5}}}\n\n";

    fn relay(stream: &str) -> (Vec<Piece>, Result<(), Failure>) {
        let mut relay = Relay::default();
        let outcome = relay.push(stream.to_owned().into()).and_then(|()| relay.end());
        (std::iter::from_fn(|| relay.next_piece()).collect(), outcome)
    }

    #[test]
    fn events_pass_as_they_came_and_the_last_one_tells_usage() {
        for end in [END.to_owned(), END.replace("event: response.completed\n", "")] {
            let (pieces, outcome) = relay(&format!("{TEXT}{TEXT}{end}data: [DONE]\n\n"));
            outcome.unwrap();
            assert_eq!(pieces[0], Piece::Relay(TEXT.repeat(2).into()));
            let Piece::Usage { usage, event, only_usage: false, .. } = &pieces[1] else { panic!() };
            assert_eq!((usage.total(), event.as_ref()), (5, end.as_bytes()));
            assert_eq!(pieces[2..], [Piece::Done { event: None }]);
        }
    }

    #[test]
    fn a_stream_that_fails_or_stops_is_a_failure() {
        let failed = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow down\"}}}\n\n";
        let flat = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"boom\",\"param\":null}\n\n";
        let nested = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"bad\"}}\n\n";
        let cases = [
            (failed, Kind::RateLimited, "slow down"),
            (flat, Kind::ProviderError, "boom"),
            (nested, Kind::InvalidRequest, "bad"),
            ("", Kind::Malformed, "cut"),
            ("event: response.completed\ndata: {", Kind::Malformed, "cut"),
            ("hello\n\n", Kind::Malformed, "event stream"),
            (
                "event: response.output_text.delta\ndata: {\"type\":\"resp\n\n",
                Kind::Malformed,
                "event stream",
            ),
        ];
        for (event, kind, said) in cases {
            let (pieces, outcome) = relay(&format!("{TEXT}{event}"));
            let failure = outcome.unwrap_err();
            assert_eq!(failure.kind, kind, "{event}");
            assert!(failure.message.contains(said), "{event}: {}", failure.message);
            assert_eq!(pieces, [Piece::Relay(TEXT.into())], "what came before still passes");
        }
    }
}
