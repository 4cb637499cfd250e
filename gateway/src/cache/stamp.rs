//! An answer that is given again says of itself that it is new: it has an id and a date of its own.
//! Everything else stays byte for byte.
//!
//! Answers of Responses keep their ids: by those the provider keeps what a later request goes on from
//! (`previous_response_id`), and a new one would lead nowhere.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use isthmus_inference::outline::Outline;
use isthmus_inference::request::Dialect;

/// What an answer says of itself when it is given again.
#[derive(Debug)]
pub struct Fresh {
    dialect: Dialect,
    id: String,
    created: String,
}

impl Fresh {
    /// An id, and a date in seconds since 1970.
    pub fn new(dialect: Dialect, id: &str, created: u64) -> Self {
        Self { dialect, id: format!("\"{id}\""), created: created.to_string() }
    }

    #[cfg(test)]
    pub(super) fn unchanged() -> Self {
        Self::new(Dialect::Responses, "", 0)
    }

    /// A whole answer.
    pub fn answer(&self, answer: &Bytes) -> Bytes {
        if self.dialect == Dialect::Responses {
            return answer.clone();
        }
        replaced(answer, &self.edits(answer, 0))
    }

    /// Whole server-sent events.
    pub fn events(&self, events: &Bytes) -> Bytes {
        if self.dialect == Dialect::Responses {
            return events.clone();
        }
        let mut edits = vec![];
        let mut begin = 0;
        for line in events.split_inclusive(|byte| *byte == b'\n') {
            if let Some(data) = line.strip_prefix(b"data:") {
                let offset = begin + line.len() - data.len();
                edits.extend(match self.dialect {
                    Dialect::Anthropic => self.of_message(data, offset),
                    _ => self.edits(data, offset),
                });
            }
            begin += line.len();
        }
        replaced(events, &edits)
    }

    /// What changes in an object, which begins at `offset`: its own id and date.
    fn edits<'a>(&'a self, object: &[u8], offset: usize) -> Vec<(Range<usize>, &'a str)> {
        let Some(outline) = outline(object) else { return vec![] };
        let mut edits = vec![];
        for (name, value, begins) in [("id", &self.id, b"\""), ("created", &self.created, b"0")] {
            let members = outline.named(object, name).map(|member| member.value.clone());
            // Where somebody wrote something else, such as null, there is nothing to renew.
            let is_that = |at: &Range<usize>| match begins {
                b"\"" => object[at.start] == b'"',
                _ => object[at.start].is_ascii_digit(),
            };
            let moved = |at: Range<usize>| (at.start + offset..at.end + offset, value.as_str());
            edits.extend(members.filter(is_that).map(moved));
        }
        edits.sort_by_key(|(at, _)| at.start);
        edits
    }

    /// Of Anthropic's events the first alone has an id, within its message.
    fn of_message<'a>(&'a self, event: &[u8], offset: usize) -> Vec<(Range<usize>, &'a str)> {
        let Some(outline) = outline(event) else { return vec![] };
        let Some(message) = outline.named(event, "message").next() else { return vec![] };
        let at = message.value.clone();
        self.edits(&event[at.clone()], offset + at.start)
    }
}

fn outline(object: &[u8]) -> Option<Outline> {
    Outline::of(std::str::from_utf8(object).ok()?).ok()
}

/// The text with these places written anew; they stand in order and do not overlap.
fn replaced(text: &Bytes, edits: &[(Range<usize>, &str)]) -> Bytes {
    if edits.is_empty() {
        return text.clone();
    }
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = BytesMut::with_capacity(text.len() + grown);
    let mut at = 0;
    for (place, new) in edits {
        out.extend_from_slice(&text[at..place.start]);
        out.extend_from_slice(new.as_bytes());
        at = place.end;
    }
    out.extend_from_slice(&text[at..]);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(dialect: Dialect) -> Fresh {
        Fresh::new(dialect, "new-1", 9)
    }

    #[test]
    fn a_whole_answer_has_a_new_id_and_date_and_is_the_same_otherwise() {
        let answer =
            Bytes::from(r#"{ "id" : "old", "created":1, "x": {"id":"old"}, "created_at": 2 }"#);
        assert_eq!(
            fresh(Dialect::OpenAi).answer(&answer),
            r#"{ "id" : "new-1", "created":9, "x": {"id":"old"}, "created_at": 2 }"#
        );
        assert_eq!(fresh(Dialect::Responses).answer(&answer), answer);
        let odd = Bytes::from(r#"{"id":null,"created":"today"}"#);
        assert_eq!(fresh(Dialect::OpenAi).answer(&odd), odd);
    }

    #[test]
    fn each_chunk_of_a_stream_has_the_new_id() {
        let events = "data: {\"id\":\"c\",\"created\":1,\"a\":\"é\"}\r\n\r\n: ping\n\ndata: {\"created\":1,\"id\":\"c\"}\n\ndata: [DONE]\n\n";
        assert_eq!(
            fresh(Dialect::OpenAi).events(&events.into()),
            "data: {\"id\":\"new-1\",\"created\":9,\"a\":\"é\"}\r\n\r\n: ping\n\ndata: {\"created\":9,\"id\":\"new-1\"}\n\ndata: [DONE]\n\n"
        );
    }

    #[test]
    fn anthropics_message_has_the_new_id_and_nothing_within_it() {
        let events = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"content\":[]}}\n\nevent: content_block_start\ndata: {\"content_block\":{\"id\":\"toolu_1\"}}\n\n";
        assert_eq!(
            fresh(Dialect::Anthropic).events(&events.into()),
            events.replace("msg_1", "new-1")
        );
    }
}
