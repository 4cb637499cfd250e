//! Mid-stream: when an endpoint breaks off in the middle of its answer, another one that the plan
//! permits goes on where it stopped, and the caller sees one answer.
//!
//! What the caller was sent is kept as bytes, and read only now and then: the text in it must be
//! known when the stream breaks, and whatever cannot be gone on with lets all of it be forgotten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use isthmus_adapters::adapter::{Beginning, Piece};
use isthmus_adapters::dialect::{Stamp, StreamEncoder, Transcript};
use isthmus_adapters::dialects::caller;
use isthmus_adapters::dialects::needs::needs;
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use isthmus_inference::stream::Event;
use isthmus_policies::splice::{Broken, Successor};
use tokio::time::Instant;

use super::super::plan::Planned;
use super::super::settle::Ticket;
use super::super::settle::attempts::Reason;
use super::attempt::{Place, call, no_place};
use super::{Content, Streamed, note, silence};
use crate::calendar::moment;
use crate::pool::Endpoint;
use crate::telemetry::events::AttemptFailed;

/// What is left of the plan, and what the caller was sent.
pub struct Spare {
    planned: Box<Planned>,
    sent: Said,
    /// What an answer says of itself that has to be begun.
    stamp: Option<Stamped>,
}

/// What the caller was sent, for the one who keeps it and the one who watches whether more comes.
/// `None` once it is certain that nobody can go on.
#[derive(Clone)]
pub(super) struct Said(Arc<Mutex<Option<Sent>>>);

/// What the caller was sent.
struct Sent {
    transcript: Box<dyn Transcript>,
    unread: Vec<Bytes>,
    unread_bytes: usize,
}

/// A [`Stamp`], kept.
struct Stamped {
    id: String,
    created: u64,
    model: String,
}

/// A stream that goes on.
pub struct Spliced {
    /// The pieces behind what was sent.
    pub pieces: BoxStream<'static, Result<Piece, Failure>>,
    /// Writes them as if the stream had never broken.
    pub writer: Box<dyn StreamEncoder>,
    /// The place at the endpoint.
    pub place: Place,
    /// How it goes on if this endpoint breaks off as well.
    pub spare: Box<Spare>,
}

/// How many bytes of events are kept unread. Reading costs more than keeping.
const MOST_UNREAD: usize = 32 << 10;
/// The longest text that is gone on with, in bytes.
const LONGEST_TEXT: usize = 256 << 10;

/// Of an answer that nobody stamped.
const NAMELESS: Stamp<'static> = Stamp { id: "", created: 0, model: "" };

// === impl Spare ===

impl Spare {
    /// What the plan leaves for a stream that this endpoint answers, if anything: it is watched from
    /// here on.
    pub(super) fn of(
        planned: Box<Planned>,
        answering: &Endpoint,
        streamed: &mut Streamed,
        ticket: &Ticket,
    ) {
        let others = || planned.endpoints().any(|endpoint| endpoint.name != answering.name);
        if !planned.pool.strategy.splice || !others() {
            return;
        }
        let request = &planned.request;
        let Some(transcript) = caller(request.dialect).transcript(request) else { return };
        let sent = Sent { transcript, unread: vec![], unread_bytes: 0 };
        let sent = Said(Arc::new(Mutex::new(Some(sent))));
        let pieces = std::mem::replace(&mut streamed.rest.pieces, stream::empty().boxed());
        streamed.rest.pieces = silence::watched(pieces, answering, &planned, sent.clone(), ticket);
        streamed.spare = Some(Box::new(Self { planned, sent, stamp: None }));
    }

    /// Keeps what the answer says of itself.
    pub fn stamp(&mut self, stamp: &Stamp<'_>) {
        let (id, model) = (stamp.id.to_owned(), stamp.model.to_owned());
        self.stamp = Some(Stamped { id, created: stamp.created, model });
    }

    /// Keeps what the caller was sent.
    pub fn sent(&mut self, events: &Bytes) {
        let mut kept = self.sent.lock();
        let Some(sent) = &mut *kept else { return };
        sent.unread_bytes += events.len();
        sent.unread.push(events.clone());
        if sent.unread_bytes > MOST_UNREAD && sent.said().is_none() {
            *kept = None;
        }
    }

    /// Finds an endpoint that goes on, after this failure. If nobody does, the failure is told.
    pub async fn go_on(
        self: Box<Self>,
        broken: Failure,
        mut ticket: Ticket,
    ) -> (Ticket, Result<Spliced, Failure>) {
        if let Some(endpoint) = ticket.record().endpoint() {
            AttemptFailed { request_id: ticket.id(), endpoint, failure: &broken }.emit();
        }
        // What the caller brought on himself, such as a filter, is not another endpoint's to mend.
        let mendable = broken.blame != Blame::Caller && broken.retry != Retry::Never;
        let said = self.sent.lock().as_mut().and_then(Sent::said).map(str::to_owned);
        let Some(said) = said.filter(|_| mendable) else {
            return (ticket, Err(broken));
        };
        let tokens = ticket.record().attempts.usage().output();
        ticket.broke_off(&broken);
        let text = said.trim_end().to_owned();
        let beginning = Beginning { text, tokens: u32::try_from(tokens).unwrap_or(u32::MAX) };
        match elsewhere(&self.planned, Arc::new(beginning), &mut ticket).await {
            Some((endpoint, streamed)) => {
                let spliced = self.spliced(&endpoint, streamed, &said, &ticket);
                (ticket, Ok(spliced))
            }
            None => (ticket, Err(broken)),
        }
    }

    fn spliced(
        self: Box<Self>,
        endpoint: &Endpoint,
        streamed: Streamed,
        said: &str,
        ticket: &Ticket,
    ) -> Spliced {
        let Streamed { first, rest, place, .. } = streamed;
        let rest =
            silence::watched(rest.pieces, endpoint, &self.planned, self.sent.clone(), ticket);
        let writer = self.writer();
        let mut seam = Seam::behind(said);
        let pieces = stream::iter([Ok(first)]).chain(rest);
        let pieces = pieces.map(move |piece| piece.map(|piece| seam.close(piece))).boxed();
        Spliced { pieces, writer, place, spare: self }
    }

    fn writer(&self) -> Box<dyn StreamEncoder> {
        let request = &self.planned.request;
        let stamp = self.stamp.as_ref().map_or(NAMELESS, |stamp| Stamp {
            id: &stamp.id,
            created: stamp.created,
            model: &stamp.model,
        });
        match &*self.sent.lock() {
            Some(sent) => sent.transcript.writer(request, &stamp),
            None => caller(request.dialect).encoder(request, &stamp),
        }
    }
}

/// The first endpoint that goes on behind this beginning.
async fn elsewhere(
    planned: &Planned,
    beginning: Arc<Beginning>,
    ticket: &mut Ticket,
) -> Option<(Arc<Endpoint>, Streamed)> {
    while let Some(endpoint) = successor(planned, &beginning, ticket) {
        let number = ticket.attempting(endpoint, Reason::Splice);
        let told = match Place::at(endpoint) {
            Some(place) => call(planned, endpoint, place, Some(Arc::clone(&beginning))).await,
            None => Err(no_place(endpoint)),
        };
        match told {
            Ok(Content::Stream(mut streamed)) => {
                ticket.answered(number, true);
                ticket.dropped(&mut streamed.rest.dropped);
                return Some((Arc::clone(endpoint), *streamed));
            }
            Ok(Content::Whole(_)) => {
                let failure = Failure::new(Kind::Malformed, "a stream was asked for");
                note(ticket, number, endpoint, &failure);
            }
            Err(failure) => note(ticket, number, endpoint, &failure),
        }
    }
    None
}

/// The next endpoint that may go on, as policy decides.
fn successor<'p>(
    planned: &'p Planned,
    beginning: &Beginning,
    ticket: &Ticket,
) -> Option<&'p Arc<Endpoint>> {
    let attempts = &ticket.record().attempts;
    // The first of the plan is permitted as a first choice alone.
    let others: Vec<_> = planned.endpoints().skip(1).collect();
    let anew = beginning.text.is_empty();
    let time_left = planned.deadline.saturating_duration_since(Instant::now());
    let now = moment(Instant::now());
    let broken = Broken {
        allowed: planned.pool.strategy.splice && !time_left.is_zero(),
        // Where nothing was said, anyone may begin.
        has_text: true,
        has_other: false,
        constrained: !anew && needs(&planned.request).has(Capability::JsonSchema),
        splices: attempts.splices(),
        time_left,
    };
    let successors: Vec<_> = others
        .iter()
        .map(|endpoint| {
            let live = endpoint.monitor.view(now, planned.prompt(endpoint));
            Successor {
                may_serve: !attempts.tried(endpoint) && live.gate.is_clear(),
                continues_turns: endpoint.continues || anew,
                ttft_p50: live.ttft.p50,
            }
        })
        .collect();
    Some(others[broken.successor(&successors).ok()?])
}

// === impl Said ===

impl Said {
    /// Whether somebody could go on with it.
    pub(super) fn is_plain(&self) -> bool {
        self.lock().as_mut().is_some_and(|sent| sent.said().is_some())
    }

    /// A panic of another thread leaves behind what was sent.
    fn lock(&self) -> MutexGuard<'_, Option<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sent ===

impl Sent {
    /// All that was said; `None` if nobody can go on with it.
    fn said(&mut self) -> Option<&str> {
        self.unread_bytes = 0;
        self.unread.drain(..).for_each(|events| self.transcript.read(events));
        self.transcript.text().filter(|text| text.len() <= LONGEST_TEXT)
    }
}

/// Where one text ends and the other begins. Spaces at the end of the first were not shown to whoever
/// goes on, who may therefore write them once more.
struct Seam {
    spaces: String,
}

impl Seam {
    fn behind(said: &str) -> Self {
        Self { spaces: said[said.trim_end().len()..].to_owned() }
    }

    /// The piece without the spaces that the caller has already.
    fn close(&mut self, mut piece: Piece) -> Piece {
        if let Piece::Event(Event::Text { text, .. }) = &mut piece {
            let mut again = 0;
            for (expected, found) in self.spaces.chars().zip(text.chars()) {
                if expected != found {
                    break;
                }
                again += found.len_utf8();
            }
            text.drain(..again);
            self.spaces.drain(..again);
            if !text.is_empty() {
                self.spaces.clear();
            }
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_at_the_seam_are_told_once() {
        for (said, pieces, whole) in [
            ("a ", &[" b", " c"][..], "a b c"),
            ("a \n", &[" ", "\n", "\nb"], "a \n\nb"),
            ("a ", &["b"], "a b"),
            ("a", &[" b"], "a b"),
            ("a\n", &[" b"], "a\n b"),
            ("a ", &["", " ", " b"], "a  b"),
        ] {
            let mut seam = Seam::behind(said);
            let mut text = said.to_owned();
            for piece in pieces {
                let event = Event::Text { choice: 0, text: (*piece).to_owned(), logprobs: vec![] };
                let Piece::Event(Event::Text { text: told, .. }) = seam.close(Piece::Event(event))
                else {
                    panic!("a text stays one");
                };
                text.push_str(&told);
            }
            assert_eq!(text, whole, "{said:?} {pieces:?}");
        }
    }
}
