//! An answer in the making, as its reader sees it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use isthmus_inference::stream::Event;
use tokio::sync::mpsc::UnboundedReceiver;

/// The events of one answer. The last one is [`Event::Usage`]; a failure ends the stream too.
/// Dropping the stream frees the engine's slots at its next step.
#[derive(Debug)]
pub struct EventStream {
    // Unbounded in type, bounded by nature: an answer is never longer than the context window, so
    // a reader who dawdles makes the house hold one answer, and the engine never waits for him.
    events: UnboundedReceiver<Result<Event, Failure>>,
    ended: bool,
}

// === impl EventStream ===

impl EventStream {
    /// The reader's end of a channel that the engine writes to.
    #[cfg_attr(not(feature = "embedded"), allow(dead_code, reason = "nothing else makes streams"))]
    pub(crate) fn new(events: UnboundedReceiver<Result<Event, Failure>>) -> Self {
        Self { events, ended: false }
    }

    fn end(&mut self) {
        self.ended = true;
        self.events.close();
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = ready!(self.events.poll_recv(context)).unwrap_or_else(|| Err(cut()));
        if matches!(item, Err(_) | Ok(Event::Usage(_))) {
            self.end();
        }
        Poll::Ready(Some(item))
    }
}

/// The engine let go of the channel before the answer was whole.
fn cut() -> Failure {
    Failure::new(Kind::Internal, "the engine stopped in the middle of the answer; try again")
        .blamed_on(Blame::House)
        .retried(Retry::Elsewhere)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use isthmus_inference::usage::Usage;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn an_answer_ends_with_its_usage() {
        let (sender, receiver) = unbounded_channel();
        sender.send(Ok(Event::Usage(Usage::default()))).unwrap();
        let mut stream = EventStream::new(receiver);
        assert!(matches!(stream.next().await, Some(Ok(Event::Usage(_)))));
        assert!(stream.next().await.is_none());
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn a_writer_who_vanishes_is_a_failure_not_an_end() {
        let (sender, receiver) = unbounded_channel();
        drop(sender);
        let mut stream = EventStream::new(receiver);
        let failure = stream.next().await.unwrap().unwrap_err();
        assert_eq!((failure.kind, failure.retry), (Kind::Internal, Retry::Elsewhere));
        assert!(stream.next().await.is_none());
    }
}
