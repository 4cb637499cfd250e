//! An answer on its way out, gathered to be remembered.
//!
//! It is remembered if it is whole and clean: it came to its end, from one endpoint, within the bound
//! of one answer, and nobody withheld a part of it. As long as that is open, those who ask for the same
//! wait; when it is dropped before, the next of them asks.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use isthmus_adapters::adapter::Piece;
use isthmus_inference::outline::Outline;
use isthmus_inference::request::Dialect;
use isthmus_inference::usage::Usage;
use memchr::memmem::Finder;

use super::super::settle::Record;
use crate::cache::Memory;
use crate::cache::flights::Turn;
use crate::cache::key::Key;
use crate::cache::remembered::{Gathering, Head, Remembered};

/// Gathers one answer.
pub struct Keep {
    memory: Arc<Memory>,
    key: Key,
    ttl: Duration,
    /// `None` if nobody waits.
    turn: Option<Turn>,
    /// `None` once it is certain that it will not be kept.
    gathering: Option<Gathering>,
}

/// The members that say why an answer ended.
static REASONS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("finish_reason\""), Finder::new("stop_reason\"")]);

/// Reasons for which an answer is not whole.
const NOT_WHOLE: [&[u8]; 6] = [
    b"\"error\"",
    b"\"abort\"",
    b"\"content_filter\"",
    b"\"pause_turn\"",
    b"\"refusal\"",
    b"\"pause\"",
];

/// How an answer of Responses stands if it is over.
const OVER: [&[u8]; 2] = [b"\"completed\"", b"\"incomplete\""];

impl Keep {
    pub(super) fn new(memory: Arc<Memory>, key: Key, ttl: Duration, turn: Option<Turn>) -> Self {
        Self { memory, key, ttl, turn, gathering: Some(Gathering::default()) }
    }

    /// Keeps a whole answer.
    pub fn whole(mut self, record: &Record, usage: Usage, answer: &[u8]) {
        let over = record.dialect != Dialect::Responses || is_over(answer);
        if !over || !self.fits(answer) {
            return self.in_vain();
        }
        let answer = Remembered::whole(head(record, usage), answer);
        self.remember(answer);
    }

    /// Adds events, as they are sent.
    pub fn events(&mut self, events: &[u8]) {
        if !self.fits(events) {
            self.in_vain();
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.events(events);
        }
    }

    /// Adds the event in which usage is told.
    pub fn usage(&mut self, usage: Usage, event: &[u8], only_usage: bool, so_far: bool) {
        if !self.fits(event) {
            self.in_vain();
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.usage(usage, event, only_usage, so_far);
        }
    }

    /// Adds a piece that is passed on as it came.
    pub fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Relay(events) => self.events(events),
            Piece::Usage { usage, event, only_usage, so_far } => {
                self.usage(*usage, event, *only_usage, *so_far);
            }
            Piece::Event(_) | Piece::Done { .. } => {}
        }
    }

    /// Keeps the stream, which these events close.
    pub fn done(mut self, record: &Record, closing: &[u8]) {
        if !self.fits(closing) {
            return self.in_vain();
        }
        let Some(gathering) = self.gathering.take() else { return };
        let answer = gathering.done(head(record, record.usage()), closing);
        self.remember(answer);
    }

    /// Whether this may follow: there is room, and it does not say that something is missing.
    fn fits(&self, bytes: &[u8]) -> bool {
        let gathered = self.gathering.as_ref().map_or(0, Gathering::len);
        gathered + bytes.len() <= self.memory.most && !tells_of_a_gap(bytes)
    }

    fn remember(&mut self, answer: Remembered) {
        let answer = Arc::new(answer);
        self.memory.keep(self.key, Arc::clone(&answer), self.ttl);
        if let Some(turn) = self.turn.take() {
            turn.answered(answer);
        }
    }

    /// It will not be kept, so nobody needs to wait.
    fn in_vain(&mut self) {
        self.gathering = None;
        if let Some(turn) = self.turn.take() {
            turn.in_vain();
        }
    }
}

fn head(record: &Record, usage: Usage) -> Head {
    let endpoint = record.endpoint();
    Head::new(
        endpoint.map_or("", |endpoint| endpoint.name.as_str()),
        usage,
        endpoint.and_then(|endpoint| endpoint.list_cost(&usage)),
        &record.dropped,
    )
}

/// Whether a reason stands there for which the answer is not whole.
fn tells_of_a_gap(text: &[u8]) -> bool {
    REASONS.iter().any(|reason| {
        reason.find_iter(text).any(|at| {
            let behind = text[at + reason.needle().len()..].trim_ascii_start();
            let value = behind.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
            value.is_some_and(|value| NOT_WHOLE.iter().any(|word| value.starts_with(word)))
        })
    })
}

/// Whether a whole answer of Responses is over, or still being worked on or failed.
fn is_over(answer: &[u8]) -> bool {
    let outline = std::str::from_utf8(answer).ok().and_then(|text| Outline::of(text).ok());
    let Some(outline) = outline else { return false };
    let mut status = outline.named(answer, "status").map(|member| &answer[member.value.clone()]);
    status.next().is_none_or(|status| OVER.contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_withheld_or_broken_off_is_not_whole() {
        for text in [
            r#"{"choices":[{"finish_reason":"error"}]}"#,
            r#"{"choices":[{"finish_reason":"stop"},{"finish_reason" : "content_filter"}]}"#,
            r#"data: {"delta":{"stop_reason": "pause_turn"}}"#,
        ] {
            assert!(tells_of_a_gap(text.as_bytes()), "{text}");
        }
        for text in [
            r#"{"choices":[{"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"finish_reason":null}]}"#,
            r#"{"content":"\"finish_reason\":\"error\""}"#,
            r#"{"stop_reason":"tool_use"}"#,
        ] {
            assert!(!tells_of_a_gap(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_still_worked_on_is_not_over() {
        let cases =
            [("completed", true), ("incomplete", true), ("queued", false), ("failed", false)];
        for (status, over) in cases {
            assert_eq!(is_over(format!(r#"{{"id":"r","status":"{status}"}}"#).as_bytes()), over);
        }
        assert!(is_over(b"{}") && !is_over(b"no object"));
    }
}
