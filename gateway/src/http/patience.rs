//! How long a connection may take to send a head. hyper asks for a timer for each request; here they
//! all share one, which seldom has to be set.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use isthmus_adapters::timeouts::LazyTimer;

/// The timers of one connection.
#[derive(Clone, Default)]
pub(super) struct Patience(Arc<Mutex<LazyTimer>>);

/// One of them.
struct Wait {
    due: Instant,
    shared: Patience,
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, due: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { due, shared: self.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        timer.poll_at(self.due.into(), context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_when_it_is_due_and_an_earlier_one_does_not_cut_it_short() {
        let (patience, limit) = (Patience::default(), Duration::from_secs(5));
        let began = tokio::time::Instant::now();
        let first = patience.sleep(limit);
        let cut = tokio::time::timeout(Duration::from_secs(3), first).await;
        assert!(cut.is_err());
        patience.sleep(limit).await;
        assert_eq!(began.elapsed(), Duration::from_secs(8));
    }
}
