//! Time limits on waiting, for anything that is awaited or streamed; they know nothing of HTTP.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{FutureExt, Stream};
use isthmus_inference::failure::{Failure, Kind};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::adapter::Timeouts;

/// A part of an attempt that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution, TCP and TLS.
    Connect,
    /// Until the first byte of the answer.
    FirstByte,
    /// From one piece of the answer to the next.
    BetweenChunks,
    /// All of the attempt.
    Total,
}

/// The moments by which things must have happened, once an attempt has begun.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    first_byte: Instant,
    between_chunks: Duration,
    total: Instant,
    limits: Timeouts,
}

/// A stream of chunks that fails when the next one does not come in time. It ends after a failure.
///
/// Only waiting counts: the time that the reader takes between two chunks is his own.
pub struct Paced<S> {
    chunks: S,
    deadlines: Deadlines,
    begun: bool,
    /// By when the chunk that is being awaited must come.
    due: Option<(Instant, Phase)>,
    timer: LazyTimer,
}

/// A timer for one deadline after another. It is started by the first that is waited for, and set
/// again only when it rings too early, not for every deadline: most are over before they matter.
#[derive(Debug, Default)]
pub struct LazyTimer(Option<Pin<Box<Sleep>>>);

// === impl Phase ===

impl Phase {
    /// The failure of a phase that took longer than `limit`.
    pub fn failure(self, limit: Duration) -> Failure {
        let what = match self {
            Self::Connect => "took too long to accept a connection",
            Self::FirstByte => "took too long to begin its answer",
            Self::BetweenChunks => "stopped sending in the middle of its answer",
            Self::Total => "took too long to finish its answer",
        };
        Failure::new(Kind::Timeout, format!("the provider {what} (limit {limit:?})"))
    }
}

// === impl Deadlines ===

impl Deadlines {
    /// The deadlines of an attempt that begins now.
    pub fn from_now(limits: &Timeouts) -> Self {
        let now = Instant::now();
        Self {
            first_byte: later(now, limits.first_byte),
            between_chunks: limits.between_chunks,
            total: later(now, limits.total),
            limits: *limits,
        }
    }

    /// Waits for the first sign of an answer.
    pub fn first_byte<T>(
        self,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Failure>> {
        // No `async fn`, which would hold what it is given twice: as it came, and where it is awaited.
        let (deadline, phase) = self.due_first();
        let waited = tokio::time::timeout_at(deadline, future);
        waited.map(move |outcome| outcome.map_err(|_| self.failure(phase)))
    }

    fn due_first(&self) -> (Instant, Phase) {
        sooner((self.first_byte, Phase::FirstByte), (self.total, Phase::Total))
    }

    fn due_next(&self) -> (Instant, Phase) {
        let next = later(Instant::now(), self.between_chunks);
        sooner((next, Phase::BetweenChunks), (self.total, Phase::Total))
    }

    fn failure(&self, phase: Phase) -> Failure {
        phase.failure(match phase {
            Phase::Connect => self.limits.connect,
            Phase::FirstByte => self.limits.first_byte,
            Phase::BetweenChunks => self.limits.between_chunks,
            Phase::Total => self.limits.total,
        })
    }
}

/// A moment in the future; `Duration::MAX` stands for never.
fn later(now: Instant, wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
    now + wait.min(NEVER)
}

fn sooner(one: (Instant, Phase), other: (Instant, Phase)) -> (Instant, Phase) {
    if other.0 < one.0 { other } else { one }
}

// === impl Paced ===

impl<S> Paced<S> {
    /// Paces `chunks`, whose first one counts as the first byte.
    pub fn new(chunks: S, deadlines: Deadlines) -> Self {
        Self { chunks, deadlines, begun: false, due: None, timer: LazyTimer::default() }
    }

    /// Waits for the timer to reach the moment at which the awaited chunk is due.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Failure> {
        let deadlines = &self.deadlines;
        let begun = self.begun;
        let (due, phase) = *self.due.get_or_insert_with(|| match begun {
            true => deadlines.due_next(),
            false => deadlines.due_first(),
        });
        self.timer.poll_at(due, context).map(|()| self.deadlines.failure(phase))
    }
}

// === impl LazyTimer ===

impl LazyTimer {
    /// Ready from `due` on.
    pub fn poll_at(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl<S, C> Stream for Paced<S>
where
    S: Stream<Item = Result<C, Failure>> + Unpin,
{
    type Item = Result<C, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.chunks).poll_next(context) {
            Poll::Ready(chunk) => {
                self.begun = true;
                self.due = None;
                Poll::Ready(chunk)
            }
            Poll::Pending => self.poll_late(context).map(|failure| Some(Err(failure))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    const LIMITS: Timeouts = Timeouts {
        connect: Duration::from_secs(1),
        first_byte: Duration::from_secs(5),
        between_chunks: Duration::from_secs(2),
        total: Duration::from_secs(20),
    };

    /// A stream whose chunks come after the given pauses.
    fn chunks(pauses: &[u64]) -> impl Stream<Item = Result<u64, Failure>> + Unpin {
        Box::pin(stream::iter(pauses.to_vec()).then(|pause| async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Ok(pause)
        }))
    }

    /// How many chunks came, and what went wrong then.
    async fn outcome(pauses: &[u64]) -> (usize, Option<String>) {
        let mut paced = Paced::new(chunks(pauses), Deadlines::from_now(&LIMITS));
        let mut count = 0;
        while let Some(chunk) = paced.next().await {
            match chunk {
                Ok(_) => count += 1,
                Err(failure) => return (count, Some(failure.message)),
            }
        }
        (count, None)
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_limit() {
        let message = |phase: Phase, limit| Some(phase.failure(limit).message);
        assert_eq!(outcome(&[4900, 1900, 1900]).await, (3, None));
        assert_eq!(outcome(&[5100]).await, (0, message(Phase::FirstByte, LIMITS.first_byte)));
        assert_eq!(
            outcome(&[10, 10, 2100]).await,
            (2, message(Phase::BetweenChunks, LIMITS.between_chunks))
        );
        assert_eq!(outcome(&[1900; 20]).await, (10, message(Phase::Total, LIMITS.total)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_held_against_the_provider() {
        let mut paced = Paced::new(chunks(&[10, 10, 1500]), Deadlines::from_now(&LIMITS));
        paced.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        paced.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        paced.next().await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_the_first_byte_is_bounded() {
        let deadlines = Deadlines::from_now(&LIMITS);
        let never = std::future::pending::<()>();
        let failure = deadlines.first_byte(never).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Timeout);
        assert!(failure.message.contains("begin its answer"), "{}", failure.message);
    }
}
