//! An upstream's stream, watched while it passes.
//!
//! Almost every event is passed on unread: a few substring searches tell that it says nothing the
//! house must know. Only what carries usage or an error is read as JSON. A stream that stops without
//! saying that it is finished is a failure, never a clean end.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::LazyLock;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use memchr::memmem::Finder;
use serde::Deserialize;

use crate::adapter::Piece;
use crate::dialects::broken::{cut, event_too_large, no_event_stream};
use crate::dialects::openai_error;
use crate::dialects::openai_usage::Told;
use crate::framing::sse::{self, Splitter};

pub(super) mod prelude;
pub(super) mod run;

use prelude::Prelude;
use run::Run;

/// The largest event that is held in memory: a picture in base64 fits, a flood does not.
pub(super) const LARGEST_EVENT: usize = 8 << 20;

/// The data of the event that ends a stream.
pub(super) const DONE: &[u8] = b"[DONE]";

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static FINISH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"finish_reason\""));

/// Turns what the network brings into pieces of an answer.
#[derive(Debug)]
pub struct Relay {
    splitter: Splitter,
    pieces: VecDeque<Piece>,
    prelude: Prelude,
    /// How many choices were asked for.
    choices: usize,
    /// Which of them said why they ended.
    finished: BTreeSet<u64>,
    /// The upstream said that this was all, or failed: nothing more counts.
    over: bool,
}

/// What an event means to the house.
enum Meaning {
    /// Nothing.
    Plain,
    /// Nothing to anybody: it has no data.
    Silent,
    /// The upstream's usage.
    Usage(Piece),
    /// The end.
    Done,
}

// === impl Relay ===

impl Relay {
    /// A relay of an answer with this many choices, all of which must end.
    pub fn new(choices: usize) -> Self {
        Self {
            splitter: Splitter::new(LARGEST_EVENT),
            pieces: VecDeque::new(),
            prelude: Prelude::default(),
            choices,
            finished: BTreeSet::new(),
            over: false,
        }
    }

    /// Takes in one read from the network. Whatever was understood before a failure can still be
    /// taken out.
    pub fn push(&mut self, read: Bytes) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let mut run = Run::of(read.clone());
        self.splitter.push(read);
        let outcome = self.take_events(&mut run);
        self.flush(&mut run);
        if outcome.is_err() {
            self.over = true;
        }
        outcome
    }

    /// Takes out the next piece.
    pub fn next_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// Whether the upstream has said that this was all.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Tells that the network has nothing more. Pieces may follow, [`Piece::Done`] last.
    pub fn end(&mut self) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        if let Some(event) = self.splitter.finish() {
            match self.meaning(&event)? {
                Meaning::Done => {
                    self.end_prelude();
                    self.pieces.push_back(Piece::Done { event: Some(event) });
                    return Ok(());
                }
                // An event without its empty line was cut, even if its text looks complete.
                Meaning::Plain | Meaning::Silent | Meaning::Usage(_) => return Err(cut()),
            }
        }
        if self.finished.len() < self.choices {
            return Err(cut());
        }
        self.pieces.push_back(Piece::Done { event: None });
        Ok(())
    }

    fn take_events(&mut self, run: &mut Run) -> Result<(), Failure> {
        while let Some(event) = self.splitter.next_event().map_err(event_too_large)? {
            match self.meaning(&event)? {
                Meaning::Silent if self.prelude.holds(&event) => {}
                Meaning::Plain | Meaning::Silent => {
                    let event = self.prelude.joined(event);
                    if !run.takes(&event) {
                        self.flush(run);
                        self.pieces.push_back(Piece::Relay(event));
                    }
                }
                Meaning::Usage(piece) => {
                    self.end_prelude();
                    self.flush(run);
                    self.pieces.push_back(piece);
                }
                Meaning::Done => {
                    self.end_prelude();
                    self.flush(run);
                    self.pieces.push_back(Piece::Done { event: Some(event) });
                    self.over = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, run: &mut Run) {
        self.pieces.extend(run.take().map(Piece::Relay));
    }

    /// Passes on what was held back. Nothing else can have been passed on before it.
    fn end_prelude(&mut self) {
        let held = self.prelude.joined(Bytes::new());
        if !held.is_empty() {
            self.pieces.push_back(Piece::Relay(held));
        }
    }

    /// Notes which choices an event ends.
    fn note_ends(&mut self, event: &[u8]) {
        let ends = |value: &[u8]| value.starts_with(b"\"") && !value.starts_with(b"\"\"");
        if !values_of(&FINISH, event).any(ends) {
            return;
        }
        match self.choices {
            // Of a single choice nothing more need be known.
            0 | 1 => {
                self.finished.insert(0);
            }
            most => {
                let room = most.saturating_sub(self.finished.len());
                self.finished.extend(ended(event).into_iter().take(room));
            }
        }
    }

    /// What an event means, with as little reading as that needs.
    fn meaning(&mut self, event: &Bytes) -> Result<Meaning, Failure> {
        self.note_ends(event);
        let tells =
            |marker: &Finder<'_>| values_of(marker, event).any(|value| !value.starts_with(b"null"));
        let data = event.strip_prefix(b"data:").map(<[u8]>::trim_ascii_start);
        let looks_plain = data.is_some_and(|data| data.starts_with(b"{")) && is_closed(event);
        if looks_plain && !tells(&ERROR) && !tells(&USAGE) {
            Ok(Meaning::Plain)
        } else {
            read(event)
        }
    }
}

/// The data of an event; `None` if it says nothing, as a comment does.
pub(super) fn data_of(event: &Bytes) -> Result<Option<Cow<'_, [u8]>>, Failure> {
    if let Some(line) = bare_error(event) {
        return Err(openai_error::in_answer(line));
    }
    match sse::data(event) {
        Some(data) if data.trim_ascii().is_empty() => Ok(None),
        None if has_fields_only(event) => Ok(None),
        Some(data) => Ok(Some(data)),
        None => Err(no_event_stream(event)),
    }
}

/// Reads an event that may be more than a plain chunk.
fn read(event: &Bytes) -> Result<Meaning, Failure> {
    let Some(data) = data_of(event)? else { return Ok(Meaning::Silent) };
    if data.trim_ascii() == DONE {
        return Ok(Meaning::Done);
    }
    let told: Told<'_> = serde_json::from_slice(&data).map_err(|_| no_event_stream(event))?;
    if told.error.is_some() || sse::name(event) == Some(b"error") {
        return Err(openai_error::in_answer(&data));
    }
    Ok(match told.usage() {
        Some(usage) => Meaning::Usage(Piece::Usage {
            usage,
            event: event.clone(),
            only_usage: told.has_no_choices(),
            so_far: false,
        }),
        None => Meaning::Plain,
    })
}

/// The indices of the choices that an event ends.
fn ended(event: &[u8]) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Chunk {
        choices: Vec<Choice>,
    }
    #[derive(Deserialize)]
    struct Choice {
        #[serde(default)]
        index: u64,
        finish_reason: Option<String>,
    }
    let data = sse::data(event).unwrap_or_default();
    let choices = serde_json::from_slice::<Chunk>(&data).map_or(Vec::new(), |chunk| chunk.choices);
    let ends = |choice: &Choice| choice.finish_reason.as_ref().is_some_and(|why| !why.is_empty());
    choices.into_iter().filter(ends).map(|choice| choice.index).collect()
}

/// The bare line of JSON that some upstreams (Chutes) put into a stream when they fail.
fn bare_error(event: &[u8]) -> Option<&[u8]> {
    sse::lines(event).find(|line| line.starts_with(b"{") && ERROR.find(line).is_some())
}

/// Whether an event ends as an object does. One that was cut in its middle does not.
pub(super) fn is_closed(event: &[u8]) -> bool {
    event.trim_ascii_end().ends_with(b"}")
}

/// Whether an event without data is at least one: a comment, an empty line, an id.
fn has_fields_only(event: &[u8]) -> bool {
    const FIELDS: [&[u8]; 4] = [b":", b"event", b"id", b"retry"];
    sse::lines(event)
        .all(|line| line.is_empty() || FIELDS.iter().any(|field| line.starts_with(field)))
}

/// What follows a key wherever it stands, after the colon and spaces. A key inside a text cannot be
/// mistaken for one: its quotes are escaped there.
fn values_of<'e>(key: &Finder<'_>, event: &'e [u8]) -> impl Iterator<Item = &'e [u8]> {
    let length = key.needle().len();
    key.find_iter(event).filter_map(move |at| {
        let after = event[at + length..].trim_ascii_start();
        after.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
    })
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;
    use isthmus_inference::usage::Usage;

    use super::*;

    const TEXT: &str = r#"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":null}]}"#;
    const STOP: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}"#;
    const DONE: &str = "data: [DONE]";

    /// The pieces of a stream that arrives in one read, and how it ended.
    fn relay(events: &[&str]) -> (Vec<Piece>, Result<(), Failure>) {
        let stream: String = events.iter().map(|event| format!("{event}\n\n")).collect();
        relay_of(1, &stream)
    }

    fn relay_of(choices: usize, stream: &str) -> (Vec<Piece>, Result<(), Failure>) {
        let mut relay = Relay::new(choices);
        let outcome = relay.push(stream.to_owned().into()).and_then(|()| relay.end());
        (std::iter::from_fn(|| relay.next_piece()).collect(), outcome)
    }

    fn failure(events: &[&str]) -> Failure {
        relay(events).1.expect_err("the stream must not end cleanly")
    }

    fn bytes(events: &[&str]) -> Bytes {
        events.iter().map(|event| format!("{event}\n\n")).collect::<String>().into()
    }

    #[test]
    fn plain_events_pass_together_and_usage_by_itself() {
        let (pieces, outcome) = relay(&[TEXT, ": note", TEXT, STOP, USAGE, DONE]);
        outcome.unwrap();
        let usage = Usage { uncached_input: 2, text_output: 3, ..Usage::default() };
        assert_eq!(
            pieces,
            [
                Piece::Relay(bytes(&[TEXT, ": note", TEXT, STOP])),
                Piece::Usage { usage, event: bytes(&[USAGE]), only_usage: true, so_far: false },
                Piece::Done { event: Some(bytes(&[DONE])) },
            ]
        );
    }

    #[test]
    fn usage_beside_text_is_no_chunk_to_hide() {
        let both = r#"data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        let (pieces, outcome) = relay(&[both, DONE]);
        outcome.unwrap();
        assert!(matches!(pieces[0], Piece::Usage { only_usage: false, .. }), "{pieces:?}");
    }

    #[test]
    fn an_object_that_was_cut_is_not_passed_on() {
        for cut in [r#"data: {"choi"#, r#"data: {"choices":[{"delta":{"content":"a"#] {
            let (pieces, outcome) = relay(&[TEXT, cut, DONE]);
            assert_eq!(outcome.unwrap_err().kind, Kind::Malformed);
            assert_eq!(pieces, [Piece::Relay(bytes(&[TEXT]))]);
        }
    }

    #[test]
    fn groq_reports_usage_in_a_place_of_its_own() {
        let groq = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":7,"completion_tokens":1}}}"#;
        let (pieces, _) = relay(&[TEXT, groq, DONE]);
        assert!(matches!(&pieces[1], Piece::Usage { usage, .. } if usage.input() == 7));
    }

    #[test]
    fn a_stream_without_its_last_event_ended_only_if_a_choice_had() {
        let (pieces, outcome) = relay(&[TEXT, STOP]);
        outcome.unwrap();
        assert_eq!(pieces.last(), Some(&Piece::Done { event: None }));

        let unsaid = r#"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":""}]}"#;
        for cut in [&[TEXT][..], &[], &[USAGE], &[TEXT, unsaid]] {
            let failure = failure(cut);
            assert_eq!(failure.kind, Kind::Malformed);
            assert!(failure.message.contains("cut"), "{}", failure.message);
        }
    }

    #[test]
    fn each_of_several_choices_must_end() {
        let end = |index: u8, why: &str| {
            format!("data: {{\"choices\":[{{\"index\":{index},\"finish_reason\":\"{why}\"}}]}}\n\n")
        };
        let both = r#"data: {"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"length"}]}"#;
        let whole = [end(1, "stop") + &end(0, "length"), format!("{both}\n\n")];
        for stream in whole {
            let (pieces, outcome) = relay_of(2, &stream);
            outcome.expect("both have ended");
            assert_eq!(pieces.last(), Some(&Piece::Done { event: None }));
        }
        let cut = [end(0, "stop"), end(0, "stop").repeat(2), end(0, "stop") + &end(1, "")];
        for stream in cut {
            assert_eq!(relay_of(2, &stream).1.unwrap_err().kind, Kind::Malformed, "{stream}");
        }
    }

    #[test]
    fn comments_wait_for_the_first_event_with_data() {
        let mut relay = Relay::new(1);
        for comment in [": OPENROUTER PROCESSING\n\n", "retry: 100\n\n", "\n", "data:\n\n"] {
            relay.push(comment.into()).unwrap();
            assert_eq!(relay.next_piece(), None, "{comment:?} commits to nothing");
        }
        relay.push(format!("{TEXT}\n\n: later\n\n{TEXT}\n\n").into()).unwrap();
        let first = format!(": OPENROUTER PROCESSING\n\nretry: 100\n\n\ndata:\n\n{TEXT}\n\n");
        assert_eq!(relay.next_piece(), Some(Piece::Relay(first.into())));
        assert_eq!(relay.next_piece(), Some(Piece::Relay(bytes(&[": later", TEXT]))));

        let error = r#"data: {"error":{"message":"busy","code":429}}"#;
        let (pieces, outcome) = relay_of(1, &format!(": ping\n\n{error}\n\n"));
        assert_eq!(outcome.unwrap_err().kind, Kind::RateLimited);
        assert_eq!(pieces, [], "so the call can still go elsewhere");

        for end in ["\n\n", ""] {
            let (pieces, outcome) = relay_of(1, &format!(": ping\n\n{DONE}{end}"));
            outcome.expect("an empty answer is an answer");
            assert_eq!(pieces[0], Piece::Relay(bytes(&[": ping"])));
            assert_eq!(pieces.len(), 2);
        }
    }

    #[test]
    fn an_event_cut_in_the_middle_is_a_cut_stream() {
        let mut relay = Relay::new(1);
        relay.push(format!("{STOP}\n\n{TEXT}").into()).unwrap();
        assert_eq!(relay.end().unwrap_err().kind, Kind::Malformed);
    }

    #[test]
    fn done_counts_without_its_empty_line() {
        let mut relay = Relay::new(1);
        relay.push(format!("{TEXT}\n\n{DONE}").into()).unwrap();
        relay.end().unwrap();
        assert_eq!(relay.pieces.back(), Some(&Piece::Done { event: Some(DONE.into()) }));
    }

    #[test]
    fn what_comes_after_done_is_nobodys() {
        let (pieces, outcome) = relay(&[TEXT, DONE, TEXT]);
        outcome.unwrap();
        assert_eq!(pieces.len(), 2);
    }

    #[test]
    fn errors_in_the_middle_of_a_stream_are_failures() {
        let cases = [
            // OpenAI, vLLM.
            (r#"data: {"error":{"message":"boom","code":null}}"#, Kind::ProviderError),
            // Groq.
            (
                "event: error\ndata: {\"error\":{\"message\":\"boom\",\"code\":\"tool_use_failed\",\"status_code\":400}}",
                Kind::InvalidRequest,
            ),
            // OpenRouter.
            (
                r#"data: {"id":"g","error":{"code":429,"message":"boom"},"choices":[{"delta":{},"finish_reason":"error"}]}"#,
                Kind::RateLimited,
            ),
            // Chutes.
            (r#"{"error": "boom"}"#, Kind::ProviderError),
            ("data: {\"error\": \"boom\"}", Kind::ProviderError),
            ("data: {\"choices\":[]}\n{\"error\": \"boom\"}", Kind::ProviderError),
        ];
        for (event, kind) in cases {
            let (pieces, outcome) = relay(&[TEXT, event, DONE]);
            let failure = outcome.unwrap_err();
            assert_eq!(failure.kind, kind, "{event}");
            assert!(failure.message.contains("boom"), "{event}: {}", failure.message);
            assert_eq!(pieces, [Piece::Relay(bytes(&[TEXT]))], "what came before still passes");
        }
    }

    #[test]
    fn a_bare_error_at_the_very_end_is_found_too() {
        let mut relay = Relay::new(1);
        relay.push(format!("{TEXT}\n\n{{\"error\": \"boom\"}}\n").into()).unwrap();
        assert_eq!(relay.end().unwrap_err().message, "boom");
    }

    #[test]
    fn the_word_error_in_an_answer_is_no_error() {
        let innocent = r#"data: {"choices":[{"delta":{"content":"\"error\": {\"usage\": 1}"},"finish_reason":null}],"error":null,"usage":null}"#;
        let (pieces, outcome) = relay(&[innocent, STOP, DONE]);
        outcome.unwrap();
        assert_eq!(pieces[0], Piece::Relay(bytes(&[innocent, STOP])));
    }

    #[test]
    fn what_is_no_event_stream_is_malformed() {
        for garbage in [
            "<html><body>502</body></html>",
            "hello",
            "{\"choices\":[]}",
            "data: busy",
            "data: \"\"",
        ] {
            let failure = failure(&[garbage]);
            assert_eq!(failure.kind, Kind::Malformed, "{garbage}");
            let detail = failure.detail.unwrap();
            assert!(!["busy", "502", "hello"].iter().any(|word| detail.contains(word)), "{detail}");
        }
    }
}
