//! A credential that ends, held so that nobody waits for it while it is good.
//!
//! It is renewed by the first use within a margin before its end, by a task of its own; only where
//! none is good do callers wait, all for the same task. A caller who leaves does not stop it.
//! A renewal that fails is tried again, less and less often while the old credential is good, and
//! once in [`PAUSE`] when it is not; callers in between get the last failure at once.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use isthmus_inference::failure::{Failure, Kind};
use tokio::time::{Instant, timeout};

/// Gets a credential from wherever it comes from.
pub trait Obtain: Send + Sync + 'static {
    /// What is obtained.
    type Credential: Send + Sync + 'static;

    /// Gets a new one now.
    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<Self::Credential>, Unobtained>>;
}

/// A credential that was just obtained.
#[derive(Clone)]
pub struct Fresh<C> {
    /// The credential.
    pub credential: C,
    /// For how long from now it is good; `None` if it does not end.
    pub lasts: Option<Duration>,
}

/// Why there is no credential. For the operator's log: it holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unobtained(pub String);

/// The one holder of an account's credential. Clones hold the same.
pub struct Refreshing<S: Obtain> {
    holder: Arc<Holder<S>>,
}

struct Holder<S: Obtain> {
    /// Names the account in the log.
    account: String,
    source: S,
    state: Mutex<State<S::Credential>>,
}

/// What is known of the credential. Locked for moments only, never while waiting.
struct State<C> {
    held: Option<Held<C>>,
    /// What requests still under way may have been sent with.
    previous: Option<Arc<C>>,
    renewal: Option<Renewal<C>>,
    /// Since the last success.
    failures: Option<Failures>,
}

struct Held<C> {
    credential: Arc<C>,
    since: Instant,
    /// When it is no longer shown, a little before it ends.
    good_until: Option<Instant>,
    /// When it is time to get the next one.
    renew_at: Option<Instant>,
}

struct Failures {
    count: u32,
    last: Instant,
    failure: Failure,
}

/// The task that gets the next credential.
type Renewal<C> = Shared<BoxFuture<'static, Result<Arc<C>, Failure>>>;

/// The longest margin. The metadata servers of AWS and Google have a new credential five minutes
/// before the old one ends; asked earlier they would give the old one again.
const LONGEST_MARGIN: Duration = Duration::from_secs(225);
/// The margin of a short-lived credential, as a part of its life.
const MARGIN: u32 = 4;
/// A credential is not shown for this long before its end, or a tenth of its life: it must still be
/// good when it arrives.
const LAST_SECONDS: Duration = Duration::from_secs(10);
/// How long one renewal may take in all.
const RENEWAL: Duration = Duration::from_secs(30);
/// How long callers without a credential are turned away after a failure before one tries again.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between renewals while the old credential is good.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// A refused credential is given up only if it is older: a provider may refuse for other reasons,
/// and with every call.
const YOUNG: Duration = Duration::from_secs(60);

// === impl Refreshing ===

impl<S: Obtain> Refreshing<S> {
    /// A holder that has nothing yet. `account` names it in the log.
    pub fn new(account: impl Into<String>, source: S) -> Self {
        let state = State { held: None, previous: None, renewal: None, failures: None };
        let holder = Holder { account: account.into(), source, state: Mutex::new(state) };
        Self { holder: Arc::new(holder) }
    }

    /// Where credentials come from.
    pub fn source(&self) -> &S {
        &self.holder.source
    }

    /// A good credential: at once where there is one. Otherwise the failure is
    /// [`Kind::UpstreamAuth`].
    pub async fn get(&self) -> Result<Arc<S::Credential>, Failure> {
        let renewal = {
            let mut state = self.holder.state();
            let now = Instant::now();
            if let Some(good) = state.good(now) {
                if state.is_due(now) {
                    drop(self.renew(&mut state));
                }
                return Ok(good);
            }
            if let Some(failure) = state.turned_away(now) {
                return Err(failure);
            }
            self.renew(&mut state)
        };
        renewal.await
    }

    /// Makes the next use renew a credential that the provider has refused. It goes on being shown
    /// until then: the provider may have meant something else.
    pub fn refused(&self) {
        let now = Instant::now();
        if let Some(held) = &mut self.holder.state().held
            && now.duration_since(held.since) >= YOUNG
        {
            held.renew_at = Some(now);
        }
    }

    /// The credentials that requests may have been sent with, for striking them out of answers.
    pub fn known(&self) -> Vec<Arc<S::Credential>> {
        let state = self.holder.state();
        let held = state.held.as_ref().map(|held| held.credential.clone());
        held.into_iter().chain(state.previous.clone()).collect()
    }

    /// The renewal under way, begun now if there is none.
    fn renew(&self, state: &mut State<S::Credential>) -> Renewal<S::Credential> {
        let begin = || {
            let holder = self.holder.clone();
            tokio::spawn(async move { holder.renew().await })
                .map(|ended| ended.unwrap_or_else(|error| Err(no_credential(error))))
                .boxed()
                .shared()
        };
        state.renewal.get_or_insert_with(begin).clone()
    }
}

impl<S: Obtain> Clone for Refreshing<S> {
    fn clone(&self) -> Self {
        Self { holder: self.holder.clone() }
    }
}

impl<S: Obtain> fmt::Debug for Refreshing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refreshing").field(&self.holder.account).finish()
    }
}

// === impl Holder ===

impl<S: Obtain> Holder<S> {
    fn state(&self) -> MutexGuard<'_, State<S::Credential>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self) -> Result<Arc<S::Credential>, Failure> {
        // A source that panics must not leave its callers waiting for ever.
        let obtaining = AssertUnwindSafe(async { self.source.obtain().await }).catch_unwind();
        let obtained = match timeout(RENEWAL, obtaining).await {
            Ok(Ok(obtained)) => obtained.and_then(Fresh::living),
            Ok(Err(_)) => Err(Unobtained("the search for a credential panicked".to_owned())),
            Err(_) => Err(Unobtained(format!("no credential came within {RENEWAL:?}"))),
        };
        let mut state = self.state();
        let now = Instant::now();
        state.renewal = None;
        match obtained {
            Ok(fresh) => Ok(state.keep(fresh, now)),
            Err(error) => {
                let good = state.good(now).is_some();
                tracing::warn!(account = self.account, %error, good, "no new credential");
                Err(state.failed(no_credential(error), now))
            }
        }
    }
}

// === impl State ===

impl<C> State<C> {
    fn good(&self, now: Instant) -> Option<Arc<C>> {
        let held = self.held.as_ref()?;
        held.good_until.is_none_or(|end| now < end).then(|| held.credential.clone())
    }

    /// Whether it is time to renew a credential that is good.
    fn is_due(&self, now: Instant) -> bool {
        let asked = self.held.as_ref().and_then(|held| held.renew_at).is_some_and(|at| now >= at);
        let paused = |failures: &Failures| now < failures.last + pause(failures.count);
        asked && self.renewal.is_none() && !self.failures.as_ref().is_some_and(paused)
    }

    /// The failure for a caller who comes too soon after it.
    fn turned_away(&self, now: Instant) -> Option<Failure> {
        let failures = self.failures.as_ref().filter(|_| self.renewal.is_none())?;
        (now < failures.last + PAUSE).then(|| failures.failure.clone())
    }

    fn keep(&mut self, fresh: Fresh<C>, now: Instant) -> Arc<C> {
        let credential = Arc::new(fresh.credential);
        let before_end = |margin: Duration| fresh.lasts.map(|lasts| now + (lasts - margin));
        let lasts = fresh.lasts.unwrap_or_default();
        let held = Held {
            credential: credential.clone(),
            since: now,
            good_until: before_end(LAST_SECONDS.min(lasts / 10)),
            renew_at: before_end(LONGEST_MARGIN.min(lasts / MARGIN)),
        };
        self.previous = self.held.replace(held).map(|held| held.credential);
        self.failures = None;
        credential
    }

    fn failed(&mut self, failure: Failure, now: Instant) -> Failure {
        let count = self.failures.as_ref().map_or(1, |failures| failures.count.saturating_add(1));
        self.failures = Some(Failures { count, last: now, failure: failure.clone() });
        failure
    }
}

/// How long to wait after so many failures in a row, while the old credential is good.
fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(LONGEST_PAUSE)
}

// === impl Fresh ===

impl<C> Fresh<C> {
    /// Refuses one that has ended already. One that lasts longer than a year need not be renewed.
    fn living(self) -> Result<Self, Unobtained> {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        if self.lasts == Some(Duration::ZERO) {
            return Err(Unobtained("the credential that was obtained has expired".to_owned()));
        }
        Ok(Self { lasts: self.lasts.filter(|lasts| *lasts < YEAR), ..self })
    }
}

/// The failure of a house that cannot show a credential; the reason is for its log.
pub(super) fn no_credential(reason: impl fmt::Display) -> Failure {
    let message = "the gateway has no valid credential for this provider; its operator finds the \
                   reason in the log";
    Failure::new(Kind::UpstreamAuth, message).with_detail(reason)
}

#[cfg(test)]
mod tests;
