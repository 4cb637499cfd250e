//! Messages on both sides: the caller's bytes go out with few of them changed, the answer's pass
//! while they are watched.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage::Counts;
use super::{Flavour, betas, error};
use crate::adapter::Piece;
use crate::dialect::{Encoded, Watch};
use crate::dialects::broken::{answer_too_large, cut, no_event_stream};
use crate::dialects::edits::{Edit, splice, take_out};
use crate::dialects::openai_error::class;
use crate::dialects::openai_relay::is_closed;
use crate::dialects::openai_relay::prelude::Prelude;
use crate::dialects::openai_relay::run::Run;
use crate::framing::sse::{self, Splitter};
use crate::pieces::Pieces;

/// The largest event that is held in memory.
const LARGEST_EVENT: usize = 8 << 20;
/// How the events begin of which a stream has the most, and which say nothing that the house reads.
const PLAIN: [&[u8]; 4] = [
    b"event: content_block_delta",
    b"event: content_block_start",
    b"event: content_block_stop",
    b"event: ping",
];

/// What the house reads of an answer, and of an event.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    /// The beginning of an answer, or a text that belongs to an error.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    usage: Option<Counts>,
}

/// The request to send upstream.
pub(super) fn rewrite(
    request: &Request,
    model: &UpstreamModel,
    flavour: Flavour,
) -> Result<Encoded, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.forwarded {
        if name != betas::HEADER {
            continue;
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::invalid("", "`anthropic-beta` has characters that no header can hold")
        })?;
        headers.append(HeaderName::from_static(betas::HEADER), value);
    }
    let body = body(request, model, flavour);
    Ok(Encoded { body, headers, ..Encoded::default() })
}

fn body(request: &Request, model: &UpstreamModel, flavour: Flavour) -> Pieces {
    let find = |name| request.outline.named(&request.body, name).next();
    let mut edits = Vec::new();
    if let Some(version) = flavour.version_member()
        && find("anthropic_version").is_none()
        && let Some(start) = memchr::memchr(b'{', &request.body)
    {
        let text = format!("\"anthropic_version\":\"{version}\",").into();
        edits.push(Edit { place: start + 1..start + 1, text });
    }
    if let Some(named) = find("model") {
        // Where tokens are counted, the body names the model on Vertex too.
        if !flavour.names_model() && request.operation != Operation::CountTokens {
            edits.extend(take_out(&request.outline.members, &[named]));
        } else if request.model.as_str() != model.as_str() {
            let name = serde_json::Value::from(model.as_str()).to_string();
            edits.push(Edit { place: named.value.clone(), text: name.into() });
        }
    }
    splice(&request.body, edits)
}

/// What a whole answer says that it took.
pub(super) fn usage(request: &Request, body: &[u8]) -> Result<Option<Usage>, Failure> {
    let seen: Seen<'_> = serde_json::from_slice(body).map_err(|_| {
        let message = "the provider's answer is not the JSON object that it should be";
        Failure::new(Kind::Malformed, message).with_detail(class(body))
    })?;
    if seen.r#type == "error" {
        return Err(error::in_answer(body));
    }
    // To count is free.
    let counted = (request.operation == Operation::CountTokens).then(Usage::default);
    let told = |counts: Counts| counts.is_whole().then(|| counts.told()).flatten();
    Ok(counted.or_else(|| seen.usage.and_then(told)))
}

/// A stream, watched while it passes.
pub(super) struct Relay {
    splitter: Splitter,
    pieces: VecDeque<Piece>,
    prelude: Prelude,
    counts: Counts,
    over: bool,
}

/// What an event means to the house.
enum Meaning {
    /// Nothing.
    Plain,
    /// Nothing to anybody: it has no data.
    Silent,
    /// It counts.
    Usage {
        /// More will be said.
        so_far: bool,
    },
    /// The end.
    Done,
}

// === impl Relay ===

impl Relay {
    pub(super) fn new() -> Self {
        Self {
            splitter: Splitter::new(LARGEST_EVENT),
            pieces: VecDeque::new(),
            prelude: Prelude::default(),
            counts: Counts::default(),
            over: false,
        }
    }

    fn take_events(&mut self, run: &mut Run) -> Result<(), Failure> {
        while let Some(event) = self.splitter.next_event().map_err(answer_too_large)? {
            let meaning = self.meaning(&event)?;
            if matches!(meaning, Meaning::Silent) && self.prelude.holds(&event) {
                continue;
            }
            let event = self.prelude.joined(event);
            match meaning {
                Meaning::Plain | Meaning::Silent if run.takes(&event) => {}
                Meaning::Plain | Meaning::Silent => {
                    self.flush(run);
                    self.pieces.push_back(Piece::Relay(event));
                }
                Meaning::Usage { so_far } => {
                    self.flush(run);
                    let (usage, only_usage) = (self.counts.told().unwrap_or_default(), false);
                    self.pieces.push_back(Piece::Usage { usage, event, only_usage, so_far });
                }
                Meaning::Done => {
                    self.flush(run);
                    self.pieces.push_back(Piece::Done { event: Some(event) });
                    self.over = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What an event means that could have counted; nothing if it did not.
    fn counted(&self, so_far: bool) -> Meaning {
        self.counts.told().map_or(Meaning::Plain, |_| Meaning::Usage { so_far })
    }

    fn flush(&mut self, run: &mut Run) {
        self.pieces.extend(run.take().map(Piece::Relay));
    }

    fn meaning(&mut self, event: &[u8]) -> Result<Meaning, Failure> {
        if PLAIN.iter().any(|start| event.starts_with(start)) && is_closed(event) {
            return Ok(Meaning::Plain);
        }
        let data = sse::data(event).unwrap_or_default();
        if data.trim_ascii().is_empty() {
            return Ok(Meaning::Silent);
        }
        let seen: Seen<'_> = serde_json::from_slice(&data).map_err(|_| no_event_stream(&data))?;
        match &*seen.r#type {
            "message_start" => {
                self.counts = Counts::of_begun(seen.message);
                Ok(self.counted(true))
            }
            "message_delta" => {
                self.counts.update(seen.usage.unwrap_or_default());
                Ok(self.counted(!self.counts.is_whole()))
            }
            "message_stop" => Ok(Meaning::Done),
            "error" => Err(error::in_answer(&data)),
            _ if sse::name(event) == Some(b"error") => Err(error::in_answer(&data)),
            _ => Ok(Meaning::Plain),
        }
    }
}

impl Watch for Relay {
    fn push(&mut self, read: Bytes) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let mut run = Run::of(read.clone());
        self.splitter.push(read);
        let outcome = self.take_events(&mut run);
        self.flush(&mut run);
        self.over |= outcome.is_err();
        outcome
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        // The closing event counts without its empty line.
        if let Some(event) = self.splitter.finish()
            && matches!(self.meaning(&event), Ok(Meaning::Done))
        {
            let event = self.prelude.joined(event);
            self.pieces.push_back(Piece::Done { event: Some(event) });
            return Ok(());
        }
        Err(cut())
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
    use super::super::read::read;
    use super::*;

    fn request(operation: Operation, body: &'static str) -> Request {
        read(operation, Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn only_the_model_is_changed() {
        let text = r#"{"model" : "a", "max_tokens":1,"x":1.50,"messages":[{}]}"#;
        let cases = [
            (Flavour::Direct, "a", text),
            (Flavour::Direct, "b", r#"{"model" : "b", "max_tokens":1,"x":1.50,"messages":[{}]}"#),
            (
                Flavour::Vertex,
                "b",
                r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":1,"x":1.50,"messages":[{}]}"#,
            ),
        ];
        let mut asked = request(Operation::Chat, text);
        asked.forwarded =
            vec![("anthropic-beta".into(), "a-1,b-2".into()), ("x".into(), "y".into())];
        for (flavour, model, expected) in cases {
            let sent = rewrite(&asked, &model.into(), flavour).unwrap();
            assert_eq!(sent.body.whole(), expected);
            assert_eq!(
                (sent.headers.len(), &sent.headers[betas::HEADER]),
                (1, &HeaderValue::from_static("a-1,b-2"))
            );
        }
        let counted = request(Operation::CountTokens, r#"{"model":"a","messages":[{}]}"#);
        let sent = rewrite(&counted, &"b".into(), Flavour::Vertex).unwrap();
        assert_eq!(
            sent.body.whole(),
            r#"{"anthropic_version":"vertex-2023-10-16","model":"b","messages":[{}]}"#
        );
    }

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
    const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"message_stop\"}}\n\n";
    const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":5}}\n\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    fn watched(stream: &str) -> (Vec<Piece>, Result<(), Failure>) {
        let mut relay = Relay::new();
        let outcome = relay.push(stream.to_owned().into()).and_then(|()| relay.end());
        (std::iter::from_fn(|| relay.next_piece()).collect(), outcome)
    }

    #[test]
    fn a_stream_passes_byte_for_byte_and_counts() {
        let (pieces, outcome) = watched(&format!(": hi\n\n{START}{TEXT}{TEXT}{END}{STOP}"));
        outcome.unwrap();
        let [
            Piece::Usage { event, so_far: true, .. },
            Piece::Relay(text),
            Piece::Usage { usage, so_far: false, .. },
            Piece::Done { event: Some(stop) },
        ] = &pieces[..]
        else {
            panic!("{pieces:?}")
        };
        assert_eq!(event, &format!(": hi\n\n{START}"));
        assert_eq!(text, &format!("{TEXT}{TEXT}"));
        assert_eq!((usage.input(), usage.output()), (3, 5));
        assert_eq!(stop, STOP);
    }

    #[test]
    fn cut_and_broken_streams_are_failures() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";
        let cases = [
            (String::new(), Kind::Malformed, 0),
            (format!("{START}{TEXT}{END}"), Kind::Malformed, 3),
            (format!("{START}{error}"), Kind::Overloaded, 1),
            (error.to_owned(), Kind::Overloaded, 0),
            // Beside the error, or in its place, stands a text.
            (
                format!(
                    "{START}data: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\"}},\"message\":\"m\"}}\n\n"
                ),
                Kind::Overloaded,
                1,
            ),
            (
                format!(
                    "{START}data: {{\"type\":\"error\",\"error\":\"rate_limit_error\",\"message\":\"m\"}}\n\n"
                ),
                Kind::RateLimited,
                1,
            ),
            ("data: hello\n\n".to_owned(), Kind::Malformed, 0),
            (format!("{START}{}\n\n{STOP}", &TEXT[..60]), Kind::Malformed, 1),
        ];
        for (stream, kind, pieces) in cases {
            let (passed, outcome) = watched(&stream);
            assert_eq!((outcome.unwrap_err().kind, passed.len()), (kind, pieces), "{stream}");
        }
        watched(&format!("{START}{}", STOP.trim_end())).1.unwrap();
    }

    #[test]
    fn a_stream_that_does_not_count_passes_and_reports_nothing() {
        let silent = START.replace("{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}", "{}");
        let end = END.replace(",\"usage\":{\"output_tokens\":5}", "");
        let (pieces, outcome) = watched(&format!("{silent}{TEXT}{end}{STOP}"));
        outcome.unwrap();
        let [Piece::Relay(passed), Piece::Done { .. }] = &pieces[..] else { panic!("{pieces:?}") };
        assert_eq!(passed, &format!("{silent}{TEXT}{end}"));
        // What came without its output is not the last word.
        let start = START.replace(",\"output_tokens\":1", "");
        let (pieces, _) = watched(&format!("{start}{TEXT}{end}{STOP}"));
        assert!(
            pieces.iter().all(|piece| !matches!(piece, Piece::Usage { so_far: false, .. })),
            "{pieces:?}"
        );
    }

    #[test]
    fn whole_answers_are_counted_and_errors_found() {
        let chat = request(Operation::Chat, r#"{"model":"a","max_tokens":1,"messages":[{}]}"#);
        let body = br#"{"type":"message","usage":{"input_tokens":2,"output_tokens":1}}"#;
        assert_eq!(usage(&chat, body).unwrap().unwrap().total(), 3);
        let silent = br#"{"type":"message","usage":{}}"#;
        assert_eq!(usage(&chat, silent).unwrap(), None, "it is for others to estimate");
        let error = br#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#;
        assert_eq!(usage(&chat, error).unwrap_err().kind, Kind::RateLimited);
        assert_eq!(usage(&chat, b"<html>").unwrap_err().kind, Kind::Malformed);
        let count = request(Operation::CountTokens, r#"{"model":"a","messages":[{}]}"#);
        assert_eq!(usage(&count, br#"{"input_tokens":9}"#).unwrap(), Some(Usage::default()));
    }
}
