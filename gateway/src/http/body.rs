//! A streamed answer on its way out: pieces in, server-sent events out, the ticket settled at the
//! end. Nothing is pulled from the endpoint before the caller has taken what came before, so a
//! slow reader holds one piece of memory and no more.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use http_body::{Body, Frame};
use isthmus_adapters::adapter::Piece;
use isthmus_adapters::dialect::{Stamp, StreamEncoder, Told};
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::{Dialect, Request};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Source;
use isthmus_ledger::journal::Written;
use memchr::memmem::Finder;
use serde_json::json;
use tokio::time::Sleep;

use crate::app::App;
use crate::pipeline::dispatch::splice::{Spare, Spliced};
use crate::pipeline::dispatch::{Place, Streamed};
use crate::pipeline::recall::keep::Keep;
use crate::pipeline::settle::{Outcome, Ticket};

/// The beginning of an event's data; a searcher for it takes longer to build than to use.
static DATA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("data:"));

/// The body of a streamed answer.
pub struct StreamedAnswer {
    first: Option<Piece>,
    rest: BoxStream<'static, Result<Piece, Failure>>,
    /// The place at the endpoint, which is taken until the answer is over.
    place: Option<Place>,
    /// How the answer goes on if its endpoint breaks off; `None` if it does not.
    spare: Option<Box<Spare>>,
    /// Looks for whoever goes on, and has the ticket meanwhile.
    splicing: Option<BoxFuture<'static, (Ticket, Result<Spliced, Failure>)>>,
    /// Gathers the answer, if it is to be remembered.
    keep: Option<Box<Keep>>,
    encoder: Box<dyn StreamEncoder>,
    dialect: Dialect,
    usage_wanted: bool,
    usage_shown: bool,
    /// Rings when the caller's time is up.
    deadline: Pin<Box<Sleep>>,
    /// The closing events, and the settlement that they wait for.
    closing: Option<(Bytes, Written)>,
    /// `None` once settled: the stream is over, unless it is being spliced or closed.
    ticket: Option<Ticket>,
    app: Arc<App>,
}

impl StreamedAnswer {
    /// An answer whose first piece is here.
    pub fn new(
        app: Arc<App>,
        request: &Request,
        stamp: &Stamp<'_>,
        ticket: Ticket,
        streamed: Streamed,
        keep: Option<Box<Keep>>,
    ) -> Self {
        let Streamed { first, rest, place, mut spare } = streamed;
        if let Some(spare) = &mut spare {
            spare.stamp(stamp);
        }
        Self {
            keep,
            encoder: caller(request.dialect).encoder(request, stamp),
            dialect: request.dialect,
            usage_wanted: request.usage_wanted,
            usage_shown: false,
            deadline: Box::pin(tokio::time::sleep_until(ticket.record().deadline)),
            first: Some(first),
            rest: rest.pieces,
            place: Some(place),
            spare,
            splicing: None,
            closing: None,
            ticket: Some(ticket),
            app,
        }
    }

    /// What of a piece the caller sees; `None` if nothing.
    fn pass_on(&mut self, piece: Piece) -> Option<Bytes> {
        if let Some(keep) = &mut self.keep {
            keep.piece(&piece);
        }
        match piece {
            Piece::Relay(events) => {
                self.ticket.as_mut()?.relayed(count_events(&events));
                Some(events)
            }
            Piece::Usage { usage, event, only_usage, so_far } => {
                let ticket = self.ticket.as_mut()?;
                if so_far {
                    ticket.used_so_far(usage);
                } else {
                    ticket.used(usage);
                }
                match (only_usage, self.usage_wanted) {
                    (true, true) => Some(self.signed(&event)),
                    (true, false) => None,
                    // It says more than its usage; whoever asked gets the house's own event later.
                    (false, _) => {
                        self.ticket.as_mut()?.relayed(1);
                        Some(event)
                    }
                }
            }
            Piece::Event(Event::Usage(usage)) => {
                let ticket = self.ticket.as_mut()?;
                ticket.used(usage);
                let usage = ticket.record().usage();
                let event = self.encoder.encode(&Event::Usage(usage));
                if let Some(keep) = self.keep.as_mut().filter(|_| !event.is_empty()) {
                    keep.usage(usage, &event, self.dialect == Dialect::OpenAi, false);
                }
                Some(if self.usage_wanted { self.signed(&event) } else { event })
                    .filter(|event| !event.is_empty())
            }
            Piece::Event(event) => {
                let ticket = self.ticket.as_mut()?;
                match &event {
                    Event::UsageSoFar(usage) => ticket.used_so_far(*usage),
                    event => ticket.told(event),
                }
                let events = self.encoder.encode(&event);
                if let Some(keep) = self.keep.as_mut().filter(|_| !events.is_empty()) {
                    keep.events(&events);
                }
                Some(events).filter(|events| !events.is_empty())
            }
            Piece::Done { event } => {
                let closing = event.unwrap_or_else(|| self.encoder.done());
                self.close(closing);
                None
            }
        }
    }

    /// The clean end, sent when it is written down. A caller who asked for usage gets it even from an
    /// endpoint that never said, or said it in passing.
    fn close(&mut self, closing: Bytes) {
        let usage = (self.usage_wanted && !self.usage_shown).then(|| {
            let usage = self.ticket.as_ref().map(|ticket| ticket.record().usage());
            let event = self.encoder.encode(&Event::Usage(usage.unwrap_or_default()));
            self.signed(&event)
        });
        if let (Some(keep), Some(ticket)) = (self.keep.take(), &self.ticket) {
            keep.done(ticket.record(), &closing);
        }
        let closing = self.marked(closing);
        drop(self.place.take());
        let end = match usage {
            Some(usage) => [usage, closing].concat().into(),
            None => closing,
        };
        if let Some(ticket) = self.ticket.take() {
            self.closing = Some((end, ticket.settle(&self.app.metrics, Outcome::Answered)));
        }
    }

    /// The closing events; those of an answer put together from several say so, even to a caller who
    /// was shown no usage.
    fn marked(&self, closing: Bytes) -> Bytes {
        match &self.ticket {
            Some(ticket) if !self.usage_shown && ticket.record().attempts.spliced() => {
                with_extras(&closing, &extras(ticket))
            }
            _ => closing,
        }
    }

    /// Looks for whoever goes on where the stream broke; whether there is hope.
    fn splice(&mut self, failure: &Failure) -> bool {
        let Some(spare) = self.spare.take() else { return false };
        let Some(ticket) = self.ticket.take() else { return false };
        drop(self.place.take());
        // An answer that several endpoints gave is not remembered.
        self.keep = None;
        self.splicing = Some(spare.go_on(failure.clone(), ticket).boxed());
        true
    }

    /// Is spliced, or ends.
    fn break_off(&mut self, failure: &Failure) -> Option<Bytes> {
        if self.splice(failure) { None } else { self.fail(failure) }
    }

    /// Goes on with another endpoint's pieces, or ends as the stream broke.
    fn spliced(&mut self, ticket: Ticket, outcome: Result<Spliced, Failure>) -> Option<Bytes> {
        self.splicing = None;
        self.ticket = Some(ticket);
        match outcome {
            Ok(Spliced { pieces, writer, place, spare }) => {
                (self.rest, self.encoder) = (pieces, writer);
                (self.place, self.spare) = (Some(place), Some(spare));
                None
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// The true end of a stream that broke: an error event, never a clean close.
    fn fail(&mut self, failure: &Failure) -> Option<Bytes> {
        drop((self.place.take(), self.keep.take()));
        let ticket = self.ticket.take()?;
        let told = Told { failure, request_id: ticket.id().as_str() };
        let event = self.encoder.failed(&told);
        drop(ticket.settle(&self.app.metrics, Outcome::Failed(failure)));
        Some(event)
    }

    /// The usage event with the house's own line on it.
    fn signed(&mut self, event: &[u8]) -> Bytes {
        self.usage_shown = true;
        let extras = self.ticket.as_ref().map(extras).unwrap_or_default();
        with_extras(event, &extras)
    }
}

impl Body for StreamedAnswer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(splicing) = &mut self.splicing {
                // It keeps to the caller's deadline by itself.
                let (ticket, outcome) = std::task::ready!(splicing.as_mut().poll(context));
                if let Some(end) = self.spliced(ticket, outcome) {
                    return Poll::Ready(Some(Ok(Frame::data(end))));
                }
            }
            if let Some((_, settled)) = &mut self.closing {
                // What is held is on the disk already, so an answer that is there is not withheld.
                let _ = std::task::ready!(Pin::new(settled).poll(context));
                let end = self.closing.take().map(|(end, _)| end);
                return Poll::Ready(end.map(|end| Ok(Frame::data(end))));
            }
            if self.ticket.is_none() {
                return Poll::Ready(None);
            }
            if self.deadline.as_mut().poll(context).is_ready() {
                let late = Failure::new(Kind::Timeout, "the time for the whole answer is over");
                return Poll::Ready(self.fail(&late).map(|event| Ok(Frame::data(event))));
            }
            let next = match self.first.take() {
                Some(first) => Some(Ok(first)),
                None => std::task::ready!(self.rest.poll_next_unpin(context)),
            };
            let out = match next {
                Some(Ok(piece)) => match self.encoder.room() {
                    Ok(()) => self.pass_on(piece),
                    Err(full) => self.fail(&full),
                },
                Some(Err(failure)) => self.break_off(&failure),
                None => {
                    let cut = Failure::new(Kind::Malformed, "the endpoint's stream was cut");
                    self.break_off(&cut)
                }
            };
            if let Some(bytes) = out {
                if let Some(spare) = &mut self.spare {
                    spare.sent(&bytes);
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ticket.is_none() && self.splicing.is_none() && self.closing.is_none()
    }
}

/// What the house adds to a usage event: `isthmus: {…}`.
fn extras(ticket: &Ticket) -> String {
    let record = ticket.record();
    let attempts = &record.attempts;
    let estimated = record.usage().source == Source::Estimated;
    let mut extras = json!({
        "endpoint": record.endpoint().map(|endpoint| endpoint.name.as_str()),
        "attempts": attempts.made(),
        "cost_usd": record.cost(),
        "usage": if estimated { "estimated" } else { "reported" },
    });
    if record.cache.hit().is_some() {
        extras["cache"] = "hit".into();
    }
    if attempts.hedged() {
        extras["hedged"] = true.into();
    }
    if attempts.spliced() {
        extras["spliced"] = true.into();
        // The header that names them was sent before the second endpoint was asked.
        extras["dropped_params"] = record.dropped.as_slice().into();
    }
    extras.to_string()
}

/// Puts `extras` into the JSON object of a server-sent event, before its last brace; everything
/// else stays as it was. An event without an object stays altogether.
fn with_extras(event: &[u8], extras: &str) -> Bytes {
    let Some(brace) = memchr::memrchr(b'}', event) else {
        return Bytes::copy_from_slice(event);
    };
    let mut whole = BytesMut::with_capacity(event.len() + extras.len() + 12);
    whole.put_slice(&event[..brace]);
    whole.put_slice(b",\"isthmus\":");
    whole.put_slice(extras.as_bytes());
    whole.put_slice(&event[brace..]);
    whole.freeze()
}

/// How many events these bytes hold, near enough for an estimate.
fn count_events(events: &[u8]) -> u64 {
    DATA.find_iter(events).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_signs_within_the_object() {
        let event = b"data: {\"usage\":{\"a\":1}}\r\n\r\n";
        assert_eq!(
            with_extras(event, "{\"x\":1}"),
            "data: {\"usage\":{\"a\":1},\"isthmus\":{\"x\":1}}\r\n\r\n"
        );
        assert_eq!(with_extras(b": ping\n\n", "{}"), ": ping\n\n");
    }

    #[test]
    fn events_are_counted_by_their_data() {
        assert_eq!(count_events(b"data: {}\n\ndata: {}\n\n: ping\n\n"), 2);
    }
}
