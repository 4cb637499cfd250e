//! A streamed answer: one prepared event after the other, each at its time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use super::answers::Stream;
use super::script::{Dice, Script};

/// The body of a streamed answer.
pub(super) struct Recital {
    stream: Arc<Stream>,
    next: usize,
    /// The token before which the connection breaks.
    cut_before: Option<usize>,
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the next token has to wait for the timer: a first token that is due at once has not,
    /// because tokio would round its wait up to a millisecond.
    waits: bool,
    ended: bool,
}

/// The script says that the stream breaks here.
#[derive(Debug, thiserror::Error)]
#[error("the mock was told to break the stream")]
pub(super) struct Cut;

// === impl Recital ===

impl Recital {
    pub(super) fn begin(stream: Arc<Stream>, script: &Script, dice: &Dice) -> Self {
        let thinking = script.first_token(dice);
        let cut = dice.falls_within(script.cut_rate);
        Self {
            next: 0,
            cut_before: cut.then_some(stream.deltas.len() / 2),
            interval: script.wait(script.token_interval_ms, dice),
            timer: Box::pin(tokio::time::sleep(thinking)),
            waits: !thinking.is_zero(),
            stream,
            ended: false,
        }
    }

    fn take(&mut self) -> Bytes {
        let index = self.next;
        self.next += 1;
        if let Some(delta) = self.stream.deltas.get(index) {
            return delta.clone();
        }
        self.ended = true;
        self.stream.ending.clone()
    }
}

impl Body for Recital {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // The ending follows the last token at once.
        if self.next < self.stream.deltas.len() {
            if self.waits {
                ready!(self.timer.as_mut().poll(context));
            }
            self.waits = true;
            // Counted from the due time, not from now, so that delays do not add up.
            let due: Instant = self.timer.deadline() + self.interval;
            self.timer.as_mut().reset(due);
        }
        if self.cut_before == Some(self.next) {
            return Poll::Ready(Some(Err(Cut)));
        }
        Poll::Ready(Some(Ok(Frame::data(self.take()))))
    }
}
