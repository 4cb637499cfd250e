//! Sums that all gateways share, in a Redis.
//!
//! One task talks to it. Whatever came while a batch was under way goes with the next: claims, and the
//! gateway's own sums as they are. Redis adds up the sums of all gateways and grants what fits, in one
//! script (`script.lua`), so nobody can come between. A batch that was lost or came late changes
//! nothing: the next says the same sums again, and numbers keep their order.
//!
//! Redis may lose what it had. Each start of a server has a name of its own, which a connection asks
//! for; the first batch under a new name begins an **epoch**, in which all gateways tell their sums
//! again and hard budgets grant nothing until they had time to.

mod batch;
mod link;
mod own;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isthmus_config::settings::limits::WhenUnreachable;
use isthmus_inference::secret::Secret;
use isthmus_policies::budget::{Amounts, Budget};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::keeper::{Claim, Granted, Opening, Part, Refused, Shown};
use crate::telemetry::events::budgets::{ClockDiffers, RedisReachable, RedisUnreachable};
use batch::{Batch, Done, Reply};
use link::{Link, Sending};
use own::Sums;

pub use link::LinkError;

/// Where claims are handed over.
#[derive(Debug)]
pub struct Shared {
    queue: mpsc::UnboundedSender<Message>,
    shown: Arc<Mutex<Vec<Shown>>>,
}

/// Talks to Redis.
pub struct SharedKeeper {
    queue: mpsc::UnboundedReceiver<Message>,
    address: Secret,
    rules: Rules,
    sums: Sums,
    /// What was spent before, until it is known what time it is.
    openings: Vec<Opening>,
    shown: Arc<Mutex<Vec<Shown>>>,
    link: Option<Link>,
    /// A connection that is being made.
    connecting: Option<tokio::task::JoinHandle<Result<Link, LinkError>>>,
    /// When the last attempt began.
    tried: Option<Instant>,
    /// Whether nobody can be asked, which was told then.
    unreachable: bool,
    /// What this machine's clock said when the keeper was made. From there on it goes by a clock that
    /// nobody sets, so that a window does not end because somebody does.
    began: (i64, Instant),
    /// What Redis' clock is ahead of that, in milliseconds.
    ahead: i64,
    sequence: u64,
    /// When sums were last forgotten.
    swept: Instant,
    /// The epoch in which Redis knows our sums.
    epoch: Option<i64>,
}

/// How a gateway shares sums.
#[derive(Debug, Clone)]
pub struct Rules {
    /// By which name others know its sums: the same after a restart.
    pub node: String,
    /// Before all keys. Braces make one slot of a cluster of them.
    pub prefix: String,
    /// What becomes of hard budgets while nobody can be asked.
    pub when_unreachable: WhenUnreachable,
    /// For how long hard budgets grant nothing in a new epoch: all gateways tell their sums within it.
    pub warm_up: Duration,
    /// How often Redis is talked to when there is nothing else to say.
    pub heartbeat: Duration,
}

#[derive(Debug)]
pub(super) enum Message {
    Reserve(Vec<Claim>, oneshot::Sender<Result<Granted, Refused>>),
    Settle(Vec<(Part, Amounts)>),
}

type Asked = (Vec<Claim>, oneshot::Sender<Result<Granted, Refused>>);

/// How often a batch is made anew.
const TRIES: usize = 3;
/// Requests in one batch.
const LARGEST_BATCH: usize = 256;
/// How long between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// How often sums are forgotten that nobody has anything in.
const SWEEP: Duration = Duration::from_mins(1);
/// By how much clocks may differ. Who asks at the edge of a window may be this late or early.
const TOLERANCE_MS: i64 = 500;
/// What is told of when to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Rules {
    /// The usual ones.
    pub fn new(node: impl Into<String>, when_unreachable: WhenUnreachable) -> Self {
        Self {
            node: node.into(),
            prefix: "{isthmus}".to_owned(),
            when_unreachable,
            warm_up: Duration::from_secs(3),
            heartbeat: Duration::from_secs(1),
        }
    }
}

impl Shared {
    /// Sums that are shared through this Redis, and whoever talks to it.
    pub fn new(
        budgets: Arc<[Budget]>,
        address: Secret,
        rules: Rules,
        clock: &Clock,
        openings: Vec<Opening>,
    ) -> (Self, SharedKeeper) {
        let (sender, queue) = mpsc::unbounded_channel();
        let shown = Arc::default();
        let sums = Sums::new(budgets);
        let keeper = SharedKeeper {
            queue,
            address,
            rules,
            sums,
            openings,
            shown: Arc::clone(&shown),
            link: None,
            connecting: None,
            tried: None,
            unreachable: false,
            began: (clock(), Instant::now()),
            ahead: 0,
            sequence: 0,
            swept: Instant::now(),
            epoch: None,
        };
        (Self { queue: sender, shown }, keeper)
    }

    /// Holds all that is claimed, or nothing.
    pub async fn reserve(&self, claims: Vec<Claim>) -> Result<Granted, Refused> {
        let budget = claims.first().map_or(0, |claim| claim.budget);
        let (answer, answered) = oneshot::channel();
        let gone = Refused::Unknown { budget, retry_after: RETRY_AFTER };
        if self.queue.send(Message::Reserve(claims, answer)).is_err() {
            return Err(gone);
        }
        answered.await.unwrap_or(Err(gone))
    }

    /// What was held is over, and took so much.
    pub fn settle(&self, parts: Vec<(Part, Amounts)>) {
        // The keeper outlives every call; if it is gone, so is the process.
        let _ = self.queue.send(Message::Settle(parts));
    }

    /// All sums as they stood when Redis was last asked.
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SharedKeeper {
    /// Talks until the order to finish, and then tells what is left.
    pub async fn run(mut self, finish: CancellationToken) {
        let mut tick = tokio::time::interval(self.rules.heartbeat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut messages = Vec::new();
        // The first calls wait for it, and are not refused because they came a moment too soon.
        self.connect();
        let link = connected(&mut self.connecting).await;
        self.linked(link);
        loop {
            let mut beats = false;
            let finishing = tokio::select! {
                biased;
                link = connected(&mut self.connecting) => { self.linked(link); false }
                () = finish.cancelled() => true,
                // Nobody is left who could ask.
                count = self.queue.recv_many(&mut messages, LARGEST_BATCH) => count == 0,
                _ = tick.tick() => { beats = true; false }
            };
            if finishing {
                while let Ok(message) = self.queue.try_recv() {
                    messages.push(message);
                }
            }
            if beats {
                self.beat();
            }
            let asked = self.take(&mut messages);
            self.exchange(asked).await;
            if beats {
                self.show();
            }
            if finishing {
                return;
            }
        }
    }

    /// Has sums told also where nobody asks, so that it is heard what others have. Forgets those that
    /// nobody has anything in, now and then.
    fn beat(&mut self) {
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            self.sums.sweep(self.now());
        }
        let names = self.sums.names().into_iter().take(LARGEST_BATCH);
        self.sums.changed(names);
    }

    /// Puts up how all sums stand.
    fn show(&mut self) {
        let shown = self.sums.shown(self.now());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    /// Settles at once, and gathers what is claimed.
    fn take(&mut self, messages: &mut Vec<Message>) -> Vec<Asked> {
        let mut asked = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Reserve(claims, answer) => asked.push((claims, answer)),
                Message::Settle(parts) => {
                    parts.iter().for_each(|(part, actual)| self.sums.settle(part, *actual));
                }
            }
        }
        asked
    }

    /// Talks to Redis if it can be reached, and answers whoever asked.
    async fn exchange(&mut self, asked: Vec<Asked>) {
        let (mut asked, claims): (Vec<_>, Vec<_>) =
            asked.into_iter().map(|(claims, answer)| (answer, claims)).unzip();
        match self.agree(&claims).await {
            Some(outcomes) => {
                for (answer, outcome) in asked.drain(..).zip(outcomes) {
                    self.answer(answer, outcome);
                }
            }
            None => {
                self.connect();
                for (answer, claims) in asked.drain(..).zip(claims) {
                    let outcome = self.alone(claims);
                    self.answer(answer, outcome);
                }
            }
        }
    }

    /// Asks Redis, again if it must: its clock or its numbers may be news.
    async fn agree(&mut self, claims: &[Vec<Claim>]) -> Option<Vec<Result<Granted, Refused>>> {
        for _ in 0..TRIES {
            let now = self.now();
            let batch = Batch::of(&mut self.sums, claims, now);
            let Some(done) = self.send(&batch, now).await? else { continue };
            let news = self.epoch.replace(done.epoch) != Some(done.epoch);
            let outcomes = batch.apply(&done, &mut self.sums, claims);
            if news {
                // What does not arrive is told with the next batch, which finds the epoch new again.
                self.epoch = self.tell_all().await.map(|()| done.epoch);
            }
            return Some(outcomes);
        }
        None
    }

    /// Tells all of its own sums, in an epoch that does not know them.
    async fn tell_all(&mut self) -> Option<()> {
        for names in self.sums.names().chunks(LARGEST_BATCH) {
            let now = self.now();
            let batch = Batch::telling(&mut self.sums, names, now);
            let done = self.send(&batch, now).await??;
            batch.apply(&done, &mut self.sums, &[]);
        }
        Some(())
    }

    /// Sends a batch. `Some(None)`: it is to be made anew; `None`: nobody can be asked.
    async fn send(&mut self, batch: &Batch, now: i64) -> Option<Option<Done>> {
        let Some(link) = self.link.as_mut() else {
            self.sums.changed(batch.names());
            return None;
        };
        self.sequence += 1;
        let sending = Sending { sequence: self.sequence, now, tolerance: TOLERANCE_MS };
        let reply = link.send(batch, &self.rules, sending).await;
        if !matches!(reply, Ok(Reply::Done(_))) {
            self.sums.changed(batch.names());
        }
        match reply {
            Ok(Reply::Done(done)) => return Some(Some(done)),
            Ok(Reply::Skew(theirs)) => self.set_clock(theirs),
            Ok(Reply::Stale(seen)) => self.sequence = self.sequence.max(seen),
            Err(error) => {
                self.lost(&error);
                return None;
            }
        }
        Some(None)
    }

    /// Decides without Redis.
    fn alone(&mut self, claims: Vec<Claim>) -> Result<Granted, Refused> {
        let now = self.now();
        self.sums.alone(claims, now, self.rules.when_unreachable, RETRY_AFTER)
    }

    fn answer(
        &mut self,
        answer: oneshot::Sender<Result<Granted, Refused>>,
        outcome: Result<Granted, Refused>,
    ) {
        // Whoever left meanwhile takes nothing.
        if let Err(Ok(granted)) = answer.send(outcome) {
            for part in &granted.parts {
                self.sums.settle(part, Amounts::default());
            }
        }
    }

    /// What time it is, by Redis' clock.
    fn now(&self) -> i64 {
        let (wall, since) = self.began;
        let elapsed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
        wall.saturating_add(elapsed).saturating_add(self.ahead)
    }

    fn set_clock(&mut self, theirs: i64) {
        let off = theirs - self.now();
        self.ahead += off;
        if off.abs() > TOLERANCE_MS {
            ClockDiffers { milliseconds: off }.emit();
        }
    }

    fn lost(&mut self, error: &LinkError) {
        self.link = None;
        self.sums.on_their_own(self.now());
        self.complain(error);
    }

    fn complain(&mut self, error: &LinkError) {
        if !std::mem::replace(&mut self.unreachable, true) {
            RedisUnreachable { error }.emit();
        }
    }

    /// Begins to connect, unless that was just tried.
    fn connect(&mut self) {
        let waits = self.tried.is_some_and(|tried| tried.elapsed() < PAUSE);
        if self.link.is_some() || self.connecting.is_some() || waits {
            return;
        }
        self.tried = Some(Instant::now());
        self.connecting = Some(tokio::spawn(Link::open(self.address.clone())));
    }

    fn linked(&mut self, link: Result<Link, LinkError>) {
        self.connecting = None;
        match link {
            Ok(link) => {
                if std::mem::take(&mut self.unreachable) {
                    RedisReachable.emit();
                }
                self.set_clock(link.clock);
                self.link = Some(link);
                let (openings, now) = (std::mem::take(&mut self.openings), self.now());
                self.sums.open(&openings, now);
            }
            Err(error) => self.complain(&error),
        }
    }
}

/// Whether there is a Redis at this address that can be asked.
pub async fn probe(address: &Secret) -> Result<(), LinkError> {
    Link::open(address.clone()).await.map(drop)
}

/// Waits for a connection that is being made, if one is.
async fn connected(
    connecting: &mut Option<tokio::task::JoinHandle<Result<Link, LinkError>>>,
) -> Result<Link, LinkError> {
    match connecting {
        Some(task) => match task.await {
            Ok(link) => link,
            Err(error) => Err(LinkError(error.to_string())),
        },
        None => std::future::pending().await,
    }
}
