//! Mid-stream silence: an endpoint that says nothing for far longer than it usually takes for the next
//! piece is given up before its time, if another one could go on. Otherwise it is waited for as long
//! as the operator's `between_chunks` says, which adapters keep.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use isthmus_adapters::adapter::Piece;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_policies::affinity::Prompt;
use isthmus_policies::splice::MOST_SPLICES;
use isthmus_policies::stall;
use tokio::time::{Instant, Sleep};

use super::super::plan::Planned;
use super::super::settle::Ticket;
use super::attempt::KNOWN_WELL;
use super::splice::Said;
use crate::calendar::moment;
use crate::pool::Endpoint;

/// The pieces of one endpoint, until it has been silent for too long.
struct Watched {
    pieces: BoxStream<'static, Result<Piece, Failure>>,
    patience: Duration,
    /// When patience ends; nothing while pieces come.
    silence: Option<Pin<Box<Sleep>>>,
    could_go_on: Box<dyn Fn() -> bool + Send>,
    given_up: bool,
}

/// These pieces, watched, if somebody could go on with them and it is known what is usual for this
/// endpoint.
pub(super) fn watched(
    pieces: BoxStream<'static, Result<Piece, Failure>>,
    endpoint: &Endpoint,
    planned: &Planned,
    said: Said,
    ticket: &Ticket,
) -> BoxStream<'static, Result<Piece, Failure>> {
    let now = Instant::now();
    let attempts = &ticket.record().attempts;
    let live = endpoint.monitor.view(moment(now), planned.prompt(endpoint));
    let others: Vec<Arc<Endpoint>> = planned
        .endpoints()
        .skip(1)
        .filter(|other| other.name != endpoint.name && !attempts.tried(other))
        .cloned()
        .collect();
    if live.samples < KNOWN_WELL || others.is_empty() || attempts.splices() >= MOST_SPLICES {
        return pieces;
    }
    let limit = planned.deadline.saturating_duration_since(now);
    let patience = stall::between_pieces(&live, limit, true);
    let could_go_on = move || {
        let now = moment(Instant::now());
        let well =
            |other: &Arc<Endpoint>| other.monitor.view(now, Prompt::default()).gate.is_clear();
        others.iter().any(|other| other.continues && well(other)) && said.is_plain()
    };
    watch(pieces, patience, Box::new(could_go_on))
}

fn watch(
    pieces: BoxStream<'static, Result<Piece, Failure>>,
    patience: Duration,
    could_go_on: Box<dyn Fn() -> bool + Send>,
) -> BoxStream<'static, Result<Piece, Failure>> {
    Watched { pieces, patience, silence: None, could_go_on, given_up: false }.boxed()
}

// === impl Watched ===

impl Stream for Watched {
    type Item = Result<Piece, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.given_up {
            return Poll::Ready(None);
        }
        if let Poll::Ready(piece) = self.pieces.poll_next_unpin(cx) {
            self.silence = None;
            return Poll::Ready(piece);
        }
        let patience = self.patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if silence.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if (self.could_go_on)() {
            self.given_up = true;
            let message = format!("silent for {:.1} s within its answer", patience.as_secs_f64());
            return Poll::Ready(Some(Err(Failure::new(Kind::Timeout, message))));
        }
        // Perhaps later; until then the adapter keeps the time.
        self.silence = Some(Box::pin(tokio::time::sleep(patience)));
        if let Some(silence) = &mut self.silence {
            let _ = silence.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use isthmus_inference::stream::Event;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    /// Words that come after so many seconds each.
    fn words(seconds: &'static [u64]) -> BoxStream<'static, Result<Piece, Failure>> {
        let word = |seconds: u64| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(Piece::Event(Event::Text { choice: 0, text: "a".to_owned(), logprobs: vec![] }))
        };
        stream::iter(seconds.iter().copied()).then(word).boxed()
    }

    async fn heard(seconds: &'static [u64], could_go_on: bool) -> (Vec<bool>, Duration) {
        let began = Instant::now();
        let watched = watch(words(seconds), PATIENCE, Box::new(move || could_go_on));
        let heard = watched.map(|piece| piece.is_ok()).collect().await;
        (heard, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_given_up_where_another_could_go_on() {
        let (heard, time) = heard(&[1, 1, 1, 60, 1], true).await;
        assert_eq!(heard, [true, true, true, false]);
        assert_eq!(time.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_waited_for_where_nobody_could() {
        let (heard, time) = heard(&[1, 60, 1], false).await;
        assert_eq!(heard, [true, true, true]);
        assert_eq!(time.as_secs(), 62);
    }
}
