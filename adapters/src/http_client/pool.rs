//! Connections that wait for their next request: of HTTP/1 those that nobody uses, of HTTP/2 the one
//! that all share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use http_body_util::Full;
use hyper::client::conn::http2;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::line::Line;
use super::target::Origin;
use crate::pieces::Pieces;

/// The connections of one thread.
#[derive(Default)]
pub(super) struct Pool(Mutex<Kept>);

/// A connection that can take a request.
pub(super) enum Connection {
    /// For this request alone, until its answer has come.
    Http1(Line),
    /// For many at once.
    Http2(Sender),
}

/// Sends over an HTTP/2 connection, which a task drives.
pub(super) type Sender = http2::SendRequest<Full<Pieces>>;

#[derive(Default)]
struct Kept {
    by_origin: HashMap<Origin, Slot, RandomState>,
    /// Ends when nothing is kept, or with its runtime.
    sweeper: Option<JoinHandle<()>>,
}

/// What is kept for one origin.
#[derive(Default)]
struct Slot {
    /// Those that went idle last stand at the end, and are used first.
    idle: Vec<Since<Line>>,
    shared: Option<Since<Sender>>,
}

/// Something, and when it was last used.
struct Since<T> {
    used: Instant,
    it: T,
}

/// How long an idle connection is kept. Shorter than the idle limit of common load balancers (60 s),
/// so that a request seldom meets a connection that is just being closed.
const KEPT_IDLE: Duration = Duration::from_secs(50);
/// How many idle connections are kept for each origin.
const MOST_IDLE: usize = 512;
/// How often those that expired, or that the other side closed, are let go.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

// === impl Pool ===

impl Pool {
    /// A connection to this origin, if one is kept.
    pub(super) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut kept = self.kept();
        let slot = kept.by_origin.get_mut(origin)?;
        let now = Instant::now();
        if let Some(shared) = &mut slot.shared {
            if shared.is_fresh(now) && shared.it.is_ready() {
                shared.used = now;
                return Some(Connection::Http2(shared.it.clone()));
            }
            slot.shared = None;
        }
        let line = slot.idle.pop()?;
        if line.is_fresh(now) {
            return Some(Connection::Http1(line.it));
        }
        // The others have waited even longer.
        slot.idle.clear();
        None
    }

    /// Keeps a connection whose request is answered.
    pub(super) fn give_back(self: &Arc<Self>, origin: &Origin, line: Line) {
        if !line.is_idle() {
            return;
        }
        let mut kept = self.kept();
        let slot = kept.slot(origin);
        if slot.idle.len() < MOST_IDLE {
            slot.idle.push(Since { used: Instant::now(), it: line });
        }
        self.sweep_later(&mut kept);
    }

    /// Shares a new HTTP/2 connection, unless another was quicker: then that one is shared.
    pub(super) fn share(self: &Arc<Self>, origin: &Origin, sender: Sender) -> Sender {
        let mut kept = self.kept();
        let slot = kept.slot(origin);
        let quicker = slot.shared.take().filter(|shared| shared.it.is_ready());
        let it = quicker.map_or(sender, |shared| shared.it);
        slot.shared = Some(Since { used: Instant::now(), it: it.clone() });
        self.sweep_later(&mut kept);
        it
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep_later(self: &Arc<Self>, kept: &mut Kept) {
        if kept.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            kept.sweeper = Some(tokio::spawn(sweep(Arc::downgrade(self))));
        }
    }
}

/// Lets go what is not worth keeping, until nothing is kept.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.kept();
        kept.sweep(Instant::now());
        if kept.by_origin.is_empty() {
            kept.sweeper = None;
            return;
        }
    }
}

// === impl Kept ===

impl Kept {
    fn slot(&mut self, origin: &Origin) -> &mut Slot {
        if !self.by_origin.contains_key(origin) {
            self.by_origin.insert(origin.clone(), Slot::default());
        }
        self.by_origin.get_mut(origin).expect("it has just been seen to")
    }

    fn sweep(&mut self, now: Instant) {
        self.by_origin.retain(|_, slot| {
            slot.idle.retain_mut(|line| line.is_fresh(now) && line.it.is_still_idle());
            slot.shared.take_if(|shared| !shared.is_fresh(now) || !shared.it.is_ready());
            !slot.idle.is_empty() || slot.shared.is_some()
        });
    }
}

// === impl Since ===

impl<T> Since<T> {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) <= KEPT_IDLE
    }
}
